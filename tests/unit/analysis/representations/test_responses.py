"""Responses of nets and files, and their analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

import graphnet
from graphnet.analysis.representations.probes import probe, probe_all
from graphnet.analysis.representations.responses import of_file, of_net
from graphnet.analysis.representations.similarity import analyse
from graphnet.training.data.dataset import Dataset
from graphnet.training.data.named import load_dataset
from graphnet.training.errors import DataError
from tests.small import small

DIGITS = load_dataset("digits")


@pytest.fixture(scope="module")
def net() -> Any:
    return graphnet.compile(small(post_net={"ops": "BRGL", "classes": 10}), seed=3).eval()


@pytest.fixture(scope="module")
def data() -> Dataset:
    return DIGITS


def test_responses_are_the_nets_activations(net: Any, data: Dataset) -> None:
    found = of_net(net, data.test, ["h2@*", "h1@0"])
    images, targets = data.test.first(len(data.test))
    with torch.no_grad():
        expected = net.activations(images, ["h2@*", "h1@0"])
    assert found.keys == tuple(expected)
    read = dict(found.read())
    assert set(read) == set(expected)
    for key, values in expected.items():
        assert np.allclose(read[key], values.numpy(), atol=1e-5)
    assert np.array_equal(found.images, np.arange(len(data.test)))
    assert np.array_equal(found.targets, targets.numpy())


def test_all_states_at_all_times_are_the_default(net: Any, data: Dataset) -> None:
    found = of_net(net, data.test)
    assert set(found.keys) == {(state, t) for state, times in net.meta["plan"].made_at.items() for t in times}


def test_few_images_are_stratified_and_always_the_same(net: Any, data: Dataset) -> None:
    found = of_net(net, data.test, ["h1@1"], most=30)
    assert np.bincount(found.targets).tolist() == pytest.approx([3] * 10, abs=1)
    assert np.array_equal(found.images, np.sort(found.images))
    assert np.array_equal(found.targets, data.test.targets[found.images].numpy())
    whole = dict(of_net(net, data.test, ["h1@1"]).read())["h1", 1]
    assert np.allclose(dict(found.read())["h1", 1], whole[found.images], atol=1e-5)
    assert np.array_equal(of_net(net, data.test, ["h2@2"], most=30).images, found.images)


@pytest.fixture
def saved(net: Any, data: Dataset, tmp_path: Path) -> Path:
    found = of_net(net, data.test, ["h1@*", "h2@*"])
    arrays = {f"{state}@{t}": values for (state, t), values in found.read()}
    np.savez(tmp_path / "acts.npz", targets=found.targets, indices=found.images + 1000, other=np.ones(3), **arrays)
    return tmp_path / "acts.npz"


def test_a_file_gives_the_same_responses(net: Any, data: Dataset, saved: Path) -> None:
    at = ["h2@2..T", "h1@1"]
    of_run, in_file = of_net(net, data.test, at, most=40), of_file(saved, at, most=40)
    assert in_file.keys == of_run.keys == (("h2", 2), ("h2", 3), ("h1", 1))
    assert np.array_equal(in_file.images, of_run.images + 1000)
    assert np.array_equal(in_file.targets, of_run.targets)
    for key, values in in_file.read():
        assert np.allclose(values, dict(of_run.read())[key], atol=1e-5)


def test_a_file_without_targets(saved: Path) -> None:
    with np.load(saved) as file:
        np.savez(saved, **{"h1@1": file["h1@1"]})
    found = of_file(saved)
    assert found.targets is None
    assert len(found.images) == 450
    assert analyse(found).classes is None
    with pytest.raises(ValueError, match="no known classes to average by"):
        analyse(found, by_class=True)
    with pytest.raises(ValueError, match="targets are not known"):
        probe_all(found)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.ones(3)}, "holds no responses: no array has a name such as V2@3"),
        ({"V1@1": np.ones((3, 2)), "targets": np.ones(4)}, "is damaged: it has 4 targets for 3 images"),
        ({"V1@1": np.ones(())}, "is damaged: V1@1 has no axis of images"),
        ({"V1@1": np.ones((3, 2)), "V2@1": np.ones((4, 2))}, "is damaged: V2@1 has 4 images, other arrays 3"),
        ({"V1@1": np.array([{}, {}])}, "is damaged: the array V1@1 cannot be read"),
    ],
)
def test_wrong_files(tmp_path: Path, arrays: dict[str, np.ndarray], said: str) -> None:
    np.savez(tmp_path / "acts.npz", **arrays)
    with pytest.raises(DataError, match=said):
        dict(of_file(tmp_path / "acts.npz").read())


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        of_file(tmp_path / "none.npz")
    (tmp_path / "junk.npz").write_bytes(b"junk")
    with pytest.raises(DataError, match="cannot be read: it is not an npz file"):
        of_file(tmp_path / "junk.npz")
    np.save(tmp_path / "one.npy", np.ones(3))
    with pytest.raises(DataError, match="cannot be read: it is not an npz file"):
        of_file(tmp_path / "one.npy")


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("h9", "'h9': no state of this net has that name\n  did you mean"),
        ("h1@9", "'h1@9': 'h1' is not computed then, only at t = 0, 1, 2$"),
        ("h1@x", "'h1@x': 'x' is no time; only T, the last readout time, has a name\n  write h1@3"),
        ("h1@..", "write h1@3, h1@2..4 or h1@*"),
    ],
)
def test_states_and_times_that_are_not_there(net: Any, data: Dataset, saved: Path, at: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        of_net(net, data.test, [at])
    with pytest.raises(ValueError, match=said):
        of_file(saved, [at])


def test_an_analysis_is_a_few_lines_of_scipy(net: Any, data: Dataset) -> None:
    responses = of_net(net, data.test, ["h1@1", "h2@3", "h2@2"], most=40)
    reference = np.random.default_rng(0).uniform(size=(2, 780))
    found = analyse(responses, references={"a": reference[0], "b": reference[1]})
    expected = {key: pdist(v.reshape(40, -1).astype(float), "correlation") for key, v in responses.read()}
    assert list(found.rdms) == [("h1", 1), ("h2", 3), ("h2", 2)]
    for key, rdm in expected.items():
        assert np.abs(found.rdms[key] - rdm).max() < 1e-10
    assert found.between[0, 2] == pytest.approx(spearmanr(expected["h1", 1], expected["h2", 2]).statistic)
    with_a = [spearmanr(expected[key], reference[0]).statistic for key in found.rdms]
    with_b = [spearmanr(expected[key], reference[1]).statistic for key in found.rdms]
    assert found.with_references["a"] == pytest.approx(with_a)
    assert list(found.summary().values()) == pytest.approx(np.mean([with_a, with_b], axis=0))
    error = found.over_time()["h2", 3][1]
    assert error == pytest.approx(abs(with_a[1] - with_b[1]) / 2)  # of two: their standard deviation / √2
    header, rows = found.similarity_table()
    assert header[2:] == (
        "spearman with a",
        "spearman with b",
        "mean",
        "standard error",
        "ceiling lower",
        "ceiling upper",
    )
    assert [row[:2] for row in rows] == list(found.rdms)
    assert [row[2:4] for row in rows] == [pytest.approx(pair) for pair in zip(with_a, with_b, strict=True)]


def test_an_analysis_by_class(net: Any, data: Dataset) -> None:
    responses = of_net(net, data.test, ["h2@3"])
    found = analyse(responses, by_class=True, distance="euclidean")
    values = dict(responses.read())["h2", 3].reshape(450, -1).astype(float)
    means = np.stack([values[responses.targets == each].mean(0) for each in range(10)])
    assert np.abs(found.rdms["h2", 3] - pdist(means)).max() < 1e-10
    assert found.classes is not None
    assert found.classes.tolist() == list(range(10))
    assert sorted(np.concatenate(found.conditions).tolist()) == list(range(450))


def test_a_reference_of_other_conditions(net: Any, data: Dataset) -> None:
    responses = of_net(net, data.test, ["h2@3"], most=20)
    with pytest.raises(ValueError, match="the matrix m is of 4 conditions, the responses are of 20"):
        analyse(responses, references={"m": np.arange(6.0)})


def test_undefined_distances_name_the_state(net: Any, data: Dataset, tmp_path: Path) -> None:
    np.savez(tmp_path / "acts.npz", **{"V1@2": np.ones((5, 3))})
    with pytest.raises(ValueError, match="V1@2: the units are all equal for 5 of 5 conditions"):
        analyse(of_file(tmp_path / "acts.npz"))


def test_states_are_probed_as_their_features(net: Any, data: Dataset) -> None:
    responses = of_net(net, data.test, ["h2@3", "h1@0"], most=100)
    found = probe_all(responses, most=96, folds=3, seed=2)
    assert list(found) == [("h2", 3), ("h1", 0)]
    values = dict(responses.read())
    assert (found["h2", 3].features, found["h2", 3].how) == (96, "all units")
    assert found["h2", 3].score == probe(values["h2", 3].reshape(100, -1), responses.targets, folds=3, seed=2)
    assert (found["h1", 0].features, found["h1", 0].how) == (64, "averaged over 2 x 2")
