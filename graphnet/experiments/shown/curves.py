"""The `[[figure]]` of an experiment as data: panels of curves, before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from graphnet.experiments.judging.effects import EffectError, aligned, evaluate
from graphnet.experiments.judging.intervals import Array, means
from graphnet.experiments.judging.units import Unit, is_difference, unit_of
from graphnet.experiments.results import Results, Values
from graphnet.spec.experiment.expressions import Expression, Name, read_expression
from graphnet.spec.experiment.model import Experiment, Figure, number_of


@dataclass(frozen=True, eq=False)
class Curve:
    """A line of a panel; fractions are in per cent.

    Attributes:
        line, y: which label of `line` and which expression it is, counted from 0.
        x: `[points]`, ascending.
        mean, half_width: `[points]`, over seeds; NaN where there is none.
        seeds: `[points, seeds]`.
    """

    line: int
    y: int
    x: Array
    mean: Array
    half_width: Array
    seeds: Array


@dataclass(frozen=True)
class Level:
    """A published number, drawn as a horizontal line."""

    label: str
    value: float


@dataclass(frozen=True, eq=False)
class Chart:
    """A figure's data.

    Attributes:
        name, title: of the figure.
        x_label, y_label: of the axes.
        categories: labels of x that are no numbers, at 0, 1, …; empty for an axis of numbers.
        ticks: the numbers that x takes if x is a factor of numbers.
        line: the factor that has a curve for each label, or "".
        lines: its labels.
        y: the expressions.
        panels: title → curves.
        levels: published numbers.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    categories: tuple[str, ...]
    ticks: tuple[float, ...]
    line: str
    lines: tuple[str, ...]
    y: tuple[str, ...]
    panels: dict[str, list[Curve]]
    levels: tuple[Level, ...]


def chart(figure: Figure, experiment: Experiment, results: Results) -> Chart:
    """Return a figure's data. Raises EffectError: the results do not hold what it needs, or no number at all."""
    expressions = [read_expression(text) for text in figure.y]
    units = [unit_of(each, experiment) for each in expressions]
    found = [evaluate(each, results) for each in expressions]
    x, categories, ticks = _x(figure.x, found, results)
    lines, panels = _labels(figure.line, found), _labels(figure.panel, found)
    drawn = {
        f"{figure.panel} = {panel}" if figure.panel else "": [
            curve
            for y, (values, unit) in enumerate(zip(found, units, strict=True))
            for curve in _curves(x, _scaled(values, unit), y, figure, lines, panel)
        ]
        for panel in panels
    }
    if not any(drawn.values()):
        raise EffectError("there are no numbers to draw")
    return Chart(
        figure.name,
        figure.title,
        _x_label(figure.x, experiment, is_factor=bool(categories or ticks)),
        _y_label(figure.y, expressions, units),
        categories,
        ticks,
        figure.line or "",
        lines if figure.line else (),
        figure.y,
        drawn,
        tuple(_levels(expressions, units, experiment)),
    )


def _x(text: str, found: Sequence[Values], results: Results) -> tuple[Values, tuple[str, ...], tuple[float, ...]]:
    """Return x as values; its categories, and its ticks if it is a factor of numbers."""
    measured = (*found, *results.measures.values())
    labels = _union(text, found) or _union(text, measured)
    if not labels:
        return evaluate(read_expression(text), results), (), ()
    numbers = [number_of(label) for label in labels]
    ticks = tuple(number for number in numbers if number is not None)
    categories = labels if len(ticks) < len(labels) else ()
    places = np.arange(len(labels), dtype=np.float64) if categories else np.array(ticks)
    values = Values({text: labels}, np.repeat(places[:, None], len(results.seeds), axis=1))
    return values, categories, () if categories else ticks


def _union(factor: str, found: Iterable[Values]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label for values in found for label in values.factors.get(factor, ())))


def _labels(factor: str | None, found: Sequence[Values]) -> tuple[str, ...]:
    return (_union(factor, found) if factor else ()) or ("",)


def _scaled(values: Values, unit: Unit) -> Values:
    return Values(values.factors, 100 * values.array) if unit == "fraction" else values


def _curves(x: Values, values: Values, y: int, figure: Figure, lines: Sequence[str], panel: str) -> Iterator[Curve]:
    """Yield the curves of one expression in one panel; one only, if it does not depend on the factor of lines."""
    of_panel, x_of_panel = _at(values, figure.panel, panel), _at(x, figure.panel, panel)
    if of_panel is None or x_of_panel is None:
        return
    for number, label in enumerate(lines):
        of_line, x_of_line = _at(of_panel, figure.line, label), _at(x_of_panel, figure.line, label)
        if of_line is None or x_of_line is None or (number and of_line is of_panel):
            continue
        factors, sides = aligned(x_of_line, of_line)
        shape = (*map(len, factors.values()), sides[0].shape[-1])
        at, seeds = (np.broadcast_to(side, shape).reshape(-1, shape[-1]) for side in sides)
        where = means(at)[0]
        order = np.argsort(where, kind="stable")
        where, seeds = where[order], seeds[order]
        mean, half_width = means(seeds)
        if np.isfinite(where + mean).any():
            yield Curve(number, y, where, mean, half_width, seeds)


def _at(values: Values, factor: str | None, label: str) -> Values | None:
    """Values at a label of a factor; as they are without this factor; None if it has no such label."""
    if factor is None or factor not in values.factors:
        return values
    if label not in values.factors[factor]:
        return None
    axis = list(values.factors).index(factor)
    rest = {name: labels for name, labels in values.factors.items() if name != factor}
    return Values(rest, np.take(values.array, values.factors[factor].index(label), axis))


# ---- labels


def _levels(expressions: Sequence[Expression], units: Sequence[Unit], experiment: Experiment) -> Iterator[Level]:
    """Yield the published numbers of the measures that are drawn."""
    names = {each.name: unit for each, unit in zip(expressions, units, strict=True) if isinstance(each, Name)}
    for reference in experiment.reference:
        for name, value in reference.values.items():
            if name in names:
                yield Level(reference.label, 100 * value if names[name] == "fraction" else value)


def _x_label(text: str, experiment: Experiment, *, is_factor: bool) -> str:
    if is_factor:
        return AXES.get(text, spaced(text))
    return f"{spaced(text)}{_percent(read_expression(text), unit_of(read_expression(text), experiment))}"


AXES = {"t": "readout time t", "block": "block", "channel": "channel"}
"""Factors that measures add → label of an axis."""


def _y_label(texts: Sequence[str], expressions: Sequence[Expression], units: Sequence[Unit]) -> str:
    labels = [_percent(each, unit) for each, unit in zip(expressions, units, strict=True)]
    if len(texts) > 1 and len(set(labels)) == 1 and labels[0]:
        return NAMED_IN_LEGEND[labels[0]]
    return ", ".join(f"{spaced(text)}{label}" for text, label in zip(texts, labels, strict=True))


NAMED_IN_LEGEND = {" (%)": "per cent", " (points)": "percentage points"}
"""Unit → label of an axis of several expressions."""


def _percent(expression: Expression, unit: Unit) -> str:
    if unit != "fraction":
        return ""
    return " (points)" if is_difference(expression) else " (%)"


def spaced(text: str) -> str:
    """`test_error` → `test error`; other expressions stay as they are written."""
    return text.replace("_", " ") if text.replace("_", "").replace(".", "").isalnum() else text
