"""Pictures of scenes: digits pasted one over the other on a large canvas, which is then averaged to the size wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from graphnet.training.data.clutter.glyphs import (
    CANVAS,
    GROUND,
    HANDWRITTEN_CANVAS,
    Glyph,
    font_glyph,
    handwritten_glyph,
    shrunk,
)
from graphnet.training.data.clutter.options import SIDE, Clutter
from graphnet.training.data.clutter.scenes import LABELS, PartName, Scene, digits_of, scene

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = 1
"""Raise it when a change alters any image: cached images are then drawn again."""
SMALLEST, LARGEST = 6, 9
"""Sides of fragments, in pixels of an image of 32 x 32."""


@dataclass(frozen=True)
class Painter:
    """Draws the images of one part of a data set; equal painters draw equal images.

    Attributes:
        seed: of the scenes, and of the split of handwritten glyphs in those for training and for the test.
    """

    clutter: Clutter
    seed: int
    part: PartName

    @property
    def factor(self) -> int:
        """Pixels of the canvas for each pixel of the image, along a side."""
        return max(1, round((HANDWRITTEN_CANVAS if self.clutter.handwritten else CANVAS) / self.clutter.side))

    @property
    def identity(self) -> str:
        """SHA-256 of all that the images follow from: options, draws and the pixels of the glyphs."""
        digest = hashlib.sha256(f"{VERSION}/{self.clutter.name}/{self.seed}/{self.part}/".encode())
        for digit in range(LABELS):
            digest.update(_glyph_of(self, digit, 0).picture.tobytes())
        if self.clutter.handwritten:
            for each in _drawings(self.seed, self.part):
                digest.update(each.tobytes())
        digest.update(digits_of(self.clutter, self.seed, self.part, 100).astype("<i8").tobytes())
        return digest.hexdigest()

    def image(self, index: int) -> Image:
        """Draw image `index`: grey, 8 bits. Raises DataError without FreeType."""
        return self.drawn(scene(self.clutter, self.seed, self.part, index))

    def drawn(self, shown: Scene) -> Image:
        """Draw a scene: later digits over earlier ones, then the debris."""
        from PIL import Image

        side = self.clutter.side * self.factor
        canvas = Image.new("L", (side, side), GROUND)
        for digit, (x, y), draw in zip(shown.digits, shown.middles, shown.glyphs, strict=True):
            glyph = _glyph_of(self, digit, self._choice(digit, draw))
            width, height = glyph.mask.size
            corner = round((0.5 + x) * side - width / 2), round((0.5 + y) * side - height / 2)
            canvas.paste(glyph.picture, corner, glyph.mask)
        image = canvas.reduce(self.factor)
        for fragment, corner in self._fragments(shown):
            image.paste(fragment.picture, corner, fragment.mask)
        return image

    def _choice(self, digit: int, draw: float) -> int:
        """Number of the glyph of a digit; a font has one."""
        return int(draw * len(_drawings(self.seed, self.part)[digit])) if self.clutter.handwritten else 0

    def _fragments(self, shown: Scene) -> Iterator[tuple[Glyph, tuple[int, int]]]:
        """Square parts of digits, and the corners of places where they lie wholly inside the image."""
        side = self.clutter.side
        smallest, largest = (max(1, round(size * side / SIDE)) for size in (SMALLEST, LARGEST))
        for kind, glyph, size, left, top, x, y, _ in shown.debris.tolist():
            digit = int(kind * LABELS)
            source = _small(self, digit, self._choice(digit, glyph))
            width = min(smallest + int(size * (largest - smallest + 1)), *source.mask.size)
            corner = int(left * (source.mask.width - width + 1)), int(top * (source.mask.height - width + 1))
            place = int(x * (side - width + 1)), int(y * (side - width + 1))
            yield _part_of(source, corner, width), place


KEPT = 1 << 14
"""Glyphs and fragments kept in memory: the font has about 4,000 fragments at 32 x 32 pixels."""


@lru_cache(KEPT)
def _part_of(source: Glyph, corner: tuple[int, int], width: int) -> Glyph:
    left, top = corner
    box = (left, top, left + width, top + width)
    return Glyph(source.picture.crop(box), source.mask.crop(box))


@lru_cache(KEPT)
def _small(painter: Painter, digit: int, choice: int) -> Glyph:
    return shrunk(_glyph_of(painter, digit, choice), painter.factor)


def _glyph_of(painter: Painter, digit: int, choice: int) -> Glyph:
    canvas = painter.clutter.side * painter.factor
    if not painter.clutter.handwritten:
        return font_glyph(digit, canvas)
    return _handwritten(painter.seed, painter.part, digit, choice, canvas)


@lru_cache(KEPT)
def _handwritten(seed: int, part: PartName, digit: int, choice: int, canvas: int) -> Glyph:
    return handwritten_glyph(_drawings(seed, part)[digit][choice], canvas)


@lru_cache(maxsize=8)
def _drawings(seed: int, part: PartName) -> tuple[NDArray[np.float64], ...]:
    """scikit-learn's digits of a part, for each class `[N, 8, 8]` from 0 to 1; parts are those of `digits`."""
    from graphnet.training.data.images import TensorImages
    from graphnet.training.data.sources.digits import load_digits

    digits = load_digits(seed)
    own = digits.train if part == "train" else digits.test
    assert isinstance(own.images, TensorImages)
    pixels = own.images.pixels[:, 0].double().numpy() / 16
    return tuple(pixels[own.targets.numpy() == digit] for digit in range(LABELS))
