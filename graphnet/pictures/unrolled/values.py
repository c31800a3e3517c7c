"""Boxes of an unrolled net coloured by values, and a colour bar below the picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from graphnet.errors import did_you_mean
from graphnet.pictures.captions import MARGIN, SMALL
from graphnet.pictures.elements import PALE, Box, Label, Node, Picture, label, wrapped
from graphnet.pictures.unrolled.arrows import is_value
from graphnet.planning.plan import Plan

SHADES = ("#f7fbff", "#c6dbef", "#6baed6", "#2171b5", "#08306b")
"""From the least value to the largest: ColorBrewer's Blues, whose lightness alone tells values apart."""
DARK, LIGHT = "#111111", "#fafafa"
"""Text on boxes; these colours are those of no style, so that the text stays legible in each."""
BAR_WIDTH, BAR_HEIGHT, PIECES = 120.0, 8.0, 24
INSET, LEADING = 14.0, 10.0
"""Room for a number that is centred below the bar's left end; distance between lines of text."""


@dataclass(frozen=True)
class Colouring:
    """Values by which to colour boxes.

    Attributes:
        values: state and time, such as `V2@3` → a finite number.
        quantity: what they are, with its unit; stands at the colour bar.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    quantity: str = ""

    def __post_init__(self) -> None:
        wrong = next((name for name, value in self.values.items() if not math.isfinite(value)), None)
        if wrong is not None:
            raise ValueError(f"the value of {wrong} is not finite; leave it out")


def coloured(picture: Picture, plan: Plan, colouring: Colouring) -> Picture:
    """Fill the boxes that have a value with its shade, leave the others white, and add a colour bar.

    Raises:
        ValueError: a state is not computed at that time.
    """
    if not colouring.values:
        return picture
    names = {node.name: _key(node) for node in picture.nodes if node.kind in ("value", "copy")}
    known = list(dict.fromkeys(f"{line.place}@{line.t}" for line in plan.lines if is_value(line)))
    for key in colouring.values:
        if key not in known:
            raise ValueError(f"'{key}': not computed, or no readout needs it\n  {did_you_mean(key, known)}")
    low, high = min(colouring.values.values()), max(colouring.values.values())
    fills = {
        name: shade((colouring.values[key] - low) / (high - low or 1))
        for name, key in names.items()
        if key in colouring.values
    }
    bar, ticks = _colour_bar(picture, low, high, colouring.quantity)
    told = {name: f"{key}: {colouring.values[key]:.4g}" for name, key in names.items() if name in fills}
    return replace(
        picture,
        height=max(each.box.bottom for each in ticks) + MARGIN,
        nodes=(*(_filled(node, fills, told) for node in picture.nodes), *bar),
        labels=(*(_legible(each, fills) for each in picture.labels), *ticks),
    )


def shade(share: float) -> str:
    """The colour at a share from 0 (least) to 1 (largest)."""
    place = min(max(share, 0.0), 1.0) * (len(SHADES) - 1)
    first = min(int(place), len(SHADES) - 2)
    parts = zip(_rgb(SHADES[first]), _rgb(SHADES[first + 1]), strict=True)
    return "#" + "".join(f"{round(a + (place - first) * (b - a)):02x}" for a, b in parts)


def _key(node: Node) -> str:
    facts = dict(node.facts)
    return f"{facts['state']}@{facts['t']}" if "t" in facts else ""


def _filled(node: Node, fills: Mapping[str, str], told: Mapping[str, str]) -> Node:
    if node.name not in fills:
        return replace(node, fill="#ffffff") if node.kind == "value" and not node.dash else node
    return replace(node, fill=fills[node.name], title=f"{node.title}\n{told[node.name]}")


def _legible(each: Label, fills: Mapping[str, str]) -> Label:
    fill = fills.get(each.owner)
    return each if fill is None else replace(each, colour=DARK if _luminance(fill) > 0.45 else LIGHT)


def _colour_bar(picture: Picture, low: float, high: float, quantity: str) -> tuple[Sequence[Node], Sequence[Label]]:
    """A bar below the picture from the least value to the largest, with its quantity at the right."""
    y = picture.height
    edges = [MARGIN + INSET + BAR_WIDTH * k / PIECES for k in range(PIECES + 1)]
    pieces = []
    for k, (a, b) in enumerate(pairwise(edges)):
        tone = shade((k + 0.5) / PIECES)
        pieces.append(Node("", Box(a, y, b - a, BAR_HEIGHT), "", kind="", fill=tone, frame=tone, radius=0))
    ends = [low, (low + high) / 2, high] if high > low else [low]
    places = [edges[0], (edges[0] + edges[-1]) / 2, edges[-1]]
    ticks = [
        label(f"{value:.3g}", SMALL, x, y + BAR_HEIGHT + LEADING, anchor="middle", colour=PALE)
        for x, value in zip(places, ends, strict=False)
    ]
    x = edges[-1] + 14
    said = wrapped(quantity, SMALL, picture.width - MARGIN - x)
    texts = [label(text, SMALL, x, y + BAR_HEIGHT / 2 + n * LEADING) for n, text in enumerate(said)]
    return pieces, [*ticks, *texts]


def _luminance(colour: str) -> float:
    """Perceived brightness of a colour, from 0 to 1."""
    r, g, b = _rgb(colour)
    return (0.299 * r + 0.587 * g + 0.114 * b) / 255


def _rgb(colour: str) -> tuple[int, int, int]:
    r, g, b = bytes.fromhex(colour[1:])
    return r, g, b
