"""Equal steps share one body; work on a plan grows no faster than the plan."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import graphnet
from graphnet.network.functions.ops import KINDS
from graphnet.passes import Mode, run_passes
from graphnet.pictures.text import plan_text
from graphnet.planning.body import at, earlier, plain, steps_back
from graphnet.planning.plan import IMAGE
from graphnet.planning.verify import verify
from tests.small import flattened, recurrent, small

DELAYS = [{"t": "1..inf", "h1": {"h1": {"ops": "BRC+I", "delay": 2}, "h2": "BRC"}, "h2": {"h1": "BRD", "h2": "BRC+I"}}]
WITHIN = [{"t": "1..inf", "h1": {"h1": "BRC+I", "h2": {"ops": "BRC", "delay": 0}}, "h2": {"h1": "BRD", "h2": "I"}}]
HELD = [{"t": 1, "h1": {"h2": "BRC"}}, {"t": "1..inf", "h1": {"h1": "BRC+I"}, "h2": {"h1": "BRD"}}]


def by_time(t: int) -> dict[str, Any]:
    """Specs with several kinds of recurrence, read out at t."""
    return {
        "three states": recurrent(t),
        "affine by time": recurrent(t, norm={"affine": "per-time"}),
        "untied": recurrent(t, sharing={"over_time": False}),
        "shared statistics": recurrent(t, norm={"statistics": "shared"}),
        "two readouts": recurrent(t) | {"readout": {"t": [8, t]}},
        "a delay of two": small(readout={"t": t}) | {"transitions": DELAYS, "unpopulated": "zeros"},
        "within the step": small(readout={"t": t}) | {"transitions": WITHIN},
        "first values": small({"h1": {"h1": "BRC+I0"}}, readout={"t": t}, states={"h1": [4, 8, 8]}),
        "a held input": small(readout={"t": t}) | {"input": {"shape": [1, 8, 8], "t": "0..inf"}},
        "a sequence": small(readout={"t": t}) | {"input": {"shape": [1, 8, 8], "t": "0..inf", "sequence": True}},
        "a held state": small(
            *HELD, readout={"t": t}, states={"h1": [4, 8, 8], "h2": {"shape": [6, 4, 4], "hold": True}}
        ),
        "bounded": recurrent(
            t,
            transitions=[
                {"t": "1..inf", "h1": {"h1": {"ops": "BRC+I", "lipschitz": 0.9}, "h3": "BRCx2"}, "h3": {"h3": "I"}}
            ],
        ),
        "a late event": recurrent(t, transitions=[*recurrent(2)["transitions"], {"t": t - 5, "h1": {"h3": "-"}}]),
    }


def test_names_say_times_relative_to_a_step() -> None:
    assert [at(name, 12) for name in ("V1_t{t}", "V1_t{t-3}_T5_conv1", "V1_zeros")] == [
        "V1_t12",
        "V1_t9_T5_conv1",
        "V1_zeros",
    ]
    assert earlier("V1_t{t}", 2) == "V1_t{t-2}"
    assert earlier(earlier("V1_t{t}_sum", 2), -2) == "V1_t{t}_sum"
    assert earlier("input", 3) == "input"
    assert [steps_back(name) for name in ("V1_t{t}", "V1_t{t-3}", "input")] == [0, 3, None]
    assert [plain(name) for name in ("V1_t{t}", "V1_t{t-3}", "V1_zeros")] == ["V1", "V1_back3", "V1_zeros"]


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("name", by_time(20))
def test_bodies_do_not_grow_with_time(name: str, mode: Mode, level: int) -> None:
    counts = []
    for t in (30, 60):
        plan = run_passes(graphnet.plan(by_time(t)[name]), level, mode)
        steps = [body for body in plan.bodies if not (body.timeless and body.reads == ())]  # joined weights, divisors
        counts.append((len(steps), sum(len(body.lines) for body in steps), [call.t for call in plan.calls][-1]))
    assert counts[0][:2] == counts[1][:2]
    assert counts[0][0] <= 9


def test_each_body_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few calls of the rules for single lines, for any number of lines."""
    from graphnet.planning import verify as module

    asked: list[object] = []
    monkeypatch.setattr(module, "_verify_value", lambda *given: asked.append(given))
    counts = []
    for t in (40, 400):
        graphnet.plan(recurrent(t))
        counts.append(len(asked))
        asked.clear()
    assert 0 < counts[0] == counts[1] < 200


def calls(t: int, **more: Any) -> int:
    """Number of Python function calls to plan and show a net read out at t."""
    spec = graphnet.load(recurrent(t, **more))
    count = 0

    def watch(frame: object, event: str, what: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(watch)
    try:
        plan_text(graphnet.plan(spec))
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("more", [{}, {"norm": {"affine": "per-time"}}, {"sharing": {"over_time": False}}])
def test_work_grows_with_time_and_no_faster(more: dict[str, Any]) -> None:
    first, second, third = (calls(t, **more) for t in (100, 200, 400))
    assert 1.9 < (third - second) / (second - first) < 2.1


def test_nothing_is_expanded_before_it_is_read() -> None:
    plan = graphnet.plan(recurrent(20))
    plan_text(plan)
    assert not {"lines", "tensors"} & set(vars(plan))
    assert len(plan.lines) > 1000
    assert plan.lines[0].name == "pre_net_t1_conv1"


def test_plans_are_equal_if_they_mean_the_same() -> None:
    spec = small(readout={"t": [2, 3]})
    plan = graphnet.plan(spec)
    assert plan == graphnet.plan(spec)
    assert hash(plan) == hash(graphnet.plan(spec))
    assert plan != graphnet.plan(small(readout={"t": 3}))
    assert flattened(plan).lines == plan.lines


@pytest.mark.parametrize(
    "spec", [small(readout={"t": [2, 3]}), recurrent(4), recurrent(4, norm={"affine": "per-time"})]
)
def test_figures_do_not_depend_on_how_steps_are_stored(spec: dict[str, Any]) -> None:
    plan = graphnet.plan(spec)
    other = verify(flattened(plan))
    for name in ("flops", "depth", "parameters", "trainable", "classes", "work"):
        assert getattr(plan, name) == getattr(other, name), name
    shapes = {IMAGE: plan.input_shape} | {line.name: line.shape for line in plan.lines}
    depths = {IMAGE: 0}
    flops = 0
    for line in plan.lines:
        kind = KINDS[line.op.kind]
        depths[line.name] = max(depths[name] for name in line.arguments) + kind.depth
        flops += kind.flops(line.op, tuple(shapes[name] for name in line.arguments), line.shape)
    assert plan.flops == sum(flops for _, flops in plan.work) == flops > 0
    assert plan.depth == max(depths[name] for _, name in plan.outputs)
    assert plan.classes == shapes[plan.outputs[-1][1]][0]


def test_times_with_different_weights_have_different_bodies() -> None:
    sets = [{"members": ["h1->h1@1..2"]}, {"members": ["h1->h1@4..5"]}]
    plan = graphnet.plan(recurrent(8, sharing={"sets": sets}))
    weights = {line.t: line.tensors[0] for line in plan.lines if line.place == "h1.from_h1" and "conv1" in line.name}
    first = {2: 1, 3: 3, 4: 4, 5: 4, 6: 3, 7: 3}
    assert weights == {t: f"h1.from_h1.conv1.t{first[t]}.weight" for t in first}
