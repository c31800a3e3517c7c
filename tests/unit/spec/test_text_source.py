"""graphnet.spec.text.source: the data of a text, the places of its entries, and all its faults at once."""

from __future__ import annotations

import datetime
import io
import json
import math
import os
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphnet.errors import Fault, KeyPath, SpecError
from graphnet.spec.text.source import MAX_BYTES, Format, Source, read_file, read_text

LP = """\
#:schema ./graphnet.schema.json
graphnet = 1                              # version of the language
name  = "frnn-3-state"
cite  = "Liao & Poggio 2016, Figure 3"
input = { shape = [3, 32, 32], t = 1 }    # C, H, W
merge = "mean"

[states]                                  # order means something
h1 = [64, 32, 32]
h2 = [128, 16, 16]
h3 = [256, 8, 8]

[[transitions]]                           # one slab of the (i, j, t) matrix
t = "1..inf"
h1 = { h1 = "BRCx2+I", h2 = "BRCx2",   h3 = "BRCx2"   }
h2 = { h1 = "BRDx2",   h2 = "BRCx2+I", h3 = "BRCx2"   }
h3 = { h1 = "BRDx2",   h2 = "BRDx2",   h3 = "BRCx2+I" }

[norm]
statistics = "per-time"                   # TSBN; or "shared"
affine = "none"                           # none | shared | per-time

[pre_net]
ops = "CBRCBRC"
norm = { affine = "shared" }

[post_net]
ops = "BRGL"
classes = 10
norm = { affine = "shared" }

[readout]
t = 5
"""
CORNET = """\
[states]                                  # CORnet-S: "local" recurrence, areas' order
V1  = [64, 56, 56]
V2i = [128, 56, 56]
V2  = { shape = [128, 28, 28], update = "R" }
V4i = [256, 28, 28]
V4  = { shape = [256, 14, 14], update = "R" }
[[transitions]]
V1  = { V2i = "C1" }
V2i = { V2 = "C1:512 BR C:512/2 BR C1B + C1B" }   # first visit: stride 2
V2  = { V2 = "C1:512 BR C:512 BR C1B + I" }       # later visits
[[transitions]]
t = 4
V2 = { V4i = "C1" }
[[sharing.sets]]
members = ["V2i->V2", "V2->V2"]
"""
CURIOUS = '''\
a.b."c d" = -1.5e3
"V1.r".q = """
multi\\
   line "x" \\u00e9 é 😀"""
l = \'\'\'
lit\\n
eral\'\'\'
"\\u0078\\"" = 0x1F
[t . u]
v = [ # a comment
  [1, 2], { k = "v", m.n = [true] },
  # another
]
[[arr]]
s = 'lit\\n'
[[arr.sub]]
q = 1_000
[arr.sub.deep]
w = +0.5
[[arr]]
[arr.only]
'''
TOMLS = [LP, CORNET, CURIOUS]
JSONS = [json.dumps(tomllib.loads(text), indent=indent) for text in TOMLS for indent in (None, 2)]
TEXTS: list[tuple[str, Format]] = [
    *((text, "toml") for text in TOMLS),
    *((text.replace("\n", "\r\n"), "toml") for text in TOMLS),
    *((text, "json") for text in JSONS),
]


def refused(text: str, format: Format = "toml") -> list[tuple[int | None, int | None, KeyPath, str, str]]:
    """Line, column, path, fault and fix of every fault of a text."""
    with pytest.raises(SpecError) as caught:
        read_text(text, format, "x")
    assert all(fault.file == "x" and fault.severity == "error" for fault in caught.value.faults)
    return [(fault.line, fault.column, fault.path, fault.what, fault.fix) for fault in caught.value.faults]


def places(text: str, format: Format = "toml") -> list[tuple[int | None, int | None]]:
    return [fault[:2] for fault in refused(text, format)]


def entries(data: Any) -> Iterator[tuple[KeyPath, Any]]:
    """All paths below the top of some data, with their values."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        yield (key,), value
        yield from (((key, *path), deeper) for path, deeper in entries(value))


def rest(source: Source, fault: Fault) -> str:
    """The text from a fault's place on, found by line and column as in an editor."""
    placed = source.locate(fault)
    assert placed.line is not None
    assert placed.column is not None
    lines = source.text.split("\n")[placed.line - 1 :]
    return "\n".join(lines)[placed.column - 1 :]


def parsed(text: str, format: Format) -> Any:
    """The scalar at the start of a text, by a standard parser."""
    if format == "json":
        return json.JSONDecoder().raw_decode(text)[0]
    for end in range(1, len(text) + 1):
        if text[end : end + 1] in ("", "\n", "\r", " ", ",", "]", "}"):
            try:
                return tomllib.loads(f"v = {text[:end]}")["v"]
            except tomllib.TOMLDecodeError:
                continue
    raise AssertionError(text)


