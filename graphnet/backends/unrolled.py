"""Plan → a picture of the net unrolled in time, as SVG: time runs to the right, states from top to bottom.

Arrows that use the same weights have one letter, colour and dash. They run between the columns and rows of values,
never over a value. Time and size of the picture grow linearly with the number of arrows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from graphnet.backends.arrows import feeds, is_value, weigh
from graphnet.backends.legend import entries, legend, letter_order
from graphnet.backends.routes import Port, Route, Spot, ports, routes, spots
from graphnet.backends.svg import (
    HEAD,
    INK,
    PALE,
    Box,
    Curve,
    Label,
    Node,
    Picture,
    Stroke,
    fitted,
    label,
    text_width,
    to_svg,
    wrapped,
)
from graphnet.ir.network import LOGITS
from graphnet.ir.ops import Shape
from graphnet.ir.plan import IMAGE, Area, Line, Plan

MARGIN, PAD, LEAD = 8.0, 3.0, 12.0
TITLE, TEXT, SMALL, LEAST = 11.0, 9.0, 8.0, 6.5
LEAST_WIDTH = 240.0
BOX_WIDTHS, BOX_HEIGHT, IMAGE_HEIGHT = (26.0, 44.0), 22.0, 26.0
PORT, TRACK, STUB, TURN = 9.5, 5.0, 3.0, 6.0
"""Distance of ports and of tracks; what is seen of an arrow before its letter; the radius of a drop's corner."""


def draw_unrolled(plan: Plan) -> str:
    """SVG text: the values that are computed, at their times, and the transitions between them."""
    return to_svg(layout(plan))


def layout(plan: Plan) -> Picture:
    """The picture, as boxes, curves and labels."""
    found = feeds(plan)
    weights = weigh(plan, found)
    where = spots(plan)
    drawn = routes(found, weights, where)
    grid = _grid(plan, where, drawn)
    head = _head(plan, grid)
    return head


@dataclass(frozen=True)
class _Grid:
    """Where rows and columns are.

    Attributes:
        left: x of the first column's left side; pitch: from column to column; width: of a value's box.
        tops: y of the top of each row, by its number; heights: of a value's box in it.
        tracks: y of the first track in the gap above a row.
        ports: of each row, from top to bottom.
        tag: width of the widest letter at a value's side; curve: width in which arrows change their height.
        image: the image's box.
        right, bottom: where the last column and the last row end, bows included.
    """
    left: float
