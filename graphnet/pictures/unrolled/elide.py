"""Time steps of an unrolled net that are like the one before, most of which a picture can leave out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from graphnet.pictures.unrolled.grid import first_time
from graphnet.pictures.unrolled.line_breaks import Arrows, ColumnRange
from graphnet.planning.plan import Plan

ENDS, FEWEST = 2, 3
"""So many steps are shown at either end of steps that are alike; fewer are not left out."""


class _Arrival(NamedTuple):
    """An arrow into a column, but for the weights' name and where it comes from."""

    row: int
    level: int
    source_row: int
    letter: str
    ops: str


class _Column(NamedTuple):
    """What stands in a column, and what arrives there: from which column, with which weights."""

    values: tuple[tuple[int, int, bool], ...]
    arrivals: tuple[_Arrival, ...]
    sources: tuple[int, ...]
    names: tuple[str, ...]


def without_alike(plan: Plan, arrows: Arrows) -> list[ColumnRange]:
    """The columns to be shown: all but the inner ones of runs in which each is like the one before."""
    columns = _columns(plan, arrows)
    spans: list[ColumnRange] = []
    first = 0
    note: tuple[str, ...] = ()
    for start, end in _runs(columns):
        hidden = range(start + ENDS, end + 1 - ENDS)
        if len(hidden) >= FEWEST:
            spans.append(ColumnRange(first, hidden.start - 1, note))
            own = any(columns[n].names != columns[start].names for n in range(start, end + 1))
            first, note = hidden.stop, _note(len(hidden), own)
    return [*spans, ColumnRange(first, len(columns) - 1, note)]


def _note(count: int, own: bool) -> tuple[str, ...]:
    more = f"{count} more"
    return ("…", f"{more},", "own", "weights", "…") if own else ("…", more, "like it", "…")


def _runs(columns: Sequence[_Column]) -> Iterator[tuple[int, int]]:
    """First and last of columns each of which is like the one before."""
    start = 0
    for number in range(1, len(columns) + 1):
        if number == len(columns) or not _alike(columns[number - 1], columns[number]):
            yield start, number - 1
            start = number


def _alike(before: _Column, column: _Column) -> bool:
    """Whether the same arrives, by as long a way or from the same value."""
    return before[:2] == column[:2] and all(
        there in (here, here - 1) for there, here in zip(before.sources, column.sources, strict=True)
    )


def _columns(plan: Plan, arrows: Arrows) -> list[_Column]:
    read = {name for _, name in plan.outputs}
    ops = {(firing.source, firing.target, firing.t): firing.ops for firing in plan.firings}
    ends = {cell.place: (cell.source, cell.target) for cell in plan.cells}
    count = plan.last_time - first_time(plan) + 1
    values: list[list[tuple[int, int, bool]]] = [[] for _ in range(count)]
    arriving: list[list[tuple[_Arrival, int, str]]] = [[] for _ in range(count)]
    for name, spot in arrows.where.items():
        if spot.row:
            values[spot.column].append((spot.row, spot.level, name in read))
    for feed, weights in zip(arrows.feeds, arrows.weights, strict=True):
        start, end = arrows.where[feed.source], arrows.where[feed.target]
        arrival = _Arrival(end.row, end.level, start.row, weights.letter, ops.get((*ends[feed.place], feed.t), ""))
        arriving[end.column].append((arrival, start.column, weights.name))
    return [
        _Column(tuple(sorted(here)), *(tuple(part) for part in zip(*sorted(found), strict=True)))
        if found
        else _Column(tuple(sorted(here)), (), (), ())
        for here, found in zip(values, arriving, strict=True)
    ]
