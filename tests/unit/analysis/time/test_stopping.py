"""Stopping rules against calculations by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graphnet.analysis.time.stopping import stop, thresholds

TIMES = (3, 5, 8)
SURE = [[0.4, 0.95, 0.50, 0.60], [0.8, 0.30, 0.55, 0.60], [0.9, 0.99, 0.52, 0.60]]
SPREAD = [[1.0, 0.20, 0.69, 0.67], [0.5, 0.65, 0.68, 0.67], [0.3, 0.05, 0.69, 0.67]]
WRONG = [[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 1]]


def test_the_first_time_at_which_the_largest_softmax_reaches_the_threshold() -> None:
    found = stop(TIMES, SURE, SPREAD, WRONG, "threshold", 0.8)
    assert found.reaction_times.tolist() == [5, 3, 8, 8]
    assert found.places.tolist() == [1, 0, 2, 2]
    assert found.reached.tolist() == [True, True, False, False]
    assert found.wrong.tolist() == [0, 0, 1, 1]
    assert (found.error, found.accuracy, found.mean_time, found.share_reached) == (0.5, 0.5, 6.0, 0.5)
    assert found.quantiles == pytest.approx((3.6, 4.5, 6.5, 8.0, 8.0))  # of 3, 5, 8, 8, interpolated


def test_the_first_time_at_which_the_entropy_falls_to_the_threshold() -> None:
    found = stop(TIMES, SURE, SPREAD, WRONG, "entropy", 0.5)
    assert found.reaction_times.tolist() == [5, 3, 8, 8]
    assert stop(TIMES, SURE, SPREAD, WRONG, "entropy", 0.3).reaction_times.tolist() == [8, 3, 8, 8]
    assert stop(TIMES, SURE, SPREAD, WRONG, "entropy", 0.3).reached.tolist() == [True, True, False, False]


def test_the_time_of_largest_confidence_is_the_first_of_equal_ones() -> None:
    found = stop(TIMES, SURE, SPREAD, WRONG, "max-confidence", 0.7)
    assert found.reaction_times.tolist() == [8, 8, 5, 3]
    assert found.wrong.tolist() == [1, 0, 0, 0]
    assert found.threshold is None
    assert found.reached.all()


@pytest.mark.parametrize("rule", ["threshold", "entropy"])
def test_thresholds_run_from_stopping_at_once_to_hardly_ever(rule: str) -> None:
    found = thresholds(rule, 4)  # type: ignore[arg-type]
    even = np.full((3, 2), 0.25)
    spread = np.full((3, 2), math.log(4))
    at_once = stop(TIMES, even, spread, np.zeros((3, 2)), rule, found[0])  # type: ignore[arg-type]
    assert at_once.reaction_times.tolist() == [3, 3]
    never = stop(TIMES, even, spread, np.zeros((3, 2)), rule, found[1])  # type: ignore[arg-type]
    assert never.reaction_times.tolist() == [8, 8]
    assert len(set(found)) == 34
    steps = np.diff([each for each in found if each is not None])
    assert (steps > 0).all() if rule == "threshold" else (steps < 0).all()


def test_what_is_refused() -> None:
    for rule, threshold, said in (
        ("threshold", None, "from 0 to 1"),
        ("threshold", 1.5, "from 0 to 1"),
        ("entropy", -1, "at least 0 nats"),
        ("entropy", math.nan, "at least 0 nats"),
        ("first", 0.5, "'first' is no stopping rule: one of threshold, entropy, max-confidence"),
    ):
        with pytest.raises(ValueError, match=said):
            stop(TIMES, SURE, SPREAD, WRONG, rule, threshold)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"for 2 times: got \(3, 4\)"):
        stop(TIMES[:2], SURE, SPREAD, WRONG, "threshold", 0.5)
