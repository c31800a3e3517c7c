"""Faults of claims, figures, the table and references: what their expressions name, and what they leave open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from graphnet.errors import Fault, KeyPath, did_you_mean
from graphnet.spec.experiment.expressions import (
    Condition,
    Expression,
    Name,
    Selection,
    names_in,
    read_expect,
    read_expression,
    read_guard,
    written,
)
from graphnet.spec.experiment.meaning_faults import Scope, expression_faults, name_faults
from graphnet.spec.experiment.model import Experiment, Figure
from graphnet.spec.notation.integers import Misspelt

Read = TypeVar("Read")
GIVEN: tuple[KeyPath, ...] = (("vary",), ("measure",))
"""Entries that faults of expressions rely on."""


def claim_faults(experiment: Experiment) -> Iterator[Fault]:
    """Yield the faults of each claim."""
    for number, claim in enumerate(experiment.claims):
        path: KeyPath = ("claims", number)
        faults: list[Fault] = []
        effect = _read(read_expression, claim.effect, (*path, "effect"), faults)
        _read(read_expect, claim.expect, (*path, "expect"), faults)
        guard = () if claim.guard is None else _read(read_guard, claim.guard, (*path, "guard"), faults) or ()
        if effect is not None:
            faults += expression_faults(effect, Scope(experiment, claim.effect, (*path, "effect")))
            if not names_in(effect):
                what, fix = "this effect has no measure", f"the measures are {', '.join(experiment.measures)}"
                faults.append(Fault((*path, "effect"), what, fix, code="GN806"))
        for condition in guard:
            scope = Scope(experiment, claim.guard or "", (*path, "guard"))
            wrong = list(name_faults(condition.of, scope))
            faults += wrong
            if effect is not None and not wrong:
                faults += _left_open(condition, effect, scope)
        yield from faults


def _read(read: Callable[[str], Read], text: str, path: KeyPath, faults: list[Fault]) -> Read | None:
    """Read an entry; if it is misspelt, add the fault and return None."""
    try:
        return read(text)
    except Misspelt as wrong:
        faults.append(Fault(path, wrong.what, wrong.fix, span=(wrong.start, wrong.end), code=wrong.code))
        return None


def _left_open(condition: Condition, effect: Expression, scope: Scope) -> Iterator[Fault]:
    """Yield the fault of a guard that leaves a factor open which the effect does not."""
    experiment = scope.experiment
    ranged = {each.factor for each in condition.of.selected}
    given = set(experiment.open_in(effect)) | ranged
    for factor in experiment.open_in(condition.of):
        if factor in given:
            continue
        labels = scope.labels(factor, [condition.of]) or ("…",)
        one, all_of_them = Selection(factor, labels[0]), Selection(factor, labels[0], labels[-1])
        shown = [written(replace(condition.of, selected=(*condition.of.selected, each))) for each in (one, all_of_them)]
        what = f"the guard leaves '{factor}' open, and the effect does not"
        fix = f"name the labels that must pass: {shown[0]}"
        fix += f", or all of them: {shown[1]}" if len(labels) > 1 else ""
        span = scope.span(written(condition.of)) or scope.span(condition.of.name)
        yield Fault(scope.path, what, fix, span=span, code="GN807", given=GIVEN)


# ---- figures and tables


def figure_faults(experiment: Experiment) -> Iterator[Fault]:
    """Yield the faults of each figure."""
    names = [figure.name for figure in experiment.figure]
    for number, figure in enumerate(experiment.figure):
        path: KeyPath = ("figure", number)
        if figure.name in names[:number]:
            what = f"two figures are called '{figure.name}'"
            yield Fault((*path, "name"), what, "rename one of them", code="GN811")
        yield from _figure_faults(experiment, figure, path)


def _figure_faults(experiment: Experiment, figure: Figure, path: KeyPath) -> Iterator[Fault]:
    faults: list[Fault] = []
    read = [_read(read_expression, text, (*path, "y", index), faults) for index, text in enumerate(figure.y)]
    scopes = [Scope(experiment, text, (*path, "y", index)) for index, text in enumerate(figure.y)]
    for expression, scope in zip(read, scopes, strict=True):
        faults += expression_faults(expression, scope) if expression is not None else ()
    yield from faults
    ys = [expression for expression in read if expression is not None]
    if faults or not ys:
        return
    axes = list(_across(experiment, figure, ys, path, faults))
    yield from faults
    for expression, scope in zip(read, scopes, strict=True):
        if expression is not None and not faults:
            yield from _not_among(expression, axes, scope, "x, line and panel", 'such as line = "{}"')


def _across(
    experiment: Experiment, figure: Figure, ys: Sequence[Expression], path: KeyPath, faults: list[Fault]
) -> Iterator[str]:
    """Yield the factors along x, line and panel; append their faults."""
    for key in ("line", "panel", "x"):
        given, here = getattr(figure, key), (*path, key)
        if given is None:
            continue
        scope = Scope(experiment, given, here)
        if any(given in scope.open(y) or given in scope.doubtful(y) for y in ys):
            yield given
        elif given == "seed" or key != "x" or given in scope.factors:
            faults += scope.unknown_factor(given, ys)
        elif (expression := _read(read_expression, given, here, faults)) is not None:
            if isinstance(expression, Name) and given not in experiment.measures:
                what = f"no factor and no measure is called '{given}'"
                known = (*scope.factors, *experiment.measures)
                faults.append(Fault(here, what, did_you_mean(given, known), code="GN803", given=GIVEN))
                continue
            faults += expression_faults(expression, scope)
            for factor in experiment.open_in(expression):
                if not any(factor in scope.open(y) for y in ys):
                    what = f"x leaves '{factor}' open, and no y has it"
                    fix = f"name a label in x: {factor}=…"
                    faults.append(Fault(here, what, fix, code="GN806", given=GIVEN))
                yield factor
            yield from scope.doubtful(expression)


def _not_among(expression: Expression, among: Sequence[str], scope: Scope, what: str, fix: str) -> Iterator[Fault]:
    """Yield a fault for each factor that an expression leaves open and that is not `among` the shown ones."""
    for factor in scope.open(expression):
        if factor not in among:
            said = f"this leaves '{factor}' open, which is not among {what}"
            instead = f"{fix.format(factor)}, or name a label: {factor}=…, or join them: mean(…, over={factor})"
            yield Fault(scope.path, said, instead, code="GN806", given=GIVEN)


def table_faults(experiment: Experiment) -> Iterator[Fault]:
    """Yield the faults of the table."""
    table = experiment.table
    if table is None:
        return
    faults: list[Fault] = []
    columns: list[tuple[Expression, Scope]] = []
    for index, text in enumerate(table.columns):
        scope = Scope(experiment, text, ("table", "columns", index))
        expression = _read(read_expression, text, scope.path, faults)
        if expression is not None:
            faults += expression_faults(expression, scope)
            columns.append((expression, scope))
    for factor in table.rows:
        scope = Scope(experiment, ", ".join(table.rows), ("table", "rows"))
        if not any(factor in scope.open(each) or factor in scope.doubtful(each) for each, _ in columns):
            faults += scope.unknown_factor(factor, [each for each, _ in columns]) if not faults else ()
    yield from faults
    if not faults:
        for expression, scope in columns:
            yield from _not_among(expression, table.rows, scope, "rows", "add '{}' to rows")


def reference_faults(experiment: Experiment) -> Iterator[Fault]:
    """Yield the faults of published numbers."""
    for number, reference in enumerate(experiment.reference):
        path: KeyPath = ("reference", number)
        if not reference.values:
            fix = f"such as test_error = 0.0661; the measures are {', '.join(experiment.measures)}"
            yield Fault(path, "this reference has no number", fix, code="GN804")
        for name in reference.values:
            if experiment.kind_of(name) is None:
                what, fix = f"no measure is called '{name}'", did_you_mean(name, experiment.measures)
                yield Fault((*path, name), what, fix, on="key", code="GN804", given=GIVEN)
