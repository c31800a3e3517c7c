"""Representational dissimilarity matrices (RDMs) and their comparison (Kriegeskorte et al. 2008, Nili et al. 2014).

N conditions (images or classes), F units, P = N(N - 1)/2 pairs of conditions, M matrices. A matrix is condensed to its
upper triangle, row by row, as in `scipy.spatial.distance.pdist`; `squareform` gives it back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import pdist, squareform  # type: ignore[import-untyped]
from scipy.stats import kendalltau, rankdata  # type: ignore[import-untyped]

Array = NDArray[np.float64]

FEWEST = 3
"""Conditions: two give a single pair, and nothing to correlate."""


def _correlation(responses: Array) -> Array:
    return np.asarray(np.maximum(1 - np.corrcoef(responses), 0))


def _cosine(responses: Array) -> Array:
    unit = responses / np.linalg.norm(responses, axis=1, keepdims=True)
    return np.asarray(np.maximum(1 - unit @ unit.T, 0))


DISTANCES: Mapping[str, Callable[[Array], Array]] = {
    "correlation": lambda responses: _condensed(_correlation(responses)),
    "euclidean": lambda responses: pdist(responses, "euclidean"),
    "cosine": lambda responses: _condensed(_cosine(responses)),
}
"""Name → responses `[N, F]` → distances `[P]`: 1 - Pearson's r, Euclidean, 1 - cosine."""


def dissimilarities(responses: ArrayLike, distance: str = "correlation") -> Array:
    """Return the RDM of responses `[N, …]`, condensed, `[P]`.

    Args:
        distance: `correlation` (1 - Pearson's r over the units), `euclidean` or `cosine` (1 - cosine).

    Raises:
        ValueError: there are fewer than 3 conditions, a response is not finite, or the distance is undefined: the units
            of a condition are all equal (correlation) or all zero (cosine).
    """
    flat = np.asarray(responses, dtype=np.float64)
    flat = flat.reshape(len(flat), -1)
    if len(flat) < FEWEST:
        raise ValueError(f"an RDM needs at least {FEWEST} conditions; there are {len(flat)}")
    if not np.isfinite(flat).all():
        raise ValueError("some responses are not finite")
    undefined = {
        "correlation": ("are all equal", flat.max(1) == flat.min(1)),
        "cosine": ("are all zero", ~flat.any(1)),
    }
    if distance in undefined:
        what, found = undefined[distance]
        if found.any():
            some = f"the units {what} for {found.sum()} of {len(flat)} conditions, first condition {found.argmax()}"
            raise ValueError(f"{some}: the {distance} distance is undefined; euclidean is defined")
    return DISTANCES[distance](flat)


def averaged_by_class(responses: ArrayLike, classes: NDArray[np.int64]) -> Array:
    """Average responses `[N, …]` over the images of each class `[N]`: `[K, F]`, classes in ascending order."""
    flat = np.asarray(responses, dtype=np.float64)
    flat = flat.reshape(len(flat), -1)
    return np.stack([flat[classes == each].mean(0) for each in np.unique(classes)])


def _pearson(first: Array, second: Array) -> float:
    return float(np.corrcoef(first, second)[0, 1])


def _spearman(first: Array, second: Array) -> float:
    return _pearson(rankdata(first), rankdata(second))


def _kendall(first: Array, second: Array) -> float:
    """Tau-a: concordant minus discordant pairs, over all pairs; scipy has tau-b, which divides by untied pairs."""
    pairs = first.size * (first.size - 1) / 2
    untied = [pairs - sum(n * (n - 1) / 2 for n in np.unique(each, return_counts=True)[1]) for each in (first, second)]
    return float(kendalltau(first, second).statistic * np.sqrt(untied[0]) * np.sqrt(untied[1]) / pairs)


COMPARISONS: Mapping[str, Callable[[Array, Array], float]] = {
    "spearman": _spearman,
    "kendall": _kendall,
    "pearson": _pearson,
}
"""Name → the correlation of two condensed matrices. Kendall's is tau-a, as Nili et al. 2014 advise: unlike tau-b it
does not favour a matrix with ties, such as one of categories."""

SYMBOLS = {"spearman": "Spearman's ρ", "kendall": "Kendall's τ-a", "pearson": "Pearson's r"}
"""Name → how figures call it."""


