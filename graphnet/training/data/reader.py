"""Batches of raw images in a given order, read in this process or by worker processes."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from graphnet.training.data.crops import Box
from graphnet.training.data.images import Draws, Images
from graphnet.training.errors import DataError

Key = tuple[list[int], Draws | None]
"""Indices of a batch's images, and their draws."""


class BatchReader:
    """Reads batches of images; its workers live until `close`.

    All randomness is in the keys, so the number of workers changes no image.

    Args:
        workers: processes that read; 0 reads here. Images in memory are always read here.
        pin: read into pinned memory, from which copies to a GPU do not wait.
        crop: the part of each file to read, from its draws.
    """

    def __init__(self, images: Images, workers: int = 0, *, pin: bool = False, crop: Box | None = None) -> None:
        self._images = images
        self._crop = crop
        self._keys: list[Key] = []
        self._iterator: Any = None
        self._loader: Any = None
        if workers and not images.in_memory:
            self._loader = DataLoader(
                _Reading(images, crop),
                batch_size=None,
                sampler=self._keys,  # each key is a whole batch
                num_workers=workers,
                collate_fn=_unchanged,  # type: ignore[arg-type]  # without batching it gets one item
                pin_memory=pin,
                persistent_workers=True,
                worker_init_fn=_leave_signals_to_the_parent,
                generator=torch.Generator(),  # else the loader would draw from torch's global one
            )
            # Workers ignore SIGTERM, so they must end before multiprocessing waits for them at exit.
            atexit.register(self.close)

    def read(self, keys: list[Key]) -> Iterator[Tensor]:
        """Yield the images of each key, uint8 or floating `[N, C, H, W]`. Raises DataError."""
        if self._loader is None:
            for indices, draws in keys:
                yield self._images.read(indices, draws, self._crop)
            return
        self._keys[:] = keys  # the loader's sampler: it is read when an iteration begins
        try:
            self._iterator = iter(self._loader)
            for _ in keys:
                found = next(self._iterator)
                if isinstance(found, str):
                    raise DataError(found)
                yield found
        except RuntimeError as fault:
            self.close()
            if "worker" not in str(fault):
                raise
            raise DataError(_died(fault)) from None

    def close(self) -> None:
        """End the workers."""
        if self._loader is not None:
            atexit.unregister(self.close)
        self._iterator = self._loader = None  # their finalisers end the workers


class _Reading(TorchDataset[Tensor | str]):
    """What a worker does: read the batch of a key; a fault is returned as its message."""

    def __init__(self, images: Images, crop: Box | None) -> None:
        self.images = images
        self.crop = crop

    def __getitem__(self, key: Key) -> Tensor | str:
        try:
            return self.images.read(*key, self.crop).contiguous()
        except DataError as fault:
            return str(fault)


def _unchanged(batch: Tensor | str) -> Tensor | str:
    return batch


def _leave_signals_to_the_parent(worker: int) -> None:
    """Ctrl-C and a scheduler's SIGTERM reach the whole group; the parent must still get its batches to save and end."""
    for each in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(each, signal.SIG_IGN)


def _died(fault: RuntimeError) -> str:
    reason = str(fault).splitlines()[0]
    return (
        f"a process that reads images ended: {reason}\n  if memory is short, use fewer workers; 0 reads in one process"
    )