@pytest.mark.parametrize(("text", "format"), TEXTS)
def test_every_entry_is_found_where_it_stands(text: str, format: Format) -> None:
    source = read_text(text, format, "x")
    assert source.data == (tomllib.loads(text) if format == "toml" else json.loads(text))
    paths = dict(entries(source.data))
    assert list(source.places.keys() - paths.keys()) == []
    for path, value in paths.items():
        at_value = rest(source, Fault(path, "", code="GN004"))
        if isinstance(value, dict | list):
            headless = at_value.startswith(("[", "{")) or isinstance(path[-1], str)
            assert headless, path
        else:
            assert parsed(at_value, format) == value, path
        if isinstance(path[-1], str):
            key = rest(source, Fault(path, "", on="key", code="GN004"))
            assert key.startswith((path[-1], f'"{path[-1]}"', '"\\u0078\\""', '"x\\""')), path


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("graphnet",), (2, 1), (2, 12)),
        (("input",), (5, 1), (5, 9)),
        (("input", "shape"), (5, 11), (5, 19)),
        (("input", "shape", 2), (5, 27), (5, 27)),
        (("states",), (8, 2), (8, 1)),
        (("states", "h3", 1), (11, 12), (11, 12)),
        (("transitions",), (13, 3), (13, 1)),
        (("transitions", 0), (13, 3), (13, 1)),
        (("transitions", 0, "h2", "h3"), (16, 40), (16, 45)),
        (("norm", "statistics"), (20, 1), (20, 14)),
        (("readout", "t"), (33, 1), (33, 5)),
    ],
)
def test_places_are_those_a_person_counts(path: KeyPath, key: tuple[int, int], value: tuple[int, int]) -> None:
    source = read_text(LP, "toml", "lp.toml")
    at_key, at_value = (
        source.locate(Fault(path, "", on="key", code="GN004")),
        source.locate(Fault(path, "", code="GN004")),
    )
    assert (at_key.file, at_key.line, at_key.column) == ("lp.toml", *key)
    assert (at_value.file, at_value.line, at_value.column) == ("lp.toml", *value)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), (1, 1)),
        (("nothing",), (1, 1)),
        (("readout", "state"), (32, 1)),
        (("transitions", 0, "delay"), (13, 1)),
        (("transitions", 7, "h1", "h2"), (13, 1)),
        (("transitions", 0, "h2", "h9", "gain"), (16, 1)),
        (("input", "sequence"), (5, 1)),
        (("states", "h1", 3), (9, 1)),
        (("norm", "affine", "deeper"), (21, 1)),
    ],
)
def test_a_missing_entry_is_placed_at_its_container(path: KeyPath, place: tuple[int, int]) -> None:
    source = read_text(LP, "toml", "x")
    for fault in (
        Fault(path, "", code="GN004"),
        Fault(path, "", on="key", code="GN004"),
        Fault(path, "", span=(3, 4), code="GN004"),
    ):
        placed = source.locate(fault)
        assert (placed.line, placed.column) == place


@pytest.mark.parametrize(
    ("text", "format", "spots"),
    [
        ('a = "BRC"', "toml", {0: (1, 6), 2: (1, 8), 3: (1, 9), 99: (1, 9)}),
        ('é = "😀x"'.replace("é", '"é"'), "toml", {0: (1, 8), 1: (1, 9)}),
        (r'a = "\n\u00e9\U0001F600\"x"', "toml", {0: (1, 6), 1: (1, 8), 2: (1, 14), 3: (1, 24), 4: (1, 26)}),
        (r"a = '\n'", "toml", {0: (1, 6), 1: (1, 7), 2: (1, 8)}),
        ('a = ""', "toml", {0: (1, 6), 1: (1, 6)}),
        ("a = ''", "toml", {0: (1, 6)}),
        ('a = """"""', "toml", {0: (1, 8)}),
        ('a = """x"y""z"""', "toml", {0: (1, 8), 1: (1, 9), 5: (1, 13), 6: (1, 14)}),
        ('a = """x""""', "toml", {1: (1, 9), 2: (1, 10)}),
        ('a = """\nx\ny"""', "toml", {0: (2, 1), 1: (2, 2), 2: (3, 1)}),
        ('a = """\r\nx\r\ny"""', "toml", {0: (2, 1), 1: (2, 2), 2: (3, 1)}),
        ('a = """x\\\n   y\\  \n\n z"""', "toml", {0: (1, 8), 1: (2, 4), 2: (4, 2)}),
        ("a = '''\nx\\\ny'''", "toml", {0: (2, 1), 1: (2, 2), 2: (2, 3), 3: (3, 1)}),
        ("a = '''\r\nx\r\ny'''", "toml", {0: (2, 1), 1: (2, 2), 2: (3, 1)}),
        (r'{"a": "\/\u00e9\ud83d\ude00\\x"}', "json", {0: (1, 8), 1: (1, 10), 2: (1, 16), 3: (1, 28), 4: (1, 30)}),
    ],
)
def test_a_span_is_found_inside_a_string(text: str, format: Format, spots: dict[int, tuple[int, int]]) -> None:
    source = read_text(text, format, "x")
    path = tuple(source.data)
    for index, place in spots.items():
        placed = source.locate(Fault(path, "", span=(index, index + 1), code="GN004"))
        assert (placed.line, placed.column) == place, index


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_span_in_any_json_string_is_the_character_itself(value: str) -> None:
    for ascii_only in (True, False):
        source = read_text(json.dumps({"a": value}, ensure_ascii=ascii_only), "json", "x")
        for index in range(len(value)):
            start, end = source.extent(Fault(("a",), "", span=(index, index + 1), code="GN004"))
            tail = source.text[start:-1]
            assert json.loads(f'"{source.text[start:end]}"') == value[index]
            assert json.loads(f'"{tail}') == value[index:]


