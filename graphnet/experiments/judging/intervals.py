"""Means over seeds and their paired t intervals."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit  # type: ignore[import-untyped]

Array = NDArray[np.float64]
LEVEL = 0.95


def interval(values: Array, level: float = LEVEL) -> tuple[float, float]:
    """Return the t interval of a mean over seeds; a point if all values are equal, NaN with fewer than two."""
    n = len(values)
    if n < 2:
        return math.nan, math.nan
    if values.min() == values.max():
        return float(values[0]), float(values[0])
    half = float(stdtrit(n - 1, (1 + level) / 2) * values.std(ddof=1) / math.sqrt(n))
    mean = float(values.mean())
    return mean - half, mean + half


def means(array: Array) -> tuple[Array, Array]:
    """Return means over seeds and half widths of their 95 % intervals.

    A mean is NaN if a seed has no number; a half width also with fewer than two seeds.

    Args:
        array: `[…, seeds]`.
    """
    if not array.shape[-1]:
        return np.full(array.shape[:-1], np.nan), np.full(array.shape[:-1], np.nan)
    bounds = np.apply_along_axis(interval, -1, array)
    mean = array.mean(axis=-1)
    equal = array.min(axis=-1) == array.max(axis=-1)  # the mean of equal values may differ from them in the last bit
    return np.where(equal, array[..., 0], mean), (bounds[..., 1] - bounds[..., 0]) / 2
