"""Expressions on results: arithmetic within a seed, over the labels of factors by name.

Factors of both sides of an operation are joined in order of their first appearance; of a factor that both have, the
labels that both have stay. A number that is missing makes what is computed from it missing: nothing is averaged around
a run that failed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from graphnet.errors import did_you_mean
from graphnet.experiments.judging.intervals import Array
from graphnet.experiments.results import Results, Values
from graphnet.spec.experiment.expressions import Apply, Binary, Expression, Name, Number, Selection
from graphnet.spec.experiment.model import number_of


class EffectError(Exception):
    """Raised when results do not hold what an expression needs; the text says what they hold."""


def evaluate(expression: Expression, results: Results) -> Values:
    """Return an expression's values by the factors that it leaves open, and by seed.

    Raises EffectError: results lack a measure, a factor or a label, or a slope is over labels that are no numbers.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return _evaluate(expression, results)


def _evaluate(expression: Expression, results: Results) -> Values:
    match expression:
        case Number():
            return Values({}, np.full(len(results.seeds), expression.value))
        case Name():
            return _named(expression, results)
        case Binary():
            left, right = _evaluate(expression.left, results), _evaluate(expression.right, results)
            return _joined(OPERATORS[expression.operator], left, right)
        case Apply():
            return _applied(expression, _evaluate(expression.argument, results))