def test_a_span_counts_for_strings_only_and_for_values_only() -> None:
    source = read_text("abc = 123", "toml", "x")
    assert source.locate(Fault(("abc",), "", span=(2, 3), code="GN004")).column == 7
    assert (
        read_text('abc = "xyz"', "toml", "x").locate(Fault(("abc",), "", on="key", span=(2, 3), code="GN004")).column
        == 1
    )


def test_locating_keeps_the_rest_of_a_fault() -> None:
    fault = Fault(("readout", "t"), "what", "fix", severity="warning", code="GN004")
    assert read_text(LP, "toml", "lp.toml").locate(fault) == fault.at("lp.toml", 33, 5, 6, "t = 5\n    ^")


STRING, BRACKET = "a string needs a closing quote", "close it with ']'"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("a = = 3\nb = 1", [(1, 5, "this is not TOML: '= 3'", "write one '=' between")]),
        ('a = "abc\nb = 2', [(1, 5, "this string is never closed: '\"abc'", STRING)]),
        ("a = 'abc\nb = 2", [(1, 5, "this string is never closed", STRING)]),
        ('a = """abc\nb = 2', [(1, 5, "this string is never closed", STRING)]),
        ('a = ["x, 1]\nb = 2', [(1, 6, "this string is never closed", STRING)]),
        ("a 1\nb 2\nc = 3", [(1, 3, "'1'", "followed by '='"), (2, 3, "'2'", "followed by '='")]),
        ("a: 3", [(1, 2, "': 3'", "a key is followed by '='")]),
        ("a", [(1, 2, "this ends too early: 'a'", "followed by '='")]),
        ("a =  # c", [(1, 6, "'# c'", "a value is")]),
        ("a = [1, 2\nb = 3\n[t]\nc = 4", [(1, 5, "this '[' is never closed", BRACKET)]),
        ("a = { b = 1\nc = 2", [(1, 5, "this '{' is never closed", "close it with '}'")]),
        ("a = [\n  1,\n  2 3,\n]\nb = = 1", [(3, 5, "'3,'", "',' or ']'"), (5, 5, "'= 1'", "one '='")]),
        ("a = [1, 2}", [(1, 10, "'}'", "',' or ']'")]),
        ("a = { b = 1 c = 2 }", [(1, 13, "'c = 2 }'", "',' or '}'")]),
        ("a = { b = 1,\n  c = 2 }\nd = = 1", [(1, 13, "too early", "on one line"), (3, 5, "'= 1'", "")]),
        ("a = { b = 1, }", [(1, 14, "'}'", "without a comma before its '}'")]),
        ("[abc\nd = 1", [(1, 1, "this '[' is never closed", BRACKET)]),
        ("[a b]", [(1, 4, "'b]'", "in brackets: [readout]")]),
        ("a = 1 b = 2", [(1, 7, "'b = 2'", "the line should end here")]),
        ("= 3", [(1, 1, "'= 3'", "a line is key = value, or a [table]")]),
        ("a..b = 3", [(1, 3, "'.b = 3'", "a key is a word")]),
        ("h1 = BRCx2+I", [(1, 6, "'BRCx2+I'", 'put text in quotes: "BRCx2+I"')]),
        ("a = True", [(1, 5, "'True'", "write true")]),
        ("a = null", [(1, 5, "'null'", "leave the key out")]),
        ("a = 1..5", [(1, 6, "'..5'", 'put text in quotes: "1..5"')]),
        ("a = [1..N]", [(1, 7, "'..N]'", 'put text in quotes: "1..N"')]),
        ("a = (1, 2)", [(1, 5, "'(1, 2)'", "put a list in square brackets")]),
        ("a = 1;", [(1, 6, "';'", "remove the ';'")]),
        ("// a\na = 1", [(1, 1, "'// a'", "write comments after '#'")]),
        ("a\u00a0= 1", [(1, 2, "= 1'", "remove the invisible character U+00A0")]),
        ("a = \u22121", [(1, 5, "1'", "write - instead of \u2212 (U+2212)")]),
        ("a \uff1d 1", [(1, 3, "1'", "write = instead of \uff1d (U+FF1D)")]),
        ("a = 1\rb = 2", [(1, 6, "b = 2'", "save the file with LF or CR LF")]),
        ("a = “x”", [(1, 5, "'“x”'", "straight quotes")]),
        (r'a = "x\q"', [(1, 7, "'\\q\"'", r"write a backslash as \\")]),
        (r'a = "x\u12"', [(1, 7, "'\\u12\"'", "four hexadecimal digits")]),
        ('é = 1\n"é" = "é" x', [(1, 1, "'é = 1'", ""), (2, 11, "'x'", "the line should end")]),
        ("a = 1\0", [(1, 6, r"'\x00'", "")]),
        ('a = "\x01"', [(1, 6, r"\x01", r"such as \t")]),
        ("a = 1\r\nb = = 2\r\n", [(2, 5, "'= 2'", "")]),
        ("a = 1\n]\nb = 2", [(2, 1, "']'", "")]),
        ("<html>\n<body>", [(1, 1, "'<html>'", ""), (2, 1, "'<body>'", "")]),
        ("a = " + "x" * 99, [(1, 5, "'" + "x" * 30 + "...'", "")]),
    ],
)
def test_toml_syntax(text: str, faults: list[tuple[int, int, str, str]]) -> None:
    found = refused(text)
    assert [fault[:2] for fault in found] == [fault[:2] for fault in faults]
    for (_, _, path, what, fix), (_, _, part, hint) in zip(found, faults, strict=True):
        assert path == ()
        assert part in what
        assert hint in fix


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", [(1, 1, "the spec is empty", "")]),
        ('{"a": 1,}', [(1, 8, "a comma too many", "remove it")]),
        ('{"a": [1,,\n2,\n]}', [(1, 9, "a comma", ""), (2, 2, "a comma", "")]),
        ('{"a" 1,\n"b" = 2}', [(1, 6, "'1,'", "followed by ':'"), (2, 5, "'= 2}'", "followed by ':'")]),
        ('{"a": 1\n"b": 2\n"c": 3}', [(2, 1, "'\"b\": 2'", "expected ','"), (3, 1, "", "expected ','")]),
        ("{a: 1,\n 'b': 'c'}", [(1, 2, "'a: 1,'", "double quotes"), (2, 2, "", "double quotes")]),
        ("{\"a\": 'b'}", [(1, 7, "", "put text in double quotes")]),
        ('{"a": [1, 2}', [(1, 12, "'}'", "closing bracket")]),
        ('{"a": {"b": 1}', [(1, 1, "this '{' is never closed", "close it with '}'")]),
        ('{"a": "b,\n"c" 1}', [(1, 7, "this string is never closed", STRING), (2, 5, "'1}'", "':'")]),
        ('{"a": "b', [(1, 7, "this string is never closed", STRING)]),
        ('{"a": 1, // x\n"b": 2 /* y */\n# z\n}', [(1, 10, "no comments", ""), (2, 8, "no c", ""), (3, 1, "no c", "")]),
        ('{"a": True,\n"b": None,\n"c": BRC}', [(1, 7, "", "write true"), (2, 6, "", "leave"), (3, 6, "", '"BRC"')]),
        ('{"a": .5}', [(1, 7, "'.5}'", "a value is a number")]),
        ('{"a": }', [(1, 7, "'}'", "a value is")]),
        (r'{"a": "x\q",' + "\n" + '"b": "\t"}', [(1, 9, "", r"backslash as \\"), (2, 7, "", r"such as \t")]),
        ('{"a": 1}}', [(1, 9, "'}'", "the spec ends before this")]),
        ('{"a": 1} {"b": 2}', [(1, 10, "", "the spec ends before this")]),
    ],
)
def test_json_syntax(text: str, faults: list[tuple[int, int, str, str]]) -> None:
    found = refused(text, "json")
    assert [fault[:2] for fault in found] == [fault[:2] for fault in faults]
    for (_, _, path, what, fix), (_, _, part, hint) in zip(found, faults, strict=True):
        assert path == ()
        assert part in what
        assert hint in fix


