"""Excerpts: the line of a text with marks below the fault."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphnet.errors import Fault
from graphnet.spec.text.assignments import read_assignment
from graphnet.spec.text.excerpts import MOST_COLUMNS, Lines, excerpt
from graphnet.spec.text.source import read_text
from tests.small import faults


def columns(text: str) -> int:
    """Terminal columns, counted independently: wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in ("W", "F")) for char in text
    )


def marked(shown: str) -> str:
    """The text above the marks."""
    line, marks = shown.split("\n")
    begin, end = len(marks) - len(marks.lstrip()), len(marks)
    assert set(marks.strip()) == {"^"}
    found, column, inside = "", 0, False
    for char in line:
        width = columns(char)
        inside = begin <= column < end if width else inside
        found += char if inside else ""
        column += width
    return found + " " * max(0, end - column)


@pytest.mark.parametrize(
    ("line", "start", "end", "at"),
    [
        ("abc", 0, 1, "a"),
        ("abc", 1, 3, "bc"),
        ("abc", 1, 99, "bc"),
        ("abc", 3, 3, " "),
        ("abc", 2, 2, "c"),
        ("\tabc", 1, 2, "a"),
        ("a\tb = \t1", 7, 8, "1"),
        ('a = "猿x"', 6, 7, "x"),
        ('a = "猿x"', 5, 6, "猿"),
        ('a = "😀猿" # é', 9, 10, "#"),
        ("e\u0301x = 1", 2, 3, "x"),
        ("e\u0301x = 1", 0, 2, "e\u0301"),
        ("\x1b[2Jx", 4, 5, "x"),
        ("a\u202eb", 2, 3, "b"),
        ("ａb", 1, 2, "b"),
    ],
)
def test_marks_stand_below_exactly_the_characters_at_fault(line: str, start: int, end: int, at: str) -> None:
    assert marked(excerpt(line, start, end)) == at


def test_unprintable_characters_are_escaped() -> None:
    assert excerpt("\x1b[2J\u202e = 1", 8, 9) == "\\x1b[2J\\u202e = 1\n                ^"
    assert excerpt("", 0, 1) == excerpt("  \t", 0, 1) == ""


@pytest.mark.parametrize("where", [0, 1, 30, 99, 100, 500, 998, 999])
def test_a_long_line_is_truncated_around_the_fault(where: int) -> None:
    line = "".join(f"{number:03} "[-4:] for number in range(250))
    shown = excerpt(line, where, where + 1)
    assert marked(shown) == line[where]
    text, marks = shown.split("\n")
    assert len(text) <= MOST_COLUMNS + 1
    assert len(marks) <= MOST_COLUMNS + 1
    assert text.startswith("…") == (where > 40)
    assert text.strip("…") in line


def test_a_fault_that_is_longer_than_what_is_shown_is_marked_to_the_end_of_that() -> None:
    text, marks = excerpt("x = " + "y" * 5000, 4, 5004).split("\n")
    assert text == "x = " + "y" * 95 + "…" or len(text) <= MOST_COLUMNS + 1
    assert marks == "    " + "^" * (len(text) - 5)


def test_a_line_of_a_million_characters_takes_no_time() -> None:
    source = Lines("x" * 10**6)
    for offset in range(0, 10**6, 1000):
        assert source.mark(Fault((), "", code="GN004"), "x", offset, offset + 1).excerpt


@given(st.text(st.characters(exclude_characters="\n"), max_size=150), st.data())
def test_nothing_in_an_excerpt_moves_the_cursor(line: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(line)))
    shown = excerpt(line, start, data.draw(st.integers(start, len(line) + 1)))
    assert all(part.isprintable() for part in shown.split("\n"))
    assert bool(shown) == bool(line.strip())


