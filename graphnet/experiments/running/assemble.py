"""Numbers of single cases → tables with named axes; no torch here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from graphnet.experiments.results import Values
from graphnet.experiments.running.measured import Points
from graphnet.training.errors import RunError

Found = tuple[Mapping[str, str], int, Points]
"""Labels of a case, its seed, and what was measured."""


def assembled(found: Iterable[Found], factors: Mapping[str, Sequence[str]], seeds: Sequence[int]) -> Values:
    """Return the numbers of one measure with an axis for each factor; NaN where there is none.

    Args:
        factors: those of the experiment, with their labels.
        seeds: the last axis.

    Raises:
        RunError: some cases have a factor that others lack.
    """
    rows = [(dict(labels) | added, seed, value) for labels, seed, points in found for added, value in points]
    added = dict.fromkeys(name for labels, _, _ in rows for name in labels if name not in factors)
    names = {name: tuple(labels) for name, labels in factors.items()}
    names |= {name: _in_order(labels[name] for labels, _, _ in rows if name in labels) for name in added}
    array = np.full([len(labels) for labels in names.values()] + [len(seeds)], np.nan)
    places = [{label: k for k, label in enumerate(labels)} for labels in names.values()]
    numbers = {seed: k for k, seed in enumerate(seeds)}
    for labels, seed, value in rows:
        if lacking := [name for name in names if name not in labels]:
            what = f"some conditions have the factor '{lacking[0]}' and others do not"
            raise RunError(f"{what}: vary readout times in all of them, or in none")
        spot = [place[labels[name]] for name, place in zip(names, places, strict=True)]
        array[(*spot, numbers[seed])] = value
    return Values(names, array)


def _in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Different labels, numbers ascending."""
    different = list(dict.fromkeys(labels))
    return tuple(sorted(different, key=int)) if all(each.isdecimal() for each in different) else tuple(different)