def test_a_garbled_spec_shows_all_its_faults_and_no_echoes() -> None:
    text = LP.replace('"mean"', '"mean').replace("[pre_net]", "[pre_net").replace("t = 5", "t = 5\nt = 6")
    text = text.replace('h2 = "BRDx2", ', "h2 = BRDx2,  ")
    assert places(text) == [(6, 9), (17, 29), (23, 1), (34, 1)]


@pytest.mark.parametrize(
    ("text", "format", "path", "place", "first"),
    [
        ("a = 1\nb = 2\na = 3", "toml", ("a",), (3, 1), 1),
        ("a.b = 1\na.b = 2", "toml", ("a", "b"), (2, 3), 1),
        ("a = 1\na.b = 2", "toml", ("a",), (2, 1), 1),
        ("a = { b = 1, b = 2 }", "toml", ("a", "b"), (1, 14), 1),
        ("a = [1, { b = 1, b = 2 }]", "toml", ("a", 1, "b"), (1, 18), 1),
        ("a = { b = 1 }\na.c = 2", "toml", ("a",), (2, 1), 1),
        ("a = { b = 1 }\n[a.c]", "toml", ("a",), (2, 2), 1),
        ("[t]\nx = 1\n[u]\n[t]\nx = 1\nx = 2", "toml", ("t",), (4, 2), 1),
        ("[t]\n[[t]]", "toml", ("t",), (2, 3), 1),
        ("[[t]]\n[t]", "toml", ("t",), (2, 2), 1),
        ("t = []\n[[t]]", "toml", ("t",), (2, 3), 1),
        ("[a]\nb.c = 1\n[a.b]", "toml", ("a", "b"), (3, 4), 2),
        ("[[t]]\nx = 1\n[[t]]\nx = 1\nx = 2", "toml", ("t", 1, "x"), (5, 1), 4),
        ("[[t]]\n[t.u]\n[[t]]\n[t.u]\n[t.u]", "toml", ("t", 1, "u"), (5, 4), 4),
        ('"a" = 1\na = 2', "toml", ("a",), (2, 1), 1),
        ('"a\\u0062" = 1\nab = 2', "toml", ("ab",), (2, 1), 1),
        ('{"a": 1,\n "b": 2,\n "a": 3}', "json", ("a",), (3, 2), 1),
        ('{"a": [0, {"b": 1,\n "b": 2}]}', "json", ("a", 1, "b"), (2, 2), 1),
        ('{"a": {"b": 1},\n "a": {"b": 1, "c": 2}}', "json", ("a",), (2, 2), 1),
        ('{"a": 1,\n "\\u0061": 2}', "json", ("a",), (2, 2), 1),
    ],
)
def test_a_key_written_twice(text: str, format: Format, path: KeyPath, place: tuple[int, int], first: int) -> None:
    fix = f"the first '{path[-1]}' is on line {first}; keep one"
    assert refused(text, format) == [(*place, path, f"'{path[-1]}' is written twice", fix)]


