"""What each image of Digitclutter shows, drawn at random: a function of seed, part and index alone.

N images. The draws of an image stand at a fixed place of one stream of numbers for each seed and part (a counter-based
generator, Salmon et al. 2011), so no two images share draws, and any image can be made without the others.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from graphnet.training.data.clutter.options import MOST_DIGITS, Clutter

PartName = Literal["train", "test"]
Draws = NDArray[np.float64]
LABELS = 10
SPREAD_X, SPREAD_Y = 0.29, 0.19
"""Offsets are uniform within these shares of the side, on both sides of the middle of all digits."""
BELOW = 0.076
"""That middle is so far below the middle of the image, as a share of the side."""
DRAWS = 28
"""Of an image: 10 order the digits, then x, y and glyph of each of 5 digits; a multiple of the generator's block."""
FRAGMENT_DRAWS = 8
BLOCK = 4
"""Numbers that one step of the generator's counter makes."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What one image shows.

    Attributes:
        digits: from the rearmost to the foremost.
        middles: x and y of the middle of each digit, in sides of the image from the image's middle, right and down.
        glyphs: draw of each digit that chooses its glyph.
        debris: a row of `FRAGMENT_DRAWS` uniform draws for each fragment.
    """

    digits: tuple[int, ...]
    middles: tuple[tuple[float, float], ...]
    glyphs: tuple[float, ...]
    debris: Draws


def scene(clutter: Clutter, seed: int, part: PartName, index: int) -> Scene:
    """Return what image `index` of a part shows; the digits are the same with and without debris."""
    draws = _stream("digits", seed, part, index * DRAWS, DRAWS)
    count = clutter.digits
    x, y, glyphs = draws[LABELS : LABELS + 3 * MOST_DIGITS].reshape(3, MOST_DIGITS)[:, :count].tolist()
    middles = tuple((SPREAD_X * (2 * u - 1), BELOW + SPREAD_Y * (2 * v - 1)) for u, v in zip(x, y, strict=True))
    size = clutter.debris * FRAGMENT_DRAWS
    debris = _stream("debris", seed, part, index * size, size) if size else np.empty(0)
    digits = draws[:LABELS].argsort(kind="stable")[:count].tolist()
    return Scene(tuple(digits), middles, tuple(glyphs), debris.reshape(-1, FRAGMENT_DRAWS))


def digits_of(clutter: Clutter, seed: int, part: PartName, count: int) -> NDArray[np.int64]:
    """Digits of the first images of a part, from the rearmost to the foremost, int64 `[count, digits]`."""
    draws = _stream("digits", seed, part, 0, count * DRAWS).reshape(count, DRAWS)
    return draws[:, :LABELS].argsort(axis=1, kind="stable")[:, : clutter.digits]


def _stream(purpose: str, seed: int, part: PartName, start: int, count: int) -> Draws:
    """Numbers `start` to `start + count` of a stream, from 0 to 1; `start` is a multiple of `BLOCK`."""
    key = int.from_bytes(hashlib.sha256(f"digitclutter/{purpose}/{seed}/{part}".encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key, counter=start // BLOCK)).random(count)
