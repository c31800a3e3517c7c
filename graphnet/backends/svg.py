"""A picture as boxes, curves and labels, and its SVG text. Lengths are user units, 1 px at full size; y points down."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape, quoteattr

FONTS = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
INK, PALE = "#222222", "#777777"
HEAD = 6.0
"""Length of an arrowhead."""

Anchor = Literal["start", "middle", "end"]
Head = Literal["left", "right", "up", "down", ""]
Point = tuple[float, float]
Path = tuple[tuple[str, tuple[Point, ...]], ...]
"""Moves (1 point), lines (1 point) and cubic Béziers (3 points): `M`, `L` and `C` as in SVG."""


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
        """Whether the two share an area."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom


class Stroke(NamedTuple):
    """How a curve looks; `dash` as in SVG, empty for a whole line."""

    colour: str
    dash: str = ""
    width: float = 1.2


@dataclass(frozen=True)
class Node:
    """A named rectangle; a heavy one has a thick frame."""

    name: str
    box: Box
    title: str
    heavy: bool = False


@dataclass(frozen=True)
class Curve:
    """A path, and the side that an arrowhead at its end points to.

    Curves that follow each other in a picture and have the same `weights` are written as one group of the SVG.
    """

    path: Path
    stroke: Stroke
    head: Head = ""
    name: str = ""
    title: str = ""
    weights: str = ""


@dataclass(frozen=True)
class Label:
    """A line of text within a box; `owner` is the node it is written on."""

    text: str
    box: Box
    size: float
    anchor: Anchor = "start"
    bold: bool = False
    colour: str = INK
    owner: str = ""


@dataclass(frozen=True)
class Picture:
    """All that is drawn, later things over earlier ones: curves, nodes, labels."""

    title: str
    width: float
    height: float
    curves: tuple[Curve, ...]
    nodes: tuple[Node, ...]
    labels: tuple[Label, ...]


_EMS = (
    dict.fromkeys("ijl|.,:;'!()[] -", 0.44)
    | dict.fromkeys("#&<>^~×–", 0.88)
    | dict.fromkeys("mwMWOQ@%+=→…—", 1.01)
    | dict.fromkeys("ЖШЩЮМФЫжшщюмфыŒœÆæ©®¼½¾", 1.21)
)
_EM, _CAPITAL, _FOREIGN, _WIDE, _BOLD = 0.66, 0.8, 0.95, 1.25, 1.1


def text_width(text: str, size: float, bold: bool = False) -> float:
    """No less than the width of a line of European or East Asian text in any font of FONTS.

    The characters' widths, in ems, are those of DejaVu Sans, the widest of FONTS, rounded up by class; wide
    East Asian characters and emoji take 1.25, accents nothing. Helvetica needs about a fifth less.
    """
    ems = 0.0
    for char in unicodedata.normalize("NFD", text):
        if char in _EMS:
            ems += _EMS[char]
        elif char < "\x7f":
            ems += _CAPITAL if char.isupper() else _EM
        elif not unicodedata.combining(char):
            ems += _WIDE if unicodedata.east_asian_width(char) in "WF" else _FOREIGN
    return ems * size * (_BOLD if bold else 1.0)


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
) -> Label:
    """A label that starts, has its middle or ends at x, and its middle height at y."""
    text = clean(text)
    width = text_width(text, size, bold)
    left = x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
    return Label(text, Box(left, y - 0.6 * size, width, 1.2 * size), size, anchor, bold, colour, owner)


def fitted(text: str, size: float, width: float, least: float) -> tuple[str, float]:
    """The text and size, no less than `least`, that fit the width; what is too long ends in `…`."""
    text = clean(text)
    smaller = min(size, size * width / max(text_width(text, size), 0.1))
    if smaller >= least:
        return text, smaller
    while text and text_width(text + "…", least) > width:
        text = text[:-1]
    return text + "…", least


