"""Text or dict → Spec: all faults of form at once, and checks of the rest of the spec all the same."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

import graphnet
from graphnet.errors import Fault, dotted
from graphnet.spec.read import MOST_ERRORS, placed, read, unrelated
from graphnet.spec.text.source import read_text
from tests.small import SMALL, faults, small

TOML = """\
graphnet = 1
name = "small"
input = { shape = [1, 8, 8] }
pre_net = { ops = "C" }
post_net = { ops = "BRGL", classes = 3 }
readout = { t = 3 }

[states]
h1 = [4, 8, 8]
h2 = [6, 4, 4]

[[transitions]]
h1 = { h1 = "BRC+I", h2 = "BRC" }
h2 = { h1 = "BRD", h2 = "BRC+I" }
"""


def found(spec: Any) -> list[str]:
    return [dotted(fault.path) for fault in faults(spec)]


def test_a_file_a_dict_and_a_spec_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(TOML)
    spec = graphnet.load(path)
    assert spec == graphnet.load(str(path)) == graphnet.load(SMALL)
    assert graphnet.load(spec) is spec
    assert spec.source is not None
    assert spec.source.text == TOML
    assert graphnet.load(SMALL).source is None


def test_a_right_spec_has_no_faults_and_keeps_its_text() -> None:
    source = read_text(TOML, "toml", "small.toml")
    reading = read(source)
    assert reading.faults == []
    assert reading.document is not None
    assert reading.source is reading.document.source is source


@pytest.mark.parametrize("wrong", [{}, {"mrege": "sum", "states": {"h1": "x", "h2": [6, 4, 4]}, "readout": None}])
def test_reading_leaves_the_dict_alone(wrong: dict[str, Any]) -> None:
    data = small() | wrong
    before = deepcopy(data)
    reading = read(data)
    assert data == before
    assert bool(reading.faults) == bool(wrong)


@pytest.mark.parametrize(
    ("was", "now", "path", "fix"),
    [
        ("readout = { t = 3 }", "output = { t = 3 }", "output", "did you mean 'readout'?"),
        ("readout = { t = 3 }", "time_steps = 3", "time_steps", "did you mean 'readout'? write [readout] with t = 3"),
        ("readout = { t = 3 }", "readout = { T = 3 }", "readout.T", "did you mean 't'?"),
        ("input = { shape = [1, 8, 8] }", "in = [1, 8, 8]", "in", "write [input] with shape = [1, 8, 8]"),
        ("{ shape = [1, 8, 8] }", "{ channels = 1, height = 8, width = 8 }", "input.channels", "did you mean 'shape'?"),
        ("pre_net =", "encoder =", "encoder", "did you mean 'pre_net'?"),
        ("classes = 3", "num_classes = 3", "post_net.num_classes", "did you mean 'classes'?"),
        ('{ ops = "C" }', '{ layers = ["C"] }', "pre_net.layers", "did you mean 'ops'?"),
        ("[states]", "[areas]", "areas", "did you mean 'states'?"),
        ("[[transitions]]", "[[edges]]", "edges", "did you mean 'transitions'?"),
        ("[[transitions]]", '[[transitions]]\ntimes = "1..3"', "transitions[0].times", "did you mean 't'?"),
        ("[[transitions]]", 'merge = "mean"\n[[transitions]]', "states.merge", "above the first [table]"),
        ("[[transitions]]", '[[transitions]]\nunroll = "engineering"', "transitions[0].unroll", "above the first"),
        (
            'h1 = { h1 = "BRC+I"',
            '"h1->h2" = "BRC"\nh1 = { h1 = "BRC+I"',
            'transitions[0]."h1->h2"',
            'h1 = { h2 = "BRC" }',
        ),
        (
            'h1 = { h1 = "BRC+I"',
            '"h2<-h1" = "BRC"\nh1 = { h1 = "BRC+I"',
            'transitions[0]."h2<-h1"',
            'h1 = { h2 = "BRC" }',
        ),
        ('h1 = { h1 = "BRC+I", h2 = "BRC" }', 'h1 = "BRC"', "transitions[0].h1", 'such as h1 = { h2 = "BRC" }'),
        ('{ h1 = "BRC+I"', "{ h1 = { conv = { kernel = 3 } }", "transitions[0].h1.h1.conv", "ops = [{ conv ="),
        ('{ h1 = "BRC+I"', '{ h1 = { op = "BRC" }', "transitions[0].h1.h1.op", "did you mean 'ops'?"),
        ('name = "small"', "epochs = 3", "epochs", "[train] with epochs = 3"),
        ('name = "small"', 'sharing = { tie = ["h1->h1"] }', "sharing.tie", 'members = ["h1->h1"]'),
        ('name = "small"', 'sharing.sets = ["h1->h1", "h2->h2"]', "sharing.sets", "[[sharing.sets]]"),
        ('name = "small"', 'sharing.sets = [{ members = [["h1", "h1"]] }]', "sharing.sets[0].members[0]", '"V1->V1"'),
    ],
)
def test_one_mistake_is_one_fault_with_a_fix(was: str, now: str, path: str, fix: str) -> None:
    assert was in TOML
    (fault,) = faults(read_text(TOML.replace(was, now, 1), "toml", "small.toml"))
    assert dotted(fault.path) == path
    assert fix in fault.fix
    assert fault.line is not None


def test_a_key_below_a_header_is_of_that_table() -> None:
    moved = TOML.replace("readout = { t = 3 }\n", "") + "readout = [2, 3]\n"
    (fault,) = faults(read_text(moved, "toml", "small.toml"))
    assert (dotted(fault.path), fault.line) == ("transitions[0].readout", 14)
    assert fault.fix == "write [readout] with t = [2, 3]"
    moved = TOML.replace("readout = { t = 3 }\n", "").replace("h1 = [4", "readout = [2, 3]\nh1 = [4")
    (fault,) = faults(read_text(moved, "toml", "small.toml"))
    assert (dotted(fault.path), fault.line) == ("states.readout", 8)


def test_faults_inside_a_misspelt_table_are_reported_after_its_fix() -> None:
    wrong = TOML.replace("[[transitions]]", "[[edges]]").replace('"BRC+I"', '"BRZ"')
    assert found(read_text(wrong, "toml", "small.toml")) == ["edges"]


@pytest.mark.parametrize("count", [MOST_ERRORS, MOST_ERRORS + 1, 5000])
def test_only_the_first_of_many_errors_are_shown(count: int) -> None:
    text = f"graphnet = 1\nreadout.t = [{', '.join(['1.5'] * count)}]\ninput = 3\nstates = 4\n"
    source = read_text(text, "toml", "many.toml")
    with pytest.raises(graphnet.SpecError) as caught:
        graphnet.load(source)
    told = caught.value.faults
    assert len(told) == min(count + 2, MOST_ERRORS + 1)
    assert told[-1].what.endswith("more faults") == (count > MOST_ERRORS - 2)
    assert len(str(caught.value)) < 100_000


def test_faults_of_form_and_of_meaning_come_together() -> None:
    spec = small(
        {"t": "5..3", "h1": {"h1": "BRZ", "h2": {"opps": "BRC"}}, "h2": {"h3": "C", "h1": 4}},
        graphnet=2,
        norm={"affine": "all"},
        sharing={"sets": [{"members": ["h1->h9"]}, {"membres": []}]},
        readout={"t": 3, "state": "h7"},
    )
    assert set(found(spec)) == {
        "graphnet",
        "transitions[0].t",
        "transitions[0].h1.h1",
        "transitions[0].h1.h2.opps",
        "transitions[0].h2.h3",
        "transitions[0].h2.h1",
        "norm.affine",
        "sharing.sets[0].members[0]",
        "sharing.sets[1].membres",
        "readout.state",
    }


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"states": {"h1": "4x8x8", "h2": [6, 4, 4]}}, "states.h1"),
        ({"states": {"h1": [4, 8, 0], "h2": [6, 4, 4]}}, "states.h1.shape[2]"),
        ({"states": {"h1": [4, 8, 8, 8], "h2": [6, 4, 4]}}, "states.h1.shape"),
        ({"input": {"shape": [1, 8, 8], "t": 1.5}}, "input.t"),
        ({"readout": {"t": True}}, "readout.t"),
        ({"post_net": {"ops": 3, "classes": 3}}, "post_net.ops"),
        ({"post_net": 7}, "post_net"),
        ({"let": {"N": []}}, "let.N"),
        ({"unroll": "bio"}, "unroll"),
    ],
)
def test_one_fault_has_no_echoes(changes: dict[str, Any], path: str) -> None:
    assert found(small(**changes)) == [path]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"input": {"shape": [1, 8, 8, 8]}}, "input.shape"),
        ({"pre_net": 7}, "pre_net"),
        ({"transitions": [{"h1": {"h1": "I", "h2": 3}}]}, "transitions[0].h1.h2"),
        ({"transitions": [{"h1": "BRC"}]}, "transitions[0].h1"),
    ],
)
def test_one_fault_has_no_echoes_here_either(changes: dict[str, Any], path: str) -> None:
    assert found(small(**changes)) == [path]


def test_with_faults_the_spec_is_the_valid_rest() -> None:
    reading = read(small(merge="meen", name=3, states={"h1": [4, 8, 8], "h2": "x"}))
    assert sorted(dotted(fault.path) for fault in reading.faults) == ["merge", "name", "states.h2"]
    assert reading.document is not None
    assert reading.document.merge == "sum"
    assert reading.document.states["h1"].shape == (4, 8, 8)
    assert reading.document.states["h2"].shape is None


def test_nothing_is_left_of_a_list_of_states() -> None:
    reading = read(small(states=[["h1", 4]]))
    assert reading.faults[0].path == ("states",)


def test_long_values_are_shown_in_short() -> None:
    (fault,) = faults(small(merge="m" * 100))
    assert fault.what == f"'{'m' * 36}... is not known here"


def test_faults_are_sorted_and_reported_once() -> None:
    source = read_text(TOML, "toml", "small.toml")
    late = Fault(("transitions", 0, "h1", "h2"), "late", on="key", code="GN004")
    early = Fault(("states", "h2"), "early", code="GN004")
    inside = Fault(("post_net", "ops"), "inside", span=(2, 3), code="GN004")
    found = placed([late, early, inside, late], source)
    where = [(fault.what, fault.file, fault.line, fault.column) for fault in found]
    assert where == [
        ("inside", "small.toml", 5, 23),
        ("early", "small.toml", 10, 6),
        ("late", "small.toml", 13, 22),
    ]


def test_without_a_text_faults_keep_their_order() -> None:
    late, early = Fault(("transitions",), "late", code="GN004"), Fault(("states",), "early", code="GN004")
    assert placed([late, early, late], None) == [late, early]


def test_entries_are_related_when_one_is_inside_the_other() -> None:
    def related(path: tuple[str, ...], other: tuple[str, ...]) -> bool:
        return not unrelated([Fault(path, "", code="GN004")], [Fault(other, "", code="GN004")])

    for path, other, expected in [
        (("states", "h1"), ("states",), True),
        ((), ("states",), True),
        (("states", "h1"), ("states", "h1"), True),
        (("states", "h1"), ("states", "h2"), False),
        (("states",), ("readout", "states"), False),
    ]:
        assert related(path, other) == related(other, path) == expected