@given(st.text(st.sampled_from('ab\té猿😀e\u0301"\\='), max_size=300), st.data())
def test_the_marks_begin_below_the_fault(line: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(line)))
    shown = excerpt(line + ";", start, start + 1)
    text, marks = shown.split("\n")
    before = "".join("    " if char == "\t" else char for char in line[:start])
    if not text.startswith("…"):
        assert marks.count(" ") == columns(before)
    assert columns(text) <= MOST_COLUMNS + 1


@pytest.mark.parametrize(
    ("text", "format", "marks"),
    [
        ('[states]\nh1 = "BRJ"', "toml", 'h1 = "BRJ"\n     ^^^^^'),
        ('{"states": {"h1":\n "BRJ"}}', "json", ' "BRJ"}}\n ^^^^^'),
        ("[states]\n[states.h1]\nx = 1", "toml", "[states.h1]\n^^^^^^^^^^^"),
        ("states = { h1 = [1,\n2] }", "toml", "states = { h1 = [1,\n                ^^^"),
        ("states.h1.x = 1", "toml", "states.h1.x = 1\n       ^^"),
        ('[states]\r\nh1 = "猿"\r\n', "toml", 'h1 = "猿"\n     ^^^^'),
        ('[states]\n"h1" = 7', "toml", '"h1" = 7\n       ^'),
    ],
)
def test_the_entry_is_marked_as_it_is_written(text: str, format: str, marks: str) -> None:
    source = read_text(text, "json" if format == "json" else "toml", "x")
    assert source.locate(Fault(("states", "h1"), "", code="GN004")).excerpt == marks


def test_a_fault_inside_a_string_is_marked_there() -> None:
    source = read_text(r"[t]" + "\n" + r'a = "x\u00e9y"', "toml", "x")
    found = source.locate(Fault(("t", "a"), "", span=(1, 2), code="GN004"))
    assert found.excerpt == 'a = "x\\u00e9y"\n      ^^^^^^'
    assert (found.line, found.column, found.end_column) == (2, 7, 13)


def test_a_key_is_marked_or_the_container_of_a_missing_one() -> None:
    source = read_text('[readout]\n"t t" = 1', "toml", "x")
    assert source.locate(Fault(("readout", "t t"), "", on="key", code="GN004")).excerpt == '"t t" = 1\n^^^^^'
    assert source.locate(Fault(("readout", "t"), "", code="GN004")).excerpt == "[readout]\n^^^^^^^^^"
    assert source.locate(Fault(("states",), "", code="GN004")).excerpt == ""


@pytest.mark.parametrize(
    ("option", "path", "marks"),
    [
        ("readout.t=-3", ("readout", "t"), "          ^^"),
        (" readout.t = -3", ("readout", "t"), "             ^^"),
        ("merge=meen", ("merge",), "      ^^^^"),
        ('merge="meen"', ("merge",), "      ^^^^^^"),
        ("states.h1.update=R", ("states", "h1"), "       ^^"),
        ("transitions.0.h1.h2=BRZ", ("transitions", 0, "h1", "h2"), "                    ^^^"),
        ("readout={ t=1, x=2 }", ("readout", "x"), "               ^"),
    ],
)
def test_a_setting_is_marked_in_the_option(option: str, path: tuple[str | int, ...], marks: str) -> None:
    on = "key" if path == ("readout", "x") else "value"
    found = read_assignment(option).locate(Fault(path, "", on=on, code="GN004"))
    assert found.excerpt == f"{option}\n{marks}"
    assert (found.line, found.column) == (None, None)


def test_a_part_of_a_setting_s_string_is_marked() -> None:
    for option, start in (("a.b=BRZ", 6), ('a.b="BRZ"', 7), ("a.b = 'BRZ'", 9)):
        found = read_assignment(option).locate(Fault(("a", "b"), "", span=(2, 3), code="GN004"))
        assert found.excerpt == f"{option}\n{' ' * start}^"


def test_a_dict_has_no_excerpt() -> None:
    assert {fault.excerpt for fault in faults({"graphnet": 2, "states": {}})} == {""}