def wrapped(text: str, size: float, width: float, bold: bool = False) -> list[str]:
    """The text in lines no wider than `width`, broken at spaces, and within words that are too long."""
    lines: list[str] = []
    line = ""
    for word in clean(text).split():
        longer = f"{line} {word}" if line else word
        if line and text_width(longer, size, bold) > width:
            lines.append(line)
            longer = word
        while text_width(longer, size, bold) > width and len(longer) > 1:
            cut = next(n for n in range(len(longer) - 1, 0, -1) if n == 1 or _fits(longer[:n], size, width, bold))
            lines.append(longer[:cut])
            longer = longer[cut:]
        line = longer
    return [*lines, line] if line else lines


def _fits(text: str, size: float, width: float, bold: bool) -> bool:
    return text_width(text, size, bold) <= width


def clean(text: str) -> str:
    """The text on one line, with U+FFFD for characters that XML or UTF-8 cannot hold."""
    text = re.sub(r"[\t\n\r\x85\u2028\u2029]+", " ", text)
    return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", text)


def to_svg(picture: Picture) -> str:
    """The picture's SVG text."""
    return "\n".join(_lines(picture)) + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    width, height = _number(picture.width), _number(picture.height)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{FONTS}">'
    )
    yield f"<title>{escape(clean(picture.title))}</title>"
    yield f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    for (weights, stroke), curves in groupby(picture.curves, key=lambda curve: (curve.weights, curve.stroke)):
        yield from _group(weights, stroke, list(curves))
    for node in picture.nodes:
        x, y, w, h = map(_number, node.box)
        yield (
            f'<g class="value"{_id(node.name)}><title>{escape(clean(node.title))}</title>'
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="3" fill="#f2f2f2" stroke="{INK}" '
            f'stroke-width="{"2" if node.heavy else "0.8"}"/></g>'
        )
    for each in picture.labels:
        yield _text(each)
    yield "</svg>"


def _group(weights: str, stroke: Stroke, curves: Sequence[Curve]) -> Iterator[str]:
    named = f' class="weights" data-letter={quoteattr(weights)}' if weights else ""
    dash = f' stroke-dasharray="{stroke.dash}"' if stroke.dash else ""
    yield f'<g{named} fill="none" stroke="{stroke.colour}" stroke-width="{_number(stroke.width)}"{dash}>'
    for curve in curves:
        path = "".join(code + " ".join(f"{_number(x)},{_number(y)}" for x, y in points) for code, points in curve.path)
        title = f"<title>{escape(clean(curve.title))}</title>" if curve.title else ""
        yield f'<g{_id(curve.name)}>{title}<path d="{path}"/>{_head(curve)}</g>'
    yield "</g>"


def _head(curve: Curve) -> str:
    if not curve.head:
        return ""
    x, y = curve.path[-1][1][-1]
    dx, dy = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}[curve.head]
    corners = [(x + dx * HEAD, y + dy * HEAD), (x - dy * 2.6, y + dx * 2.6), (x + dy * 2.6, y - dx * 2.6)]
    path = " ".join(f"{_number(a)},{_number(b)}" for a, b in corners)
    return f'<path d="M{path}Z" fill="{curve.stroke.colour}" stroke="none"/>'


def _text(each: Label) -> str:
    x = {"start": each.box.x, "middle": each.box.cx, "end": each.box.right}[each.anchor]
    style = ' font-weight="bold"' if each.bold else ""
    style += f' text-anchor="{each.anchor}"' if each.anchor != "start" else ""
    baseline = each.box.cy + 0.34 * each.size
    return (
        f'<text x="{_number(x)}" y="{_number(baseline)}" font-size="{_number(each.size)}"{style} '
        f'fill="{each.colour}">{escape(each.text)}</text>'
    )


def _id(name: str) -> str:
    return f" id={quoteattr(name)}" if name else ""


def _number(value: float) -> str:
    return f"{value + 0.0:.1f}".removesuffix(".0").replace("-0.0", "0")
