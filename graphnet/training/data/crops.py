"""Parts of an image file to read: boxes in pixels of the file, from uniform draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

MARGIN = 256 / 224
"""The short side is scaled to this multiple of the size wanted, before a part is taken (Krizhevsky et al. 2012)."""


class Region(NamedTuple):
    """A rectangle of a file: its corner and size, in pixels of the file."""

    top: float
    left: float
    height: float
    width: float


Box = Callable[[int, int, tuple[int, int], Sequence[float]], Region]
"""(height and width of the file, size wanted, draws) → the part to read."""


def central(height: int, width: int, size: tuple[int, int]) -> Region:
    """The centre of the file, as large as a random crop."""
    return random_crop(height, width, size, (0.5, 0.5))


def random_crop(height: int, width: int, size: tuple[int, int], draws: Sequence[float]) -> Region:
    """A part of fixed scale at a random place (two draws): no scale augmentation (Liao & Poggio 2016, section 5)."""
    scale = min(height / (size[0] * MARGIN), width / (size[1] * MARGIN))
    rows, columns = size[0] * scale, size[1] * scale
    return Region((height - rows) * draws[0], (width - columns) * draws[1], rows, columns)


def random_resized_crop(height: int, width: int, size: tuple[int, int], draws: Sequence[float]) -> Region:
    """A part of 8 % to 100 % of the area, with a ratio of sides from 3/4 to 4/3 (four draws; Szegedy et al. 2015).

    A part that would be larger than the file is cut to it.
    """
    area = height * width * (0.08 + 0.92 * draws[0])
    ratio = math.exp(math.log(3 / 4) + (math.log(4 / 3) - math.log(3 / 4)) * draws[1])
    columns, rows = min(width, math.sqrt(area * ratio)), min(height, math.sqrt(area / ratio))
    return Region((height - rows) * draws[2], (width - columns) * draws[3], rows, columns)


def covering(region: Region, height: int, width: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, as Pillow takes a box; rounding must not lead out of the file."""
    right, bottom = region.left + region.width, region.top + region.height
    return region.left, region.top, min(right, width), min(bottom, height)
