"""A net at every readout time, against nets compiled and evaluated one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import graphnet
from graphnet.analysis.time.readouts import read_out, times_of
from graphnet.analysis.time.sweep import sweep
from graphnet.rewrite.spec_editor import EditError
from graphnet.training.calibrate import calibrate
from graphnet.training.loop.evaluation import evaluate
from graphnet.training.tasks import TASKS
from tests.small import recurrent, small

DRAWN = torch.Generator().manual_seed(1)
IMAGES = torch.randn(26, 1, 8, 8, generator=DRAWN, dtype=torch.float64)
TARGETS = torch.arange(26) % 3
TRAINING = torch.randn(40, 1, 8, 8, generator=DRAWN, dtype=torch.float64)
BATCHES = list(zip(IMAGES.split(10), TARGETS.split(10), strict=True))
RELATIVE = (
    {"t": "0..T-1", "h1": {"h1": "BRC+I", "h2": "BRC"}, "h2": {"h2": "BRC+I"}},
    {"t": "T", "h1": {"h2": "BRC"}, "h2": {"h2": "BRC"}},
)
"""The last step has no identity, whichever it is."""


def trained(spec: dict[str, Any], **options: Any) -> Any:
    """A net whose statistics are those of other images, as after training."""
    net = graphnet.compile(spec, seed=3, **options).double()
    calibrate(net, [torch.randn(30, *net.meta["plan"].input_shape, generator=DRAWN, dtype=torch.float64)])
    return net.eval()


def alone(net: Any, spec: dict[str, Any], t: int, calibrated: bool = True) -> Any:
    """The net compiled for one readout time by hand."""
    made = graphnet.compile(spec | {"readout": {"t": t}}, seed=0).double()
    missing = made.load_state_dict(net.state_dict(), strict=False).missing_keys
    if calibrated and missing:
        calibrate(made, TRAINING.split(20), missing)
    return made.eval()


@pytest.mark.parametrize("optimize", [0, 2])
@pytest.mark.parametrize(
    "spec",
    [
        small(readout={"t": 4}),
        small(readout={"t": [3, 5], "combine": "mean"}),
        small(readout={"t": 4}, norm={"statistics": "shared", "affine": "shared"}),
        small(*RELATIVE, readout={"t": 4}),
    ],
    ids=["per time", "several readouts", "shared", "T in slabs"],
)
@pytest.mark.parametrize("calibrated", [True, False])
def test_a_sweep_is_the_evaluation_of_nets_compiled_one_by_one(
    spec: dict[str, Any], calibrated: bool, optimize: int
) -> None:
    net = trained(spec, optimize=optimize)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    how = "missing" if calibrated else "none"
    found = sweep(net, BATCHES, "2..7", TRAINING.split(20), calibrate=how, keep_outputs=True)
    assert found.times == (2, 3, 4, 5, 6, 7)
    assert found.outputs is not None
    for k, t in enumerate(found.times):
        each = evaluate(alone(net, spec, t, calibrated), BATCHES, keep_outputs=True)
        assert np.abs(found.outputs[:, k] - each.outputs[None].numpy()).max() < 1e-10
        point = found.points()[k]
        assert (point.t, point.error) == (t, pytest.approx(each.final_error, abs=1e-12))
        assert point.loss == pytest.approx(each.loss[None], rel=1e-10)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_one_net_reads_all_times_or_each_time_has_its_own_with_the_same_parameters() -> None:
    one = trained(small(readout={"t": 4}))
    assert len(read_out(one, "2..6", TRAINING.split(20)).nets) == 1
    net = trained(small(*RELATIVE, readout={"t": 4}))
    found = read_out(net, "2..6", (batch for batch in TRAINING.split(20)))  # read once, for five nets
    assert len(found.nets) == 5
    weight = net.h1.from_h1.conv1.weight
    assert all(each.h1.from_h1.conv1.weight.data_ptr() == weight.data_ptr() for each in found.nets)


def test_which_times_were_trained_and_which_are_calibrated() -> None:
    net = trained(small(readout={"t": [3, 4]}))
    found = sweep(net, BATCHES, "2..6", TRAINING.split(20))
    assert (found.trained, found.untrained, found.calibrated) == ((3, 4), (2, 5, 6), (2, 5, 6))
    found = sweep(net, BATCHES, "2..6", calibrate="none")
    assert (found.untrained, found.calibrated) == ((2, 5, 6), ())
    found = sweep(net, BATCHES, "2..6", TRAINING.split(20), calibrate="all")
    assert (found.untrained, found.calibrated) == ((2, 5, 6), (2, 3, 4, 5, 6))
    shared = sweep(trained(small(norm={"statistics": "shared"})), BATCHES, "2..6")
    assert (shared.untrained, shared.calibrated) == ((), ())
    plain = sweep(trained(small(norm={"kind": "none"})), BATCHES, "2..6", TRAINING.split(20), calibrate="all")
    assert plain.calibrated == ()


def test_all_statistics_can_be_calibrated() -> None:
    net = trained(small(readout={"t": 4}))
    found = sweep(net, BATCHES, [4], TRAINING.split(20), calibrate="all", keep_outputs=True)
    calibrate(net, TRAINING.split(20))
    assert found.outputs is not None
    with torch.no_grad():
        assert np.abs(found.outputs[:, 0] - net(IMAGES).numpy()).max() < 1e-10


def test_times_that_cannot_be_read_out_are_left_out_with_the_reason() -> None:
    slab = {"h1": {"h1": "BRC+I", "h2": "BRC"}}
    found = sweep(trained(small(slab, readout={"t": 3})), BATCHES, "0..4", TRAINING.split(20))
    assert (found.times, dict(found.left_out)) == ((1, 2, 3, 4), {0: "'h2' is empty"})
    untied = trained(small(slab, sharing={"over_time": False}))
    found = sweep(untied, BATCHES, "1..4", TRAINING.split(20))
    assert found.times == (3,)
    assert found.left_out[2] == "it needs weights that the net does not have: h2.from_h1.conv1.t2.weight"
    assert list(found.left_out) == [1, 2, 4]
    with pytest.raises(EditError, match=r"at any of these times\n  t = 0: 'h2' is empty"):
        sweep(untied, BATCHES, 0)


def test_arrows_without_time_that_form_a_cycle_later_end_the_sweep_there() -> None:
    cycle = {"t": "5..inf", "h1": {"h2": {"ops": "BRC", "delay": 0}}, "h2": {"h1": {"ops": "BRD", "delay": 0}}}
    net = trained(small({"h1": {"h1": "BRC+I", "h2": "BRC"}}, cycle))
    found = sweep(net, BATCHES, "2..6", TRAINING.split(20))
    assert found.times == (2, 3, 4)
    assert found.left_out[5].startswith("at t = 5 these arrows take no time and form a cycle")


def test_confidence_entropy_and_combined_outputs_against_torch() -> None:
    net = trained(small(readout={"t": 3}))
    found = sweep(net, BATCHES, [2, 3, 5], TRAINING.split(20), keep_outputs=True)
    assert found.outputs is not None
    outputs = torch.from_numpy(found.outputs).transpose(0, 1)
    sums = torch.stack([outputs[: k + 1].sum(0) for k in range(3)])
    means = torch.stack([outputs[: k + 1].mean(0) for k in range(3)])
    for combine, expected in (("none", outputs), ("cumulative", means), ("cumulative-sum", sums)):
        for k, point in enumerate(found.points(combine)):  # type: ignore[arg-type]
            shares = expected[k].softmax(1)
            assert point.confidence == pytest.approx(float(shares.max(1).values.mean()), abs=1e-12)
            assert point.entropy == pytest.approx(float(-(shares * shares.log()).sum(1).mean()), abs=1e-12)
            assert point.loss == pytest.approx(float(F.cross_entropy(expected[k], TARGETS)), abs=1e-12)
            assert point.accuracy == pytest.approx(float((expected[k].argmax(1) == TARGETS).double().mean()))
            assert found.responses[combine].answers is not None
            assert found.responses[combine].answers[k].tolist() == expected[k].argmax(1).tolist()  # type: ignore[index]


def test_a_stopping_rule_on_the_responses() -> None:
    found = sweep(trained(small()), BATCHES, "2..5", TRAINING.split(20), keep_outputs=True)
    threshold = 0.5
    stopped = found.stopping("threshold", threshold)
    assert found.outputs is not None
    for n, logits in enumerate(torch.from_numpy(found.outputs)):
        sure = logits.softmax(1).max(1).values
        first = next((k for k in range(4) if sure[k] >= threshold), 3)
        assert stopped.reaction_times[n] == found.times[first]
        assert stopped.wrong[n] == float(logits[first].argmax() != TARGETS[n])
    curve = found.speed_accuracy("entropy", "cumulative")
    assert [each.mean_time for each in curve] == sorted(each.mean_time for each in curve)
    assert curve[0].mean_time == 2


def test_other_tasks_have_no_confidence() -> None:
    net = trained(small())
    values = torch.randn(26, 3, generator=DRAWN, dtype=torch.float64)
    batches: list[tuple[Tensor, Tensor]] = list(zip(IMAGES.split(10), values.split(10), strict=True))
    found = sweep(net, batches, "2..4", TRAINING.split(20), task=TASKS["values"])
    expected = evaluate(net, batches, TASKS["values"])
    assert found.points()[1].error == pytest.approx(expected.final_error)
    assert found.points()[1].confidence is None
    with pytest.raises(ValueError, match="need classes; the task of these data is values"):
        found.stopping("threshold", 0.5)


def test_missing_statistics_need_training_images() -> None:
    with pytest.raises(EditError, match=r"no running statistics at t = \d.*\n  pass batches of training images"):
        sweep(trained(small()), BATCHES, "2..5")
    with pytest.raises(ValueError, match="calibrate='some': one of missing, all, none"):
        sweep(trained(small()), BATCHES, 3, calibrate="some")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no images to evaluate on"):
        sweep(trained(small()), [], 3)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ("1..4", (1, 2, 3, 4)),
        ("3, 5..T+1", (3, 5, 6)),
        ("N..2N", (2, 3, 4)),
        (4, (4,)),
        ([5, 1, 5], (1, 5)),
        ("7", (7,)),
    ],
)
def test_times_are_written_as_in_a_spec(times: Any, expected: tuple[int, ...]) -> None:
    spec = graphnet.load(small(let={"N": 2}, readout={"t": 5}))
    assert times_of(times, graphnet.plan(spec), spec) == expected


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ("1..inf", "readout '1..inf' has no end"),
        ("1..9999999", "more than 1000 readout times"),
        ("5..3", r"runs backwards\n  did you mean '3..5'"),
        ("X", "no constant is called 'X'"),
        ("", "readout ''"),
        ([-1], "-1 is not a time"),
        ([], "no readout times"),
    ],
)
def test_times_that_are_refused(times: Any, said: str) -> None:
    spec = graphnet.load(small())
    with pytest.raises(EditError, match=said):
        times_of(times, graphnet.plan(spec), spec)


@pytest.mark.parametrize("slabs", [(), RELATIVE], ids=["one net", "a net for each time"])
def test_of_sequences_each_readout_takes_the_frames_it_needs(slabs: tuple[dict[str, Any], ...]) -> None:
    spec = small(*slabs, input={"shape": [1, 8, 8], "t": "0..inf", "sequence": True}, readout={"t": 4})
    net = trained(spec)
    films = torch.randn(6, 6, 1, 8, 8, generator=DRAWN, dtype=torch.float64)
    found = sweep(net, [(films, TARGETS[:6])], "2, 3, 5", calibrate="none", keep_outputs=True)
    assert found.outputs is not None
    for k, t in enumerate(found.times):
        made = alone(net, spec, t, calibrated=False)
        with torch.no_grad():
            assert np.abs(found.outputs[:, k] - made(films[:, : t + 1]).numpy()).max() < 1e-10
    assert sweep(net, [(films, TARGETS[:6])], "2, 3, 5", [films]).calibrated == (2, 3, 5)


def test_recurrent_nets_of_three_states_skip_the_first_times() -> None:
    net = trained(recurrent(5))
    images = torch.randn(8, 3, 8, 8, generator=DRAWN, dtype=torch.float64)
    found = sweep(net, [(images, torch.arange(8))], "1..8", [images])
    assert found.times == tuple(range(2, 9))
    assert list(found.left_out) == [1]
