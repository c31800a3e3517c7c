"""When would a net answer? Stopping rules on its responses over time, reaction times and speed-accuracy curves.

T readout times, N images. A rule sees the outputs one readout time after the other and stops at one of them; the
net's answer then counts (Spoerer et al. 2020, for thresholds on the entropy).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Rule = Literal["threshold", "entropy", "max-confidence"]
RULES: tuple[Rule, ...] = ("threshold", "entropy", "max-confidence")
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
SHARES = tuple(k / 20 for k in range(20, 2, -1)) + tuple(10 ** (-1 - k / 5) for k in range(16))
"""From 1 to 0.15 in equal steps, then from 0.1 to 0.0001 in equal ratios: trained nets are often nearly certain."""


@dataclass(frozen=True, eq=False)
class Stopping:
    """What a rule makes of a net's responses.

    Attributes:
        rule: `threshold`: the first time at which the largest softmax is at least the threshold; `entropy`: the first
            at which the entropy of the softmax is at most the threshold, in nats; the last time if there is none.
            `max-confidence`: the time of the largest softmax, which only an observer of all times knows.
        threshold: None for `max-confidence`.
        places: `[N]`, the chosen readout time of each image, as its place among the times.
        reaction_times: `[N]`, the chosen time in steps.
        reached: `[N]`, whether the threshold was reached.
        wrong: `[N]`, the error of the answer at that time.
    """

    rule: Rule
    threshold: float | None
    places: NDArray[np.int64]
    reaction_times: NDArray[np.int64]
    reached: NDArray[np.bool_]
    wrong: NDArray[np.float64]

    @property
    def error(self) -> float:
        return float(self.wrong.mean())

    @property
    def accuracy(self) -> float:
        return 1 - self.error

    @property
    def mean_time(self) -> float:
        """The mean reaction time, in steps."""
        return float(self.reaction_times.mean())

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The quantiles `QUANTILES` of the reaction times, in steps."""
        return tuple(float(each) for each in np.quantile(self.reaction_times, QUANTILES))

    @property
    def share_reached(self) -> float:
        """The share of images that reach the threshold."""
        return float(self.reached.mean())


def stop(
    times: Sequence[int],
    confidence: ArrayLike,
    entropy: ArrayLike,
    wrong: ArrayLike,
    rule: Rule,
    threshold: float | None = None,
) -> Stopping:
    """Apply a stopping rule.

    Args:
        times: the T readout times, ascending.
        confidence: `[T, N]`, the largest softmax.
        entropy: `[T, N]`, of the softmax, in nats.
        wrong: `[T, N]`, the error of each answer.
        threshold: for `threshold` from 0 to 1, for `entropy` at least 0.

    Raises:
        ValueError: an unknown rule, a threshold that is missing or out of range, or arrays of other shapes.
    """
    sure, spread, errors = (np.asarray(each, dtype=np.float64) for each in (confidence, entropy, wrong))
    if sure.ndim != 2 or not (sure.shape == spread.shape == errors.shape) or len(times) != len(sure) or not sure.size:
        shapes = f"{sure.shape}, {spread.shape} and {errors.shape}"
        raise ValueError(f"responses are (times, images), for {len(times)} times: got {shapes}")
    reached = np.ones(sure.shape[1], dtype=bool)
    if rule == "max-confidence":
        threshold, places = None, sure.argmax(0)
    else:
        met = _met(sure, spread, rule, threshold)
        reached = np.asarray(met.any(0))
        places = np.where(reached, met.argmax(0), len(times) - 1)
    chosen = np.asarray(times, dtype=np.int64)[places]
    return Stopping(rule, threshold, places, chosen, reached, errors[places, np.arange(errors.shape[1])])


def _met(
    sure: NDArray[np.float64], spread: NDArray[np.float64], rule: str, threshold: float | None
) -> NDArray[np.bool_]:
    if rule == "threshold":
        if threshold is None or not 0 <= threshold <= 1:
            raise ValueError(f"a threshold of {threshold}: the largest softmax is from 0 to 1, such as 0.9")
        return sure >= threshold
    if rule == "entropy":
        if threshold is None or not threshold >= 0:
            raise ValueError(f"a threshold of {threshold}: an entropy is at least 0 nats, such as 0.3")
        return spread <= threshold
    raise ValueError(f"'{rule}' is no stopping rule: one of {', '.join(RULES)}")


def thresholds(rule: Rule, classes: int) -> tuple[float | None, ...]:
    """Thresholds for a speed-accuracy curve: from one that always stops at once to one that hardly ever does.

    Of the largest softmax 1 − (1 − 1/K)·s, of the entropy s·ln K, for K classes and s in `SHARES`.
    """
    if rule == "threshold":
        return tuple(1 / classes if share == 1 else 1 - (1 - 1 / classes) * share for share in SHARES)
    if rule == "entropy":
        return tuple(math.log(classes) * share for share in SHARES)
    return (None,)
