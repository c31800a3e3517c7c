"""LPK's three indices of iterative convergence, as functions of error curves ("Iterative convergence indices").

A curve holds a stage's error rates under one kind of perturbation. `chance` is the error rate of guessing, `final` that
of the unperturbed net; e' = (e − final) / (chance − final) is 0 at the final error and 1 at chance. LPK describe the
indices in words, as inverted and normalised areas under curves; where the words leave a choice, the formulas are ours:

- The area is the mean of e' over the perturbations, without readouts that are the unperturbed net by definition.
- Curves may be worse than chance or better than the final error: nothing is clipped, so an index may leave 0 to 1.
- Chance is 1 − 1/classes for one label out of equally frequent classes. Where an image has several labels
  (Digitclutter) LPK give no number; it depends on what counts as an error. If an image is right when all its n labels
  out of K are, it is 1 − 1/(K choose n).
- Convergence indices of architectures with different numbers of blocks are not comparable (LPK).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Index = Callable[..., float]
"""`index(errors, chance=…, final=…)`: one of the three below."""


def chance_error(classes: int) -> float:
    """The error rate of guessing among `classes` equally frequent classes."""
    return 1 - 1 / classes


def convergence_index(errors: ArrayLike, *, chance: float, final: float) -> float:
    """Earliness of the final error in early readouts: 1 − mean of e'_b over b = 1 … B − 1.

    0 if every early readout is at chance, 1 if that of the first block already has the final error (LPK's two anchors).
    The curve includes block 0, the stage's input, and block B, the net itself; the mean does not, as either would move
    an anchor.

    Args:
        errors: `[B + 1]`, of the net with the stage read out after 0, 1, … B blocks; B is at least 2.

    Raises:
        ValueError: the curve is too short, or the final error is at chance.
    """
    return 1 - float(_relative(errors, chance, final, least=3)[1:-1].mean())


def recurrence_index(errors: ArrayLike, *, chance: float, final: float) -> float:
    """Similarity of dropping any block: 1 − mean over b = 1 … B − 1 of (e_b − e_B) / (chance − final).

    1 if dropping an earlier block has the effect of dropping the last one, as in a recurrent net; above 1 if dropping
    the last one is worse. The differences keep their sign, as LPK find nets "centered closely around 1".

    LPK call it 0 "if dropping out any block leads to an error rate at chance level". By the difference they describe,
    such a net has 1 if "any" includes the last block. It is 0 if dropping any block but the last leads to chance, and
    dropping the last does no harm.

    Args:
        errors: `[B]`, of the net without its 1st, 2nd, … B-th block; B is at least 2.

    Raises:
        ValueError: the curve is too short, or the final error is at chance.
    """
    relative = _relative(errors, chance, final, least=2)
    return 1 - float((relative[:-1] - relative[-1]).mean())


def divergence_index(errors: ArrayLike, *, chance: float, final: float) -> float:
    """Harm of repeating the last block: the mean of e'_k over k = 1 … m (LPK: m up to 16).

    0 if repeating does no harm, 1 if the first repetition leads to chance. LPK give no anchors; these are those of the
    other indices, not inverted, as a high index means divergence.

    Args:
        errors: `[m + 1]`, of the net with 0, 1, … m more applications of the last block; m is at least 1. The mean
            excludes the first, the net itself.

    Raises:
        ValueError: the curve is too short, or the final error is at chance.
    """
    return float(_relative(errors, chance, final, least=2)[1:].mean())


@dataclass(frozen=True)
class Interval:
    """An estimate from all images, and its bootstrap interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Bootstrap:
    """An index by stage, and averaged over stages."""

    stages: tuple[Interval, ...]
    average: Interval


def bootstrap(
    index: Index,
    stages: Sequence[ArrayLike],
    final: ArrayLike,
    *,
    chance: float,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Bootstrap:
    """Compute an index with percentile intervals over images (Efron 1979).

    Images are drawn with replacement, the same ones for every point of every curve and for the final error.

    Args:
        index: one of the three.
        stages: for each stage `[P, N]`, whether (or by how much) the net misclassifies image n under perturbation p, in
            the order of the index's curve.
        final: `[N]`, the same for the unperturbed net.
        chance: the error rate of guessing.
        samples: number of bootstrap draws.
        level: of the interval, above 0 and below 1.
        seed: the same seed draws the same images.

    Raises:
        ValueError: the numbers of images differ or are zero, or the index is undefined (for a draw of the images).
    """
    wrong = [np.asarray(stage, dtype=np.float64) for stage in stages]
    unperturbed = np.asarray(final, dtype=np.float64)
    if not wrong or unperturbed.size == 0 or samples < 1 or not 0 < level < 1:
        raise ValueError("a bootstrap needs a stage, an image, a sample, and a level above 0 and below 1")
    if unperturbed.ndim != 1 or any(stage.ndim != 2 or stage.shape[1] != unperturbed.size for stage in wrong):
        shapes = ", ".join(str(stage.shape) for stage in wrong)
        raise ValueError(f"stages are (points, images), final is (images,): got {shapes} and {unperturbed.shape}")

    def measured(weights: NDArray[np.float64]) -> list[float]:
        now = float(unperturbed @ weights)
        found = [index(stage @ weights, chance=chance, final=now) for stage in wrong]
        return [*found, float(np.mean(found))]

    count = unperturbed.size
    generator = np.random.default_rng(seed)
    even = np.full(count, 1 / count)
    drawn = [measured(generator.multinomial(count, even) / count) for _ in range(samples)]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    intervals = [Interval(*map(float, each)) for each in zip(measured(even), low, high, strict=True)]
    return Bootstrap(tuple(intervals[:-1]), intervals[-1])


def _relative(errors: ArrayLike, chance: float, final: float, least: int) -> NDArray[np.float64]:
    """The curve e', 0 at the final error and 1 at chance."""
    curve = np.asarray(errors, dtype=np.float64)
    if curve.ndim != 1 or curve.size < least:
        raise ValueError(f"the curve has shape {curve.shape}: this index needs one of at least {least} errors")
    if chance == final:
        raise ValueError(f"the final error is at chance, {chance:g}: a net that only guesses has no index")
    return (curve - final) / (chance - final)
