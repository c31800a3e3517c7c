"""Routes of an unrolled net's arrows, independent of sizes: ports at the values, tracks between rows.

A value has a row (0 is the image's, then the states in order, logits last), a column (0 is the first time) and a
level, if a cell holds several values (nets that differ by T). An arrow runs

- `across` a gap between columns if it takes time; past columns in between, on a track in the gap between two rows;
- `along` the column if it takes no time and nothing lies between its ends;
- in a `bow` at the right of the column if it takes no time and something does;
- in a `drop` from above, from the image to the uppermost state.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from graphnet.pictures.unrolled.arrows import Feed, Weights, is_value
from graphnet.planning.plan import IMAGE, Plan

Way = Literal["across", "along", "bow", "drop"]


class Spot(NamedTuple):
    """The position of a value."""

    row: int
    column: int
    level: int = 0


class Port(NamedTuple):
    """An end of an arrow at its row's values; ports are ordered by the row of the arrow's other end."""

    row: int
    enters_from_bow: bool = False
    number: int = 0


class Track(NamedTuple):
    """A track in the gap above a row."""

    row: int
    number: int


@dataclass(frozen=True)
class Route:
    """An arrow and its way. `leaves` and `enters` apply where it ends at a value's side."""

    feed: Feed
    weights: Weights
    start: Spot
    end: Spot
    way: Way
    leaves: Port
    enters: Port
    track: Track | None = None


def spots(plan: Plan) -> dict[str, Spot]:
    """Return the position of each value; the image comes before the first time."""
    values = [line for line in plan.lines if is_value(line)]
    order = {area.name: number for number, area in enumerate(plan.areas)}
    drawn = sorted({line.place for line in values}, key=lambda place: order.get(place, len(order)))
    rows = {place: number for number, place in enumerate(drawn, start=1)}
    first = min(line.t for line in values)
    found = {IMAGE: Spot(0, -1)}
    levels: dict[tuple[str, int], int] = {}
    for line in values:
        level = levels.get((line.place, line.t), 0)
        levels[line.place, line.t] = level + 1
        found[line.name] = Spot(rows[line.place], line.t - first, level)
    return found


def routes(found: Sequence[Feed], weights: Sequence[Weights], where: Mapping[str, Spot]) -> list[Route]:
    """Route every arrow, in the order given."""
    places: dict[int, list[Spot]] = {}
    for spot in sorted(where.values()):
        places.setdefault(spot.column, []).append(spot)
    turns = {spot: number for column in places.values() for number, spot in enumerate(column)}
    leaving: dict[tuple[str, int], dict[str, int]] = {}
    entering: dict[tuple[str, int], dict[str, int]] = {}
    drawn = []
    for feed, each in zip(found, weights, strict=True):
        start, end = where[feed.source], where[feed.target]
        way = _way(start, end, turns)
        names = leaving.setdefault((feed.source, end.row), {})
        sources = entering.setdefault((feed.target, start.row), {})
        leaves = Port(end.row, number=names.setdefault(each.name, len(names)))
        enters = Port(start.row, way == "bow", sources.setdefault(feed.source, len(sources)))
        drawn.append(Route(feed, each, start, end, way, leaves, enters))
    return _with_tracks(drawn)


def _way(start: Spot, end: Spot, turns: Mapping[Spot, int]) -> Way:
    if start.row == 0:
        return "drop" if (end.row, end.level) == (1, 0) else "across"
    if start.column < end.column:
        return "across"
    return "along" if abs(turns[start] - turns[end]) == 1 else "bow"


def _with_tracks(drawn: Sequence[Route]) -> list[Route]:
    """Assign tracks to arrows that pass columns; arrows that leave a value by one port share a track."""
    spans: dict[tuple[str, Port], tuple[int, int, int]] = {}
    for route in drawn:
        start, end = route.start, route.end
        if route.way == "across" and start.row > 0 and end.column - start.column > 1:
            gap = start.row + (end.row > start.row)
            last = spans.get((route.feed.source, route.leaves), (0, 0, 0))[2]
            spans[route.feed.source, route.leaves] = (start.column, gap, max(last, end.column))
    tracks: dict[tuple[str, Port], Track] = {}
    free: dict[int, list[int]] = {}
    busy: dict[int, list[tuple[int, int]]] = {}
    for key, (first, gap, last) in sorted(spans.items(), key=lambda each: each[1][:2]):
        taken, idle = busy.setdefault(gap, []), free.setdefault(gap, [])
        while taken and taken[0][0] <= first:
            heapq.heappush(idle, heapq.heappop(taken)[1])
        number = heapq.heappop(idle) if idle else len(taken)
        heapq.heappush(taken, (last, number))
        tracks[key] = Track(gap, number)
    return [
        replace(route, track=tracks[route.feed.source, route.leaves])
        if route.way == "across" and route.start.row > 0 and route.end.column - route.start.column > 1
        else route
        for route in drawn
    ]


def ports(drawn: Iterable[Route]) -> dict[int, tuple[Port, ...]]:
    """Return the ports on the sides of each row's values, from top to bottom; a row's values have the same ports.

    An arrow to a row and one from that row end at the same height, so a self-transition is a straight line.
    """
    needed: dict[int, set[Port]] = {}
    for route in drawn:
        if route.way in ("across", "bow"):
            needed.setdefault(route.start.row, set()).add(route.leaves)
            needed.setdefault(route.end.row, set()).add(route.enters)
    return {row: tuple(sorted(each)) for row, each in needed.items()}
