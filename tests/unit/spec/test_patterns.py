"""Patterns for strings in the JSON Schema: whatever a parser accepts matches its pattern."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from graphnet.spec.notation.integers import MAX_LENGTH, Misspelt, parse_whole
from graphnet.spec.notation.selectors import parse_selector
from graphnet.spec.notation.times import parse_times
from graphnet.spec.notation.transition_functions import FunctionFault, parse_function
from graphnet.spec.schema import patterns
from graphnet.spec.schema.json_schema import schema, schema_text

FUNCTION = [
    *("B", "R", "C", "D", "P", "A", "G", "L", "Ip", "I0", "I", "K", "(", ")", "+", " ", "x2", "x", "3", "2", ":", "64"),
    *("N", "elu", "sigmoid", "conv", "linear", "max_pool", "/2", "/", ":(", "-", "*", ":8", ":N ", ":(2N)", "C5:N/2"),
]
WHOLE = ["0", "12", "N", "M_1", "é", "+", "-", "*", "(", ")", " ", "inf", "2N", "2(", ")N"]
TIME = [*WHOLE, "..", "T", "1..", "..inf", "."]
SELECTOR = ["h1", "*", "V1.r", "->", "->", "@", "#", "conv1", "conv*", " ", ",", "1..3", "2", "h*->h1", "@1,2", "N"]
PARSERS: dict[str, tuple[Callable[[Any], Any], str, list[str]]] = {
    "function": (parse_function, patterns.function(), FUNCTION),
    "whole": (parse_whole, patterns.WHOLE, WHOLE),
    "time": (parse_times, patterns.TIME, TIME),
    "selector": (parse_selector, patterns.SELECTOR, SELECTOR),
}


@pytest.mark.parametrize("kind", PARSERS)
@settings(max_examples=50 * settings().max_examples)
@given(st.data())
def test_accepted_strings_match(kind: str, data: st.DataObject) -> None:
    parse, pattern, alphabet = PARSERS[kind]
    text = data.draw(st.lists(st.sampled_from(alphabet), min_size=1, max_size=9).map("".join))
    try:
        parse(text)
    except (Misspelt, FunctionFault):
        event("refused by both" if not re.search(pattern, text) else "refused by the parser alone")
    else:
        assert re.search(pattern, text), text


REFUSED = {
    "function": [
        *("", " ", "K", "BRC+", "+C", "C++C", "x2", "(x2)", "()", "C4", "C0", "R3", "B:4", "G/2", "C/0", "Cx0", "C:"),
        *("C::4", "sgmoid", "C K", "C(+C)", "C/1001", "P1001", "C x", "brc", "2C", "C,C", "C: 4", "I1"),
    ],
    "whole": ["", "+", "N-", "-1", "2 N", "2**3", "2/3", "1.5", "N,M", "(", "2()", "N M"],
    "time": ["", "..", "1..", "..3", "-1", "1...3", "1..2..3", "1,2", "1..-1", "2N M"],
    "selector": [
        *("", "h1", "h1->", "->h1", "h1->h2->h3", "h1->h2@", "h1->h2#", "h1-h2"),
        *("h1->h2#conv1@1", "h1->h2@1,", "a b->c"),
    ],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in REFUSED.items() for text in texts])
def test_refused_strings(kind: str, text: str) -> None:
    parse, pattern, _ = PARSERS[kind]
    assert not re.search(pattern, text)
    with pytest.raises((Misspelt, FunctionFault)):
        parse(text)


ALL = [token for _, _, alphabet in PARSERS.values() for token in alphabet]


@pytest.mark.parametrize("kind", PARSERS)
@example(["(((N)))"])
@example(["C:NBRC:N"])
@example(["C:(N)+"])
@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=4))
def test_no_string_takes_long(kind: str, tokens: list[str]) -> None:
    """A spec may come from a stranger, and editors check it on every keystroke."""
    text = "".join(tokens)
    start = time.process_time()
    for tail in ("", "!"):
        re.search(PARSERS[kind][1], text * (MAX_LENGTH // len(text)) + tail)
    assert time.process_time() - start < 5


def test_patterns_are_those_that_all_engines_read() -> None:
    """No lookaround, backreferences, possessive quantifiers or property classes."""
    found = re.findall(r'"pattern": (".*")', schema_text(schema()))
    assert len(found) > 10
    unread = re.compile(r"\(\?[^:]|\\[pPkZzAG1-9]|[*+?}]\+")
    assert [text for text in map(json.loads, found) if unread.search(text)] == []
