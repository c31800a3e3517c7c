"""Expressions on results, against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from graphnet.experiments.judging.effects import EffectError, evaluate
from graphnet.experiments.results import Values
from graphnet.spec.experiment.expressions import read_expression
from tests.unit.experiments.made_up import results

RNG = np.random.default_rng(0)
ERROR = RNG.random((2, 4, 5))
LOSS = RNG.random((3, 5))
WIDTH = RNG.random((3, 2, 5))
RESULTS = results(
    error=Values({"sharing": ("shared", "unshared"), "t": ("5", "9", "13", "17")}, ERROR),
    loss=Values({"t": ("13", "9", "x")}, LOSS),
    width=Values({"size": ("a", "b", "c"), "sharing": ("unshared", "shared")}, WIDTH),
)


def found(text: str) -> Values:
    return evaluate(read_expression(text), RESULTS)


@pytest.mark.parametrize(
    ("text", "factors", "array"),
    [
        ("error", {"sharing": 2, "t": 4}, ERROR),
        ("error[sharing=unshared] - error[sharing=shared]", {"t": 4}, ERROR[1] - ERROR[0]),
        ("error[t=9, sharing=shared]", {}, ERROR[0, 1]),
        ("error[t=6..13]", {"sharing": 2, "t": 2}, ERROR[:, 1:3]),
        ("error[t=13..13]", {"sharing": 2, "t": 1}, ERROR[:, 2:3]),
        ("width[size=a..b, sharing=shared]", {"size": 2}, WIDTH[:2, 1]),
        ("2 * error[t=5] / (1 - error[t=9])", {"sharing": 2}, 2 * ERROR[:, 0] / (1 - ERROR[:, 1])),
        ("1 - 2 - 3 * 4", {}, np.full(5, -13.0)),
        ("mean(error, over=t)", {"sharing": 2}, ERROR.mean(axis=1)),
        ("min(error, over=sharing)", {"t": 4}, ERROR.min(axis=0)),
        ("max(error[t=5..9], over=t)", {"sharing": 2}, ERROR[:, :2].max(axis=1)),
        ("error[sharing=shared] + loss", {"t": 2}, ERROR[0, 1:3] + LOSS[[1, 0]]),
        ("loss + error[sharing=shared]", {"t": 2}, LOSS[:2] + ERROR[0, [2, 1]]),
        ("error[t=5] * width", {"sharing": 2, "size": 3}, ERROR[:, 0][:, None] * WIDTH.transpose(1, 0, 2)[::-1]),
    ],
)
def test_arithmetic_is_by_name_and_within_a_seed(text: str, factors: dict[str, int], array: np.ndarray) -> None:
    values = found(text)
    assert {name: len(labels) for name, labels in values.factors.items()} == factors
    assert list(values.factors) == list(factors)
    np.testing.assert_allclose(values.array, array, rtol=1e-15)


def test_labels_in_common_stay_in_the_order_of_the_left_side() -> None:
    assert found("loss + error[sharing=shared]").factors == {"t": ("13", "9")}
    assert found("error[sharing=shared] + loss").factors == {"t": ("9", "13")}
    assert found("error[t=5] * width").factors["sharing"] == ("shared", "unshared")


@pytest.mark.parametrize("sharing", [0, 1])
def test_slope_and_rank_correlation_are_those_of_scipy(sharing: int) -> None:
    x = np.array([5.0, 9, 13, 17])
    slope = [stats.linregress(x, ERROR[sharing, :, seed]).slope for seed in range(5)]
    ranks = [stats.spearmanr(x, ERROR[sharing, :, seed]).statistic for seed in range(5)]
    np.testing.assert_allclose(found("slope(error, over=t)").array[sharing], slope, rtol=1e-12)
    np.testing.assert_allclose(found("spearman(error, over=t)").array[sharing], ranks, rtol=1e-12)


def test_ranks_of_equal_values_are_averaged_and_of_all_equal_ones_undefined() -> None:
    array = np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 2.0]])
    made = results(seeds=2, m=Values({"t": ("1", "2", "3")}, array))
    ranks = evaluate(read_expression("spearman(m, over=t)"), made).array
    np.testing.assert_allclose(ranks, [stats.spearmanr([1, 2, 3], [1, 1, 3]).statistic, np.nan])


FUNCTIONS = ("mean", "min", "max", "slope", "spearman")


@pytest.mark.parametrize("text", ["m - m[t=1]", *(f"{function}(m, over=t)" for function in FUNCTIONS)])
def test_what_is_missing_is_never_averaged_around(text: str) -> None:
    made = results(seeds=2, m=Values({"t": ("1", "2", "3")}, np.array([[1.0, 2], [2, 1], [3, np.nan]])))
    array = evaluate(read_expression(text), made).array
    assert np.isnan(array[..., 1]).any()
    assert not np.isnan(array[..., 0]).any()


def test_a_division_by_zero_is_no_warning_and_no_number() -> None:
    assert not np.isfinite(found("1 / (error - error)").array).any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("eror", r"no measure 'eror'; did you mean 'error'\? known: error, loss, width"),
        ("error[sharin=shared]", "'error' has no factor 'sharin'; did you mean 'sharing'"),
        ("error[t=7]", "'t' has no label '7'"),
        ("error[t=6..8]", r"'t' has no label in 6\.\.8"),
        ("width[size=b..a]", r"'size' has no label in b\.\.a"),
        ("mean(loss, over=sharing)", "its argument has no factor 'sharing'"),
        ("slope(loss, over=t)", "its label 'x' is no number"),
        ("slope(error[t=5..5], over=t)", "needs two labels or more"),
        ("error[t=5..5] - loss[t=9..9]", "no label of 't' in common"),
    ],
)
def test_what_results_do_not_hold_is_named(text: str, message: str) -> None:
    with pytest.raises(EffectError, match=message):
        found(text)
