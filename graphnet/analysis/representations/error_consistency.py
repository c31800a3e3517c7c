"""Error consistency: do two observers err on the same images (Geirhos, Meding & Wichmann 2020)? N images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graphnet.analysis.indices import Interval


@dataclass(frozen=True)
class ErrorConsistency:
    """Agreement of two observers on which images they get right.

    Attributes:
        images: their number.
        accuracies: of both observers.
        observed: share of images that both get right or both get wrong, c_obs.
        expected: the same share if their errors were independent, c_exp = p₁p₂ + (1 - p₁)(1 - p₂).
        kappa: Cohen's κ = (c_obs - c_exp)/(1 - c_exp): 0 for independent errors, 1 for the same ones. With its
            bootstrap interval over images. Not a number if both observers are always right, or always wrong.
    """

    images: int
    accuracies: tuple[float, float]
    observed: float
    expected: float
    kappa: Interval


def error_consistency(
    first: ArrayLike, second: ArrayLike, *, samples: int = 1000, level: float = 0.95, seed: int = 0
) -> ErrorConsistency:
    """Compare two observers by whether each gets each image right, bool `[N]`.

    Args:
        samples: number of bootstrap draws; draws without a κ are left out.
        level: of the percentile interval.
        seed: the same seed draws the same images.

    Raises:
        ValueError: the numbers of images differ or are zero, or the samples or the level are out of range.
    """
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.ndim != 1 or a.shape != b.shape or not a.size:
        raise ValueError(f"two observers need answers to the same images: got {a.shape} and {b.shape}")
    if samples < 1 or not 0 < level < 1:
        raise ValueError("a bootstrap needs a sample, and a level above 0 and below 1")
    cells = np.array([(a & b).sum(), (a & ~b).sum(), (~a & b).sum(), (~a & ~b).sum()], dtype=np.float64) / a.size
    # Drawing images with replacement draws the counts of the four kinds of images from a multinomial distribution.
    drawn = np.random.default_rng(seed).multinomial(a.size, cells, size=samples) / a.size
    found = _kappa(drawn)
    found = found[~np.isnan(found)]
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2]) if found.size else (np.nan, np.nan)
    return ErrorConsistency(
        a.size,
        (float(a.mean()), float(b.mean())),
        float(cells[0] + cells[3]),
        float(_expected(cells)),
        Interval(float(_kappa(cells[None])[0]), float(low), float(high)),
    )


def _expected(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected agreement, given the shares of images `[…, 4]` that both, the first, the second, neither get right."""
    p, q = cells[..., 0] + cells[..., 1], cells[..., 0] + cells[..., 2]
    return np.asarray(p * q + (1 - p) * (1 - q))


def _kappa(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    expected = _expected(cells)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (cells[..., 0] + cells[..., 3] - expected) / (1 - expected)
    return np.where(np.isclose(expected, 1, rtol=0, atol=1e-12), np.nan, found)
