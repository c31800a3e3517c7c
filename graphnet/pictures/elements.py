"""Pictures as boxes, curves and labels, independent of file formats. Lengths are 1/96 inch; y points down."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from graphnet.errors import clean

INK, PALE, FAINT = "#222222", "#777777", "#cccccc"
PAPER, FILL, ACCENT = "#ffffff", "#f2f2f2", "#ffd873"
"""Colours of text and frames, of minor and faint items; of the page, boxes and highlighted boxes."""

DPI, GIF_DPI, LEAST_DPI, MOST_DPI = 300, 120, 10, 2400
"""Pixels per inch: the defaults (journals ask for at least 300), and the least and most allowed."""

FONT = "DejaVu Sans"
"""Font of every format. It comes with matplotlib, so PNG and PDF are the same everywhere."""

HEAD = 6.0
"""Length of an arrowhead."""

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]
LEFT, RIGHT, UP, DOWN, NOWHERE = (-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (0.0, 0.0)
"""Directions of an arrowhead; NOWHERE draws none."""

Path = tuple[tuple[str, tuple[Point, ...]], ...]
"""Moves (1 point), lines (1 point) and cubic Béziers (3 points): `M`, `L` and `C` as in SVG."""

Facts = tuple[tuple[str, str], ...]
"""Data of an element for a page: `data-…` attributes of the SVG, without `data-`."""


class Box(NamedTuple):
    """A rectangle; x, y is its upper left corner."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        return self.x + self.w

    @property
    def bottom(self) -> float:
        return self.y + self.h

    @property
    def cx(self) -> float:
        return self.x + self.w / 2

    @property
    def cy(self) -> float:
        return self.y + self.h / 2

    def meets(self, other: Box) -> bool:
        """Whether the two overlap."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom


class Stroke(NamedTuple):
    """Line style of a curve; `dash` as in SVG, empty for a solid line."""

    colour: str
    dash: str = ""
    width: float = 1.2


@dataclass(frozen=True)
class Node:
    """A rectangle; a heavy one has a thick frame. `kind` is what it represents: a value, a state, a cell."""

    name: str
    box: Box
    title: str
    heavy: bool = False
    kind: str = "value"
    facts: Facts = ()
    fill: str = FILL
    frame: str = INK
    dash: str = ""
    radius: float = 3.0


@dataclass(frozen=True)
class Curve:
    """A path, and the direction of the arrowhead beyond its end.

    Consecutive curves with the same `weights` form one group in the SVG.
    """

    path: Path
    stroke: Stroke
    head: Point = NOWHERE
    name: str = ""
    title: str = ""
    weights: str = ""
    kind: str = ""
    facts: Facts = ()


@dataclass(frozen=True)
class Label:
    """A line of text within a box; `owner` is the name of the node or curve it belongs to.

    `heads` marks a part of the picture's heading, which can be left out.
    """

    text: str
    box: Box
    size: float
    anchor: Anchor = "start"
    bold: bool = False
    colour: str = INK
    owner: str = ""
    heads: bool = False

    @property
    def x(self) -> float:
        """The x at which the text is anchored."""
        return {"start": self.box.x, "middle": self.box.cx, "end": self.box.right}[self.anchor]

    @property
    def baseline(self) -> float:
        return self.box.cy + 0.34 * self.size


class PictureWarning(UserWarning):
    """Warns that a picture is incomplete or altered, and why."""


@dataclass(frozen=True)
class Picture:
    """A drawing: curves, then nodes over them, then labels on top."""

    title: str
    width: float
    height: float
    curves: tuple[Curve, ...]
    nodes: tuple[Node, ...]
    labels: tuple[Label, ...]
    paper: str = PAPER


_EMS = (
    dict.fromkeys("ijl.,'! \u00a0", 0.44)
    | dict.fromkeys("|:;()[]-", 0.46)
    | dict.fromkeys("#&<>^~×–", 0.88)
    | dict.fromkeys("mwMWOQ@+=→…—", 1.01)
    | {"%": 1.08}
    | dict.fromkeys("ЖШЩЮМФЫжшщюмфыŒœÆæ©®¼½¾", 1.21)
)
_EM, _CAPITAL, _FOREIGN, _WIDE, _BOLD = 0.66, 0.8, 0.95, 1.25, 1.1


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Upper bound on the width of a line of European or East Asian text, in FONT or in its fallback Verdana.

    A character's width in ems is that of the wider font, rounded up by class; wide East Asian characters and emoji
    take 1.25, accents 0.
    """
    return sum(map(_ems, clean(text))) * size * (_BOLD if bold else 1.0)


