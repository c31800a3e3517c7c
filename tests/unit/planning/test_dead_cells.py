"""Warnings about cells that never fire: in parts, and many at once."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from typing import Any

import pytest

import graphnet
from graphnet.errors import Fault
from tests.small import small

SIZE = [4, 4, 4]


def two_loops(t: Any, **changes: Any) -> dict[str, Any]:
    """Two instances of a part with an inner loop, s->r, which holds at some times; V1 drives V2."""
    part = {"states": {"r": {}, "s": {}}, "transitions": [{"r": {"s": "C"}}, {"t": t, "s": {"r": "C1"}}]}
    states = {name: {"shape": SIZE, "part": "loop"} for name in ("V1", "V2")}
    return small({"V1": {"V2": "C"}}, states=states, parts={"loop": part}) | {"readout": {"t": 5}} | changes


def dead(spec: Any) -> list[Fault]:
    return [each for each in graphnet.plan(spec).warnings if each.code in ("GN501", "GN502")]


def with_advice(spec: dict[str, Any], fix: str) -> dict[str, Any]:
    """The spec after following a warning's advice to block cells."""
    when, block = re.search(r"in \[\[transitions\]\](?: with t = (\d+))?: (.*?)(?:, and|$)", fix).groups()  # type: ignore[union-attr]
    slab = tomllib.loads(block) | ({"t": int(when)} if when else {})
    return spec | {"transitions": [*spec["transitions"], slab]}


@pytest.mark.parametrize(
    ("t", "input_times", "name", "why"),
    [(2, 0, "V2", "its source is empty"), (4, "0..inf", "V1", "no readout needs it")],
)
def test_one_warning_for_the_instances_of_a_part_names_those_concerned(
    t: int, input_times: Any, name: str, why: str
) -> None:
    spec = two_loops(t, input={"shape": [1, 8, 8], "t": input_times})
    (fault,) = dead(spec)
    assert fault.path == ("parts", "loop", "transitions", 1, "s", "r")
    assert fault.what == f"this transition never fires in '{name}': {why}"
    block = f'"{name}.s" = {{ "{name}.r" = "-" }}'
    assert fault.fix == f"keep it for the rest, and block it here, in [[transitions]]: {block}"
    mended = graphnet.plan(with_advice(spec, fault.fix))
    assert mended.warnings == ()
    assert mended.calls == graphnet.plan(spec).calls


def test_a_cell_that_no_instance_needs_can_be_dropped() -> None:
    (fault,) = dead(two_loops("0..inf", readout={"t": 3}))
    what = "this transition never fires in 'V1': no readout needs it; in 'V2': its source is empty"
    assert (fault.what, fault.fix) == (what, "drop it, or change its times")
    (fault,) = dead(two_loops(1, readout={"t": 3}))
    assert fault.what == "this transition never fires in 'V1' and 'V2': its source is empty"


def test_an_instance_in_which_it_does_not_fire_at_a_named_time() -> None:
    spec = two_loops("4..5", input={"shape": [1, 8, 8], "t": "0..inf"}, readout={"t": [6, 7]})
    (fault,) = dead(spec)
    reasons = "in 'V1' at t = 5: no readout needs it; in 'V2' at t = 4: no readout needs it"
    assert (fault.code, fault.what) == ("GN502", f"this transition does not fire {reasons}")
    assert fault.fix.endswith(', in [[transitions]] with t = 5: "V1.s" = { "V1.r" = "-" }, and the others likewise')
    mended = with_advice(spec, fault.fix)
    mended["transitions"].append({"t": 4, "V2.s": {"V2.r": "-"}})
    assert graphnet.plan(mended).warnings == ()
    assert graphnet.plan(mended).calls == graphnet.plan(spec).calls


def areas(count: int) -> dict[str, Any]:
    """Fully connected areas, read out when the signal first reaches the last one along the chain."""
    names = [f"A{n}" for n in range(count)]
    rows = {source: {target: "C" for to, target in enumerate(names) if to <= at + 1} for at, source in enumerate(names)}
    return small(rows, states=dict.fromkeys(names, SIZE), readout={"t": count - 1})


def test_many_dead_cells_are_one_warning_with_the_list() -> None:
    assert len(dead(areas(4))) == 10
    (fault,) = dead(areas(7))
    assert fault.path == ("transitions",)
    assert fault.what.startswith("28 of 34 transitions never fire: A0->A0, ")
    listed = re.findall(r"A\d->A\d", fault.what)
    assert len(listed) == len(set(listed)) == 28
    plan = graphnet.plan(areas(7))
    fired = {f"{each.source}->{each.target}" for each in plan.firings if each.fate == "fires"}
    assert not fired & set(listed)
    assert re.findall(r": ([a-z ]+)(?:;|$)", fault.what) == ["no readout needs it", "its source is empty"]


def test_many_cells_that_do_not_fire_at_named_times_are_one_warning() -> None:
    spec = areas(6)
    spec["transitions"][0] |= {"t": "1..8"}
    (fault,) = [each for each in dead(spec | {"readout": {"t": 8}}) if each.code == "GN502"]
    assert fault.path == ("transitions",)
    assert fault.what.startswith("20 of 26 transitions do not fire at a time that they name: A0->A0 at t = ")
    assert fault.what.endswith("A5->A3, A5->A4, A5->A5 at t = 1: its source is empty")


def test_dead_cells_change_no_plan() -> None:
    plan = graphnet.plan(areas(7))
    rows = {f"A{n}": {f"A{n + 1}": "C"} for n in range(6)}
    alone = graphnet.plan(areas(7) | {"transitions": [rows]})
    assert replace(plan, warnings=(), firings=(), cells=()) == replace(alone, warnings=(), firings=(), cells=())
