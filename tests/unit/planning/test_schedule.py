"""Network → Plan: the fate of every cell at every time, the lines, and their names."""

from __future__ import annotations

from typing import Any

import pytest

import graphnet
from graphnet.planning.plan import Fate, Plan
from tests.conftest import ROOT
from tests.small import small

BOTH: dict[str, Any] = {"h1": {"h1": "I", "h2": "C"}, "h2": {"h2": "I"}}


def fates(plan: Plan, fate: Fate) -> list[str]:
    """`h1->h2@3` for the cells of one fate."""
    return [f"{each.source}->{each.target}@{each.t}" for each in plan.firings if each.fate is fate]


def values(plan: Plan) -> list[str]:
    return [line.name for line in plan.lines if line.op.kind == "value"]


def warnings(plan: Plan) -> list[tuple[str, str]]:
    assert all(each.severity == "warning" and each.fix == "drop it, or change its times" for each in plan.warnings)
    return [("".join(f"[{part}]" for part in each.path), each.what) for each in plan.warnings]


def test_every_cell_at_every_time_has_a_fate() -> None:
    plan = graphnet.plan(small(BOTH))
    assert fates(plan, Fate.FIRES) == [
        "input->h1@0",
        "h1->h1@1",
        "h1->h2@1",
        "h1->h1@2",
        "h1->h2@2",
        "h2->h2@2",
        "h1->h2@3",
        "h2->h2@3",
        "h2->logits@3",
    ]
    assert fates(plan, Fate.EMPTY) == ["h1->h1@0", "h1->h2@0", "h2->h2@0", "h2->h2@1"]
    assert fates(plan, Fate.UNREAD) == ["h1->h1@3"]
    assert fates(plan, Fate.WAITING) == []
    assert len(plan.firings) == 1 + 3 * 4 + 1


def test_cells_whose_merge_waits_for_another_arrow() -> None:
    states = {"h1": [4, 8, 8], "h2": {"shape": [6, 4, 4], "merge": "product"}}
    held = {"shape": [1, 8, 8], "t": "0..inf"}
    plan = graphnet.plan(small({"h1": {"h2": "C"}}, {"t": "2..inf", "h2": {"h2": "I"}}, states=states, input=held))
    assert fates(plan, Fate.WAITING) == []
    late = small({"h1": {"h2": "C"}, "h2": {"h2": {"ops": "I", "delay": 2}}}, states=states, input=held)
    late["transitions"].append({"t": "0..1", "h2": {"h2": "-"}})
    plan = graphnet.plan(late)
    assert fates(plan, Fate.WAITING) == ["h1->h2@2"]
    assert fates(plan, Fate.EMPTY) == ["h1->h2@0", "h2->h2@2"]


def test_firings_say_which_value_is_read() -> None:
    plan = graphnet.plan(small({"h1": {"h1": "I", "h2": {"ops": "C", "delay": 2}}}))
    reads = {(each.source, each.target, each.t): each.reads for each in plan.firings}
    assert reads["h1", "h2", 3] == "h1_t1"
    assert reads["h1", "h2", 1] == ""
    assert reads["h2", "logits", 3] == "h2_t3"
    assert reads["input", "h1", 0] == "input"


def test_lines_stand_in_the_order_of_time_target_and_source() -> None:
    plan = graphnet.plan(small({"h1": {"h2": "C", "h1": "BC"}, "h2": {"h2": "R"}}, readout={"t": 2}))
    assert [line.name for line in plan.lines] == [
        "pre_net_t0_conv1",
        "h1_t0",
        "h1_from_h1_t1_norm1",
        "h1_from_h1_t1_conv1",
        "h1_t1",
        "h2_from_h1_t1_conv1",
        "h2_t1",
        "h2_from_h1_t2_conv1",
        "h2_from_h2_t2_relu1",
        "h2_t2_sum",
        "h2_t2",
        "post_net_t2_norm1",
        "post_net_t2_relu1",
        "post_net_t2_global_pool1",
        "post_net_t2_linear1",
        "logits_t2",
    ]
    by_name = {line.name: line for line in plan.lines}
    assert by_name["h2_t2_sum"].arguments == ("h2_from_h1_t2_conv1", "h2_from_h2_t2_relu1")
    assert [by_name[name].place for name in ("pre_net_t0_conv1", "h1_t1", "h2_from_h1_t1_conv1", "h2_t2_sum")] == [
        "pre_net",
        "h1",
        "h2.from_h1",
        "h2",
    ]
    assert [by_name[name].t for name in ("h2_from_h1_t1_conv1", "h2_t2_sum", "logits_t2")] == [1, 2, 2]
    assert by_name["h1_from_h1_t1_norm1"].tensors == (
        "h1.from_h1.norm1.t1.running_mean",
        "h1.from_h1.norm1.t1.running_var",
    )


