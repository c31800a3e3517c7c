"""Claims → verdicts: is the effect that a claim expects seen in these results?

The interval is a paired t interval over seeds, at 95 %; all arithmetic is within a seed, and seeds are joined last. It
holds for this set of test images. If results are looked at several times, each look has the level 1 − 0.05 / looks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal

import numpy as np

from graphnet.experiments.judging.effects import EffectError, evaluate
from graphnet.experiments.judging.intervals import Array, interval
from graphnet.experiments.judging.units import Unit, is_difference, unit_of
from graphnet.experiments.results import Results, Values
from graphnet.spec.experiment.expressions import (
    Condition,
    Expect,
    Expression,
    Name,
    names_in,
    read_expect,
    read_expression,
    read_guard,
    written,
)
from graphnet.spec.experiment.model import Claim, Experiment

Word = Literal["seen", "opposite", "undecided", "under-trained", "equal by construction", "no result"]
WORDS: Mapping[Word, str] = {
    "seen": "the interval lies where the claim expects it",
    "opposite": "the interval lies wholly on the other side",
    "undecided": "the interval lies on both sides: these seeds do not decide",
    "under-trained": "a condition on training fails in a seed, so the effect says nothing about the claim",
    "equal by construction": "the effect is exactly 0 in every seed: both sides compute the same",
    "no result": "there is no number to judge",
}
"""Verdict → what it means."""
ERROR_RATE = 0.05
"""Of an interval, for one look."""


@dataclass(frozen=True)
class Checked:
    """A condition of a guard: its worst value over seeds and over factors that it leaves open; NaN if it has none."""

    text: str
    worst: float
    seed: int | None
    holds: bool
    unit: Unit


@dataclass(frozen=True)
class Verdict:
    """One verdict on a claim.

    Attributes:
        level: of the interval.
        n: the number of seeds.
        fraction: whether the effect is of fractions, printed in per cent or percentage points.
        difference: whether its sign means something, as that of a difference or a slope.
        directional: whether a direction is expected, not parity.
        labels: factor → label, of the factors that the effect leaves open.
        effects: by seed; NaN where there is none.
        mean, low, high: over seeds, with its interval; NaN without a result.
        word: the verdict.
        why: what more there is to say, one line; may be empty.
        guard: the conditions on training.
        binomial: the largest standard error that the number of test images gives a test error of the effect; None
            if there is no test error in it, or the number is unknown.
    """

    level: float
    n: int
    fraction: bool
    difference: bool
    directional: bool
    labels: Mapping[str, str] = field(default_factory=dict)
    effects: tuple[float, ...] = ()
    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    word: Word = "no result"
    why: str = ""
    guard: tuple[Checked, ...] = ()
    binomial: float | None = None


def judge(claim: Claim, experiment: Experiment, results: Results, looks: int = 1) -> tuple[Verdict, ...]:
    """Return a verdict for each combination of labels of the factors that a claim's effect leaves open.

    Args:
        looks: how often the results are looked at; the error rate is split among looks.
    """
    effect, expect = read_expression(claim.effect), read_expect(claim.expect)
    conditions = read_guard(claim.guard) if claim.guard else ()
    nothing = Verdict(
        level=1 - ERROR_RATE / looks,
        n=len(results.seeds),
        fraction=unit_of(effect, experiment) == "fraction",
        difference=is_difference(effect),
        directional=expect.relation != "within",
    )
    try:
        values = evaluate(effect, results)
    except EffectError as fault:
        return (replace(nothing, why=str(fault)),)
    found = []
    for place in product(*(range(len(labels)) for labels in values.factors.values())):
        labels = {name: own[k] for (name, own), k in zip(values.factors.items(), place, strict=True)}
        effects = values.array[place]
        guard = tuple(_checked(each, labels, experiment, results) for each in conditions)
        binomial = _binomial(effect, labels, experiment, results)
        one = replace(nothing, labels=labels, effects=tuple(effects.tolist()), guard=guard, binomial=binomial)
        found.append(_judged(one, effects, expect, results.seeds))
    return tuple(found)


def chance_seen(verdicts: Iterable[Verdict]) -> float:
    """The expected number of directional verdicts that would be "seen" if there were no effect at all."""
    judged = ("seen", "opposite", "undecided")
    return sum((1 - each.level) / 2 for each in verdicts if each.directional and each.word in judged)


# ---- one verdict


def _judged(one: Verdict, effects: Array, expect: Expect, seeds: Sequence[int]) -> Verdict:
    """Add interval and verdict."""
    if missing := _missing(effects, seeds):
        return replace(one, why=missing)
    mean = float(effects.mean())
    if any(math.isnan(each.worst) for each in one.guard):
        text = next(each.text for each in one.guard if math.isnan(each.worst))
        return replace(one, mean=mean, why=f"the guard has no value: {text}")
    if len(effects) < 2:
        return replace(one, mean=mean, why="one seed has no interval")
    low, high = interval(effects, one.level)
    one = replace(one, mean=mean, low=low, high=high)
    if not all(each.holds for each in one.guard):
        return replace(one, word="under-trained")
    if not effects.any() and (expect.bound == 0 or expect.relation == "within"):
        return replace(one, word="equal by construction")
    why = "all seeds agree to the last bit: the interval is a point" if low == high else ""
    return replace(one, word=_word(low, high, expect), why=why)


def _missing(effects: Array, seeds: Sequence[int]) -> str:
    """Say why an effect is no number in some seeds; "" if it is one in all."""
    if np.isfinite(effects).all():
        return ""
    if not np.isfinite(effects).any():
        return "no seed has a number: skipped, failed, or not defined (a division by 0, ranks of equal values)"
    without = [str(seed) for seed, number in zip(seeds, effects, strict=True) if not math.isfinite(number)]
    return f"no number in seed {', '.join(without)}; other seeds alone would be a choice made after the runs"


def _word(low: float, high: float, expect: Expect) -> Word:
    inside, outside = SIDES[expect.relation](low, high, expect.bound)
    return "seen" if inside else "opposite" if outside else "undecided"


SIDES = {
    ">": lambda low, high, bound: (low > bound, high < bound),
    "<": lambda low, high, bound: (high < bound, low > bound),
    "within": lambda low, high, bound: (-bound <= low and high <= bound, low > bound or high < -bound),
}
"""Relation → whether an interval is where it is expected, and whether it is wholly elsewhere."""


# ---- guards


def _checked(condition: Condition, labels: Mapping[str, str], experiment: Experiment, results: Results) -> Checked:
    text = f"{written(condition.of)} {condition.relation} {condition.bound:g}"
    nothing = Checked(text, math.nan, None, False, unit_of(condition.of, experiment))
    try:
        values = evaluate(condition.of, results)
        array = _at(values, labels)
    except EffectError:
        return nothing
    if not array.size or np.isnan(array).any():
        return nothing
    place = int(array.argmin() if condition.relation == ">" else array.argmax())
    worst = float(array.flat[place])
    holds = worst > condition.bound if condition.relation == ">" else worst < condition.bound
    return replace(nothing, worst=worst, seed=results.seeds[place % len(results.seeds)], holds=holds)


def _at(values: Values, labels: Mapping[str, str]) -> Array:
    """Values at the given labels, `[labels of the factors that are not given …, seeds]`. Raises EffectError."""
    array = values.array
    for axis, (name, own) in reversed(list(enumerate(values.factors.items()))):
        if name in labels:
            if labels[name] not in own:
                raise EffectError(f"'{name}' has no label '{labels[name]}'")
            array = np.take(array, own.index(labels[name]), axis)
    return array


# ---- the number of test images


def _binomial(effect: Expression, labels: Mapping[str, str], experiment: Experiment, results: Results) -> float | None:
    errors = [each for name in names_in(effect) for each in _binomial_of(name, labels, experiment, results)]
    return max(errors, default=None)


def _binomial_of(name: Name, labels: Mapping[str, str], experiment: Experiment, results: Results) -> Iterator[float]:
    kind, images = experiment.kind_of(name.name), _images(name.name, experiment, results)
    if kind is None or kind.name != "test_error" or images is None:
        return
    try:
        array = _at(evaluate(name, results), labels)
    except EffectError:
        return
    if array.size and np.isfinite(array).all():
        errors = np.clip(array.mean(axis=-1), 0, 1)
        yield float(np.sqrt(errors * (1 - errors) / images).max())


def _images(measure: str, experiment: Experiment, results: Results) -> int | None:
    """The number of test images of a measure; None if it is unknown."""
    own = next((each.images for each in experiment.measure if each.name == measure), None)
    text = results.facts.get("test_images", "")
    tested = int(text) if text.isdecimal() and int(text) > 0 else None
    return min(filter(None, (own, tested)), default=None)
