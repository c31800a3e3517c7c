"""What a data set holds, in figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from graphnet.training.data.dataset import Dataset
from graphnet.training.tasks import IGNORED, TASKS


@dataclass(frozen=True)
class Summary:
    """Figures of a data set.

    Attributes:
        images: number of images of each part.
        counts: of each part, for classes and labels the images that have each; for pixels the pixels of each class;
            None for values.
        means, deviations: of each channel, by which images are standardised.
        chance: error of guessing on the test part, as the task defines it.
    """

    name: str
    task: str
    images: dict[str, int]
    shape: tuple[int, ...]
    classes: int
    counts: dict[str, tuple[int, ...]] | None
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    error_name: str
    chance: float
    held_out_hash: str


def summary(dataset: Dataset) -> Summary:
    """Return the figures of a data set; of drawn images none is drawn that has not been."""
    task = TASKS[dataset.task]
    counts = None
    if dataset.task != "values":
        counts = {name: _counts(part.targets, dataset) for name, part in dataset.parts.items()}
    return Summary(
        dataset.name,
        dataset.task,
        {name: len(part) for name, part in dataset.parts.items()},
        dataset.image_shape,
        dataset.classes,
        counts,
        tuple(dataset.train.mean.flatten().tolist()),
        tuple(dataset.train.deviation.flatten().tolist()),
        task.error_name,
        task.chance(dataset.test.targets),
        dataset.held_out_hash,
    )


def _counts(targets: Tensor, dataset: Dataset) -> tuple[int, ...]:
    if dataset.task == "labels":
        return tuple(targets.sum(0).long().tolist())
    return tuple(torch.bincount(targets[targets != IGNORED].flatten(), minlength=dataset.classes).tolist())


def target_text(target: Tensor, task: str) -> str:
    """A target in a few characters: the class, the labels, the values, or the classes of the pixels."""
    if task == "classes":
        return str(int(target))
    if task == "labels":
        return shortened(target.nonzero().flatten().tolist(), 8)
    if task == "values":
        return shortened([f"{value:.3g}" for value in target.tolist()], 3)
    return shortened(sorted(set(target[target != IGNORED].tolist())), 8)


def shortened(items: Sequence[object], most: int) -> str:
    """The first items, with an ellipsis if there are more."""
    return " ".join(map(str, items[:most])) + (" …" if len(items) > most else "")