def test_faults_that_only_tomllib_finds_have_its_message() -> None:
    ((line, _, path, what, _),) = refused("[a.b.c]\nz = 9\n[a]\nb.c.t = 1")
    assert (line, path, what) == (4, (), "Cannot redefine namespace ('a', 'b', 'c')")


def test_a_duplicate_hides_no_crash_behind_it() -> None:
    assert places("a = { b = 1, b = 2, c. = 3 }\nd = 1") == [(1, 14)]


def test_duplicates_and_syntax_come_together_in_order() -> None:
    assert places("a = 1\na = 2\nb = = 1\n[t]\nc = 1\nc = 2\nd\ne = nan") == [(2, 1), (3, 5), (6, 1), (7, 2)]
    assert places('{"a": 1,\n"a": 2,\n"b" 1,\n"a": 3,\n"c": null,\n}', "json") == [(2, 1), (3, 5), (4, 1), (5, 10)]


def test_keys_after_a_broken_header_are_not_taken_for_the_table_before() -> None:
    assert places("[a]\nx = 1\n[b\nx = 1\ny = = 1\n[c]\nz = 1\nz = 2") == [(3, 1), (5, 5), (8, 1)]


@pytest.mark.parametrize(
    ("text", "format", "faults"),
    [
        ("a = nan\nb = [1, -inf]", "toml", [(1, 5, ("a",), "nan is not"), (2, 9, ("b", 1), "-inf is not")]),
        ("a = 1e999", "toml", [(1, 5, ("a",), "not a finite number")]),
        ("a = 1979-05-27\nb = 07:32:00", "toml", [(1, 5, ("a",), "a date or time"), (2, 5, ("b",), "a date or time")]),
        ("a = 1979-05-27T07:32:00Z", "toml", [(1, 5, ("a",), "a date or time has no meaning in a spec")]),
        (f"a = {2**63}\nb = {-(2**63)}", "toml", [(1, 5, ("a",), "does not fit in 64 bits")]),
        ("[t]\na = " + "9" * 5000, "toml", [(2, 5, (), "does not fit in 64 bits")]),
        ('{"a": null, "b": [null]}', "json", [(1, 7, ("a",), "null has no"), (1, 19, ("b", 0), "null has no meaning")]),
        ('{"a": NaN,\n"b": {"c": -Infinity}}', "json", [(1, 7, ("a",), "nan"), (2, 12, ("b", "c"), "-inf")]),
        ('{"a": 1e999, "b": "NaN"}', "json", [(1, 7, ("a",), "inf is not a finite number")]),
        (f'{{"a": {2**63 - 1}, "b": {-(2**63) - 1}}}', "json", [(1, 33, ("b",), "does not fit in 64 bits")]),
        ('{"a": ' + "9" * 5000 + "}", "json", [(1, 7, ("a",), "does not fit in 64 bits")]),
        (r'{"a": "é\ud83d"}', "json", [(1, 9, ("a",), "half of a surrogate pair")]),
        (r'{"\ud83d": 1}', "json", [(1, 2, ("?",), "half of a surrogate pair")]),
        ("[1]", "json", [(1, 1, (), "a spec is a table of keys and values")]),
        ("null", "json", [(1, 1, (), "a spec is a table of keys and values")]),
        ('a = "\ud83d"', "toml", [(1, 6, (), "half of a surrogate pair")]),
    ],
)
def test_values_that_no_spec_can_hold(text: str, format: Format, faults: list[tuple[int, int, KeyPath, str]]) -> None:
    found = refused(text, format)
    assert [fault[:3] for fault in found] == [fault[:3] for fault in faults]
    assert all(part in fault[3] for fault, (*_, part) in zip(found, faults, strict=True))


