"""Images before standardising: in memory, as files, or as items of a torch Dataset; C channels, H W pixels."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from graphnet.errors import printable
from graphnet.training.data.crops import Box, central, covering
from graphnet.training.errors import DataError

Draws = NDArray[np.float64]
"""Uniform draws from 0 to 1 `[N, D]`, a row for each image."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
MOST_BYTES = 1 << 32
"""Memory that images may take when they are resized: `digits@4096` would need 84 GiB."""
SAMPLE = 1000
"""Images from which mean and deviation are measured where reading all would take long."""


class Images(ABC):
    """Numbered images of one shape.

    Attributes:
        shape: `(C, H, W)`.
        in_memory: they need no workers.
        draws: uniform draws that reading one image takes, with no crop.
    """

    shape: tuple[int, ...]
    in_memory = False
    draws = 0

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""

    @abstractmethod
    def read(self, indices: Sequence[int], draws: Draws | None = None, crop: Box | None = None) -> Tensor:
        """Read images: uint8 or floating `[N, C, H, W]`.

        Args:
            draws: for random crops and transforms; None reads as for a test.
            crop: chooses the part of each file to read.

        Raises:
            DataError: a file cannot be read; the message names it.
        """

    def loaded(self, workers: int = 0) -> Images:
        """Return all images in memory if they are drawn ones; others stay where they are.

        Args:
            workers: processes that draw; 0 chooses.

        Raises:
            DataError: a worker died.
        """
        return self

    @abstractmethod
    def subset(self, indices: Sequence[int]) -> Images:
        """Return these images only, in this order."""

    @abstractmethod
    def resized(self, height: int, width: int) -> Images:
        """Return the same images, read at another size."""

    @abstractmethod
    def constants(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each channel, float32 `[C, 1, 1]`; images are standardised by them."""


@dataclass(frozen=True, eq=False)
class TensorImages(Images):
    """Images in memory.

    Attributes:
        pixels: uint8 or floating `[N, C, H, W]`, on any device.
        prepared: their values are used as they are.
    """

    pixels: Tensor
    prepared: bool = False
    in_memory = True

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.pixels.shape[1:])

    def __len__(self) -> int:
        return len(self.pixels)

    def read(self, indices: Sequence[int], draws: Draws | None = None, crop: Box | None = None) -> Tensor:
        return self.pixels[torch.as_tensor(indices, device=self.pixels.device)]

    def subset(self, indices: Sequence[int]) -> TensorImages:
        return replace(self, pixels=self.read(indices))

    def resized(self, height: int, width: int) -> TensorImages:
        check_memory(len(self.pixels) * self.shape[0] * height * width * self.pixels.element_size())
        return replace(self, pixels=resized(self.pixels, height, width))

    def constants(self) -> tuple[Tensor, Tensor]:
        return as_they_are(len(self.pixels[0])) if self.prepared else constants_of(self.pixels)


@dataclass(frozen=True, eq=False)
class FileImages(Images):
    """Image files, decoded by Pillow as RGB; standardised by ImageNet's usual constants.

    An image is scaled so that its short side is 256/224 of the size wanted, and its centre is taken.
    """

    paths: tuple[Path, ...]
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return (3, self.height, self.width)

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, indices: Sequence[int], draws: Draws | None = None, crop: Box | None = None) -> Tensor:
        read = np.empty((len(indices), self.height, self.width, 3), dtype=np.uint8)
        for k, index in enumerate(indices):
            read[k] = self._read_one(self.paths[index], None if draws is None else draws[k], crop)
        return torch.from_numpy(read).permute(0, 3, 1, 2)

    def _read_one(self, path: Path, draws: Draws | None, crop: Box | None) -> Any:
        from PIL import Image

        if not path.is_file():  # opening a pipe would wait for ever
            raise DataError(f"the image {path} is missing, or no regular file")
        try:
            with Image.open(path) as file:
                image = file.convert("RGB")
                size = (self.height, self.width)
                box = (
                    central(image.height, image.width, size)
                    if crop is None or draws is None
                    else crop(image.height, image.width, size, draws.tolist())
                )
                return image.resize(
                    (self.width, self.height), Image.Resampling.BILINEAR, box=covering(box, image.height, image.width)
                )
        except Exception as fault:  # noqa: BLE001 - decoders fail on damaged files in their own ways
            raise unreadable(f"the image {path}", fault) from None

    def subset(self, indices: Sequence[int]) -> FileImages:
        return replace(self, paths=tuple(self.paths[int(index)] for index in indices))

    def resized(self, height: int, width: int) -> FileImages:
        return replace(self, height=height, width=width)

    def constants(self) -> tuple[Tensor, Tensor]:
        mean, deviation = (torch.tensor(each).view(3, 1, 1) * 255 for each in (IMAGENET_MEAN, IMAGENET_DEVIATION))
        return mean, deviation


@dataclass(frozen=True, eq=False)
class ItemImages(Images):
    """Images of a torch Dataset, whose items are (image, target).

    Random transforms of the Dataset draw from torch's, NumPy's and Python's global generators; these are seeded for
    each item from its draw, and restored.

    Attributes:
        items: the Dataset.
        chosen: the numbers of its items.
        size: H and W to resize each image to, or None.
    """

    items: Any
    chosen: tuple[int, ...]
    shape: tuple[int, ...]
    name: str
    size: tuple[int, int] | None = None
    draws = 1

    def __len__(self) -> int:
        return len(self.chosen)

    def read(self, indices: Sequence[int], draws: Draws | None = None, crop: Box | None = None) -> Tensor:
        seeds = [int(index) for index in indices] if draws is None else [int(draw[0] * 2**53) for draw in draws]
        return torch.stack([self._read_one(self.chosen[k], seed) for k, seed in zip(indices, seeds, strict=True)])

    def _read_one(self, index: int, seed: int) -> Tensor:
        with _seeded(seed):
            image = read_item(self.items, index, self.name)[0]
        if self.size is not None:
            image = resized(image[None], *self.size)[0]
        if tuple(image.shape) != self.shape:
            raise DataError(
                f"image {index} of {self.name} is {list(image.shape)}, the first one is {list(self.shape)}\n"
                f"  all must have one shape; {self.name}@{self.shape[-1]} resizes them"
            )
        return image

    def subset(self, indices: Sequence[int]) -> ItemImages:
        return replace(self, chosen=tuple(self.chosen[int(index)] for index in indices))

    def resized(self, height: int, width: int) -> ItemImages:
        return replace(self, size=(height, width), shape=(self.shape[0], height, width))

    def constants(self) -> tuple[Tensor, Tensor]:
        if self.read([0]).is_floating_point():
            return as_they_are(self.shape[0])
        count = min(SAMPLE, len(self))
        return constants_of(self.read([k * len(self) // count for k in range(count)]))


def read_item(items: Any, index: int, name: str) -> tuple[Tensor, Any]:
    """Read an item of a torch Dataset: its image, uint8 or float32 `[C, H, W]`, and its target as it is.

    Raises:
        DataError: the Dataset fails, or the item is no pair of an image and a target.
    """
    try:
        item = items[index]
    except Exception as fault:  # noqa: BLE001 - a user's Dataset may raise anything
        raise unreadable(f"item {index} of {name}", fault) from None
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise DataError(f"item {index} of {name} is a {type(item).__name__}; it must be a pair of image and target")
    return _as_tensor(item[0], index, name), item[1]


def _as_tensor(given: Any, index: int, name: str) -> Tensor:
    if isinstance(given, Tensor):
        image = given
    else:
        array = np.array(given)  # Pillow's and NumPy's images: [H, W] or [H, W, C]
        if array.dtype.kind not in "uif" or array.ndim not in (2, 3):
            kind = type(given).__name__
            raise DataError(f"image {index} of {name} is a {kind}; it must be a tensor, an array or a Pillow image")
        image = torch.from_numpy(array if array.ndim == 2 else array.transpose(2, 0, 1))
    image = image[None] if image.ndim == 2 else image
    if image.ndim != 3:
        raise DataError(f"image {index} of {name} is {list(image.shape)}; it must be [C, H, W]")
    return image.contiguous() if image.dtype == torch.uint8 else image.float().contiguous()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        torch.set_rng_state(before[0])
        random.setstate(before[1])
        np.random.set_state(before[2])


def resized(pixels: Tensor, height: int, width: int) -> Tensor:
    """Resize images `[N, C, H, W]` bilinearly, averaging where they shrink (antialiasing); keep their type."""
    parts = torch.split(pixels, 4096)
    return torch.cat([F.interpolate(part, (height, width), mode="bilinear", antialias=True) for part in parts])


def check_memory(size: int) -> None:
    """Raise DataError if images resized in memory would take more bytes than `MOST_BYTES`."""
    if size > MOST_BYTES:
        needed = f"{size / 2**30:,.0f} GiB of memory"
        raise DataError(f"the resized images would take {needed}; choose a smaller size after @")


def constants_of(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel of images, float `[C, 1, 1]`; a deviation of 0 becomes 1."""
    if pixels.is_floating_point():
        mean, deviation = pixels.mean(dim=(0, 2, 3)), pixels.std(dim=(0, 2, 3))
    else:
        counts = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in pixels.unbind(1)])
        levels, total = torch.arange(256, dtype=torch.float64), counts.sum(1).double()
        exact = (counts * levels).sum(1) / total
        square = (counts * (levels - exact[:, None]).square()).sum(1) / (total - 1)
        mean, deviation = exact.float(), square.sqrt().float()
    deviation = torch.where(deviation > 0, deviation, 1)
    return mean.view(-1, 1, 1), deviation.view(-1, 1, 1)


def as_they_are(channels: int) -> tuple[Tensor, Tensor]:
    """Constants that change nothing."""
    return torch.zeros(channels, 1, 1), torch.ones(channels, 1, 1)


def unreadable(what: str, fault: Exception) -> DataError:
    """An error for what cannot be read, with the reason in one line."""
    text = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
    reason = text.splitlines()[0] if text.strip() else type(fault).__name__
    return DataError(f"{printable(what)} cannot be read: {printable(reason)}")