@pytest.mark.parametrize("merge", ["sum", "mean", "max"])
def test_a_state_s_own_merge_wins_and_one_arrival_is_not_merged(merge: str) -> None:
    states = {"h1": [4, 8, 8], "h2": {"shape": [6, 4, 4], "merge": merge}}
    others = "mean" if merge == "sum" else "sum"
    kinds = {line.name: line.op.kind for line in graphnet.plan(small(BOTH, states=states, merge=others)).lines}
    assert kinds[f"h2_t2_{merge}"] == kinds[f"h2_t3_{merge}"] == merge
    assert not [name for name in kinds if name.startswith("h2_t1_")]


def test_dead_values_are_not_computed_unless_kept() -> None:
    spec = small({"h1": {"h1": "C", "h2": "C"}, "h2": {"h1": "D", "h2": "I"}}, readout={"t": 1})
    plan, kept = graphnet.plan(spec), graphnet.plan(spec, keep_dead=True)
    assert values(plan) == ["h1_t0", "h2_t1", "logits_t1"]
    assert values(kept) == ["h1_t0", "h1_t1", "h2_t1", "logits_t1"]
    assert fates(plan, Fate.UNREAD) == ["h1->h1@1"]
    assert fates(kept, Fate.UNREAD) == []
    assert [tensor.name for tensor in kept.tensors if tensor not in plan.tensors] == ["h1.from_h1.conv1.weight"]
    assert kept.parameters == plan.parameters + 4 * 4 * 9


def test_a_held_input_is_processed_once() -> None:
    plan = graphnet.plan(small(BOTH, input={"shape": [1, 8, 8], "t": "0..inf"}))
    pre_net = [line.name for line in plan.lines if line.place == "pre_net"]
    assert pre_net == ["pre_net_t0_conv1"]
    readers = [line.name for line in plan.lines if "pre_net_t0_conv1" in line.arguments]
    assert readers == ["h1_t0", "h1_t1_sum", "h1_t2_sum"]
    assert plan.input_times == "0..inf"
    late = graphnet.plan(small(BOTH, input={"shape": [1, 8, 8], "t": "1..2"}))
    assert [line.name for line in late.lines if line.place == "pre_net"] == ["pre_net_t1_conv1"]


def test_values_that_differ_by_the_readout_are_named_after_it_and_equal_ones_are_computed_once() -> None:
    """LP Figure 4 D: the function changes at T - 1, where the nets of T = 5 and T = 6 start to differ."""
    slabs = [{"t": "1..inf", "h1": {"h1": "I"}, "h2": {"h2": "I"}}, {"t": ["T-1", "T"], "h1": {"h2": "C"}}]
    plan = graphnet.plan(small(*slabs, readout={"t": [5, 6]}))
    names = values(plan)
    assert [name for name in names if name.startswith("h1")] == [f"h1_t{t}" for t in range(6)]
    assert [name for name in names if name.startswith("h2")] == ["h2_t4", "h2_t5_T5", "h2_t5_T6", "h2_t6"]
    assert dict(plan.outputs) == {5: "logits_t5", 6: "logits_t6"}
    reads = {line.name: line.arguments[0] for line in plan.lines if line.place == "post_net" and "norm" in line.name}
    assert reads == {"post_net_t5_norm1": "h2_t5_T5", "post_net_t6_norm1": "h2_t6"}
    parts = {line.name: line.arguments for line in plan.lines if line.name.startswith(("h2_t5_T", "h2_t6_s"))}
    assert parts["h2_t5_T5_sum"] == ("h2_from_h1_t5_T5_conv1", "h2_t4")
    assert parts["h2_t5_T6"] == ("h2_from_h1_t5_T6_conv1",)
    assert parts["h2_t6_sum"] == ("h2_from_h1_t6_conv1", "h2_t5_T6")


