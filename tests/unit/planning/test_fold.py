"""Where steps recur passes see few of them, and what they do to these is what they do to all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import graphnet
from graphnet import zoo
from graphnet.passes import Mode, run_passes, run_stepwise
from graphnet.planning.fold import fold, unfold
from graphnet.planning.plan import Plan
from graphnet.planning.steps import cut
from graphnet.planning.verify import verify
from graphnet.runtime.stepped import Stepped
from tests.small import small
from tests.unit.runtime.test_steps import recurrent

DELAYS = [{"t": "1..inf", "h1": {"h1": {"ops": "BRC+I", "delay": 2}, "h2": "BRC"}, "h2": {"h1": "BRD", "h2": "BRC+I"}}]
WITHIN = [{"t": "1..inf", "h1": {"h1": "BRC+I", "h2": {"ops": "BRC", "delay": 0}}, "h2": {"h1": "BRD", "h2": "I"}}]

SPECS: dict[str, Any] = {
    "three states": recurrent(30),
    "affine by time": recurrent(30, norm={"affine": "per-time"}),
    "untied": recurrent(30, sharing={"over_time": False}),
    "shared statistics": recurrent(30, norm={"statistics": "shared"}),
    "two readouts": recurrent(30) | {"readout": {"t": [8, 30]}},
    "a delay of two": small(readout={"t": 30}) | {"transitions": DELAYS, "unpopulated": "zeros"},
    "within the step": small(readout={"t": 30}) | {"transitions": WITHIN},
    "first values": graphnet.load(zoo.path("lpk-recurrent")).as_data() | {"readout": {"t": 40}},
    "a held input": small(readout={"t": 30}) | {"input": {"shape": [1, 8, 8], "t": "0..inf"}},
    "a late event": recurrent(40, transitions=[*recurrent(2)["transitions"], {"t": 30, "h1": {"h3": "-"}}]),
}


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("name", SPECS)
def test_folded_steps_are_those_of_the_whole_plan(name: str, level: int, mode: Mode) -> None:
    plan = graphnet.plan(SPECS[name])
    folded = fold(plan)
    if name == "first values":  # its stages follow one another: each has its own
        assert folded is None or folded.last > folded.kept
    else:
        assert folded is not None, name
    if folded is not None:
        assert len(folded.short.lines) < len(plan.lines)
        entries, whole = (
            unfold(folded, run_passes(verify(folded.short), level, mode)),
            cut(run_passes(plan, level, mode)),
        )
        if name == "untied" and level == 2:  # weights of each time are joined before the first step: it is another one
            assert entries is None
        else:
            assert entries == whole
        assert run_stepwise(plan, level, mode)[1] == whole


def test_passes_see_as_much_however_long_the_net_runs() -> None:
    found = [fold(graphnet.plan(recurrent(t))) for t in (40, 400)]
    sizes = [len(each.short.lines) for each in found if each is not None]
    assert len(sizes) == 2
    assert sizes[0] == sizes[1]


def test_a_plan_that_does_not_recur_is_not_folded() -> None:
    assert fold(graphnet.plan(recurrent(4))) is None
    every = recurrent(30) | {"readout": {"t": "20..30"}}
    folded = fold(graphnet.plan(every))
    assert folded is None or folded.time(folded.last) < 20
    plan = graphnet.plan(recurrent(30))
    assert fold(replace(plan, lines=tuple(plan.lines))) is None


@pytest.mark.parametrize("t", [4, 15, 28])
def test_what_is_read_out_on_the_way_is_not_left_out(t: int) -> None:
    """Without a post-net a step that is read out looks like the others."""
    bare = {key: value for key, value in recurrent(30).items() if key != "post_net"}
    plan = graphnet.plan(bare | {"readout": {"t": [t, 30], "state": "h1"}})
    assert run_stepwise(plan)[1] == cut(run_passes(plan))


def test_a_pass_that_tells_times_apart_sees_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it made of the steps that recur does not: then nothing is concluded from a few."""
    from graphnet import passes
    from graphnet.network.functions.ops import op

    plan = graphnet.plan(recurrent(30))
    folded = fold(plan)
    assert folded is not None
    odd = folded.time(folded.kept - 1)

    def renorm(plan: Plan) -> Plan:
        """Another momentum at one time."""
        changed = [
            line._replace(op=op("batch_norm", momentum=0.5, eps=line.op["eps"]))
            if line.op.kind == "batch_norm" and line.t == odd
            else line
            for line in plan.lines
        ]
        return replace(plan, lines=tuple(changed))

    monkeypatch.setattr(passes, "PASSES", (passes.Pass(0, renorm),))
    executed, entries = run_stepwise(plan, 0)
    assert len(executed.lines) == len(plan.lines)
    assert entries == cut(renorm(plan))
    monkeypatch.setattr(passes, "PASSES", ())
    executed, entries = run_stepwise(plan, 0)
    assert len(executed.lines) < len(plan.lines)
    assert entries == cut(plan)


def test_a_net_of_folded_steps_has_all_its_parameters() -> None:
    net = graphnet.compile(recurrent(40), stepwise=True)
    assert isinstance(net, Stepped)
    assert sorted(net.state_dict()) == sorted(tensor.name for tensor in graphnet.plan(recurrent(40)).tensors)
    used = {name for entry, number in net.program for name in entry.tensors}
    assert used == set(net.state_dict())
