"""Data sets from any torch Dataset whose items are (image, target)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset, TensorDataset

from graphnet.training.data.dataset import Dataset, build, hash_of
from graphnet.training.data.images import Images, ItemImages, TensorImages, read_item, unreadable
from graphnet.training.errors import DataError
from graphnet.training.tasks import TASKS

DIMENSIONS = {"classes": 1, "labels": 2, "values": 2, "pixels": 3}
"""Of all targets, by task."""


def as_dataset(
    train: Any,
    test: Any,
    validation: Any = None,
    *,
    task: str = "classes",
    classes: int | None = None,
    name: str = "data",
) -> Dataset:
    """Make a data set of torch Datasets whose items are (image, target).

    Images are tensors `[C, H, W]` or `[H, W]`, arrays `[H, W, C]` or `[H, W]`, or Pillow images, of one shape.
    Floating ones are used as they are; others are standardised by the training images' mean and deviation per channel
    (of at most 1,000 images). A TensorDataset stays in memory; items of others are read anew in each epoch, by
    workers. Their targets are read once, here: from the attribute `targets` if there is no `target_transform`, else
    from all items.

    Args:
        task: what the targets are: `classes` (whole numbers), `labels` (0 and 1 `[K]`), `values` (`[K]`) or `pixels` (a
            class for each pixel `[H, W]`, -100 is ignored).
        classes: number of classes; by default the largest of the training targets, plus one. For labels and values, K.

    Raises:
        DataError: the items or targets have another form.
    """
    if task not in TASKS:
        raise DataError(f"no task is called '{task}'\n  known: {', '.join(TASKS)}")
    given = {"training": train, "test": test, "validation": validation}
    parts = {part: _read(items, task, f"{name}'s {part} part") for part, items in given.items() if items is not None}
    targets = parts["training"][1]
    width = targets.shape[1] if task in ("labels", "values") else int(targets.max()) + 1
    for part, (_, own) in parts.items():
        if task in ("labels", "values") and own.shape[1] != (classes or width):
            raise DataError(f"{name} has {own.shape[1]} {task} for each {part} image; {classes or width} are wanted")
    test_images, test_targets = parts["test"]
    raw = test_images.pixels if isinstance(test_images, TensorImages) else torch.empty(0)
    return build(
        name,
        parts["training"],
        parts["test"],
        parts.get("validation"),
        task=task,
        classes=classes or max(width, 1),
        held_out_hash=hash_of(raw, test_targets),
    )


def _read(items: Any, task: str, name: str) -> tuple[Images, Tensor]:
    if not hasattr(items, "__getitem__") or not hasattr(items, "__len__"):
        raise DataError(f"{name} is a {type(items).__name__}; it must be a torch Dataset with a length")
    if not len(items):
        raise DataError(f"{name} has no images")
    if isinstance(items, TensorDataset):
        if len(items.tensors) != 2 or items.tensors[0].ndim not in (3, 4):
            shapes = ", ".join(str(list(tensor.shape)) for tensor in items.tensors)
            raise DataError(f"{name} holds tensors {shapes}; it must hold images [N, C, H, W] and targets")
        pixels, targets = items.tensors
        pixels = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels
        pixels = pixels if pixels.dtype == torch.uint8 else pixels.float()
        return TensorImages(pixels, prepared=pixels.is_floating_point()), _targets(targets, task, name)
    first, _ = read_item(items, 0, name)
    images = ItemImages(items, tuple(range(len(items))), tuple(first.shape), name)
    return images, _targets(_all_targets(items, name), task, name)


def _all_targets(items: Any, name: str) -> Any:
    if isinstance(items, Subset) and (known := _known_targets(items.dataset)) is not None:
        return [known[k] for k in items.indices]
    known = _known_targets(items)
    return [read_item(items, k, name)[1] for k in range(len(items))] if known is None else known


def _known_targets(items: Any) -> Any:
    """The attribute `targets` of torchvision's data sets, unless items show other ones."""
    joint = getattr(items, "transforms", None)
    changing = [
        getattr(items, "target_transform", None),
        None if joint is None else getattr(joint, "target_transform", joint),
    ]
    return None if any(each is not None for each in changing) else getattr(items, "targets", None)


def _targets(given: Any, task: str, name: str) -> Tensor:
    try:
        targets = given
        if not isinstance(given, Tensor):
            targets = torch.from_numpy(np.stack([np.asarray(target) for target in given]))
    except (TypeError, ValueError, RuntimeError) as fault:
        raise unreadable(f"targets of {name}", fault) from None
    assert isinstance(targets, Tensor)
    wanted = DIMENSIONS[task]
    if task in ("labels", "values") and targets.ndim == 1:
        targets = targets[:, None]
    if targets.ndim != wanted:
        raise DataError(
            f"targets of {name} are {list(targets.shape)}; the task '{task}' needs {wanted} dimensions\n"
            f"  tasks: {', '.join(TASKS)}"
        )
    if task in ("labels", "values"):
        return targets.float()
    if targets.is_floating_point():
        raise DataError(f"targets of {name} are real numbers; the task '{task}' needs whole ones; 'values' takes these")
    return targets.long()
