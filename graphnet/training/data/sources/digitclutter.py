"""`digitclutter-N`: overlapping digits, drawn here (Spoerer et al. 2017)."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from graphnet.training.data.clutter.drawn_images import DrawnImages
from graphnet.training.data.clutter.options import Clutter, read_clutter
from graphnet.training.data.clutter.painter import Painter
from graphnet.training.data.clutter.scenes import LABELS, PartName, digits_of
from graphnet.training.data.dataset import Dataset, build

TRAIN, TEST = 100_000, 10_000


def load_digitclutter(name: str, size: tuple[int, int] | None, seed: int) -> Dataset:
    """Prepare 100,000 training and 10,000 test images, grey, of 32 x 32 pixels or of `size`; none is drawn yet.

    Targets are the labels of the digits shown. All follows from `seed`, by a stream of draws for each part.

    Args:
        name: as `read_clutter` reads it, and perhaps a size after @, which is not read here.

    Raises:
        DataError: the name has another form, the size is no square, or Pillow has no FreeType.
    """
    clutter = read_clutter(name.partition("@")[0], size)
    train, test = _part(clutter, "train", TRAIN, seed), _part(clutter, "test", TEST, seed)
    identity = hashlib.sha256(test[0].painter.identity.encode() + test[1].numpy().tobytes()).hexdigest()
    return build(
        name,
        train,
        test,
        task="labels",
        classes=LABELS,
        held_out_hash=identity,
        held_out_seed=seed,
    )


def _part(clutter: Clutter, part: PartName, count: int, seed: int) -> tuple[DrawnImages, Tensor]:
    targets = labels_of(digits_of(clutter, seed, part, count))
    return DrawnImages(Painter(clutter, seed, part), np.arange(count)), targets


def labels_of(digits: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Tensor:
    """Labels of the digits in each image `[N, digits]`: float32 `[N, 10]` of 0 and 1."""
    return torch.zeros(len(digits), LABELS).scatter_(1, torch.from_numpy(np.ascontiguousarray(digits)), 1.0)
