"""Time steps of an unrolled net that are like the one before, most of which a picture can leave out."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from graphnet.pictures.states import read_times
from graphnet.pictures.unrolled.dead_arrows import GHOST
from graphnet.pictures.unrolled.grid import first_time
from graphnet.pictures.unrolled.line_breaks import Arrows, ColumnRange
from graphnet.planning.plan import Plan

ENDS, FEWEST = 2, 3
"""So many steps are shown at either end of steps that are alike; fewer are not left out."""


def without_alike(plan: Plan, arrows: Arrows) -> list[ColumnRange]:
    """The columns to be shown: all but the inner ones of runs in which each is like the one before."""
    columns = _columns(plan, arrows)
    own = {call.t for call in plan.calls if any("{t}" in tensor.name for tensor in call.body.trainable)}
    spans: list[ColumnRange] = []
    first = 0
    note: tuple[str, ...] = ()
    for start, end in _runs(columns):
        hidden = range(start + ENDS, end + 1 - ENDS)
        if len(hidden) >= FEWEST:
            spans.append(ColumnRange(first, hidden.start - 1, note))
            first, note = hidden.stop, _note(len(hidden), start + 1 + first_time(plan) in own)
    return [*spans, ColumnRange(first, len(columns) - 1, note)]


def _note(count: int, own: bool) -> tuple[str, ...]:
    more = f"{count} more"
    return ("…", f"{more},", "own", "weights", "…") if own else ("…", more, "like it", "…")


def _runs(columns: Sequence[Hashable]) -> Iterator[tuple[int, int]]:
    """First and last of columns each of which is like the one before."""
    start = 0
    for number in range(1, len(columns) + 1):
        if number == len(columns) or columns[number - 1] != columns[number]:
            yield start, number - 1
            start = number


def _columns(plan: Plan, arrows: Arrows) -> list[Hashable]:
    """What each column shows: the bodies that are called at its time, whether they are read, what never runs."""
    first, read = first_time(plan), read_times(plan)
    columns: list[list[Hashable]] = [[first + number in read] for number in range(plan.last_time - first + 1)]
    for body, t in plan.calls:
        if first <= t <= plan.last_time:
            columns[t - first].append(body)
    for feed, weights in zip(arrows.feeds, arrows.weights, strict=True):
        if weights == GHOST:
            start, end = arrows.where[feed.source], arrows.where[feed.target]
            columns[end.column].append((start.row, end.column - start.column, end.row, end.level))
    return [tuple(column) for column in columns]