def test_numbers_keep_their_type() -> None:
    data = read_text('{"a": 1, "b": 1.0, "c": true}', "json", "x").data
    assert [type(value) for value in data.values()] == [int, float, bool]


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("a = " + "[" * 64 + "]" * 64, "toml"),
        (".".join("a" * 64) + " = 1", "toml"),
        ('{"a": ' + "[" * 64 + "]" * 64 + "}", "json"),
        ("a = '" + "[" * 99 + "'\nb = \"" + "{" * 99 + '" # ' + "[" * 99, "toml"),
        ("a = '''\n" + "[" * 99 + "'''", "toml"),
        ("a = '" + "a." * 99 + "'", "toml"),
        ('{"a": "' + "[" * 99 + '\\"' + "[" * 99 + '"}', "json"),
        ("".join(f"a{number} = [[{number}]]\n" for number in range(99)), "toml"),
    ],
)
def test_nesting_that_is_deep_enough(text: str, format: Format) -> None:
    assert read_text(text, format, "x").data


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("a = " + "[" * 65 + "]" * 65, "toml"),
        ("a = " + "[" * 100_000, "toml"),
        ("[" * 100_000, "toml"),
        ("a = " + "{ a = " * 1000, "toml"),
        (".".join("a" * 65) + " = 1", "toml"),
        ("[" + ".".join("a" * 100_000) + "]", "toml"),
        ('"a". ' * 1000 + "a = 1", "toml"),
        ("[" + ".".join("a" * 40) + "]\n" + ".".join("b" * 40) + " = 1", "toml"),
        ('{"a": ' + "[" * 65 + "]" * 65 + "}", "json"),
        ("[" * 100_000, "json"),
        ('{"a":' * 100_000, "json"),
    ],
)
def test_nesting_that_is_too_deep(text: str, format: Format) -> None:
    faults = refused(text, format)
    assert [fault[3] for fault in faults] == ["this is nested more than 64 levels deep"]


@pytest.mark.parametrize("text", ['{"a": /*\'*/' + "[" * 100_000, '"""' + "[" * 100_000, "# '\n" + "[" * 100_000])
def test_nesting_that_looks_like_a_string_overflows_nothing(text: str) -> None:
    for format in ("toml", "json"):
        assert refused(text, format)


def test_a_text_that_is_not_a_spec_gives_twenty_faults_and_a_count() -> None:
    faults = refused("It was a dark and stormy night,\n" * 500)
    assert [fault[0] for fault in faults] == [*range(1, 21), 21]
    assert faults[-1][3] == "480 more faults from here on"
    assert refused("a = 1\n" * 22)[-1][3] == "1 more fault from here on"
    assert refused('{"a": [' + "null, " * 30 + "1]}", "json")[-1][3] == "10 more faults from here on"
    assert len(refused(bytes(range(256)).decode("latin-1") * 20)) == 21


def is_plain(data: Any) -> bool:
    """Whether a spec can hold the data, by a recursion independent of the module."""
    if isinstance(data, dict):
        return all(is_plain(key) and is_plain(value) for key, value in data.items())
    if isinstance(data, list):
        return all(map(is_plain, data))
    if isinstance(data, str):
        return not any(0xD800 <= ord(char) < 0xE000 for char in data)
    if isinstance(data, int):
        return -(2**63) <= data < 2**63
    return data is not None and not isinstance(data, datetime.date | datetime.time) and math.isfinite(data)


def reference(text: str, format: Format) -> dict[str, Any] | None:
    """Parse a text with a standard parser; None if a spec must be refused."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        data = tomllib.loads(text) if format == "toml" else json.loads(text, object_pairs_hook=distinct)
    except ValueError:
        return None
    return data if isinstance(data, dict) and is_plain(data) else None


BITS = [*"\"'[]{}=.,:#\\\n\r\t \0-1éx😀\u2028", '"""', "'''", "[[", "]]", "\n[t]\n", "\n[[transitions]]\n", "h1 = 3\n"]
BITS += ["null", "NaN", "//", "/*", r"\u00e9", r"\ud83d", "true", "1979-05-27", "9" * 20, '"h1": 1, ', "\\\n", "\r\n"]
EDIT = st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(BITS) | st.text(max_size=3))


def attempt(text: str, format: Format) -> tuple[Source | None, SpecError]:
    try:
        return read_text(text, format, "x"), SpecError([])
    except SpecError as error:
        return None, error


@given(st.sampled_from(TEXTS), st.lists(EDIT, min_size=1, max_size=4))
def test_a_garbled_text_is_read_rightly_or_refused_with_places(
    written: tuple[str, Format], edits: list[tuple[float, int, str]]
) -> None:
    text, format = written
    for where, length, new in edits:
        start = int(where * len(text))
        text = text[:start] + new + text[start + length :]
    source, error = attempt(text, format)
    right = reference(text, format)
    assert (source and source.data) == right
    if source:
        assert source.places.keys() == dict(entries(source.data)).keys()
        return
    lines = text.split("\n")
    order = [(fault.line or 0, fault.column or 0) for fault in error.faults]
    assert order == sorted(order)
    assert 1 <= len(order) <= 21
    assert all(1 <= line <= len(lines) and 1 <= column <= len(lines[line - 1]) + 1 for line, column in order)
    assert all(fault.what and "\n" not in fault.what + fault.fix for fault in error.faults)
    assert str(error).encode()


