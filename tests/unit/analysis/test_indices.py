"""LPK's three indices on hand-made curves, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from graphnet.analysis.indices import (
    Index,
    bootstrap,
    chance_error,
    convergence_index,
    divergence_index,
    recurrence_index,
)

CHANCE, FINAL, BLOCKS = 0.9, 0.05, 16
EXACT = 1e-12


def between(parts: np.ndarray) -> np.ndarray:
    """Errors at given fractions of the way from the final error to chance."""
    return FINAL + parts * (CHANCE - FINAL)


def index(function: Index, parts: object) -> float:
    return function(between(np.asarray(parts, dtype=float)), chance=CHANCE, final=FINAL)


@pytest.mark.parametrize("input_error", [0.0, 0.4, 1.0])
def test_convergence_that_is_instant_is_1(input_error: float) -> None:
    assert index(convergence_index, [input_error] + [0] * BLOCKS) == pytest.approx(1, abs=EXACT)


def test_convergence_at_chance_until_the_last_block_is_0() -> None:
    assert index(convergence_index, [1] * BLOCKS + [0]) == pytest.approx(0, abs=EXACT)


def test_convergence_of_a_straight_line_is_a_half() -> None:
    assert index(convergence_index, np.linspace(1, 0, BLOCKS + 1)) == pytest.approx(0.5, abs=EXACT)


def test_convergence_of_a_constant_is_what_is_left_to_chance() -> None:
    assert index(convergence_index, [0.3] * BLOCKS + [0]) == pytest.approx(0.7, abs=EXACT)


def test_convergence_of_a_geometric_approach_is_that_of_its_series() -> None:
    rate = 0.7
    mean = (rate - rate**BLOCKS) / (1 - rate) / (BLOCKS - 1)
    assert index(convergence_index, rate ** np.arange(BLOCKS + 1)) == pytest.approx(1 - mean, abs=EXACT)


def test_an_early_readout_worse_than_chance_is_not_clipped() -> None:
    assert index(convergence_index, [1, 2, 0]) == pytest.approx(-1, abs=EXACT)


@pytest.mark.parametrize("harm", [0.0, 0.25, 1.0])
def test_recurrence_is_1_where_every_block_matters_alike(harm: float) -> None:
    """At harm 1 dropping any block leads to chance: LPK call this 0, against their own difference."""
    assert index(recurrence_index, [harm] * BLOCKS) == pytest.approx(1, abs=EXACT)


def test_recurrence_is_0_where_the_last_block_alone_can_be_dropped() -> None:
    assert index(recurrence_index, [1] * (BLOCKS - 1) + [0]) == pytest.approx(0, abs=EXACT)


def test_recurrence_of_a_straight_line() -> None:
    mean = BLOCKS / 2 / (BLOCKS - 1)  # of (1, …, 15) / 15
    assert index(recurrence_index, np.linspace(1, 0, BLOCKS)) == pytest.approx(1 - mean, abs=EXACT)


def test_recurrence_is_above_1_where_the_last_block_matters_most() -> None:
    assert index(recurrence_index, [0.1, 0.1, 0.4]) == pytest.approx(1.3, abs=EXACT)


def test_recurrence_differences_of_both_signs_cancel() -> None:
    assert index(recurrence_index, [0.1, 0.3, 0.2]) == pytest.approx(1, abs=EXACT)


def test_divergence() -> None:
    assert index(divergence_index, [0] * 17) == pytest.approx(0, abs=EXACT)
    assert index(divergence_index, [0] + [1] * 16) == pytest.approx(1, abs=EXACT)
    assert index(divergence_index, [0] + [0.3] * 16) == pytest.approx(0.3, abs=EXACT)
    assert index(divergence_index, np.linspace(0, 1, 17)) == pytest.approx(17 / 32, abs=EXACT)
    assert index(divergence_index, [0, -0.02]) == pytest.approx(-0.02, abs=EXACT)


@pytest.mark.parametrize(("function", "least"), [(convergence_index, 3), (recurrence_index, 2), (divergence_index, 2)])
def test_a_curve_that_is_too_short_is_refused(function: Index, least: int) -> None:
    assert index(function, [0.0] * least) in (0, 1)
    with pytest.raises(ValueError, match=f"one of at least {least} errors"):
        index(function, [0.0] * (least - 1))


@pytest.mark.parametrize("function", [convergence_index, recurrence_index, divergence_index])
def test_a_net_at_chance_has_no_index(function: Index) -> None:
    with pytest.raises(ValueError, match=r"the final error is at chance, 0\.9"):
        function([0.9, 0.9, 0.9], chance=0.9, final=0.9)


def test_chance() -> None:
    assert chance_error(10) == pytest.approx(0.9, abs=EXACT)


def answers(parts: list[float], images: int = 2000, seed: int = 0) -> np.ndarray:
    """Whether the net is wrong about each image, `[P, N]`, at given error rates."""
    return np.random.default_rng(seed).random((len(parts), images)) < between(np.array(parts))[:, None]


def test_bootstrap_estimates_are_those_of_all_images_and_repeat() -> None:
    stages = [answers([1, 0.6, 0.2, 0]), answers([1, 0.1, 0.1, 0], seed=1)]
    final = answers([0], seed=2)[0]
    found = bootstrap(convergence_index, stages, final, chance=CHANCE, samples=200)
    for stage, interval in zip(stages, found.stages, strict=True):
        whole = convergence_index(stage.mean(1), chance=CHANCE, final=float(final.mean()))
        assert interval.estimate == pytest.approx(whole, abs=EXACT)
        assert interval.low < interval.estimate < interval.high
    assert found.average.estimate == pytest.approx(np.mean([each.estimate for each in found.stages]), abs=EXACT)
    assert found == bootstrap(convergence_index, stages, final, chance=CHANCE, samples=200)
    assert found != bootstrap(convergence_index, stages, final, chance=CHANCE, samples=200, seed=1)


def test_bootstrap_intervals_are_as_wide_as_the_binomial_error() -> None:
    """Divergence with a final error of 0 known exactly is a mean of N independent answers."""
    images = 4000
    wrong = np.random.default_rng(3).random(images) < 0.3
    found = bootstrap(divergence_index, [np.stack([np.zeros(images), wrong])], np.zeros(images), chance=1.0)
    width = 2 * 1.96 * np.sqrt(wrong.mean() * (1 - wrong.mean()) / images)
    assert found.average.high - found.average.low == pytest.approx(width, rel=0.1)


def test_bootstrap_draws_the_same_images_for_every_point() -> None:
    wrong = answers([0.5])[0]
    found = bootstrap(recurrence_index, [np.stack([wrong] * 4)], answers([0], seed=4)[0], chance=CHANCE, samples=50)
    assert found.stages[0].low == pytest.approx(1, abs=EXACT)
    assert found.stages[0].high == pytest.approx(1, abs=EXACT)


def test_bootstrap_refuses_unequal_images() -> None:
    with pytest.raises(ValueError, match=r"got \(3, 5\) and \(4,\)"):
        bootstrap(convergence_index, [np.zeros((3, 5))], np.zeros(4), chance=0.9)
