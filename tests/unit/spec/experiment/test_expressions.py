"""Expressions of experiments: what they mean, how they are written, and where they are misspelt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphnet.spec.experiment.expressions import (
    FUNCTIONS,
    Apply,
    Binary,
    Condition,
    Expect,
    Expression,
    Name,
    Number,
    Selection,
    names_in,
    read_expect,
    read_expression,
    read_guard,
    written,
)
from graphnet.spec.notation.integers import MAX_DEPTH, MAX_LENGTH, Misspelt

WORDS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}(\.[a-z]{1,3})?", fullmatch=True)
LABELS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_.+-]{1,6}", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=6),
)
NAMES = st.builds(
    lambda name, factors, ends: Name(
        name, tuple(Selection(factor, *end) for factor, end in zip(factors, ends, strict=True))
    ),
    WORDS,
    st.shared(st.lists(WORDS, max_size=3, unique=True), key="factors"),
    st.shared(st.lists(WORDS, max_size=3, unique=True), key="factors").flatmap(
        lambda factors: st.lists(st.tuples(LABELS, st.none() | LABELS), min_size=len(factors), max_size=len(factors))
    ),
)
NUMBERS = st.builds(Number, st.floats(allow_nan=False, allow_infinity=False))
EXPRESSIONS: st.SearchStrategy[Expression] = st.recursive(
    NUMBERS | NAMES,
    lambda inner: (
        st.builds(Binary, st.sampled_from("+-*/"), inner, inner)
        | st.builds(Apply, st.sampled_from(FUNCTIONS), inner, WORDS)
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
def test_an_expression_is_read_as_it_was_written(expression: Expression) -> None:
    text = written(expression)
    if len(text) <= MAX_LENGTH:
        assert read_expression(text) == expression


def test_products_bind_before_sums_and_both_to_the_left() -> None:
    a, b, c = Name("a"), Name("b"), Name("c")
    assert read_expression("a - b - c") == Binary("-", Binary("-", a, b), c)
    assert read_expression("a/b*c") == Binary("*", Binary("/", a, b), c)
    assert read_expression("a + b * c") == Binary("+", a, Binary("*", b, c))
    assert read_expression("(a + b) * c") == Binary("*", Binary("+", a, b), c)
    assert read_expression("a - -2") == Binary("-", a, Number(-2))


def test_labels_are_bare_or_quoted() -> None:
    selected = (Selection("k", "[1,2]"), Selection("rate", "0.9"), Selection("t", "5", "9"), Selection("s", "a b", "c"))
    text = 'm[k="[1,2]", rate = 0.9, t=5..9, s="a b".."c"]'
    assert read_expression(text) == Name("m", selected)
    assert read_expression('m[a="say \\"no\\" .."]') == Name("m", (Selection("a", 'say "no" ..'),))


def test_functions_may_be_nested_and_measures_may_be_called_like_them() -> None:
    expression = read_expression("max(mean(indices.convergence, over=stage), over=t) - mean[t=3]")
    inner = Apply("mean", Name("indices.convergence"), "stage")
    assert expression == Binary("-", Apply("max", inner, "t"), Name("mean", (Selection("t", "3"),)))
    assert names_in(expression) == (Name("indices.convergence"), Name("mean", (Selection("t", "3"),)))


def test_expectations_and_guards() -> None:
    assert read_expect(">0") == Expect(">", 0)
    assert read_expect("< -0.02") == Expect("<", -0.02)
    assert read_expect("within 1e-10") == Expect("within", 1e-10)
    guard = read_guard("train_accuracy[sharing=shared, t=5..9] > 0.98 and loss<1")
    of = Name("train_accuracy", (Selection("sharing", "shared"), Selection("t", "5", "9")))
    assert guard == (Condition(of, ">", 0.98), Condition(Name("loss"), "<", 1))


MISSPELT: list[tuple[Callable[[str], Any], str, tuple[int, int], str]] = [
    (read_expression, "", (0, 1), "a number, a measure or a bracket is expected, not the end"),
    (read_expression, "a b", (2, 3), "an operator or the end is expected, not 'b'"),
    (read_expression, "a + * b", (4, 5), "expected, not '*'"),
    (read_expression, "(a + b", (6, 7), "')' is expected, not the end"),
    (read_expression, "a + b)", (5, 6), "an operator or the end is expected, not ')'"),
    (read_expression, "a[t=5", (5, 6), "']' is expected"),
    (read_expression, "a[t]", (3, 4), "'=' is expected"),
    (read_expression, "a[t=]", (4, 5), "a label is expected"),
    (read_expression, "a[]", (2, 3), "a factor is expected"),
    (read_expression, "a[t=5...9]", (7, 9), "a label is expected, not '.9'"),
    (read_expression, "a[t=5,t=9]", (6, 7), "'t' is selected twice"),
    (read_expression, "mean(a)", (6, 7), "',' is expected"),
    (read_expression, "mean(a, t)", (8, 9), "'over=' and a factor is expected, not 't'"),
    (read_expression, "mean(a, over=t, s)", (14, 15), "')' is expected"),
    (read_expression, "median(a, over=t)", (0, 6), "no function is called 'median'"),
    (read_expression, "__import__('os')", (0, 10), "no function is called '__import__'"),
    (read_expression, "1e999", (0, 5), "too large"),
    (read_expression, "a" * (MAX_LENGTH + 1), (0, MAX_LENGTH + 1), "longer than"),
    (read_expression, "(" * (MAX_DEPTH + 1), (MAX_DEPTH, MAX_DEPTH + 1), "nested more than"),
    (read_expect, "0", (0, 1), "one of within, >, < is expected"),
    (read_expect, ">= 0", (0, 2), "'>=' is no relation"),
    (read_expect, "within 0", (7, 8), "takes a number above 0"),
    (read_expect, "within1", (0, 7), "one of within, >, < is expected"),
    (read_expect, "> 1 %", (4, 5), "not in per cent"),
    (read_expect, "> a", (2, 3), "a number is expected"),
    (read_guard, "a > 1 or b > 2", (6, 8), "'and' or the end is expected, not 'or'"),
    (read_guard, "a + b > 1", (2, 3), "one of >, < is expected, not '+'"),
    (read_guard, "0.9 < a", (0, 3), "a measure is expected"),
]


@pytest.mark.parametrize(("read", "text", "span", "what"), MISSPELT, ids=[text[:20] for _, text, _, _ in MISSPELT])
def test_misspelt(read: Callable[[str], Any], text: str, span: tuple[int, int], what: str) -> None:
    with pytest.raises(Misspelt) as caught:
        read(text)
    assert what in caught.value.what
    assert (caught.value.start, caught.value.end) == span
    assert caught.value.fix or "')'" in what or "an operator" in what


@given(st.text(alphabet='ab.[]()=,+-*/"0123 \\<>%', max_size=30))
def test_any_text_is_read_or_misspelt(text: str) -> None:
    for read in (read_expression, read_expect, read_guard):
        try:
            read(text)
        except Misspelt as wrong:
            span = (wrong.start, wrong.end)
        else:
            span = (0, 1)
        assert 0 <= span[0] < span[1] <= len(text) + 1
