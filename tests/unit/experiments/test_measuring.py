"""Measures on a net, against what is computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import graphnet
from graphnet.analysis.error_curves import iterative_convergence
from graphnet.edits import DropBlock, ReadOutEarly, RepeatLastBlock, ShowAnother, perturb
from graphnet.experiments.running import measuring_indices
from graphnet.experiments.running.measuring import MEASURES, measure
from graphnet.experiments.running.runs import Request
from graphnet.experiments.running.trained import Trained
from graphnet.rewrite.spec_editor import EditError
from graphnet.spec.experiment.measures import MEASURES as KINDS
from graphnet.training.data.named import load_dataset
from graphnet.training.loop.evaluation import evaluate
from tests.unit.experiments.experiments import SPEC


@pytest.fixture(scope="module")
def trained() -> Trained:
    """A net with statistics of its own at each time."""
    dataset = load_dataset("digits", train_size=64)
    net = graphnet.compile(SPEC).train()
    for images, _ in dataset.train.batches(32):
        net(images)
    return Trained(net.eval(), dataset, 32)


def by(labels: str, trained: Trained, request: Request) -> dict[str, float]:
    return {found[labels]: value for found, value in measure(trained, request)}


def error(trained: Trained, net: Any) -> float:
    return evaluate(net, trained.dataset.test.batches(256)).final_error


def test_there_is_a_measurement_for_each_kind_that_needs_the_net() -> None:
    named = {name for name, kind in KINDS.items() if not kind.built_in or "edit" in kind.takes}
    assert set(MEASURES) == named


def test_the_error_of_a_net_as_it_is(trained: Trained) -> None:
    assert measure(trained, Request("test_error")) == [({}, error(trained, trained.net))]


def test_each_block_is_dropped_in_turn(trained: Trained) -> None:
    found = by("block", trained, Request("test_error", {"drop": ["h1"]}))
    assert found == {str(b): error(trained, perturb(trained.net, DropBlock("h1", b))) for b in (1, 2, 3)}


def test_early_readout_begins_with_the_input_of_the_stage(trained: Trained) -> None:
    found = by("block", trained, Request("test_error", {"early": ["h1"]}))
    assert list(found) == ["0", "1", "2", "3"]
    assert found["3"] == error(trained, trained.net)


def test_readout_times_are_labels_and_missing_statistics_are_calibrated(trained: Trained) -> None:
    found = by("t", trained, Request("test_error", readout="2..4"))
    without = by("t", trained, Request("test_error", readout="2..4", calibrate="none"))
    assert list(found) == list(without) == ["2", "3", "4"]
    assert found["3"] == without["3"] == error(trained, trained.net)
    assert measure(trained, Request("test_error", readout="4")) == [({}, found["4"])]


def test_fewer_images(trained: Trained) -> None:
    ((_, value),) = measure(trained, Request("test_error", images=50))
    first = evaluate(trained.net, trained.dataset.test.batches(50, most=50))
    assert value == first.final_error


def test_a_mask_is_the_test_image_before(trained: Trained) -> None:
    net = perturb(trained.net, ShowAnother(2))
    images, labels = trained.dataset.test.first(len(trained.dataset.test))
    before = images.roll(1, 0)
    frames = {0: images, 1: before, 2: before}
    shown = torch.stack([frames[t] for t in range(net.meta["plan"].input_shape[0])], 1)
    with torch.no_grad():
        wrong = (net.eval()(shown).argmax(1) != labels).double().mean().item()
    ((_, value),) = measure(trained, Request("test_error", {"mask": 2}, calibrate="none"))
    assert value == pytest.approx(wrong)


def test_gains_are_those_of_the_buffers(trained: Trained) -> None:
    found = measure(trained, Request("gain", at="h1.from_h1.norm1"))
    variance = dict(trained.net.named_buffers())["h1.from_h1.norm1.t2.running_var"]
    values = [value for labels, value in found if labels["t"] == "2"]
    torch.testing.assert_close(torch.tensor(values), 1 / (variance + 1e-5).sqrt())
    assert {labels["channel"] for labels, _ in found} == {"0", "1", "2", "3"}


def test_a_net_and_its_unrolled_form_agree(trained: Trained) -> None:
    ((_, value),) = measure(trained, Request("unrolled_difference"))
    assert value <= 1e-10


# ---- stages and their blocks

KINDS_OF_EDITS = {
    "convergence": (ReadOutEarly, 0, 3),
    "recurrence": (DropBlock, 1, 3),
    "divergence": (RepeatLastBlock, 0, 4),
}
"""Index → its perturbation, and the first and last number of it (4 repeats)."""


@pytest.mark.parametrize("kind", KINDS_OF_EDITS)
def test_indices_are_areas_under_curves_of_perturbed_nets(trained: Trained, kind: str) -> None:
    edit, first, last = KINDS_OF_EDITS[kind]
    options: dict[str, Any] = {"images": 100} | ({"repeats": 4} if kind == "divergence" else {})
    curve = by("block", trained, Request(f"curves.{kind}", **options))
    nets = {str(k): perturb(trained.net, edit("h1", k)) for k in range(first, last + 1)}
    test = trained.dataset.test
    assert curve == {k: evaluate(net, test.batches(50, most=100)).final_error for k, net in nets.items()}
    final = evaluate(trained.net, test.batches(50, most=100)).final_error
    errors = [(error - final) / (0.9 - final) for error in curve.values()]
    expected = {
        "convergence": 1 - sum(errors[1:-1]) / 2,
        "recurrence": 1 - sum(error - errors[-1] for error in errors[:-1]) / 2,
        "divergence": sum(errors[1:]) / 4,
    }
    found = by("stage", trained, Request(f"indices.{kind}", **options))
    assert found == pytest.approx({"h1": expected[kind]})


def test_one_pass_serves_all_indices(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [Request(f"indices.{kind}", images=60) for kind in ("convergence", "recurrence")]
    wanted += [Request("indices.divergence", images=60, repeats=count) for count in (2, 5)]
    alone = [measure(Trained(trained.net, trained.dataset, 32), each) for each in wanted]
    passes: list[int] = []

    def counted(*given: Any, more: int, **options: Any) -> Any:
        passes.append(more)
        return iterative_convergence(*given, more=more, **options)

    monkeypatch.setattr(measuring_indices, "iterative_convergence", counted)
    together = Trained(trained.net, trained.dataset, 32, wanted)
    assert [measure(together, each) for each in wanted] == alone
    assert passes == [5]


def test_the_interval_over_images_is_that_of_a_bootstrap(trained: Trained) -> None:
    request = Request("indices.divergence.half_width", images=100, repeats=4)
    test = trained.dataset.test.batches(50, most=100)
    interval = iterative_convergence(trained.net, test, more=4).indices["divergence"].stages[0]
    assert by("stage", trained, request) == {"h1": pytest.approx((interval.high - interval.low) / 2)}


SEPARATE = SPEC | {"sharing": {"over_time": False}}


def test_similarity_is_the_mean_cosine_of_pairs_of_blocks(trained: Trained) -> None:
    net = graphnet.compile(SEPARATE, seed=3)
    weights = [net.get_parameter(f"h1.from_h1.conv1.t{t}.weight").detach().numpy().ravel() for t in (1, 2, 3)]
    pairs = [(weights[0], weights[1]), (weights[0], weights[2]), (weights[1], weights[2])]
    cosines = [float(a @ b / np.sqrt((a @ a) * (b @ b))) for a, b in pairs]
    found = by("stage", Trained(net, trained.dataset, 32), Request("similarity"))
    assert found == pytest.approx({"h1": sum(cosines) / 3}, abs=1e-6)


@pytest.mark.parametrize(("coupling", "equal"), [(1, True), (0.9, False)])
def test_fully_coupled_blocks_stay_equal(trained: Trained, coupling: float, equal: bool) -> None:
    sets = [{"members": ["h1->h1"], "coupling": coupling}]
    net = graphnet.compile(SEPARATE | {"sharing": {"over_time": False, "sets": sets}}).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    graphnet.couple_gradients(net, optimizer)
    images, labels = trained.dataset.train.first(32)
    for _ in range(5):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()
    found = by("stage", Trained(net, trained.dataset, 32), Request("similarity"))
    assert (found["h1"] == 1) == equal
    assert found["h1"] > 0.5


def test_residual_norms_are_those_of_the_functions_of_blocks(trained: Trained) -> None:
    images, _ = trained.dataset.test.first(40)
    values = graphnet.activations(trained.net, images, "h1")
    found = measure(trained, Request("residual_norm", images=40))
    assert [labels for labels, _ in found] == [{"stage": "h1", "block": str(block)} for block in (1, 2, 3)]
    for block, (_, value) in enumerate(found, start=1):
        before = values["h1", block - 1]
        norm = trained.net.get_submodule(f"h1.from_h1.norm1.t{block}")
        weight = trained.net.get_parameter("h1.from_h1.conv1.weight")
        buffers = norm.running_mean, norm.running_var
        with torch.no_grad():
            update = F.conv2d(F.relu(F.batch_norm(before, *buffers, norm.weight, norm.bias)), weight, padding=1)
        ratios = update.flatten(1).norm(dim=1) / before.flatten(1).norm(dim=1)
        assert value == pytest.approx(float(ratios.mean()), rel=1e-5)


def test_a_net_without_stages_has_none_of_these(trained: Trained) -> None:
    net = graphnet.compile(SPEC | {"readout": {"t": 1}})
    for of in ("similarity", "residual_norm"):
        with pytest.raises(EditError, match="no state has a self-transition that fires at least twice"):
            measure(Trained(net, trained.dataset, 32), Request(of))


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (Request("gain", at="h1.from_h1.norm2"), "no batch norm is called 'h1.from_h1.norm2'"),
        (Request("test_error", {"drop": ["h2"]}), "'h2' is not a stage"),
        (Request("test_error", {"drop": ["h1:9"]}), "no block 9"),
    ],
)
def test_what_does_not_fit_the_net_is_said(trained: Trained, request_: Request, says: str) -> None:
    with pytest.raises(EditError, match=says):
        measure(trained, request_)
