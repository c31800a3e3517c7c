"""The syntax tree of expressions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

FUNCTIONS = ("mean", "min", "max", "slope", "spearman")
"""Functions that join the labels of a factor, within a seed."""
OF_NUMBERS = ("slope", "spearman")
"""Functions whose factor needs labels that are numbers."""


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class Selection:
    """Labels of a factor: one (`last` is None), and the factor is gone; or those of a range, and it stays."""

    factor: str
    first: str
    last: str | None = None


@dataclass(frozen=True)
class Name:
    """A measure, with the labels of some of its factors."""

    name: str
    selected: tuple[Selection, ...] = ()


@dataclass(frozen=True)
class Binary:
    operator: Literal["+", "-", "*", "/"]
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Apply:
    """One of `FUNCTIONS` over the labels of a factor, which is then gone."""

    function: str
    argument: Expression
    over: str


Expression = Number | Name | Binary | Apply


@dataclass(frozen=True)
class Expect:
    """What is expected of an effect: `> 0`, `< 0.02`, or `within 0.01` on both sides of 0."""

    relation: Literal[">", "<", "within"]
    bound: float


@dataclass(frozen=True)
class Condition:
    """A part of a guard: a measure and its bound."""

    of: Name
    relation: Literal[">", "<"]
    bound: float


def names_in(expression: Expression) -> tuple[Name, ...]:
    """Return the measures of an expression in order, with repetitions."""
    return tuple(_names(expression))


def _names(expression: Expression) -> Iterator[Name]:
    if isinstance(expression, Name):
        yield expression
    elif isinstance(expression, Binary):
        yield from _names(expression.left)
        yield from _names(expression.right)
    elif isinstance(expression, Apply):
        yield from _names(expression.argument)