def similarity(first: ArrayLike, second: ArrayLike, comparison: str = "spearman") -> float:
    """Return the correlation of two RDMs, condensed, `[P]` each.

    Raises:
        ValueError: they differ in size, or all entries of one are equal.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"one matrix has {a.size} pairs of conditions, the other {b.size}")
    _check_varied(a, b)
    return COMPARISONS[comparison](a, b)


def _check_varied(*matrices: Array) -> None:
    if any((each == each[0]).all() for each in matrices):
        raise ValueError("all dissimilarities of a matrix are equal: it correlates with nothing")


def similarities(rdms: ArrayLike, comparison: str = "spearman") -> Array:
    """Return the correlations of all pairs of RDMs `[M, P]`: `[M, M]`, symmetric. Raises ValueError as `similarity`."""
    each = np.asarray(rdms, dtype=np.float64)
    _check_varied(*each)
    if comparison in ("pearson", "spearman"):  # ranks are computed once, not once for each pair
        all_pairs = np.atleast_2d(np.corrcoef(rankdata(each, axis=1) if comparison == "spearman" else each))
        np.fill_diagonal(all_pairs, 1)
        return np.asarray((all_pairs + all_pairs.T) / 2)
    found = np.eye(len(each))
    for i in range(len(each)):
        for j in range(i):
            found[i, j] = found[j, i] = similarity(each[i], each[j], comparison)
    return found


class NoiseCeiling(NamedTuple):
    """Bounds of the mean correlation that the true model would have with several measured RDMs."""

    lower: float
    upper: float


def noise_ceiling(rdms: ArrayLike, comparison: str = "spearman") -> NoiseCeiling:
    """Return the noise ceiling of RDMs of several subjects, `[M, P]` (Nili et al. 2014).

    Upper: the mean correlation of each subject's matrix with the mean of all. Lower: with the mean of the others.
    Matrices are averaged as ranks; for Pearson as z-scores. For Kendall's tau-a the upper bound is an approximation, as
    Nili et al. start from this mean and then optimise it.

    Raises:
        ValueError: there are fewer than two, or all entries of one are equal.
    """
    each = np.asarray(rdms, dtype=np.float64)
    if len(each) < 2:
        raise ValueError("a noise ceiling needs at least two matrices")
    _check_varied(*each)
    if comparison == "pearson":
        comparable = (each - each.mean(1, keepdims=True)) / each.std(1, keepdims=True)
    else:
        comparable = rankdata(each, axis=1)
    total = comparable.sum(0)
    upper = [similarity(own, total, comparison) for own in comparable]
    lower = [similarity(own, total - own, comparison) for own in comparable]
    return NoiseCeiling(float(np.mean(lower)), float(np.mean(upper)))


def condensed(matrix: ArrayLike) -> Array:
    """Condense a dissimilarity matrix: `[N, N]` (or `[P]`, which stays) → `[P]`.

    Raises:
        ValueError: the matrix is not square, not symmetric, not finite, or its diagonal is not zero.
    """
    found = np.asarray(matrix, dtype=np.float64)
    if not np.isfinite(found).all():
        raise ValueError("some entries are not finite")
    if found.ndim == 2 and 1 in found.shape and found.size > 1:
        found = found.ravel()
    if found.ndim == 1:
        conditions_of(found.size)
        return found
    if found.ndim != 2 or found.shape[0] != found.shape[1]:
        raise ValueError(f"it is {' x '.join(map(str, found.shape))}; a dissimilarity matrix is square")
    if not np.allclose(found, found.T, rtol=1e-6, atol=1e-9 * np.abs(found).max()):
        raise ValueError("it is not symmetric")
    if np.abs(np.diag(found)).max() > 1e-6 * np.abs(found).max():
        raise ValueError("its diagonal is not 0: a dissimilarity matrix is wanted, not one of similarities")
    return _condensed((found + found.T) / 2)


def conditions_of(pairs: int) -> int:
    """The number of conditions that have so many pairs. Raises ValueError if there is none."""
    count = round((1 + np.sqrt(1 + 8 * pairs)) / 2)
    if count * (count - 1) // 2 != pairs or count < 2:
        raise ValueError(f"it has {pairs} entries; a condensed matrix has N(N - 1)/2")
    return int(count)


def square(condensed_matrix: ArrayLike) -> Array:
    """Return a condensed matrix `[P]` as a symmetric one `[N, N]` with a zero diagonal."""
    return np.asarray(squareform(np.asarray(condensed_matrix, dtype=np.float64)))


def _condensed(matrix: Any) -> Array:
    return np.asarray(squareform(matrix, checks=False))