@given(st.text(max_size=60), st.sampled_from(["toml", "json"]))
def test_any_text_is_read_or_refused(text: str, format: Format) -> None:
    text = text.removeprefix("\ufeff")
    source, error = attempt(text, format)
    assert (source and source.data) == reference(text, format)
    assert all(fault.line and fault.column for fault in error.faults)


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", [".toml", ".TOML", ".json", "", ".txt"])
def test_the_suffix_or_else_the_first_character_decides(tmp_path: Path, suffix: str) -> None:
    for content, format in ((b"a = 1", "toml"), (b'\n {"a": 1}', "json")):
        path = write(tmp_path, f"spec{suffix}", content)
        if suffix.lower() in (".toml", ".json") and suffix.lower() != f".{format}":
            with pytest.raises(SpecError, match=f"that is read as {suffix[1:].upper()}"):
                read_file(path)
        else:
            source = read_file(path)
            assert (source.file, source.format, source.data) == (str(path), format, {"a": 1})


@pytest.mark.parametrize(
    ("content", "format"), [(b'{"a": 1}', "json"), (b"a = 1", "toml"), (b"\xef\xbb\xbfa = 1", "toml")]
)
def test_standard_input(monkeypatch: pytest.MonkeyPatch, content: bytes, format: Format) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    source = read_file("-")
    assert (source.file, source.format, source.data) == ("<stdin>", format, {"a": 1})


def test_no_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SpecError, match=r"^<stdin>: error\[GN001\]: spec\n  this cannot be read"):
        read_file("-")


def test_a_byte_order_mark_is_no_column(tmp_path: Path) -> None:
    source = read_file(write(tmp_path, "s.toml", b"\xef\xbb\xbfa = 1"))
    assert source.locate(Fault(("a",), "", code="GN004")).column == 5
    assert read_text("\ufeffa = 1", "toml", "x").data == {"a": 1}


@pytest.mark.parametrize(
    ("content", "suffix", "line", "what", "fix"),
    [
        ("a: 1\nb:\n  - c: 2\n", ".toml", 1, "this is YAML", "a spec is TOML"),
        ("---\na: 1\nb:\n  c: 2\n", ".yaml", 2, "this is YAML", "a spec is TOML"),
        ('{ "a": 1 }', ".toml", 1, "this is JSON in a file that is read as TOML", ".json"),
        ("# a net\na = 1\n", ".json", 1, "this is TOML in a file that is read as JSON", ".toml"),
        ("import graphnet\nspec = {}\n", ".py", 1, "this is Python", "a spec is a TOML or JSON file"),
        (
            "a = 1\n<<<<<<< HEAD\nb = 1\n=======\nb = 2\n>>>>>>> x\n",
            ".toml",
            2,
            "this is an unfinished git merge",
            "keep one",
        ),
        ("a = 1".encode("utf-16"), ".toml", None, "this is UTF-16, not UTF-8 text", "save the file as UTF-8"),
        ("a = 1".encode("utf-16-be"), ".toml", None, "this looks like UTF-16", "save the file as UTF-8"),
        (b"PK\x03\x04\0\0", ".pt", None, "this is an archive, such as a PyTorch checkpoint", "give the path"),
        (b"\x89PNG\r\n", ".png", None, "this is a picture", "give the path"),
    ],
)
def test_another_format_is_one_fault(
    tmp_path: Path, content: str | bytes, suffix: str, line: int | None, what: str, fix: str
) -> None:
    path = write(tmp_path, f"s{suffix}", content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SpecError) as caught:
        read_file(path)
    (fault,) = caught.value.faults
    assert (fault.file, fault.line) == (str(path), line)
    assert fault.what.startswith(what)
    assert fix in fault.fix


@pytest.mark.parametrize(
    ("content", "place", "byte"),
    [
        (b"\xffa", (1, 1), "0xff"),
        ("é = 1\nb = 'é".encode() + b"\xe9'", (2, 7), "0xe9"),
        (b"\xef\xbb\xbfab\x80", (1, 3), "0x80"),
    ],
)
def test_bytes_that_are_not_utf8(tmp_path: Path, content: bytes, place: tuple[int, int], byte: str) -> None:
    path = write(tmp_path, "s.toml", content)
    with pytest.raises(SpecError) as caught:
        read_file(path)
    (fault,) = caught.value.faults
    assert (fault.what, fault.fix) == (f"this is not UTF-8: byte {byte}", "save the file as UTF-8")
    assert (fault.file, fault.line, fault.column) == (str(path), *place)
    line, marks = fault.excerpt.split("\n")
    assert (line[len(marks) - 1], marks.strip()) == ("\ufffd", "^")


def test_unreadable_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.toml")
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    for path, what in [
        (tmp_path / "missing.toml", "there is no such file"),
        (tmp_path, "this is a directory"),
        (tmp_path / "fifo.toml", "this is not a regular file"),
        (Path("/dev/zero"), "this is not a regular file"),
        (tmp_path / "loop.toml", "this cannot be read: "),
        (tmp_path / ("x" * 300), "this cannot be read: "),
        (tmp_path / "a\0b.toml", "this cannot be read: "),
    ]:
        with pytest.raises(SpecError) as caught:
            read_file(path)
        (fault,) = caught.value.faults
        assert (fault.file, fault.line, fault.path) == (str(path), None, ())
        assert fault.what.startswith(what)
        assert "give the path of a .toml or .json file" in fault.fix


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, "s.toml", b"a = 1")
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(SpecError, match="this cannot be read: Permission denied"):
        read_file(path)


