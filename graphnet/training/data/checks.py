"""Checks of a data set before training starts; each fault is one sentence with its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from graphnet.errors import and_more
from graphnet.training.data.dataset import Dataset, Part
from graphnet.training.data.images import FileImages, TensorImages, unreadable
from graphnet.training.errors import DataError
from graphnet.training.tasks import IGNORED, TASKS, check_output

OPENED = 500
"""Files of each part that are opened before training; all are read in the first epoch."""


def check_fits(dataset: Dataset, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
    """Check the shapes of a net's input `(C, H, W)` and output, without the batch, against the data.

    Raises:
        DataError: they differ; the message gives both, and says what would do.
    """
    if dataset.image_shape != tuple(input_shape):
        given = f"{dataset.name} are {list(dataset.image_shape)}; the spec's input is {list(input_shape)}"
        at = f", or {dataset.name.partition('@')[0]}@{'x'.join(map(str, input_shape[1:]))}"
        is_resized = len(input_shape) == 3 and input_shape[0] == dataset.image_shape[0]
        raise DataError(f"{given}\n  set input.shape = {list(dataset.image_shape)}{at if is_resized else ''}")
    check_output(TASKS[dataset.task], dataset.name, dataset.classes, dataset.train.targets[:1], tuple(output_shape))


def check_data(dataset: Dataset) -> None:
    """Check that a net can learn from the images and targets.

    Raises:
        DataError: a part is too small, targets are missing or out of range, images are constant or not finite, or a
            file cannot be opened.
    """
    for fault in _faults(dataset):
        raise DataError(fault)


def _faults(dataset: Dataset) -> Iterator[str]:
    """Sentences on what is wrong, in the order in which they are best mended."""
    for name, part in dataset.parts.items():
        who = f"{dataset.name}: the {name} part"
        if len(part.images) != len(part.targets):
            yield f"{who} has {len(part.images):,} images and {len(part.targets):,} targets; each image needs one"
        if len(part) < (2 if part is dataset.train else 1):
            yield f"{who} has {len(part)} images; {'two are' if part is dataset.train else 'one is'} the least"
        yield from _FAULTS_OF_TARGETS[dataset.task](part.targets, dataset.classes, who, part is dataset.train)
        yield from _faults_of_images(part, who)


def _classes(targets: Tensor, classes: int, who: str, training: bool) -> Iterator[str]:
    low, high = int(targets.min()), int(targets.max())
    if low < 0 or high >= classes:
        yield f"{who} has the label {low if low < 0 else high}; labels are from 0 to {classes - 1}"
    counts = torch.bincount(targets, minlength=classes)
    if training and int((counts > 0).sum()) == 1:
        yield f"{who} has images of one class only, {low}; at least two are needed"
    missing = (counts == 0).nonzero().flatten().tolist()
    if training and missing:
        yield f"{who} has no image of class {and_more([str(each) for each in missing])}, of {classes} classes"


def _labels(targets: Tensor, classes: int, who: str, training: bool) -> Iterator[str]:
    if wrong := targets[(targets != 0) & (targets != 1)].tolist():
        yield f"{who} has the label {wrong[0]:g}; each of the {classes} labels of an image is 0 or 1"
    constant = (targets == targets[0]).all(0)
    if training and bool(constant.all()):
        yield f"{who} has the same labels for every image; there is nothing to learn"


def _values(targets: Tensor, classes: int, who: str, training: bool) -> Iterator[str]:
    if bad := int((~targets.isfinite()).any(1).sum()):
        yield f"{who} has {bad:,} images with values that are not finite"
    if training and bool((targets == targets[0]).all()):
        yield f"{who} has the same values for every image; there is nothing to learn"


def _pixels(targets: Tensor, classes: int, who: str, training: bool) -> Iterator[str]:
    counted = targets[targets != IGNORED]
    if not len(counted):
        yield f"{who} has no pixel with a class: all targets are {IGNORED}"
        return
    low, high = int(counted.min()), int(counted.max())
    if low < 0 or high >= classes:
        wrong = low if low < 0 else high
        yield f"{who} has the class {wrong}; classes of pixels are from 0 to {classes - 1}, {IGNORED} is ignored"
    if training and low == high:
        yield f"{who} has pixels of one class only, {low}; at least two are needed"


_FAULTS_OF_TARGETS = {"classes": _classes, "labels": _labels, "values": _values, "pixels": _pixels}


def _faults_of_images(part: Part, who: str) -> Iterator[str]:
    images = part.images
    if isinstance(images, TensorImages):
        yield from _faults_of_pixels(images.pixels, who)
    elif isinstance(images, FileImages):
        count = min(OPENED, len(images))
        for k in range(count):
            if fault := _unopened(images.paths[k * len(images) // count]):
                yield f"{who}: {fault}"


def _faults_of_pixels(pixels: Tensor, who: str) -> Iterator[str]:
    if pixels.is_floating_point() and (bad := int((~pixels.isfinite()).flatten(1).any(1).sum())):
        yield f"{who} has {bad:,} images with values that are not finite"
    for k, channel in enumerate(pixels.unbind(1)):
        low, high = channel.min(), channel.max()
        if low == high:
            yield f"{who} has constant images: every pixel of channel {k} is {low.item():g}"


def _unopened(path: Path) -> str | None:
    from PIL import Image

    try:
        if not path.is_file():
            return f"the image {path} is missing, or no regular file"
        if not path.stat().st_size:
            return f"the image {path} is empty"
        with Image.open(path):
            return None
    except Exception as fault:  # noqa: BLE001 - Pillow's plugins fail on damaged headers in their own ways
        return str(unreadable(f"the image {path}", fault))
