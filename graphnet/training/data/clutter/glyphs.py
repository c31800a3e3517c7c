"""Digits as pictures: a black face with a white edge, by font or handwritten, and fragments of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from graphnet.training.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

CANVAS, FONT_SIZE, EDGE = 512, 384, 20
"""Side of the canvas, size of the font, and width of a digit's white edge, in pixels (Spoerer et al. 2017)."""
HANDWRITTEN_CANVAS = 256
"""Handwritten glyphs are many: at 512 pixels they would take 270 MB of memory."""
HEIGHT = 0.54
"""Of the face of a handwritten digit, in sides of the canvas: that of the font's digits."""
INK = 0.6
"""Handwritten digits are black where their strokes are darker: at one half, small loops would close."""
GROUND, WHITE = 119, 255
HALF = 128


@dataclass(frozen=True, eq=False)
class Glyph:
    """A digit with its edge, cut to its size, or a part of one; both are grey images of 8 bits.

    Attributes:
        picture: the digit on the grey ground.
        mask: how far the digit covers what lies behind it, 0 to 255.
    """

    picture: Image
    mask: Image


@lru_cache(maxsize=64)
def font_glyph(digit: int, canvas: int) -> Glyph:
    """Render a digit in Pillow's own scalable font, for a canvas of so many pixels.

    Raises:
        DataError: Pillow has no FreeType.
    """
    from PIL import Image, ImageDraw, ImageFont, features

    if not features.check("freetype2"):
        raise DataError(
            "digitclutter is drawn in Pillow's scalable font, and this Pillow was built without FreeType\n"
            "  install a wheel from PyPI: pip install --force-reinstall pillow"
        )
    font = ImageFont.load_default(FONT_SIZE * canvas / CANVAS)
    edge = max(1, round(EDGE * canvas / CANVAS))
    whole, middle = (2 * canvas, 2 * canvas), (canvas, canvas)
    mask, face = Image.new("L", whole), Image.new("L", whole)
    # By name, as load_default's type is that of Pillow's bitmap font too.
    for image, stroke in ((mask, edge), (face, 0)):
        ImageDraw.Draw(image).text(middle, str(digit), WHITE, font, anchor="mm", stroke_width=stroke)
    box = mask.getbbox()
    assert box is not None
    return _glyph(face.crop(box), mask.crop(box))


def handwritten_glyph(drawing: NDArray[np.float64], canvas: int) -> Glyph:
    """Make a glyph of a digit of 8 x 8 pixels from 0 to 1: enlarged, black above `INK`, with an edge of even width."""
    from PIL import Image
    from scipy import ndimage  # type: ignore[import-untyped]

    rows = np.flatnonzero(drawing.max(1) >= INK)
    zoom = HEIGHT * canvas / (rows[-1] - rows[0] + 1)
    edge = max(1, round(EDGE * canvas / CANVAS))
    padded = np.pad(drawing, 1)
    size = tuple(max(1, round(zoom * length)) for length in padded.shape)
    field = Image.fromarray(padded.astype(np.float32)).resize(size[::-1], Image.Resampling.BICUBIC)
    ink = np.pad(np.asarray(field) >= INK, edge + 1)
    reach = ndimage.distance_transform_edt(~ink)
    cover = (np.clip(edge + 1 - reach, 0, 1) * 255).round().astype(np.uint8)
    mask = Image.fromarray(cover)
    box = mask.getbbox()
    assert box is not None
    return _glyph(Image.fromarray(ink.astype(np.uint8) * WHITE).crop(box), mask.crop(box))


def _glyph(face: Image, mask: Image) -> Glyph:
    from PIL import Image, ImageChops

    picture = Image.new("L", mask.size, GROUND)
    picture.paste(ImageChops.invert(face), mask=mask)
    return Glyph(picture, mask)


def shrunk(glyph: Glyph, factor: int) -> Glyph:
    """Return a glyph at the size of the finished image, with a mask of 0 and 255, to cut fragments from."""
    from PIL import Image

    width, height = glyph.mask.size
    small = (-(-width // factor), -(-height // factor))
    whole = (small[0] * factor, small[1] * factor)
    corner = ((whole[0] - width) // 2, (whole[1] - height) // 2)
    picture, mask = Image.new("L", whole, GROUND), Image.new("L", whole)
    picture.paste(glyph.picture, corner)
    mask.paste(glyph.mask, corner)
    covered = mask.reduce(factor).point([0] * HALF + [255] * HALF)
    return Glyph(picture.reduce(factor), covered)