def test_each_readout_relative_net_equals_the_net_with_one_readout() -> None:
    slabs = [{"h1": {"h1": "C", "h2": "C"}, "h2": {"h2": "C"}}, {"t": "T-1", "h1": {"h1": "C5"}, "h2": {"h2": "I"}}]
    both = graphnet.plan(small(*slabs, readout={"t": [3, 5]}))
    lines = {line.name: line for line in both.lines}

    def formula(found: dict[str, Any], name: str) -> str:
        if name == "input":
            return name
        line = found[name]
        return f"{line.op}{line.tensors}({', '.join(formula(found, argument) for argument in line.arguments)})"

    assert [line.t for line in both.lines] == sorted(line.t for line in both.lines)
    for t in (3, 5):
        alone = graphnet.plan(small(*slabs, readout={"t": t}))
        single = {line.name: line for line in alone.lines}
        assert formula(lines, dict(both.outputs)[t]) == formula(single, alone.outputs[0][1])


def test_held_values_have_one_line() -> None:
    states = {"h1": {"shape": [4, 8, 8], "hold": True}, "h2": [6, 4, 4]}
    plan = graphnet.plan(small({"h1": {"h2": "C"}, "h2": {"h2": "I"}}, states=states))
    assert [name for name in values(plan) if name.startswith("h1")] == ["h1_t0"]
    assert [line.arguments for line in plan.lines if line.name.startswith("h2_from_h1")] == [("h1_t0",)] * 3


def test_zeros_stand_where_a_state_begins_or_nothing_arrives() -> None:
    states = {"h1": [4, 8, 8], "h2": {"shape": [6, 4, 4], "unpopulated": "zeros"}}
    plan = graphnet.plan(small({"t": "1..inf", "h1": {"h2": "C"}, "h2": {"h2": "RI"}}, states=states, readout={"t": 1}))
    lines = {line.name: line for line in plan.lines}
    assert lines["h2_t0_zeros"].op["shape"] == (6, 4, 4)
    assert lines["h2_t0"].arguments == ("h2_t0_zeros",)
    assert lines["h2_t1_sum"].arguments == ("h2_from_h1_t1_conv1", "h2_from_h2_t1_relu1")
    begin = graphnet.plan(small({"h2": {"h2": "R"}}, states=states, readout={"t": 0}))
    assert begin.lines[0].name == "h2_zeros"
    assert begin.lines[0].t == -1
    assert begin.lines[1].arguments == ("h2_zeros",)


def test_figure_4_has_the_times_of_the_paper() -> None:
    """LP Table 1: 3, 9, 9, 3 transitions fire at t = 2, 3, 4, 5; depth 3 + 2(t - 1) + 2."""
    plan = graphnet.plan(ROOT / "specs/liao-poggio/frnn-3-state.toml")
    live = [each for each in plan.firings if each.fate is Fate.FIRES]
    inner = [each for each in live if each.source != "input" and each.target != "logits"]
    assert [sum(each.t == t for each in inner) for t in range(6)] == [0, 0, 3, 9, 9, 3]
    assert plan.depth == 13


def test_a_cell_that_never_fires_is_warned_of() -> None:
    late = {"t": 9, "h1": {"h1": "C"}}
    assert warnings(graphnet.plan(small(BOTH, late))) == [
        ("[transitions][1][h1][h1]", "this transition never fires: its times are after the last readout")
    ]
    cut_off = {"h2": {"h1": "D"}}
    assert warnings(graphnet.plan(small(BOTH, cut_off, readout={"t": 1}))) == [
        ("[transitions][0][h1][h1]", "this transition never fires: no readout needs it"),
        ("[transitions][0][h2][h2]", "this transition never fires: its source is empty"),
        ("[transitions][1][h2][h1]", "this transition never fires: its source is empty"),
    ]


def test_named_times_are_warned_of_open_ones_only_if_all_are_dead() -> None:
    assert warnings(graphnet.plan(small(BOTH))) == []
    for t, first in (("1..3", "1: its source is empty"), ("2..3", "3: no readout needs it")):
        assert warnings(graphnet.plan(small(BOTH, {"t": t, "h2": {"h1": "D"}}))) == [
            ("[transitions][1][h2][h1]", f"this transition does not fire at t = {first}")
        ]
    assert warnings(graphnet.plan(small(BOTH, {"t": "1..inf", "h2": {"h1": "D"}}))) == []


def test_one_spec_gives_one_plan() -> None:
    spec = small(BOTH, input={"shape": [1, 8, 8], "t": [0, 2]}, readout={"t": [2, 3]})
    assert graphnet.plan(spec) == graphnet.plan(spec)
    assert graphnet.plan(spec) != graphnet.plan(spec | {"merge": "mean"})
