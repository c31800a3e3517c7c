"""Cohen's kappa of errors against hand calculations and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from graphnet.analysis.representations.error_consistency import error_consistency

FIRST = np.repeat([1, 1, 0, 0], [50, 20, 10, 20]).astype(bool)
SECOND = np.repeat([1, 0, 1, 0], [50, 20, 10, 20]).astype(bool)


def test_kappa_by_hand() -> None:
    found = error_consistency(FIRST, SECOND)
    # p1 = .7, p2 = .6; c_obs = .5 + .2 = .7; c_exp = .7 * .6 + .3 * .4 = .54; kappa = .16 / .46
    assert found.accuracies == pytest.approx((0.7, 0.6))
    assert found.observed == pytest.approx(0.7)
    assert found.expected == pytest.approx(0.54)
    assert found.kappa.estimate == pytest.approx(0.16 / 0.46)
    assert found.kappa.estimate == pytest.approx(cohen_kappa_score(FIRST, SECOND))
    assert found.images == 100


def test_the_interval_is_that_of_drawn_images() -> None:
    found = error_consistency(FIRST, SECOND, samples=4000).kappa
    draws = np.random.default_rng(1).integers(100, size=(2000, 100))
    kappas = [cohen_kappa_score(FIRST[each], SECOND[each]) for each in draws]
    assert (found.low, found.high) == pytest.approx(np.quantile(kappas, [0.025, 0.975]), abs=0.02)
    assert error_consistency(FIRST, SECOND, seed=1).kappa != error_consistency(FIRST, SECOND, seed=2).kappa
    assert error_consistency(FIRST, SECOND, seed=1) == error_consistency(FIRST, SECOND, seed=1)
    narrow = error_consistency(FIRST, SECOND, samples=4000, level=0.5).kappa
    assert found.low < narrow.low < narrow.high < found.high


def test_the_ends_of_the_scale() -> None:
    assert error_consistency(FIRST, FIRST).kappa.estimate == pytest.approx(1)
    assert error_consistency(FIRST, ~FIRST).kappa.estimate < 0
    independent = np.repeat([1, 1, 0, 0], [32, 8, 8, 2]), np.repeat([1, 0, 1, 0], [32, 8, 8, 2])
    assert error_consistency(*independent).kappa.estimate == pytest.approx(0)


def test_observers_without_errors_have_no_kappa() -> None:
    found = error_consistency(np.ones(5), np.ones(5))
    assert math.isnan(found.kappa.estimate)
    assert math.isnan(found.kappa.low)
    assert found.observed == found.expected == 1
    one = error_consistency(np.ones(5), np.array([1, 1, 1, 1, 0]))
    assert one.kappa.estimate == pytest.approx(0)


@pytest.mark.parametrize(("first", "second"), [([1, 0], [1, 0, 1]), ([], []), ([[1, 0]], [[1, 0]])])
def test_answers_to_other_images(first: list[int], second: list[int]) -> None:
    with pytest.raises(ValueError, match="the same images"):
        error_consistency(first, second)


def test_a_bootstrap_needs_samples() -> None:
    with pytest.raises(ValueError, match="needs a sample"):
        error_consistency(FIRST, SECOND, samples=0)
    with pytest.raises(ValueError, match="a level"):
        error_consistency(FIRST, SECOND, level=1)
