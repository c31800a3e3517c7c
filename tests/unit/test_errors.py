"""Text of faults."""

from dataclasses import replace

import pytest

from graphnet.errors import LONGEST_LINE, LONGEST_WORD, MOST_LISTED, Fault, SpecError, did_you_mean, dotted, shortened


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "spec"),
        (("readout", "t"), "readout.t"),
        (("transitions", 0, "h1", "h_2"), "transitions[0].h1.h_2"),
        (("sharing", "sets", 1, "members", 2), "sharing.sets[1].members[2]"),
        ((0, 1), "[0][1]"),
        (("states", "V1.r"), 'states."V1.r"'),
        (("states", ""), 'states.""'),
        (("a-b", "c d"), 'a-b."c d"'),
        (("a\n\x1b[31m", '"\\'), r'"a\n\x1b[31m"."\"\\"'),
    ],
)
def test_paths_as_people_write_them(path: tuple[str | int, ...], text: str) -> None:
    assert dotted(path) == text


def test_a_fault_has_place_message_and_fix() -> None:
    fault = Fault(("readout", "t"), "'IT' is empty at t = 3", "use 2 or 4", code="GN004")
    assert str(fault) == "error[GN004]: readout.t\n  'IT' is empty at t = 3\n  use 2 or 4"
    placed = fault.at("v.toml", 31, 5)
    assert str(placed) == f"v.toml:31:5: {fault}"
    assert (fault.line, placed.line, placed.column, placed.file) == (None, 31, 5, "v.toml")


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "\x9b2J", "\u202eb", "\u2028", "\ud83d", "\0", "\t", "\r"])
def test_nothing_in_a_fault_moves_the_cursor(text: str) -> None:
    fault = Fault((text, text), f"what {text}", f"fix {text}", file=f"{text}.toml", note=f"note {text}", code="GN004")
    lines = str(SpecError([fault])).split("\n")
    assert [line.split()[0] for line in lines[1:]] == ["what", "fix", "note"]
    assert all(line.isprintable() for line in lines)
    assert repr(text)[1:-1] in lines[1]


def test_what_can_be_shown_is_shown() -> None:
    assert str(Fault(("é", "V 1"), "'é😀→\\' is 猿", code="GN004")) == "error[GN004]: é.\"V 1\"\n  'é😀→\\' is 猿"


def test_unknown_parts_are_left_out() -> None:
    assert (
        str(Fault((), "there is no such file", file="x.toml", code="GN004"))
        == "x.toml: error[GN004]: spec\n  there is no such file"
    )
    assert str(Fault(("name",), "odd", severity="warning", code="GN004")) == "warning[GN004]: name\n  odd"


@pytest.mark.parametrize("text", ["k" * 10**6, "k " * 10**6, "\x1b" * 10**6, f"{'k' * 150} is no state", "é\n" * 3000])
def test_long_texts_are_cut(text: str) -> None:
    short = shortened(text)
    assert len(short) <= LONGEST_LINE
    assert max(map(len, short.split())) <= LONGEST_WORD
    assert "…" in short
    assert shortened(short) == short
    fault = Fault((text, text), text, text, note=text, code="GN004")
    assert replace(fault, file="a") == Fault((text, text), text, text, note=text, code="GN004", file="a")
    assert len(str(fault)) < 40_000
    assert shortened(text[:LONGEST_WORD]) == text[:LONGEST_WORD]


def test_an_error_lists_all_faults_separated_by_a_line() -> None:
    one, two = Fault(("a",), "first", code="GN004"), Fault(("b",), "second", code="GN004")
    error = SpecError(fault for fault in (one, two))
    assert error.faults == (one, two)
    assert str(error) == "error[GN004]: a\n  first\n\nerror[GN004]: b\n  second"


def test_hints_name_the_closest_and_list_the_few() -> None:
    assert did_you_mean("h4", ("h1", "V9")) == "did you mean 'h1'? known: h1, V9"
    assert did_you_mean("x", ("h1", "V9")) == "known: h1, V9"
    assert did_you_mean("it", ("V1", "IT")) == "did you mean 'IT'? known: V1, IT"
    assert did_you_mean("x", ()) == ""
    assert did_you_mean("average", ("sum", "mean")) == "did you mean 'mean'? known: sum, mean"
    assert did_you_mean("V4-d", ("V1", "V4_d")) == "did you mean 'V4_d'? known: V1, V4_d"


def test_many_names_are_not_listed() -> None:
    names = tuple(f"area{number}" for number in range(MOST_LISTED + 1))
    assert did_you_mean("area_7", names) == "did you mean 'area7'?"
    assert did_you_mean("x", names) == ""
    assert did_you_mean("x", names[1:]).startswith("known: area1, ")
