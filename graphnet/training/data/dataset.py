"""Data sets of labelled images in parts for training, validation and test; N images, C channels, H W pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from graphnet.training.data.images import Images
from graphnet.training.data.reader import BatchReader, Key
from graphnet.training.errors import DataError


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a data set, in its own order.

    Attributes:
        images: as read, before standardising.
        targets: of all images, on the CPU. Classes: int64 `[N]`. Labels: float32 `[N, K]` of 0 and 1. Values: float32
            `[N, K]`. Pixels: int64 `[N, H, W]`, -100 is ignored.
        indices: place of each image in the part of the source that it was drawn from; int64 `[N]`.
        mean, deviation: float `[C, 1, 1]`, on the device of images in memory; images are standardised by them.
    """

    images: Images
    targets: Tensor
    indices: Tensor
    mean: Tensor
    deviation: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def hash(self) -> str:
        """SHA-256 of the indices (int64, little-endian)."""
        return hashlib.sha256(self.indices.numpy().astype("<i8").tobytes()).hexdigest()

    def batches(
        self, batch_size: int, device: torch.device | str = "cpu", *, most: int | None = None, workers: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield standardised images, float `[N, C, H, W]`, and targets on `device`, in order and without augmentation.

        Args:
            most: number of images after which to stop.
            workers: processes that read files; images in memory need none.

        Raises:
            DataError: an image cannot be read, or a worker died.
        """
        count = len(self) if most is None else min(most, len(self))
        ranges = [range(k, min(k + batch_size, count)) for k in range(0, count, batch_size)]
        keys: list[Key] = [(list(batch), None) for batch in ranges]
        place = torch.device(device)
        mean, deviation = self.mean.to(place), self.deviation.to(place)
        images = self.images.loaded(workers) if count == len(self) else self.images
        with closing(BatchReader(images, workers, pin=place.type == "cuda")) as reader:
            for batch, raw in zip(ranges, reader.read(keys), strict=True):
                shown = standardised(raw.to(place, non_blocking=True), mean, deviation)
                yield shown, self.targets[batch.start : batch.stop].to(place, non_blocking=True)

    def first(self, count: int) -> tuple[Tensor, Tensor]:
        """Return the first images, standardised, float `[count, C, H, W]`, and their targets, on the CPU."""
        read = list(self.batches(max(count, 1), most=count))
        return read[0] if read else (torch.empty(0, *self.images.shape), self.targets[:0])

    def subset(self, indices: Tensor | Sequence[int]) -> Part:
        """Return these images only, in this order."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return replace(
            self,
            images=self.images.subset(chosen.tolist()),
            targets=self.targets[chosen],
            indices=self.indices[chosen],
        )


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and targets for training.

    Attributes:
        name: as given to `load_dataset`.
        task: a name in `graphnet.training.tasks.TASKS`.
        train: standardised by its own mean and standard deviation per channel (before a smaller `train_size` or a
            validation part is drawn); folders by ImageNet's usual constants.
        test, validation: standardised by the same constants. Validation is None unless asked for.
        classes: number of classes; of labels or values per image.
        image_shape: `(C, H, W)`.
        held_out_seed: seed that draws the test part; None if the source publishes one.
        held_out_hash: SHA-256 of the held-out indices (int64, little-endian, ascending); for a published test part,
            of its raw images and targets; of file names and labels for a folder, of targets alone for items.
        augment: names of augmentations that are usual for these images; "auto" means these.
    """

    name: str
    task: str
    train: Part
    test: Part
    validation: Part | None
    classes: int
    image_shape: tuple[int, ...]
    held_out_seed: int | None
    held_out_hash: str
    augment: tuple[str, ...] = ()

    @property
    def parts(self) -> dict[str, Part]:
        """The parts there are: training, test and perhaps validation, by these names."""
        named = {"training": self.train, "test": self.test}
        return named if self.validation is None else named | {"validation": self.validation}


def standardised(raw: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Standardise images `[N, C, H, W]`; a float type is kept, others become float32."""
    images = raw if raw.is_floating_point() else raw.float()
    return images.sub(mean).div_(deviation)


def build(
    name: str,
    train: tuple[Images, Tensor],
    test: tuple[Images, Tensor],
    validation: tuple[Images, Tensor] | None = None,
    *,
    task: str = "classes",
    classes: int,
    held_out_hash: str,
    held_out_seed: int | None = None,
    indices: tuple[Tensor, Tensor] | None = None,
    augment: tuple[str, ...] = (),
) -> Dataset:
    """Make a data set from images and targets of its parts.

    Args:
        indices: places of the training and test images in the source, where both were drawn from one part.

    Raises:
        DataError: a part has fewer or more targets than images, or is empty, or the parts differ in shape.
    """
    for part, (images, targets) in {"training": train, "test": test, "validation": validation or test}.items():
        if len(images) != len(targets):
            raise DataError(f"{name}: {len(images):,} {part} images have {len(targets):,} targets; each needs one")
        if not len(images):
            raise DataError(f"{name} has no {part} images")
        if images.shape != train[0].shape:
            shapes = f"{list(images.shape)}, training images {list(train[0].shape)}"
            raise DataError(f"{name}: {part} images are {shapes}; all must have one shape")
    mean, deviation = train[0].constants()

    def part_of(read: tuple[Images, Tensor], places: Tensor | None) -> Part:
        return Part(*read, torch.arange(len(read[1])) if places is None else places, mean, deviation)

    of_train, of_test = indices or (None, None)
    return Dataset(
        name,
        task,
        part_of(train, of_train),
        part_of(test, of_test),
        None if validation is None else part_of(validation, None),
        classes,
        train[0].shape,
        held_out_seed,
        held_out_hash,
        augment,
    )


def resized(dataset: Dataset, height: int, width: int, name: str) -> Dataset:
    """Resize all images (bilinear, antialiased), and measure mean and deviation anew."""
    if dataset.task == "pixels":
        raise DataError(f"{dataset.name} has a target for each pixel, so its images cannot be resized by @")
    smaller = dataset.train.images.resized(height, width)
    mean, deviation = smaller.constants()

    def of(part: Part) -> Part:
        images = smaller if part is dataset.train else part.images.resized(height, width)
        return replace(part, images=images, mean=mean, deviation=deviation)

    validation = None if dataset.validation is None else of(dataset.validation)
    return replace(
        dataset,
        name=name,
        train=of(dataset.train),
        test=of(dataset.test),
        validation=validation,
        image_shape=smaller.shape,
    )


def hash_of(images: Tensor, targets: Tensor) -> str:
    """SHA-256 of raw images and targets, whole numbers as little-endian int64, for `held_out_hash`."""
    labels = targets.numpy()
    digest = hashlib.sha256(images.contiguous().numpy().tobytes())
    digest.update((labels.astype("<f4") if targets.is_floating_point() else labels.astype("<i8")).tobytes())
    return digest.hexdigest()