OPERATORS: Mapping[str, Callable[[Array, Array], Array]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


# ---- names and selections


def _named(name: Name, results: Results) -> Values:
    if name.name not in results.measures:
        hint = did_you_mean(name.name, tuple(results.measures))
        raise EffectError(f"the results have no measure '{name.name}'; {hint or 'they hold none'}")
    values = results.measures[name.name]
    for selection in name.selected:
        if selection.factor not in values.factors:
            hint = did_you_mean(selection.factor, tuple(values.factors))
            raise EffectError(f"'{name.name}' has no factor '{selection.factor}'; {hint or 'it has none'}")
        values = _selected(values, selection)
    return values


def _selected(values: Values, selection: Selection) -> Values:
    """Take one label, which removes the factor, or a range of labels, which keeps it."""
    axis = list(values.factors).index(selection.factor)
    labels = values.factors[selection.factor]
    if selection.last is None:
        place = labels.index(_known(selection.first, selection.factor, labels))
        rest = {name: own for name, own in values.factors.items() if name != selection.factor}
        return Values(rest, np.take(values.array, place, axis))
    places = _range(selection, labels)
    chosen = tuple(labels[place] for place in places)
    return Values(values.factors | {selection.factor: chosen}, np.take(values.array, places, axis))


def _known(label: str, factor: str, labels: Sequence[str]) -> str:
    if label not in labels:
        raise EffectError(f"'{factor}' has no label '{label}'; {did_you_mean(label, labels)}")
    return label


def _range(selection: Selection, labels: Sequence[str]) -> list[int]:
    """Places of a range: of all numbers between its ends, or else of all labels from the first to the last."""
    assert selection.last is not None
    low, high = number_of(selection.first), number_of(selection.last)
    if low is not None and high is not None:
        numbers = [number_of(label) for label in labels]
        places = [place for place, each in enumerate(numbers) if each is not None and low <= each <= high]
    else:
        ends = [labels.index(_known(end, selection.factor, labels)) for end in (selection.first, selection.last)]
        places = list(range(ends[0], ends[1] + 1))
    if not places:
        text = f"{selection.first}..{selection.last}"
        raise EffectError(f"'{selection.factor}' has no label in {text}; {did_you_mean(selection.first, labels)}")
    return places


# ---- joining


def _joined(combine: Callable[[Array, Array], Array], left: Values, right: Values) -> Values:
    """Combine two sides label by label."""
    factors, (a, b) = aligned(left, right)
    return Values(factors, combine(a, b))


def aligned(*sides: Values) -> tuple[dict[str, tuple[str, ...]], list[Array]]:
    """Return the factors of all sides, each with the labels common to those that have it, and arrays over them.

    Each array has an axis for each factor, of length 1 for a factor that its side has not, and one for seeds.

    Raises EffectError: sides have no label of a factor in common.
    """
    factors: dict[str, tuple[str, ...]] = {}
    for side in sides:
        for name, labels in side.factors.items():
            factors[name] = tuple(label for label in factors.get(name, labels) if label in labels)
            if not factors[name]:
                raise EffectError(f"the sides of the expression have no label of '{name}' in common")
    return factors, [_spread(side, factors) for side in sides]


def _spread(values: Values, factors: Mapping[str, Sequence[str]]) -> Array:
    """Return the array with an axis for each of `factors`, of length 1 for those that the values have not."""
    array = values.array
    for axis, (name, labels) in enumerate(values.factors.items()):
        array = np.take(array, [labels.index(label) for label in factors[name]], axis)
    own = list(values.factors)
    array = array.transpose([own.index(name) for name in factors if name in own] + [array.ndim - 1])
    return array.reshape([len(labels) if name in own else 1 for name, labels in factors.items()] + [array.shape[-1]])


# ---- functions over a factor


def _applied(expression: Apply, values: Values) -> Values:
    if expression.over not in values.factors:
        hint = did_you_mean(expression.over, tuple(values.factors)) or "there is none"
        raise EffectError(f"{expression.function}: its argument has no factor '{expression.over}'; {hint}")
    axis = list(values.factors).index(expression.over)
    array = np.moveaxis(values.array, axis, 0)
    if expression.function in REDUCTIONS:
        found = REDUCTIONS[expression.function](array)
    else:
        found = TRENDS[expression.function](_numbers(expression, values.factors[expression.over]), array)
    rest = {name: labels for name, labels in values.factors.items() if name != expression.over}
    return Values(rest, found)


def _numbers(expression: Apply, labels: Sequence[str]) -> Array:
    """The labels as numbers, at least two that differ."""
    numbers = [number_of(label) for label in labels]
    if wrong := [label for label, number in zip(labels, numbers, strict=True) if number is None]:
        raise EffectError(f"{expression.function} over '{expression.over}': its label '{wrong[0]}' is no number")
    if len(set(numbers)) < 2:
        raise EffectError(f"{expression.function} over '{expression.over}' needs two labels or more")
    return np.array(numbers, dtype=np.float64)


def _slope(x: Array, y: Array) -> Array:
    """Least-squares slope; x is `[labels]`, y `[labels, …]`."""
    centred = x - x.mean()
    slope: Array = np.tensordot(centred, y - y.mean(axis=0), axes=1) / (centred @ centred)
    return slope


def _spearman(x: Array, y: Array) -> Array:
    """Rank correlation, tied ranks averaged; NaN where all values are equal. x is `[labels]`, y `[labels, …]`."""
    ranks_x, ranks_y = _ranks(x), _ranks(y)
    ranks_x, ranks_y = ranks_x - ranks_x.mean(), ranks_y - ranks_y.mean(axis=0)
    found: Array = np.tensordot(ranks_x, ranks_y, axes=1) / np.sqrt((ranks_x @ ranks_x) * (ranks_y**2).sum(axis=0))
    return found


def _ranks(values: Array) -> Array:
    """Ranks along the first axis: the number of smaller values plus half of the equal ones."""
    smaller = (values[:, None] > values[None]).sum(axis=1)
    equal = (values[:, None] == values[None]).sum(axis=1)
    ranks: Array = np.where(np.isnan(values).any(axis=0), np.nan, smaller + (equal + 1) / 2)
    return ranks


REDUCTIONS: Mapping[str, Callable[[Array], Array]] = {
    "mean": lambda values: values.mean(axis=0),
    "min": lambda values: values.min(axis=0),
    "max": lambda values: values.max(axis=0),
}
TRENDS: Mapping[str, Callable[[Array, Array], Array]] = {"slope": _slope, "spearman": _spearman}
"""Functions of a factor's labels as numbers, and of the values at them."""
