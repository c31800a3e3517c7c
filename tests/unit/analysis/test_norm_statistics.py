"""Normalisation statistics over time, and fits of their decay."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import graphnet
from graphnet.analysis.time.decay import MODELS, Fit, best, fit_decay, write_fits
from graphnet.analysis.time.norm_statistics import NormStatistics, norm_statistics, write_statistics
from graphnet.analysis.time.statistics_figures import plot_gains, short, title
from graphnet.runtime.net import Net
from tests.small import small


def drawn(spec: dict[str, Any]) -> Net:
    """A net whose statistics are random."""
    net, draws = graphnet.compile(spec), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, buffer in net.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.copy_(torch.rand(buffer.shape, generator=draws) + 0.1)
    return net


def by_layer(net: Any) -> dict[str, NormStatistics]:
    return {norm.layer: norm for norm in norm_statistics(net)}


def test_each_norm_has_the_statistics_of_each_time() -> None:
    net = drawn(small(readout={"t": 4}))
    found = by_layer(net)
    assert {layer: norm.times for layer, norm in found.items()} == {
        "h1.from_h1.norm1": (1, 2, 3),
        "h2.from_h1.norm1": (1, 2, 3, 4),
        "h1.from_h2.norm1": (2, 3),
        "h2.from_h2.norm1": (2, 3, 4),
        "post_net.norm1": (4,),
    }
    for layer, norm in found.items():
        for k, t in enumerate(norm.times):
            module = net.get_submodule(f"{layer}.t{t}")
            mean, variance = (each.double().numpy() for each in (module.running_mean, module.running_var))
            assert np.array_equal(norm.mean[k], mean)
            assert np.array_equal(norm.variance[k], variance)
            assert np.allclose(norm.gain[k], 1 / np.sqrt(variance + module.eps), rtol=1e-12)
        assert norm.varies is (len(norm.times) > 1)
    assert found["h1.from_h2.norm1"].mean.shape == (2, 6)


def test_the_gain_has_the_eps_of_the_spec() -> None:
    found = by_layer(drawn(small(norm={"eps": 0.5})))["h1.from_h1.norm1"]
    assert found.eps == 0.5
    assert np.allclose(found.gain, (found.variance + 0.5) ** -0.5)


def test_shared_statistics_do_not_vary() -> None:
    found = by_layer(drawn(small(norm={"statistics": "shared"})))["h2.from_h1.norm1"]
    assert found.times == (1, 2, 3)
    assert found.names == ("h2.from_h1.norm1",) * 3
    assert found.is_shared
    assert not found.varies
    assert np.array_equal(found.mean[0], found.mean[2])


def test_a_net_without_batch_norms_has_none() -> None:
    assert norm_statistics(graphnet.compile(small(norm={"kind": "group", "groups": 2}))) == ()


def test_several_readouts_that_name_t() -> None:
    slabs = ({"t": "1..T-2", "h1": {"h1": "BRC+I"}}, {"t": "T-1", "h1": {"h2": "BRC"}}, {"t": "T", "h2": {"h2": "BRC"}})
    found = by_layer(drawn(small(*slabs, readout={"t": [4, 6]})))
    assert found["h1.from_h1.norm1"].times == (1, 2, 3, 4)
    assert found["h2.from_h1.norm1"].times == (3, 5)


def test_the_table(tmp_path: Path) -> None:
    norms = norm_statistics(drawn(small()))
    write_statistics(tmp_path / "statistics.csv", norms)
    with (tmp_path / "statistics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(norm.mean.size for norm in norms)
    norm = norms[1]
    (row,) = [each for each in rows if (each["layer"], each["time"], each["channel"]) == (norm.layer, "2", "3")]
    k = norm.times.index(2)
    assert float(row["mean"]) == norm.mean[k, 3]
    assert float(row["variance"]) == norm.variance[k, 3]
    assert float(row["gain"]) == norm.gain[k, 3]


# fits


def test_an_exponential_decay_is_found_again() -> None:
    times = (2, 3, 4, 6, 9, 12)
    fit = best(fit_decay(times, [0.8 * math.exp(-(t - 2) / 2.5) + 0.3 for t in times]))
    assert fit is not None
    assert fit.model == "exponential"
    assert fit.parameters == pytest.approx({"a": 0.8, "tau": 2.5, "c": 0.3}, rel=1e-4)
    assert fit.r2 == pytest.approx(1)
    assert fit(4) == pytest.approx(0.8 * math.exp(-2 / 2.5) + 0.3, rel=1e-5)
    assert short(fit) == "0.8·exp(−n/2.5) + 0.3"


def test_a_power_law_is_found_again() -> None:
    times = (3, 4, 5, 6, 7)
    fit = best(fit_decay(times, [1.5 * (t - 2) ** -0.5 for t in times]))
    assert fit is not None
    assert fit.model == "power law"
    assert fit.parameters == pytest.approx({"a": 1.5, "b": -0.5}, rel=1e-4)
    assert (fit.first, fit.points) == (3, 5)
    assert short(fit) == "1.5·(n+1)^−0.50"


def test_no_other_parameters_fit_better() -> None:
    """The search over one parameter finds the minimum over all."""
    draws = np.random.default_rng(0)
    times = range(1, 11)
    values = 0.7 * np.exp(-np.arange(10) / 3) + 0.2 + draws.normal(scale=0.02, size=10)
    for fit in fit_decay(times, values).values():
        assert isinstance(fit, Fit)
        error = float(np.square(fit(times) - values).sum())
        assert fit.r2 == pytest.approx(1 - error / float(np.square(values - values.mean()).sum()))
        for name, value in fit.parameters.items():
            for factor in (0.99, 1.01):
                moved = Fit(fit.model, {**fit.parameters, name: value * factor}, 0, fit.first, fit.points)
                assert float(np.square(moved(times) - values).sum()) > error


def test_why_there_is_no_fit() -> None:
    assert fit_decay((1, 2), [1.0, 0.5]) == {
        "exponential": "2 times; this fit needs 4",
        "power law": "2 times; this fit needs 3",
    }
    assert set(fit_decay(range(5), [0.5] * 5).values()) == {"the gain is constant"}
    line = fit_decay(range(6), [1 - 0.1 * t for t in range(6)])["exponential"]
    assert str(line).startswith("tau is not determined")
    assert best(fit_decay((1, 2), [1.0, 0.5])) is None


def test_the_better_model_is_chosen_for_its_number_of_parameters() -> None:
    few, many = (
        Fit("power law", {"a": 1, "b": 1}, 0.9, 0, 5),
        Fit("exponential", {"a": 1, "tau": 1, "c": 1}, 0.92, 0, 5),
    )
    assert few.adjusted_r2 == pytest.approx(1 - 0.1 * 4 / 3)
    assert many.adjusted_r2 == pytest.approx(1 - 0.08 * 4 / 2)
    assert best({"exponential": many, "power law": few}) is few


def test_the_table_of_fits(tmp_path: Path) -> None:
    fits = {"a": fit_decay(range(1, 6), [(t) ** -0.5 for t in range(1, 6)]), "b": fit_decay((1, 2), [1.0, 0.5])}
    write_fits(tmp_path / "fits.csv", fits)
    with (tmp_path / "fits.csv").open(newline="") as file:
        rows = {(row["layer"], row["model"]): row for row in csv.DictReader(file)}
    assert list(rows) == [(layer, model) for layer in "ab" for model in MODELS]
    assert float(rows["a", "power law"]["b"]) == pytest.approx(-0.5, rel=1e-4)
    assert rows["a", "power law"]["note"] == ""
    assert rows["b", "power law"]["note"] == "2 times; this fit needs 3"
    assert rows["b", "power law"]["r2"] == ""


# figures


def test_figures_are_deterministic_and_say_what_they_show(tmp_path: Path) -> None:
    norms = [norm for norm in norm_statistics(drawn(small(readout={"t": 6}))) if norm.varies]
    fits = {norm.layer: fit_decay(norm.times, norm.median_gain) for norm in norms}
    first = plot_gains(tmp_path / "a.b", norms, fits, clock=True)
    assert [path.name for path in first] == ["a.b.svg", "a.b.pdf", "a.b.png"]
    again = plot_gains(tmp_path / "c", norms, fits, clock=True)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    text = first[0].read_text(encoding="utf-8")
    for wanted in ("gain 1/σ", "time step (20 to 50 ms each)", *(title(norm.layer) for norm in norms)):
        assert wanted in text
    plot_gains(tmp_path / "d", norms[:1], fits, clock=False)
    assert "ms each" not in (tmp_path / "d.svg").read_text(encoding="utf-8")


def test_titles() -> None:
    assert title("h1.from_h2.norm1") == "h2 → h1, norm1"
    assert title("post_net.norm1") == "post_net, norm1"
