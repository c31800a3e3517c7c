"""Faults of expressions: measures, factors and labels that are not there, and functions over what cannot be joined."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphnet.errors import Fault, KeyPath, did_you_mean
from graphnet.spec.experiment.expressions import (
    OF_NUMBERS,
    Apply,
    Binary,
    Expression,
    Name,
    Selection,
    names_in,
    written,
)
from graphnet.spec.experiment.factor_faults import WITHIN_A_SEED
from graphnet.spec.experiment.measures import NUMBERED
from graphnet.spec.experiment.model import Experiment, number_of

GIVEN: tuple[KeyPath, ...] = (("vary",), ("measure",))
"""Entries that these faults rely on."""
UNKNOWN, MEANING = "GN803", "GN806"


@dataclass(frozen=True)
class Scope:
    """What an expression may name, and where it stands.

    Attributes:
        text: the expression as written.
        path: its entry.
    """

    experiment: Experiment
    text: str
    path: KeyPath

    @property
    def factors(self) -> tuple[str, ...]:
        """The factors that are varied or that some measure adds."""
        of_measures = (each for measure in self.experiment.measures for each in self.experiment.added_by(measure))
        return tuple(dict.fromkeys((*self.experiment.vary, *of_measures)))

    def labels(self, factor: str, of: Sequence[Name]) -> tuple[str, ...] | None:
        """Return the labels of a factor of some measures; None if they are known only from the net, or wrong."""
        if factor in self.experiment.vary:
            return tuple(self.experiment.factors[factor]) or None
        names = {name.name for name in of}
        times = {t for own in self.experiment.measure if own.name in names for t in own.times}
        return tuple(map(str, sorted(times))) if factor == "t" and times else None

    def open(self, expression: Expression) -> tuple[str, ...]:
        return self.experiment.open_in(expression)

    def doubtful(self, expression: Expression) -> tuple[str, ...]:
        """Return `t` if the expression has it should the net have several readout times."""
        return ("t",) if any(map(self.may_have_t, names_in(expression))) else ()

    def may_have_t(self, name: Name) -> bool:
        kind = self.experiment.kind_of(name.name)
        own = next((each for each in self.experiment.measure if each.name == name.name), None)
        return bool(kind and kind.by_readout and not (own and own.readout)) and "t" not in self.experiment.vary

    def span(self, word: str, after: str = "") -> tuple[int, int] | None:
        """Return the place of a word in the expression, behind what matches `after`."""
        match = re.search(rf"{after}(?<!\w)(?<!\w\.)({re.escape(word)})(?!\w|\.\w)", self.text)
        return match.span(1) if match else None

    def fault(self, word: str, what: str, fix: str, code: str, after: str = "") -> Fault:
        return Fault(self.path, what, fix, span=self.span(word, after), code=code, given=GIVEN)

    def unknown_factor(self, factor: str, of: Sequence[Expression], after: str = "") -> Iterator[Fault]:
        """Yield the fault of a factor that none of some expressions has."""
        if factor == "seed":
            yield self.fault(factor, "'seed' is no factor", WITHIN_A_SEED, MEANING, after)
            return
        known = tuple(dict.fromkeys(each for expression in of for each in self.open(expression)))
        what = f"no factor is called '{factor}'"
        if factor in self.factors:
            what = f"'{written(of[0])}' has no factor '{factor}'" if of else f"nothing has the factor '{factor}'"
        fix = did_you_mean(factor, known) or "there are no factors here: they are made in [vary]"
        yield self.fault(factor, what, fix, UNKNOWN, after)


def expression_faults(expression: Expression, scope: Scope) -> Iterator[Fault]:
    """Yield the faults of what an expression means."""
    if isinstance(expression, Name):
        yield from name_faults(expression, scope)
    elif isinstance(expression, Binary):
        yield from expression_faults(expression.left, scope)
        yield from expression_faults(expression.right, scope)
    elif isinstance(expression, Apply):
        inner = list(expression_faults(expression.argument, scope))
        yield from inner or _function_faults(expression, scope)


def name_faults(name: Name, scope: Scope) -> Iterator[Fault]:
    """Yield the faults of a measure and of the labels that are selected."""
    experiment = scope.experiment
    if experiment.kind_of(name.name) is None:
        if name.name not in experiment.measures:  # one of an unknown kind is at fault already
            what, fix = f"no measure is called '{name.name}'", did_you_mean(name.name, experiment.measures)
            yield scope.fault(name.name, what, fix, "GN804")
        return
    for selection in name.selected:
        factor = selection.factor
        if factor in experiment.factors_of(name.name):
            yield from _label_faults(selection, name, scope)
        elif not (factor == "t" and scope.may_have_t(name)):
            yield from scope.unknown_factor(factor, [Name(name.name)], r"[\[,]\s*")


def _label_faults(selection: Selection, name: Name, scope: Scope) -> Iterator[Fault]:
    factor, first, last = selection.factor, selection.first, selection.last
    labels = scope.labels(factor, [name])
    if labels is None:
        if factor in NUMBERED and factor not in scope.experiment.vary:
            wrong = [label for label in (first, last) if label is not None and number_of(label) is None]
            for label in wrong:
                yield scope.fault(
                    label, f"the labels of '{factor}' are numbers, not '{label}'", "such as 3", UNKNOWN, _behind(factor)
                )
        return
    ends = (number_of(first), number_of(last or first))
    if last is not None and ends[0] is not None and ends[1] is not None:
        yield from _number_range_faults(selection, ends[0], ends[1], labels, scope)
        return
    unknown = [label for label in (first, last) if label is not None and label not in labels]
    for label in unknown:
        yield scope.fault(
            label, f"'{factor}' has no label '{label}'", did_you_mean(label, labels), UNKNOWN, _behind(factor)
        )
    if last is not None and not unknown and labels.index(first) > labels.index(last):
        yield _backwards(selection, scope, f"the order of the labels is {', '.join(labels)}")


def _number_range_faults(
    selection: Selection, first: float, last: float, labels: Sequence[str], scope: Scope
) -> Iterator[Fault]:
    numbers = [number for number in map(number_of, labels) if number is not None]
    if first > last:
        yield _backwards(selection, scope, f"did you mean {selection.factor}={selection.last}..{selection.first}?")
    elif not any(first <= number <= last for number in numbers):
        what = f"'{selection.factor}' has no label from {selection.first} to {selection.last}"
        yield scope.fault(_range(selection), what, f"known: {', '.join(labels)}", UNKNOWN, _behind(selection.factor))


def _backwards(selection: Selection, scope: Scope, fix: str) -> Fault:
    what = f"'{_range(selection)}' runs backwards"
    return scope.fault(_range(selection), what, fix, MEANING, _behind(selection.factor))


def _range(selection: Selection) -> str:
    return f"{selection.first}..{selection.last}"


def _behind(factor: str) -> str:
    """Return the pattern of what stands before a label of a factor."""
    return rf'{re.escape(factor)}\s*=\s*(?:[^,\]]*\.\.)?\s*"?'


def _function_faults(apply: Apply, scope: Scope) -> Iterator[Fault]:
    factor, labels = apply.over, scope.labels(apply.over, names_in(apply.argument))
    if factor not in scope.open(apply.argument):
        if not (factor == "t" and scope.doubtful(apply.argument)):
            yield from scope.unknown_factor(factor, [apply.argument], r"over\s*=\s*")
        return
    if apply.function not in OF_NUMBERS:
        return
    if labels is None:
        if factor not in (*NUMBERED, *scope.experiment.vary):
            what = f"'{apply.function}' needs labels that are numbers, and those of '{factor}' are names"
            yield scope.fault(apply.function, what, "such as mean, min or max", MEANING)
    elif words := [label for label in labels if number_of(label) is None]:
        what = f"'{apply.function}' needs labels that are numbers, and '{words[0]}' of '{factor}' is none"
        yield scope.fault(apply.function, what, "such as mean, min or max", MEANING)
    elif len(labels) == 1:
        what = f"'{apply.function}' needs at least two labels, and '{factor}' has one"
        yield scope.fault(apply.function, what, "vary more values", MEANING)
