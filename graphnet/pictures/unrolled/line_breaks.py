"""Line breaks: an unrolled net wider than the page is broken into systems, like sheet music.

A system holds stretches: consecutive time steps, preceded by copies of the earlier values that they read. So every
arrow is drawn whole where its target is computed, and leaves visibly where its source is computed.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from graphnet.pictures.unrolled.arrows import Feed, Weights
from graphnet.pictures.unrolled.grid import Grid
from graphnet.pictures.unrolled.routes import Port, Route, Spot, routes
from graphnet.planning.plan import IMAGE

BLANK, WIDEST = 4.0, 1e7
"""Room at either side of a note; widest page."""


class ColumnRange(NamedTuple):
    """Columns from first to last, and the note before them on columns left out."""

    first: int
    last: int
    note: tuple[str, ...] = ()


class Arrows(NamedTuple):
    """Arrows with their weights, and positions of values on a page of unlimited width."""

    feeds: Sequence[Feed]
    weights: Sequence[Weights]
    where: Mapping[str, Spot]


@dataclass
class Stretch:
    """Consecutive columns.

    Attributes:
        span: the columns.
        slot: position of the first one, in columns from the left.
        blank: slots kept for the note, before the copies.
        shown: positions of values: those of these columns, the image if it is read, and copies.
        copies: names of the values that are copies.
        drawn: the arrows into values of these columns.
        leaving: the arrows from them to other stretches, one per port.
    """

    span: ColumnRange
    slot: int = 0
    blank: int = 0
    shown: dict[str, Spot] = field(default_factory=dict)
    copies: dict[str, None] = field(default_factory=dict)
    drawn: list[Route] = field(default_factory=list)
    leaving: list[Route] = field(default_factory=list)


PageLine = list[Stretch]


def unbroken(arrows: Arrows, span: ColumnRange, drawn: Sequence[Route]) -> Stretch:
    """Return everything as one stretch."""
    return Stretch(span, shown=dict(arrows.where), drawn=list(drawn))


def broken(arrows: Arrows, spans: Sequence[ColumnRange], grid: Grid, width: float, blank: float) -> list[PageLine]:
    """Break into systems no wider than `width`, if a column and its copies fit; `blank` is the width of a note."""
    room = min(width, WIDEST) - grid.left - grid.width - grid.beyond
    slots = max(int(room // grid.pitch) + 1, 2)
    notes = math.ceil((blank + 2 * BLANK) / grid.pitch) if blank else 0
    count = len(_packed(spans, slots, notes))
    fewest = bisect_left(range(slots), -count, lo=2, key=lambda each: -len(_packed(spans, each, notes)))
    systems = _packed(spans, fewest, notes)
    stretches = [stretch for system in systems for stretch in system]
    stretches[0].shown[IMAGE] = arrows.where[IMAGE]
    _fill(stretches, arrows)
    for system in systems:
        for stretch in [stretch for stretch in system if IMAGE in stretch.shown][1:]:
            del stretch.shown[IMAGE]
            del stretch.copies[IMAGE]
    return systems


def _packed(spans: Sequence[ColumnRange], slots: int, notes: int) -> list[PageLine]:
    """Fill systems with stretches from left to right, as many as there are slots."""
    systems: list[PageLine] = []
    used = slots
    for span in spans:
        first, note = span.first, span.note
        while first <= span.last:
            blank = notes if note else 0
            before = blank + (first > 0)
            if used + before >= slots:
                systems.append([])
                used = 0
            number = max(1, min(span.last + 1 - first, slots - used - before))
            systems[-1].append(Stretch(ColumnRange(first, first + number - 1, note), used + before, blank))
            used += before + number
            first, note = first + number, ()
    return systems


def _fill(stretches: Sequence[Stretch], arrows: Arrows) -> None:
    """Give each stretch its values, copies and arrows."""
    home = {column: n for n, each in enumerate(stretches) for column in range(each.span.first, each.span.last + 1)}
    into: list[list[int]] = [[] for _ in stretches]
    out: list[list[int]] = [[] for _ in stretches]
    for name, spot in arrows.where.items():
        if spot.row and spot.column in home:
            stretches[home[spot.column]].shown[name] = spot
    for number, feed in enumerate(arrows.feeds):
        start, end = (arrows.where[name] for name in (feed.source, feed.target))
        here, there = (home.get(start.column) if start.row else None), home.get(end.column)
        if there is not None:
            into[there].append(number)
        if here is not None and here != there:
            out[here].append(number)
    for stretch, coming, going in zip(stretches, into, out, strict=True):
        _copy(stretch, [arrows.feeds[number].source for number in coming], arrows.where)
        stretch.drawn, stretch.leaving = _routed(stretch, coming, going, arrows)


def _copy(stretch: Stretch, sources: Sequence[str], where: Mapping[str, Spot]) -> None:
    """Put copies of values read but not computed here before the first column, a state's latest value at the top."""
    missing = dict.fromkeys(name for name in sources if name not in stretch.shown)
    heights: dict[int, int] = {}
    for name in sorted(missing, key=lambda each: (where[each].row, -where[each].column, where[each].level)):
        row = where[name].row
        stretch.shown[name] = Spot(row, stretch.span.first - 1 if row else -1, heights.get(row, 0))
        heights[row] = heights.get(row, 0) + 1
        if stretch.span.first > 0:
            stretch.copies[name] = None


def _routed(
    stretch: Stretch, coming: Sequence[int], going: Sequence[int], arrows: Arrows
) -> tuple[list[Route], list[Route]]:
    """Route arrows into and out of a stretch; the targets of leaving arrows are one column after the last."""
    beyond = {
        feed.target: arrows.where[feed.target]._replace(column=stretch.span.last + 1)
        for feed in (arrows.feeds[number] for number in going)
    }
    numbers = sorted({*coming, *going})
    found = routes(
        [arrows.feeds[number] for number in numbers],
        [arrows.weights[number] for number in numbers],
        beyond | stretch.shown,
    )
    leave: dict[tuple[str, Port], Route] = {}
    for route in found:
        if route.feed.target in beyond:
            leave.setdefault((route.feed.source, route.leaves), route)
    return [route for route in found if route.feed.target not in beyond], list(leave.values())
