"""A trained net with its data, as the measures of an experiment take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphnet.analysis.error_curves import IterativeConvergence
from graphnet.experiments.running.runs import Request
from graphnet.runtime.net import Net
from graphnet.training.data.dataset import Dataset


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained net and its data.

    Attributes:
        batch_size: of its training; statistics are calibrated with batches of this size.
        requests: all that is measured on it, so that one pass over the images serves several measures.
        curves: number of images → error curves that were measured on them.
    """

    net: Net
    dataset: Dataset
    batch_size: int
    requests: Sequence[Request] = ()
    curves: dict[int | None, IterativeConvergence] = field(default_factory=dict)
