"""Times at which states are populated, and values that a readout needs (rules 3 to 6, 21)."""

from __future__ import annotations

import re
from typing import Any

import pytest

import graphnet
from graphnet.planning.activity import Activity, trace
from tests.small import expansion, fault, faults, small

THREE = {"h1": [4, 8, 8], "h2": [6, 4, 4], "h3": [6, 4, 4]}


def activity(spec: dict[str, Any], last: int = 3) -> Activity:
    found = expansion(spec)
    return trace(found.network, found.network.nets[0], last)


def times(nodes: Any, state: str) -> list[int]:
    return sorted(t for name, t in nodes if name == state and t >= 0)


def test_signals_travel_one_transition_a_step() -> None:
    spec = small({"h1": {"h1": "I", "h2": "C"}, "h2": {"h3": "C"}}, states=THREE)
    found = activity(spec, last=4).populated
    assert [times(found, state) for state in ("h1", "h2", "h3")] == [[0, 1, 2, 3, 4], [1, 2, 3, 4], [2, 3, 4]]


def test_a_transition_fires_only_where_its_source_is_populated() -> None:
    spec = small({"h1": {"h2": "C"}, "h2": {"h1": "D", "h3": "I"}}, states=THREE, readout={"t": 2})
    found = activity(spec, last=6)
    assert [times(found.populated, state) for state in ("h1", "h2", "h3")] == [[0, 2, 4, 6], [1, 3, 5], [2, 4, 6]]
    assert all(arrival.reads in found.populated for live in found.firing.values() for arrival in live)
    assert len(found.arrivals["h2", 2]) == 1
    assert ("h2", 2) not in found.firing


def test_the_input_arrives_at_its_times_as_the_first_arrival() -> None:
    spec = small({"h1": {"h1": "I", "h2": "C"}}, input={"shape": [1, 8, 8], "t": "1..2"})
    found = activity(spec, last=4)
    assert times(found.populated, "input") == [1, 2]
    assert times(found.populated, "h1") == [1, 2, 3, 4]
    sources = [arrival.transition.source for arrival in found.firing["h1", 2]]
    assert sources == ["input", "h1"]


def test_arrivals_come_in_the_order_of_the_states() -> None:
    """The rows of the spec are in the opposite order."""
    spec = small({"h3": {"h3": "C"}, "h2": {"h3": "C"}, "h1": {"h3": "C", "h2": "C", "h1": "I"}}, states=THREE)
    found = activity(spec, last=3)
    assert [arrival.transition.source for arrival in found.firing["h3", 3]] == ["h1", "h2", "h3"]
    for node in found.order:
        assert all(
            found.order.index(a.reads) < found.order.index(node)
            for a in found.firing.get(node, ())
            if a.reads[0] != "input"
        )


def test_delays_reach_back_and_none_stays_within_the_step() -> None:
    late = small({"h1": {"h2": {"ops": "C", "delay": 3}}})
    assert times(activity(late, last=5).populated, "h2") == [3]
    now = small({"h1": {"h2": {"ops": "C", "delay": 0}}}, readout={"t": 0})
    assert times(activity(now).populated, "h2") == [0]
    engineering = small({"h1": {"h2": "C"}, "h2": {"h3": "C"}}, states=THREE, unroll="engineering", readout={"t": 0})
    assert times(activity(engineering).populated, "h3") == [0]


def test_zero_delays_are_followed_for_any_order_of_the_states() -> None:
    states = {"h3": [6, 4, 4], "h2": [6, 4, 4], "h1": [4, 8, 8]}
    ends = {"input": {"shape": [1, 8, 8], "state": "h1"}, "readout": {"t": 0, "state": "h3"}}
    spec = small({"delay": 0, "h1": {"h2": "C"}, "h2": {"h3": "C"}}, states=states, **ends)
    assert [node for node in activity(spec).order if node[1] == 0][:3] == [("h1", 0), ("h2", 0), ("h3", 0)]


