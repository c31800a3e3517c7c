"""Linear probes of representations (Alain & Bengio 2017); N images, C channels, F features."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from graphnet.analysis.representations.responses import Key, Responses

POOLS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
"""Number of spatial axes → average pooling."""
ITERATIONS = 1000


@dataclass(frozen=True)
class ProbeScore:
    """What a linear probe reads from a representation.

    Attributes:
        folds: the score on each held-out fold: accuracy for classes, R² for values.
        chance: the accuracy of always naming the most frequent class; 0 for values.
        converged: whether the classifier converged in every fold.
    """

    folds: tuple[float, ...]
    chance: float
    converged: bool = True

    @property
    def mean(self) -> float:
        return float(np.mean(self.folds))

    @property
    def standard_error(self) -> float:
        """Standard deviation over the folds / √folds. The folds share training images, so it is only a guide."""
        return float(np.std(self.folds, ddof=1) / math.sqrt(len(self.folds)))


@dataclass(frozen=True, eq=False)
class Features:
    """Features for a probe, `[N, F]`, and how they were made from the responses."""

    values: NDArray[np.float64]
    how: str


@dataclass(frozen=True)
class Probed:
    """The score of a state at a time, the number of features of its probe, and how they were made."""

    score: ProbeScore
    features: int
    how: str


def probe_all(responses: Responses, *, most: int = 1000, folds: int = 5, seed: int = 0) -> dict[Key, Probed]:
    """Probe each state and time for the targets; see `reduced` and `probe`.

    Raises:
        ValueError: the targets are not known, or as for `probe`.
    """
    if responses.targets is None:
        raise ValueError("the targets are not known")
    found = {}
    for (state, t), values in responses.read():
        features = reduced(values, most, seed)
        try:
            score = probe(features.values, responses.targets, folds=folds, seed=seed)
        except ValueError as fault:
            raise ValueError(f"{state}@{t}: {fault}") from None
        found[state, t] = Probed(score, features.values.shape[1], features.how)
    return {key: found[key] for key in responses.keys}


def reduced(responses: ArrayLike, most: int, seed: int = 0) -> Features:
    """Reduce responses to at most `most` features each, without looking at the data.

    A map `[N, C, …]` is averaged over equal patches, the smallest that do. If even one value per channel is too much,
    these are projected by a random Gaussian matrix (seeded). Smaller responses stay as they are.
    """
    found = torch.as_tensor(np.asarray(responses, dtype=np.float64))
    shape = tuple(found.shape[1:])
    if math.prod(shape) <= most:
        return Features(found.flatten(1).numpy(), "all units")
    how = ""
    if len(shape) - 1 in POOLS:
        found, how = _pooled(found, most)
    flat = found.flatten(1).numpy()
    if flat.shape[1] > most:
        from sklearn.random_projection import GaussianRandomProjection  # type: ignore[import-untyped]

        flat = GaussianRandomProjection(most, random_state=seed).fit_transform(flat)
        how += f"{', ' if how else ''}projected at random"
    return Features(flat, how)


def _pooled(found: Tensor, most: int) -> tuple[Tensor, str]:
    """Average over the smallest patches that leave at most `most` values; over whole maps if none do."""
    channels, *sizes = found.shape[1:]

    def left(side: int) -> int:
        return int(channels * math.prod(math.ceil(size / side) for size in sizes))

    side = next(k for k in range(1, max(sizes) + 1) if left(k) <= most or k == max(sizes))
    patch = [min(side, size) for size in sizes]
    pooled: Tensor = POOLS[len(sizes)](found, patch, ceil_mode=True)
    return pooled, f"averaged over {' x '.join(map(str, patch))}"


def probe(features: ArrayLike, targets: ArrayLike, *, folds: int = 5, seed: int = 0) -> ProbeScore:
    """Cross-validate a linear probe: features are standardised within each training fold.

    Classes (whole numbers, `[N]`): logistic regression (L2, C = 1), stratified folds, accuracy. Values (`[N]` or
    `[N, K]`): ridge regression (α = 1), R². Folds are shuffled by `seed`.

    Args:
        features: `[N, F]`.

    Raises:
        ValueError: there are fewer than two folds or classes, or a class has fewer images than folds.
    """
    from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression, Ridge  # type: ignore[import-untyped]
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score  # type: ignore[import-untyped]
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    x, y = np.asarray(features, dtype=np.float64), np.asarray(targets)
    _check(x, y, folds)
    classes = y.dtype.kind in "iu"
    model = LogisticRegression(max_iter=ITERATIONS) if classes else Ridge()
    split = (StratifiedKFold if classes else KFold)(folds, shuffle=True, random_state=seed)
    # One thread: more change the last digits.
    with threadpool_limits(1), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        scores = cross_val_score(make_pipeline(StandardScaler(), model), x, y, cv=split, error_score="raise")
    chance = float(np.unique(y, return_counts=True)[1].max() / len(y)) if classes else 0.0
    converged = not any(issubclass(each.category, ConvergenceWarning) for each in told)
    return ProbeScore(tuple(map(float, scores)), chance, converged)


def _check(x: NDArray[np.float64], y: NDArray[np.generic], folds: int) -> None:
    if folds < 2:
        raise ValueError(f"cross-validation needs at least 2 folds; there are {folds}")
    if not np.isfinite(x).all():
        raise ValueError("some responses are not finite")
    if y.dtype.kind in "iu":
        if y.ndim != 1:
            raise ValueError("a probe needs one class or some values for each image")
        labels, counts = np.unique(y, return_counts=True)
        if len(labels) < 2:
            raise ValueError("all images are of one class: there is nothing to probe")
        if counts.min() < folds:
            few = f"class {labels[counts.argmin()]} has {counts.min()} images, fewer than {folds} folds"
            raise ValueError(f"{few}; take more images or fewer folds")
    elif len(y) < 2 * folds:
        raise ValueError(f"there are {len(y)} images, too few for {folds} folds")
