"""Measures on a net, against what is computed by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import graphnet
from graphnet.edits import DropBlock, ShowAnother, perturb
from graphnet.experiments.running.measuring import MEASURES, Trained, measure
from graphnet.experiments.running.runs import Request
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


@pytest.mark.parametrize("kind", ["convergence", "recurrence", "divergence"])
def test_indices_have_a_stage(trained: Trained, kind: str) -> None:
    assert list(by("stage", trained, Request(f"indices.{kind}", images=100))) == ["h1"]


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
