"""Cells that later slabs of the same file override at all times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import graphnet
from graphnet import zoo
from graphnet.errors import dotted
from graphnet.flattened import flattened
from graphnet.spec.write import to_toml
from tests.small import small

ALL: dict[str, Any] = {"h1": {"h1": "BRC", "h2": "BRC"}, "h2": {"h2": "I"}}
DELAYED: dict[str, Any] = {"h1": {"h1": {"ops": "BRC", "delay": 2}}}


def silenced(spec: Any) -> list[str]:
    """`path: what` of each such warning."""
    return [f"{dotted(each.path)}: {each.what}" for each in graphnet.plan(spec).warnings if each.code == "GN509"]


def says(*paths: str, by: str = "transitions[1].h1.h1 overrides it") -> list[str]:
    return [f"{path}: this transition holds at no time: {by}" for path in paths]


@pytest.mark.parametrize(
    ("slabs", "said"),
    [
        ([ALL, DELAYED], says("transitions[0].h1.h1")),
        ([ALL, {"h1": {"h1": "-"}}], says("transitions[0].h1.h1")),
        ([ALL | {"t": "2..3"}, DELAYED | {"t": "1..4"}, ALL | {"t": 1}], says("transitions[0].h1.h1")),
        ([ALL, DELAYED | {"t": "1..inf"}], []),  # time 0 is left
        (
            [ALL, {"t": "2..T-2", "h2": {"h1": "D"}}, {"h2": {"h1": "D"}}],
            [],
        ),  # no time at T = 3, even without later slabs
        ([{"t": "T-1", "h1": {"h1": "C"}}, ALL], says("transitions[0].h1.h1")),
        (
            [ALL, DELAYED | {"t": "0..3"}, DELAYED | {"t": 0}, DELAYED | {"t": "1..inf"}],
            [
                *says("transitions[0].h1.h1", by="transitions[1].h1.h1 and 2 more override it"),
                *says("transitions[1].h1.h1", by="transitions[2].h1.h1 and transitions[3].h1.h1 override it"),
            ],
        ),
    ],
)
def test_a_cell_without_time(slabs: list[dict[str, Any]], said: list[str]) -> None:
    assert silenced(small(*slabs, readout={"t": 3})) == said


def test_a_cell_that_has_time_for_another_readout_is_not_silenced() -> None:
    slabs = ALL, {"t": "1..inf", "h1": {"h2": "C"}}, {"t": "1..T", "h1": {"h2": "C1"}}
    assert silenced(small(*slabs, {"t": "T+1..inf", "h1": {"h2": "C5"}}, readout={"t": 3})) == says(
        "transitions[1].h1.h2", by="transitions[2].h1.h2 and transitions[3].h1.h2 override it"
    )
    assert silenced(small(*slabs, readout={"t": [2, 3]})) == []


def test_both_places_are_reported(tmp_path: Path) -> None:
    file = tmp_path / "v.toml"
    file.write_text(to_toml(small(ALL, DELAYED)))
    spec = graphnet.load(file)
    (text,) = silenced(spec)
    lines = file.read_text().splitlines()
    (fault,) = [each for each in graphnet.plan(spec).warnings if each.code == "GN509"]
    first, second = [number for number, line in enumerate(lines, 1) if line.startswith("h1 = { h1")]
    assert fault.line == first
    assert f"({file}:{second}:{lines[second - 1].index('h1 = {', 1) + 1}) overrides it" in text


def test_to_extend_and_to_set_is_to_override(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(to_toml(small(ALL)))
    over = tmp_path / "over.toml"
    over.write_text('extends = "base.toml"\n[[transitions]]\nh1 = { h2 = "C" }\n')
    assert silenced(over) == []
    assert graphnet.plan(over).cells[-3].ops == "C"
    assert silenced(graphnet.load(tmp_path / "base.toml", settings=["transitions.0.h1.h2=C"])) == []
    over.write_text(over.read_text() + '[[transitions]]\nh1 = { h2 = "C1" }\n')
    assert [text.split(": this")[0] for text in silenced(over)] == ["transitions[1].h1.h2"]


def test_in_parts_and_under_two_names() -> None:
    """A net may override its parts; a slab that names a state and its inner state has two cells of one pair."""
    part = {"states": {"r": {}, "s": {}}, "transitions": [{"r": {"s": "C"}}]}
    states = {name: {"shape": [4, 8, 8], "part": "p"} for name in ("h1", "h2")}
    slab = {"h1": {"h2": "C"}}
    assert silenced(small(slab, {"h1.r": {"h1.s": "C1"}}, states=states, parts={"p": part})) == []
    twice = part | {"transitions": [{"r": {"s": "C"}}, {"r": {"s": "C1"}}]}
    assert silenced(small(slab, states=states, parts={"p": twice})) == [
        "parts.p.transitions[0].r.s: this transition holds at no time: parts.p.transitions[1].r.s overrides it"
    ]
    both = {"h1": {"h2": "C"}, "h1.s": {"h2.r": "C1"}}
    assert silenced(small(both, states=states, parts={"p": part})) == [
        'transitions[0].h1.h2: this transition holds at no time: transitions[0]."h1.s"."h2.r" overrides it'
    ]


@pytest.mark.parametrize("name", ["blt-b", "lpk-pcr", "frnn-4-state-adjacent"])
def test_a_spec_that_extends_another_has_no_such_cell_when_it_is_written_flat(name: str) -> None:
    spec = graphnet.load(zoo.path(name))
    assert silenced(spec.as_data())
    flat = graphnet.load(flattened(spec))
    assert not silenced(flat)
    assert replace(graphnet.plan(flat), warnings=()) == replace(graphnet.plan(spec), warnings=())


@pytest.mark.parametrize("name", zoo.names())
def test_no_spec_of_the_zoo_has_such_a_cell(name: str) -> None:
    assert silenced(zoo.path(name)) == []
