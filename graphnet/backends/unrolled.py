"""Plan → a picture of the net unrolled in time, as SVG: time runs to the right, states from top to bottom.

Arrows that use the same weights have one letter, colour and dash. Arrows run in the gaps between the columns and
rows of values, never over a value: to the next step straight across the gap, over several steps along a track
between two rows, within a step down the column or, around values, in a bow at its right.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from graphnet.backends.arrows import OWN_NAMES, Feed, Weights, feeds, is_value, weigh
from graphnet.backends.legend import KEY, key, shape_text
from graphnet.backends.svg import (
    HEAD,
    INK,
    PALE,
    Box,
    Curve,
    Label,
    Node,
    Picture,
    Point,
    Stroke,
    fitted,
    label,
    text_width,
    to_svg,
    wrapped,
)
from graphnet.ir.plan import IMAGE, Plan

MARGIN, PAD = 8.0, 4.0
TITLE, TEXT, SMALL, TAG, LEAST = 11.0, 9.0, 8.0, 8.0, 6.5
PORT, TRACK, STUB = 9.5, 5.0, 3.0
"""Distance of two arrows' ends at a value and of two tracks; what is seen of an arrow before its letter."""

BOX_WIDTHS = (26.0, 44.0)
BOX_HEIGHT = 22.0


def draw_unrolled(plan: Plan) -> str:
    """SVG text: the values that are computed, at their times, and the transitions between them."""
    return to_svg(layout(plan))


class _Spot(NamedTuple):
    """Where a value stands: its row (0 is the image's), its column (0 is the first time), its level in the cell."""

    row: int
    column: int
    level: int


@dataclass(frozen=True)
class _Arrow:
    """An arrow and its way: `across` columns, `along` the column to the value next to it, or in a `bow`.

    `leaves` and `enters` number its ends among those at the same side of the row's values. `track` is set if
    it passes columns: the gap (that above the row of this number) and the track in it.
    """

    feed: Feed
    weights: Weights
    start: _Spot
    end: _Spot
    way: str
    leaves: int = 0
    enters: int = 0
    track: tuple[int, int] | None = None