def test_only_what_can_reach_a_readout_is_needed() -> None:
    spec = small({"h1": {"h1": "I", "h2": "C", "h3": "C"}}, states=THREE, readout={"t": 3, "state": "h2"})
    found = activity(spec)
    assert [times(found.needed, state) for state in ("h1", "h2", "h3")] == [[0, 1, 2], [3], []]
    assert times(found.populated, "h3") == [1, 2, 3]
    assert found.needed <= found.populated


def test_several_readouts_need_what_each_of_them_needs() -> None:
    spec = small({"h1": {"h2": "C"}, "h2": {"h1": "D"}}, readout={"t": [1, 5]})
    needed = activity(spec, last=5).needed
    assert (times(needed, "h1"), times(needed, "h2"), times(needed, "logits")) == ([0, 2, 4], [1, 3, 5], [1, 5])


def test_a_state_may_hold_its_value() -> None:
    held = {"h1": {"shape": [4, 8, 8], "hold": True}, "h2": [6, 4, 4]}
    slab = {"h1": {"h2": "C"}}
    assert times(activity(small(slab, readout={"t": 1})).populated, "h1") == [0]
    found = activity(small(slab, states=held, readout={"t": 3}))
    assert times(found.populated, "h1") == [0, 1, 2, 3]
    assert times(found.needed, "h1") == [0, 1, 2]
    assert found.firing["h1", 2] == []


def test_a_state_may_be_zeros_where_nothing_arrives() -> None:
    zeros = {"h1": [4, 8, 8], "h2": {"shape": [6, 4, 4], "unpopulated": "zeros"}}
    found = activity(small({"h2": {"h2": "C"}}, states=zeros))
    assert times(found.populated, "h2") == [0, 1, 2, 3]
    assert [arrival.reads for arrival in found.firing["h2", 0]] == [("h2", -1)]


@pytest.mark.parametrize("merge", ["product", "concat"])
def test_some_merges_need_every_arrow(merge: str) -> None:
    h3 = {"shape": [12 if merge == "concat" else 6, 4, 4], "merge": merge}
    slab = {"h1": {"h1": "I", "h2": "C", "h3": "C:6"}, "h2": {"h3": "C:6"}}
    states = {"h1": [4, 8, 8], "h2": [6, 4, 4], "h3": h3}
    spec = small(slab, states=states, readout={"t": 2, "state": "h2"})
    found = activity(spec)
    assert len(found.arrivals["h3", 1]) == 2
    assert times(found.populated, "h3") == [2, 3]


def test_arrows_without_delay_in_a_circle() -> None:
    slabs = [{"h1": {"h1": "C", "h2": "C"}}, {"t": "2..inf", "delay": 0, "h1": {"h2": "C"}, "h2": {"h1": "D"}}]
    found = fault(small(*slabs))
    assert re.fullmatch(
        r"at t = [2-9] these arrows take no time and form a cycle: (h1 → h2 → h1|h2 → h1 → h2)", found.what
    )
    assert found.fix == "give one of them a delay of 1"
    assert found.path[:2] == ("transitions", 1)


def test_arrows_without_delay_may_run_in_a_circle_at_different_times() -> None:
    slabs = [
        {"t": 0, "delay": 0, "h1": {"h2": "C"}},
        {"t": 1, "delay": 0, "h2": {"h1": "D"}},
        {"t": 1, "h2": {"h2": "C"}},
    ]
    assert times(activity(small(*slabs, readout={"t": 1, "state": "h1"})).populated, "h1") == [0, 1]


