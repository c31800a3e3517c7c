"""Batches of training images: their order and augmentation follow from seed and epoch alone."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from graphnet.training.data.augment import augmentations, augmented
from graphnet.training.data.dataset import Dataset, standardised
from graphnet.training.data.draws import generator
from graphnet.training.data.images import TensorImages
from graphnet.training.data.reader import BatchReader, Key

CPU = torch.device("cpu")


class TrainingBatches:
    """Batches of a data set's training part, standardised and augmented, on a device.

    The order of an epoch is a permutation of (seed, epoch); the draws of its augmentation come at once from a generator
    of (seed, epoch), a row for each image. So the batches are the same for any number of workers, for images in memory
    and in files, and after a start in mid-epoch. The global random state stays as it is.

    Images in memory and drawn ones are moved to the device once. An incomplete last batch is left out, unless it is the
    only one.

    Attributes:
        steps: batches in an epoch.
        left_out: images left out in each epoch; every epoch leaves out others.

    Args:
        augment: names, as in `graphnet.training.data.augment`.
        workers: processes that read files; images in memory need none.

    Raises:
        DataError: an augmentation is unknown or does not fit.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch_size: int,
        seed: int,
        augment: Sequence[str] = ("auto",),
        device: torch.device = CPU,
        workers: int = 0,
    ) -> None:
        part = dataset.train
        self._crop, self._batchwise = augmentations(augment, dataset)
        images = part.images.loaded(workers)
        if isinstance(images, TensorImages):
            images = replace(images, pixels=images.pixels.to(device))
        self._part = replace(part, images=images, mean=part.mean.to(device), deviation=part.deviation.to(device))
        self._targets = part.targets.to(device)
        self._reader = BatchReader(
            images, workers, pin=device.type == "cuda", crop=None if self._crop is None else self._crop.box
        )
        self._size, self._seed, self._device = batch_size, seed, device
        self.steps = max(len(part) // batch_size, 1)
        self.left_out = max(len(part) - self.steps * batch_size, 0)

    def epoch(self, epoch: int, start: int = 0) -> Generator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch (counted from 1), from batch number `start` (from 0) on.

        Yields:
            Images, float `[N, C, H, W]`, and targets, on the device.

        Raises:
            DataError: an image cannot be read, or a worker died.
        """
        count, reading = len(self._part), self._part.images.draws if self._crop is None else self._crop.draws
        order = torch.randperm(count, generator=generator("order", self._seed, epoch))
        columns = reading + sum(each.draws for each in self._batchwise)
        draws = torch.rand(count, columns, generator=generator("augmentation", self._seed, epoch), dtype=torch.float64)
        batches = torch.split(order, self._size)[start : self.steps]
        # Copied once an epoch: the host would wait for a small copy in every step.
        picked = torch.split(order.to(self._device), self._size)[start : self.steps]
        drawn = draws[:, reading:].to(self._device)
        for chosen, raw in zip(picked, self._raw(batches, picked, draws[:, :reading]), strict=True):
            images = standardised(raw, self._part.mean, self._part.deviation)
            yield augmented(images, self._targets[chosen], drawn[chosen], self._batchwise)

    def _raw(self, batches: Sequence[Tensor], picked: Sequence[Tensor], draws: Tensor) -> Iterator[Tensor]:
        """Images of batches before standardising, on the device; `picked` are the same batches, on the device."""
        if isinstance(self._part.images, TensorImages):
            yield from (self._part.images.pixels[chosen] for chosen in picked)
            return
        keys: list[Key] = [(batch.tolist(), draws[batch].numpy() if draws.shape[1] else None) for batch in batches]
        for raw in self._reader.read(keys):
            yield raw.to(self._device, non_blocking=True)

    def close(self) -> None:
        """End the workers."""
        self._reader.close()
