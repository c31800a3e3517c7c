"""Names of Digitclutter data sets: `digitclutter-N[-handwritten][-debris-M]`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from graphnet.errors import printable, shortened
from graphnet.training.errors import DataError

PREFIX = "digitclutter"
FORM = f"{PREFIX}-N[-handwritten][-debris-M]"
SIDE = 32
MOST_DIGITS, MOST_DEBRIS = 5, 500


@dataclass(frozen=True)
class Clutter:
    """What the images of a data set show.

    Attributes:
        digits: digits in each image, 1 to 5, all different.
        debris: fragments of digits pasted over each image.
        handwritten: glyphs are scikit-learn's handwritten digits, not those of a font.
        side: height and width in pixels.
    """

    digits: int
    debris: int = 0
    handwritten: bool = False
    side: int = SIDE

    def __post_init__(self) -> None:
        if not 1 <= self.digits <= MOST_DIGITS:
            raise DataError(f"{PREFIX} has 1 to {MOST_DIGITS} digits in an image, not {self.digits}")
        if not 0 <= self.debris <= MOST_DEBRIS:
            raise DataError(f"{PREFIX} has 0 to {MOST_DEBRIS} fragments of debris in an image, not {self.debris:,}")
        if self.side < 1:
            raise DataError(f"images of {PREFIX} have at least 1 pixel on a side, not {self.side}")

    @property
    def name(self) -> str:
        """The name that `read_clutter` reads, with the size if it is not the usual one."""
        handwritten = "-handwritten" if self.handwritten else ""
        debris = f"-debris-{self.debris}" if self.debris else ""
        return f"{PREFIX}-{self.digits}{handwritten}{debris}{'' if self.side == SIDE else f'@{self.side}'}"


def is_clutter(name: str) -> bool:
    """Whether a name, misspelt or not, means one of these data sets."""
    return name == PREFIX or name.startswith(f"{PREFIX}-")


def read_clutter(name: str, size: tuple[int, int] | None = None) -> Clutter:
    """Read a name without its size; `size` is H and W.

    Raises:
        DataError: the name has another form, a number is out of range, or the size is no square.
    """
    match = re.fullmatch(rf"{PREFIX}-(\d{{1,9}})(-handwritten)?(?:-debris-(\d{{1,9}}))?", name, re.ASCII)
    if match is None:
        example = f"{PREFIX}-3, {PREFIX}-3-handwritten, {PREFIX}-5-debris-10 or {PREFIX}-3-handwritten-debris-50"
        told = printable(shortened(name))
        raise DataError(f"'{told}' is no name of a Digitclutter data set: the form is {FORM}\n  write {example}")
    height, width = size or (SIDE, SIDE)
    if height != width:
        raise DataError(f"images of {name} are square, not {height} x {width}\n  write {name}@{max(height, width)}")
    return Clutter(int(match[1]), int(match[3] or 0), match[2] is not None, height)
