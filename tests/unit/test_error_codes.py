"""Error codes: each has correct examples, is used in the source, and is explained."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from graphnet.cli.nets.explain import try_out
from graphnet.error_codes import FAMILIES, Code, base, codes, spelt
from tests.conftest import ROOT

CODES = list(codes().values())
MAKERS = ("Fault", "FunctionFault", "Misspelt")
SAYING_IT_ALREADY = ("GN010", "GN012", "GN108", "GN204", "GN213")
"""Codes whose messages already contain the fix: "this must be true or false, not 3"."""
SOURCES = {
    path.relative_to(ROOT / "graphnet").as_posix(): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "graphnet").rglob("*.py"))
}


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.code)
def test_the_wrong_example_is_refused_with_its_code_and_the_right_one_is_not(code: Code) -> None:
    said = try_out(code.written_out, unrolled=code.unroll)
    assert said, "the wrong example is accepted"
    assert said[0].code == code.code, str(said[0])
    assert {fault.severity for fault in said[:1]} == {"warning" if code.code.startswith("GN5") else "error"}
    assert said[0].fix or code.code in SAYING_IT_ALREADY
    assert list(map(str, try_out(code.right, "right", unrolled=code.unroll))) == []


def test_the_base_of_the_examples_is_right() -> None:
    assert try_out(base()) == []


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.code)
def test_an_explanation_is_short_and_in_its_family(code: Code) -> None:
    assert re.fullmatch(r"GN\d{3}", code.code)
    assert code.code[:3] in FAMILIES
    assert code.title[0].islower() or code.title[:2] == code.title[:2].upper()
    assert len(code.title) <= 60
    lines = code.text.splitlines()
    assert 1 <= len(lines) <= 5
    assert max(map(len, lines)) <= 120
    assert code.wrong != code.right


def test_codes_are_in_order() -> None:
    assert [code.code for code in CODES] == sorted(code.code for code in CODES)


def test_every_code_of_the_source_is_explained_and_the_other_way_round() -> None:
    made = {code for text in SOURCES.values() for code in re.findall(r'"(GN\d+)"', text)} - set(FAMILIES)
    assert made == set(codes())


def test_every_fault_has_a_code() -> None:
    without = {
        f"{name}:{call.lineno}"
        for name, text in SOURCES.items()
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in MAKERS
        if "code" not in {keyword.arg for keyword in call.keywords}
    }
    assert without == set()


@pytest.mark.parametrize(
    ("written", "code"),
    [("GN012", "GN012"), ("gn12", "GN012"), ("12", "GN012"), (" Gn0012 ", "GN012"), ("GN1234", "GN1234"), ("x", "X")],
)
def test_how_a_code_may_be_written(written: str, code: str) -> None:
    assert spelt(written) == code


def test_the_longest_example_is_written_out() -> None:
    code = codes()["GN601"]
    assert code.written_out.startswith(code.wrong)
    assert code.written_out.count(code.wrong.splitlines()[-1]) == code.lines


def test_trying_an_example_has_no_side_effects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try_out(CODES[0].right)
    assert Path.cwd() == tmp_path
    assert list(tmp_path.iterdir()) == []
