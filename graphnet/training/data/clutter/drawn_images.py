"""Images that are drawn when they are first needed, and then kept in memory and in a file."""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphnet.training.data.clutter.drawn_files import kept_or_made
from graphnet.training.data.clutter.painter import Painter
from graphnet.training.data.crops import Box
from graphnet.training.data.images import MOST_BYTES, SAMPLE, Draws, Images, TensorImages, constants_of
from graphnet.training.errors import DataError

CHUNK = 250
MANY = 4000
"""Images from which on drawing is worth the start of several processes."""


@dataclass(frozen=True, eq=False)
class DrawnImages(Images):
    """Drawn images, grey, uint8.

    Each is drawn at most once in a process. `loaded` draws all, or reads them from a file of the cache.

    Attributes:
        painter: draws them by index.
        chosen: index of each image, int64 `[N]`.
    """

    painter: Painter
    chosen: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        side = self.painter.clutter.side
        return (1, side, side)

    def __len__(self) -> int:
        return len(self.chosen)

    def read(self, indices: Sequence[int], draws: Draws | None = None, crop: Box | None = None) -> Tensor:
        if not self._fits:
            return torch.from_numpy(np.stack([self._draw(int(k)) for k in indices]))
        pixels, is_drawn = self._memory
        wanted = np.asarray(indices, dtype=np.int64)
        for k in wanted[~is_drawn[wanted]].tolist():
            pixels[k] = self._draw(k)
        is_drawn[wanted] = True
        return torch.from_numpy(pixels[wanted])

    def loaded(self, workers: int = 0) -> Images:
        if not self._fits:
            return self
        pixels, is_drawn = self._memory
        if not is_drawn.all():
            pixels[:] = kept_or_made(self._key, pixels.shape, lambda: self._all(workers))
            is_drawn[:] = True
        return TensorImages(torch.from_numpy(pixels))

    def subset(self, indices: Sequence[int]) -> Images:
        if "_memory" in self.__dict__ and self._memory[1].all():
            return TensorImages(self.read(indices))
        return replace(self, chosen=self.chosen[np.asarray(indices, dtype=np.int64)])

    def resized(self, height: int, width: int) -> DrawnImages:
        if height != width:
            raise DataError(f"drawn images are square, not {height} x {width}")
        painter = replace(self.painter, clutter=replace(self.painter.clutter, side=height))
        return replace(self, painter=painter)

    def constants(self) -> tuple[Tensor, Tensor]:
        """Of the first 1,000 images."""
        first = self.subset(range(min(SAMPLE, len(self))))
        return constants_of(first.loaded().read(range(len(first))))

    @property
    def _fits(self) -> bool:
        return math.prod(self.shape) * len(self) <= MOST_BYTES

    @cached_property
    def _memory(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """All images, `[N, 1, H, W]`, and which of them are drawn; pages that are not written take no memory."""
        return np.empty((len(self), *self.shape), dtype=np.uint8), np.zeros(len(self), dtype=bool)

    @property
    def _key(self) -> str:
        return hashlib.sha256(self.painter.identity.encode() + self.chosen.astype("<i8").tobytes()).hexdigest()

    def _draw(self, k: int) -> NDArray[np.uint8]:
        return np.asarray(self.painter.image(int(self.chosen[k])))[None]

    def _all(self, workers: int) -> NDArray[np.uint8]:
        """Draw all images, in several processes if they are many: `[N, 1, H, W]`."""
        from graphnet.training.data.reader import BatchReader, Key

        chunks = [range(k, min(k + CHUNK, len(self))) for k in range(0, len(self), CHUNK)]
        keys: list[Key] = [(list(chunk), None) for chunk in chunks]
        fresh = replace(self)  # without what is in memory, which workers would copy
        with closing(BatchReader(fresh, workers or _processes(len(self)))) as reader:
            return np.concatenate([each.numpy() for each in reader.read(keys)])


def _processes(images: int) -> int:
    """Processes to draw with: one for each core, 0 for few images or where none may be started."""
    if images < MANY or multiprocessing.current_process().daemon:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if cores == 1 else min(cores, images // (MANY // 4))
