"""Lines are written from patterns when they are looked at, and what is asked of a plan grows no faster than it does."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest

import graphnet
from graphnet.network.functions.ops import KINDS
from graphnet.pictures.text import plan_text
from graphnet.planning.lines import Lines, Tensors
from graphnet.planning.plan import IMAGE, Plan
from graphnet.planning.verify import verify
from tests.small import small
from tests.unit.runtime.test_steps import recurrent


def flat(plan: Plan) -> Plan:
    """The same plan with all its lines and tensors written out, as a pass leaves them."""
    return replace(plan, lines=tuple(plan.lines), tensors=tuple(plan.tensors))


def calls(t: int, **more: Any) -> int:
    """How many functions of Python are called to plan and to show a net that is read out at t."""
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


def test_patterns_do_not_grow_with_time() -> None:
    patterns = [{turn.pattern for turn in graphnet.plan(recurrent(t)).turns} for t in (10, 40, 400)]
    assert len(patterns[0]) == len(patterns[1]) == len(patterns[2]) <= 12
    lines = [sum(len(pattern.lines) for pattern in each) for each in patterns]
    assert lines[0] == lines[1] == lines[2]


def test_each_pattern_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules of single lines are asked of few, however many there are."""
    from graphnet.planning import verify as module

    asked: list[object] = []
    monkeypatch.setattr(module, "_verify_value", lambda *given: asked.append(given))
    counts = []
    for t in (40, 400):
        graphnet.plan(recurrent(t))
        counts.append(len(asked))
        asked.clear()
    assert 0 < counts[0] == counts[1] < 200


@pytest.mark.parametrize("more", [{}, {"norm": {"affine": "per-time"}}, {"sharing": {"over_time": False}}])
def test_work_grows_with_time_and_no_faster(more: dict[str, Any]) -> None:
    first, second, third = (calls(t, **more) for t in (100, 200, 400))
    assert 1.9 < (third - second) / (second - first) < 2.1


def test_nothing_is_written_out_before_it_is_looked_at() -> None:
    plan = graphnet.plan(recurrent(20))
    plan_text(plan)
    assert isinstance(plan.lines, Lines)
    assert isinstance(plan.tensors, Tensors)
    assert len(plan.lines) > 1000
    assert "written" not in vars(plan.lines)
    assert "written" not in vars(plan.tensors)
    assert plan.lines[0].name == "pre_net_t1_conv1"
    assert "written" in vars(plan.lines)


def test_lines_and_tensors_are_sequences() -> None:
    plan = graphnet.plan(small())
    for found in (plan.lines, plan.tensors):
        written = tuple(found)
        assert len(found) == len(written)
        assert (found[0], found[-1], found[1:3]) == (written[0], written[-1], written[1:3])
        assert found == written
        assert written == found
        assert found != written[1:]
        assert hash(found) == hash(written)
        assert repr(found) == repr(written)


def test_plans_are_equal_however_they_are_kept() -> None:
    spec = small(readout={"t": [2, 3]})
    plan = graphnet.plan(spec)
    assert plan == graphnet.plan(spec) == flat(plan)
    assert hash(plan) == hash(flat(plan))
    assert plan != graphnet.plan(small(readout={"t": 3}))


@pytest.mark.parametrize(
    "spec", [small(readout={"t": [2, 3]}), recurrent(4), recurrent(4, norm={"affine": "per-time"})]
)
def test_figures_are_the_same_however_lines_are_kept(spec: dict[str, Any]) -> None:
    plan = graphnet.plan(spec)
    other = verify(flat(plan))
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


def test_times_with_other_weights_are_other_patterns() -> None:
    sets = [{"members": ["h1->h1@1..2"]}, {"members": ["h1->h1@4..5"]}]
    plan = graphnet.plan(recurrent(8, sharing={"sets": sets}))
    weights = {line.t: line.tensors[0] for line in plan.lines if line.place == "h1.from_h1" and "conv1" in line.name}
    first = {2: 1, 3: 3, 4: 4, 5: 4, 6: 3, 7: 3}
    assert weights == {t: f"h1.from_h1.conv1.t{first[t]}.weight" for t in first}


def test_every_kind_of_line_stands_once() -> None:
    plan = graphnet.plan(recurrent(40))
    once = list(plan.once)
    assert {(line.op, line.place) for line in once} == {(line.op, line.place) for line in plan.lines}
    assert len(once) < len(plan.lines) / 10
    assert list(flat(plan).once) == list(plan.lines)