@lru_cache(maxsize=1 << 12)
def _ems(char: str) -> float:
    """Upper bound on the width of a character in ems."""
    width = 0.0
    for each in unicodedata.normalize("NFD", char):
        if each in _EMS:
            width += _EMS[each]
        elif each < "\x7f":
            width += _CAPITAL if each.isupper() else _EM
        elif not unicodedata.combining(each):
            width += _WIDE if unicodedata.east_asian_width(each) in "WF" else _FOREIGN
    return width


def label(
    text: str,
    size: float,
    x: float,
    y: float,
    *,
    anchor: Anchor = "start",
    bold: bool = False,
    colour: str = INK,
    owner: str = "",
    heads: bool = False,
) -> Label:
    """Make a label anchored at x, with its middle height at y."""
    text = clean(text)
    width = text_width(text, size, bold)
    left = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
    return Label(text, Box(left, y - 0.6 * size, width, 1.2 * size), size, anchor, bold, colour, owner, heads)


def fitted(text: str, size: float, width: float, least: float) -> tuple[str, float]:
    """Fit a text to a width: shrink it to no less than `least`, then cut it with `…`."""
    text = clean(text)
    smaller = min(size, size * width / max(text_width(text, size), 0.1))
    if smaller >= least:
        return text, smaller
    room = width - text_width("…", least)
    kept = next(_pieces(text, least, room))
    return (kept if text_width(kept, least) <= room else "") + "…", least


def wrapped(text: str, size: float, width: float, bold: bool = False, most: int = 0) -> list[str]:
    """Wrap a text into lines no wider than `width`, at spaces (not at U+00A0) and within words that are too long.

    With more than `most` lines, drop the rest and end the last one in `…`; 0 keeps all.
    """
    room = width / (_BOLD if bold else 1.0)
    lines: list[str] = []
    line = ""
    for word in filter(None, clean(text).split(" ")):
        if line and text_width(f"{line} {word}", size) <= room:
            line = f"{line} {word}"
            continue
        lines += [line] if line else []
        *broken, line = _pieces(word, size, room)
        lines += broken
    lines += [line] if line else []
    if 0 < most < len(lines):
        lines[most - 1 :] = [fitted(f"{lines[most - 1]} {lines[most]}", size, room, size)[0]]
    return lines


def _pieces(text: str, size: float, width: float) -> Iterator[str]:
    """Break a text anywhere into pieces no wider than `width`, each of at least one character."""
    start, used = 0, 0.0
    for number, ems in enumerate(map(_ems, text)):
        if ems and number > start and (used + ems) * size > width:
            yield text[start:number]
            start, used = number, 0.0
        used += ems
    yield text[start:]


def arrowhead(curve: Curve) -> tuple[Point, Point, Point]:
    """The corners of a curve's arrowhead, its tip first."""
    (x, y), (dx, dy) = curve.path[-1][1][-1], curve.head
    return (x + dx * HEAD, y + dy * HEAD), (x - dy * 2.6, y + dx * 2.6), (x + dy * 2.6, y - dx * 2.6)


def rounded(points: Iterable[Point], radius: float) -> Path:
    """A polyline with rounded corners."""
    here, *others = points
    path: list[tuple[str, tuple[Point, ...]]] = [("M", (here,))]
    for corner, after in pairwise(others):
        before, behind = _towards(corner, here, radius), _towards(corner, after, radius)
        path += [("L", (before,)), ("C", (corner, corner, behind))]
        here = corner
    return (*path, ("L", (others[-1],)))


def _towards(start: Point, end: Point, length: float) -> Point:
    """The point at `length` from start towards end, at most half way."""
    (x, y), (u, v) = start, end
    part = min(length / max(math.hypot(u - x, v - y), 1e-9), 0.5)
    return x + part * (u - x), y + part * (v - y)