def test_a_file_over_the_limit(tmp_path: Path) -> None:
    path = write(tmp_path, "s.json", b'{"a": 1}'.ljust(MAX_BYTES))
    assert read_file(path).data == {"a": 1}
    write(tmp_path, "s.json", b'{"a": 1}'.ljust(MAX_BYTES + 1))
    with pytest.raises(SpecError, match="this is over 1 MB"):
        read_file(path)


def test_a_name_that_no_terminal_can_show(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.toml")
    with pytest.raises(SpecError) as caught:
        read_file(path)
    assert str(caught.value).encode().endswith(b"or - for standard input")


def full(unit: str, start: str = "", end: str = "", size: int = MAX_BYTES) -> str:
    """A text of a given size: a repeated unit, with `#` replaced by a counter."""
    count = (size - len(start) - len(end)) // len(unit.replace("#", "12345"))
    body = "".join(unit.replace("#", str(number)) for number in range(count)) if "#" in unit else unit * count
    return start + body + end


HOSTILE: dict[str, tuple[Format, str]] = {
    "keys": ("toml", full("a#=1\n", size=240_000)),
    "keys and a fault": ("toml", full("a#=1\n", "= 3\n", size=240_000)),
    "one key": ("toml", full("a=1\n", size=130_000)),
    "one header": ("toml", full("[a]\n", size=130_000)),
    "tables in an array": ("toml", full("[[a]]\nb=1\n", size=120_000)),
    "faults": ("toml", full("a\n", size=130_000)),
    "open quotes": ("toml", full('"\n', size=130_000)),
    "open brackets": ("toml", full("a=[\n", size=130_000)),
    "items": ("toml", full("1,", "a=[", "]", size=190_000)),
    "items and a fault": ("toml", full("1,", "a=[", "x", size=190_000)),
    "deep tables": ("toml", full("[" + "a." * 50 + "k#]\n", size=180_000)),
    "deep lists": ("toml", full("[" * 60 + "]" * 60 + ",", "a=[", "]", size=99_000)),
    "a word": ("toml", full("a")),
    "an open string": ("toml", full("a", 'a="')),
    "a long string": ("toml", full("a", 'a="', '"')),
    "a wrong escape": ("toml", full("a", 'a="', '\\q"')),
    "escapes": ("toml", full("\\n", 'a="', '"')),
    "an open text": ("toml", full("a\n", 'a="""')),
    "a bracket after a word": ("toml", full("a", "= 3\n", "]\n")),
    "words and underscores": ("toml", full("1_", "a=")),
    "digits": ("toml", full("1", "a=")),
    "a fraction": ("toml", full("1", "a=1.")),
    "spaces": ("toml", full(" ", "a", "b")),
    "backslashes": ("toml", full("\\")),
    "quotes": ("toml", full('"')),
    "dots": ("toml", full(".")),
    "dates": ("toml", full("a#=1979-05-27\n", size=300_000)),
    "too much": ("toml", full("1,", "a=[", "]")),
    "JSON members": ("json", full('"a#":1,', "{", '"a":1}', size=240_000)),
    "JSON twice": ("json", full('"a":1,', "{", '"a":1}', size=190_000)),
    "JSON nulls": ("json", full("null,", '{"a":[', "null]}", size=290_000)),
    "JSON commas": ("json", full("1,,", '{"a":[', "1]}", size=190_000)),
    "JSON late faults": ("json", full("1" * 20 + ",", '{"a":[', "1,x,\n" * 300 + "1]}")),
    "JSON comments": ("json", full(" ", '{"a":[', "1,//x\n" * 300 + "1]}")),
    "JSON in a string that is none": ("json", full("1,", '{"a":\'\'\',\n"b":[', "1]}")),
    "JSON tables in a string that is none": ("json", full('{"a":1},', '{"a":\'\'\',\n"b":[', "1]}")),
    "JSON escapes": ("json", full("\\q", '{"a":"', '"}')),
    "JSON words": ("json", full("a ", '{"a":[', "]}")),
    "JSON halves": ("json", full('"\\ud83d",', '{"a":[', "1]}", size=490_000)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_takes_long(name: str) -> None:
    format, text = HOSTILE[name]
    assert len(text) <= MAX_BYTES
    started = time.process_time()
    attempt(text, format)
    assert time.process_time() - started < 5


def test_a_text_of_too_much_is_refused_where_it_is_too_much() -> None:
    ((line, column, _, what, fix),) = refused("a = [" + "1," * 200_000 + "]")
    assert (line, what) == (1, "this has over 100,000 tokens")
    assert fix == "a spec has at most a few hundred lines"
    assert column
    assert column > 100_000


def test_counting_stops_after_a_thousand_faults() -> None:
    assert refused("a = = 1\n" * 5000)[-1][3] == "over 980 more faults from here on"
    assert refused("a = = 1\n" * 999)[-1][3] == "979 more faults from here on"