@pytest.mark.parametrize(
    ("slab", "t", "what", "fix"),
    [
        ({"h1": {"h2": "C"}}, 3, "'h2' is empty at t = 3: signals reach it at t = 1 only", "use 1, or give 'h2' a"),
        (
            {"h1": {"h2": "C"}, "h2": {"h1": "D"}},
            2,
            "'h2' is empty at t = 2: signals reach it at t = 1 and t = 3 and t = 5 only",
            "use 1 or 3 or 5, or give 'h2' a self-transition",
        ),
        (
            {"h1": {"h1": "I", "h2": "C"}},
            0,
            "'h2' is empty at t = 0: signals reach it from t = 1 on",
            "use 1 or later",
        ),
        (
            {"h1": {"h1": "I"}},
            3,
            "'h2' is empty at t = 3: no signal ever reaches it",
            "give it a transition that leads from 'h1' to 'h2'",
        ),
        (
            {"t": "2..inf", "delay": 0, "h1": {"h1": "I"}},  # a cycle, but only after the readout
            1,
            "'h2' is empty at t = 1: no signal ever reaches it",
            "give it a transition that leads from 'h1' to 'h2'",
        ),
    ],
)
def test_a_readout_of_an_empty_state_names_the_times_that_would_do(
    slab: dict[str, Any], t: int, what: str, fix: str
) -> None:
    found = fault(small(slab, readout={"t": t}))
    assert found.path == ("readout", "t")
    assert found.what == what
    assert found.fix.startswith(fix)
    for time in [int(word) for word in found.fix.partition(",")[0].split() if word.isdigit()]:
        assert not faults(small(slab, readout={"t": time}))


CHAIN: dict[str, Any] = {
    "graphnet": 1,
    "states": {"A": [2], "B": [2], "C": [2]},
    "transitions": [{"A": {"B": "I"}, "B": {"C": "I"}}],
}


@pytest.mark.parametrize(
    ("shown", "holds", "readouts", "what", "fix"),
    [
        ("0..inf", True, [0, 2], "'C' is empty at t = 0: signals reach it from t = 2 on", "use 2 or later"),
        ("1..5", True, [0, 2], "'C' is empty at t = 0, 2: signals reach it from t = 3 on", "use 3 or later"),
        ("1..11", True, [0, 2], "'C' is empty at t = 0, 2: signals reach it from t = 3 on", "use 3 or later"),
        (
            "1..11",
            False,
            [2],
            "'C' is empty at t = 2: signals reach it at t = 3 and t = 4 and t = 5 and t = 6, …",
            "use 3 or 4, or give 'C' a self-transition",
        ),
        (
            "1..11",
            False,
            "14..20",
            "'C' is empty at t = 14..20: signals reach it at t = 3 and t = 4 and t = 5 and t = 6, …",
            "use 12 or 13, or give 'C' a self-transition",
        ),
    ],
)
def test_faults_of_readout_times_are_reported_together(
    shown: str, holds: bool, readouts: Any, what: str, fix: str
) -> None:
    slabs = [*CHAIN["transitions"], *([{"C": {"C": "I"}}] if holds else [])]
    spec = CHAIN | {"input": {"shape": [2], "t": shown}, "transitions": slabs, "readout": {"t": readouts}}
    found = fault(spec)
    assert (found.what, found.fix) == (what, fix)


def test_every_readout_is_checked() -> None:
    found = faults(small({"h1": {"h2": "C"}}, readout={"t": "0..2"}))
    assert [each.what.partition(":")[0] for each in found] == ["'h2' is empty at t = 0, 2"]
    assert graphnet.plan(small({"h1": {"h2": "C"}}, readout={"t": 1})).outputs == ((1, "logits_t1"),)


def test_a_first_value_is_none_of_those_before_0() -> None:
    """With zeros before t = 0, I0 adds h1@0 even if the arrow reads zeros; h1@0 itself adds only these zeros."""
    cell = {"ops": "I0", "delay": 2}
    found = activity(small({"h1": {"h1": cell, "h2": "C"}}, unpopulated="zeros"), last=3)
    firsts = {t: arrival.first for t in range(4) for arrival in found.firing["h1", t] if arrival.first}
    assert firsts == {0: ("h1", -1), 1: ("h1", 0), 2: ("h1", 0), 3: ("h1", 0)}
