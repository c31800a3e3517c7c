"""Augmentation of training images, by name; all randomness comes in as uniform draws.

N images, C channels, H W pixels, D draws an image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from graphnet.errors import did_you_mean
from graphnet.training.data.crops import Box, random_crop, random_resized_crop
from graphnet.training.data.dataset import Dataset
from graphnet.training.data.images import FileImages
from graphnet.training.errors import DataError
from graphnet.training.tasks import IGNORED

PADDING = 4
FARTHEST = 1 << 12


@dataclass(frozen=True)
class Augmentation:
    """What happens to a batch of training images.

    Attributes:
        draws: uniform draws an image.
        apply: (images `[N, C, H, W]`, draws `[N, D]` on their device, value outside the image) → images.
    """

    draws: int
    apply: Callable[[Tensor, Tensor, float], Tensor]


@dataclass(frozen=True)
class FileCrop:
    """Which part of an image file is read.

    Attributes:
        draws: uniform draws an image.
        box: draws → part.
    """

    draws: int
    box: Box


def shift(images: Tensor, draws: Tensor, outside: float, *, pixels: int) -> Tensor:
    """Pad each image by `pixels` on every side, and crop it to its size at random."""
    count, _, height, width = images.shape
    top, left = (draws * (2 * pixels + 1)).long().unbind(1)
    windows = F.pad(images, [pixels] * 4, value=outside).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(count, device=images.device), :, top, left]


def flip(images: Tensor, draws: Tensor, outside: float) -> Tensor:
    """Mirror half of the images."""
    return torch.where((draws < 0.5)[:, :, None, None], images.flip(3), images)


AUGMENTATIONS: dict[str, Augmentation | FileCrop] = {
    "crop": Augmentation(2, partial(shift, pixels=PADDING)),
    "flip": Augmentation(1, flip),
    "random-crop": FileCrop(2, random_crop),
    "random-resized-crop": FileCrop(4, random_resized_crop),
}
"""Name → augmentation.

`crop` pads by 4 zeros and crops at random, `flip` mirrors half of the images (He et al. 2015, section 4.2; zero is the
mean of standardised images). `shift:2` is `crop` with 2 pixels. Files are read by `random-crop` or
`random-resized-crop`, otherwise at their centre.
"""
NAMES = ("auto", "none", *AUGMENTATIONS, "shift:PIXELS")


def augmentations(names: Sequence[str], dataset: Dataset) -> tuple[FileCrop | None, tuple[Augmentation, ...]]:
    """Return how files are read, and what then happens to batches, in order.

    Args:
        names: as in `AUGMENTATIONS`; "auto" is what is usual for the data set, "none" is none.

    Raises:
        DataError: no such name, or it does not fit the images.
    """
    found = [_named(name) for name in expanded(names, dataset)]
    crops = [each for each in found if isinstance(each, FileCrop)]
    batchwise = tuple(each for each in found if isinstance(each, Augmentation))
    if crops and not isinstance(dataset.train.images, FileImages):
        known = "crop, flip and shift:PIXELS are for any images"
        raise DataError(f"{dataset.name} is no folder of images, so they cannot be read by a random crop\n  {known}")
    if len(crops) > 1:
        raise DataError("a file is read by one crop: give random-crop or random-resized-crop")
    if batchwise and dataset.task == "pixels" and dataset.train.targets.shape[1:] != dataset.image_shape[1:]:
        shapes = f"{list(dataset.train.targets.shape[1:])}, images {list(dataset.image_shape)}"
        raise DataError(f"{dataset.name}'s targets are {shapes}: only targets of the same size can be augmented")
    return crops[0] if crops else None, batchwise


def expanded(names: Sequence[str], dataset: Dataset) -> tuple[str, ...]:
    """Replace "auto" and "none" by what they mean for the data set."""
    usual = {"auto": dataset.augment, "none": ()}
    return tuple(each for name in names for each in usual.get(name, (name,)))


def _named(name: str) -> Augmentation | FileCrop:
    word, colon, number = name.partition(":")
    if word == "shift" and colon and number.isascii() and number.isdecimal() and 1 <= int(number[:9]) <= FARTHEST:
        return Augmentation(2, partial(shift, pixels=int(number)))
    if name not in AUGMENTATIONS:
        raise DataError(f"no augmentation is called '{name}'\n  {did_you_mean(name, NAMES)}")
    return AUGMENTATIONS[name]


def augmented(images: Tensor, targets: Tensor, draws: Tensor, applied: Sequence[Augmentation]) -> tuple[Tensor, Tensor]:
    """Apply augmentations to a batch, with the columns of `draws` in turn; maps of classes move with their images."""
    start = 0
    for each in applied:
        own = draws[:, start : start + each.draws]
        start += each.draws
        images = each.apply(images, own, 0.0)
        if targets.ndim == 3:
            targets = each.apply(targets[:, None], own, IGNORED)[:, 0]
    return images, targets
