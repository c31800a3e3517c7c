"""Representational similarity analysis of responses: RDMs of states over time, compared with each other and others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphnet.analysis.representations.rdm import (
    Array,
    NoiseCeiling,
    averaged_by_class,
    conditions_of,
    dissimilarities,
    noise_ceiling,
    similarities,
    similarity,
)
from graphnet.analysis.representations.responses import Key, Responses, classes_of

Table = tuple[Sequence[str], Sequence[Sequence[object]]]
"""Header and rows."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """RDMs and their correlations; N conditions, P pairs of them, M states and times.

    Attributes:
        rdms: by state and time, condensed, `[P]`.
        conditions: of each condition, the places of its images in their part of the data.
        classes: of each condition, if known, `[N]`.
        comparison: the name of the correlation.
        between: the correlations of all matrices, `[M, M]`.
        with_references: reference → the correlation of each matrix with it, `[M]`.
        ceiling: of several references.
    """

    rdms: Mapping[Key, Array]
    conditions: Sequence[NDArray[np.int64]]
    classes: NDArray[np.int64] | None
    comparison: str
    between: Array
    with_references: Mapping[str, Array]
    ceiling: NoiseCeiling | None

    @property
    def order(self) -> NDArray[np.int64]:
        """The conditions sorted by class, for figures."""
        if self.classes is None:
            return np.arange(len(self.conditions))
        return np.argsort(self.classes, kind="stable")

    @property
    def summarised(self) -> str:
        """What `summary` compares with: the reference, the number of them, or the last state and time."""
        names = list(self.with_references)
        if not names:
            return "{}@{}".format(*list(self.rdms)[-1])
        return names[0] if len(names) == 1 else f"{len(names)} references (mean)"

    def means(self) -> tuple[Array, Array]:
        """Mean correlation of each matrix with the references and its standard error (NaN for one), `[M]` each."""
        found = np.array(list(self.with_references.values()))
        error = found.std(0, ddof=1) / math.sqrt(len(found)) if len(found) > 1 else np.full(len(self.rdms), np.nan)
        return found.mean(0), error

    def summary(self) -> dict[Key, float]:
        """One value for each state and time: mean correlation with the references, without any with the last matrix."""
        values = self.means()[0] if self.with_references else self.between[-1]
        return dict(zip(self.rdms, values.tolist(), strict=True))

    def over_time(self) -> dict[Key, tuple[float, float]]:
        """The mean correlation with the references and its standard error, by state and time."""
        return {key: (float(mean), float(error)) for key, mean, error in zip(self.rdms, *self.means(), strict=True)}

    def comparison_table(self) -> Table:
        """A line for each pair of matrices, each with itself too."""
        rows = [
            (*first, *second, float(self.between[i, j]))
            for i, first in enumerate(self.rdms)
            for j, second in enumerate(self.rdms)
        ]
        return ("state", "t", "other_state", "other_t", self.comparison), rows

    def summary_table(self) -> Table:
        """A line for each state and time: its `summary`, of several references with the standard error."""
        values = self.summary().items()
        if len(self.with_references) < 2:
            return ("state", "t", f"{self.comparison} with {self.summarised}"), [(*key, value) for key, value in values]
        rows = [(*key, value, float(error)) for (key, value), error in zip(values, self.means()[1], strict=True)]
        return ("state", "t", f"{self.comparison} with {self.summarised}", "standard error"), rows

    def similarity_table(self) -> Table:
        """A line for each state and time: correlation with each reference; of several also mean, error and ceiling."""
        header: tuple[str, ...] = ("state", "t", *(f"{self.comparison} with {name}" for name in self.with_references))
        columns = [each.tolist() for each in self.with_references.values()]
        if self.ceiling is not None:
            header += ("mean", "standard error", "ceiling lower", "ceiling upper")
            columns += [each.tolist() for each in self.means()]
            columns += [[bound] * len(self.rdms) for bound in self.ceiling]
        return header, [(*key, *values) for key, *values in zip(self.rdms, *columns, strict=True)]


def analyse(
    responses: Responses,
    *,
    by_class: bool = False,
    distance: str = "correlation",
    comparison: str = "spearman",
    references: Mapping[str, Array] | None = None,
) -> Analysis:
    """Compute the RDM of each state and time, and compare them with each other and with reference matrices.

    Args:
        responses: to N images.
        by_class: average the responses over the images of each class; conditions are then classes, ascending.
        distance, comparison: as for `dissimilarities` and `similarity`.
        references: name → condensed matrix of the same conditions, `[P]`.

    Raises:
        ValueError: there are too few conditions, classes are unknown, a distance is undefined, or a matrix has another
            number of conditions.
    """
    classes, conditions = _conditions(responses, by_class)
    for name, matrix in (references or {}).items():
        if conditions_of(matrix.size) != len(conditions):
            what = f"the matrix {name} is of {conditions_of(matrix.size)} conditions"
            raise ValueError(f"{what}, the responses are of {len(conditions)}")
    rdms = dict(_rdms(responses, classes if by_class else None, distance))
    rdms = {key: rdms[key] for key in responses.keys}
    stacked = np.array(list(rdms.values()))
    found = {
        name: np.array([similarity(rdm, matrix, comparison) for rdm in stacked])
        for name, matrix in (references or {}).items()
    }
    ceiling = noise_ceiling(np.array(list((references or {}).values())), comparison) if len(found) > 1 else None
    shown = np.unique(classes) if by_class and classes is not None else classes
    return Analysis(rdms, conditions, shown, comparison, similarities(stacked, comparison), found, ceiling)


def _conditions(responses: Responses, by_class: bool) -> tuple[NDArray[np.int64] | None, Sequence[NDArray[np.int64]]]:
    """The class of each image, if known, and the images of each condition."""
    classes = classes_of(responses.targets)
    if not by_class:
        return classes, list(responses.images[:, None])
    if classes is None:
        raise ValueError("the images have no known classes to average by; leave out --by class")
    return classes, [responses.images[classes == each] for each in np.unique(classes)]


def _rdms(responses: Responses, classes: NDArray[np.int64] | None, distance: str) -> Iterator[tuple[Key, Array]]:
    """Yield each state and time with its RDM; with classes, of responses averaged by class."""
    for (state, t), values in responses.read():
        try:
            shown = values if classes is None else averaged_by_class(values, classes)
            yield (state, t), dissimilarities(shown, distance)
        except ValueError as fault:
            raise ValueError(f"{state}@{t}: {fault}") from None
