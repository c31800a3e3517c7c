"""Elision: a picture of an unrolled net can leave out most of a run of equal time steps."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from graphnet.pictures.states import read_times
from graphnet.pictures.unrolled.dead_arrows import GHOST
from graphnet.pictures.unrolled.grid import first_time
from graphnet.pictures.unrolled.line_breaks import Arrows, ColumnRange
from graphnet.planning.plan import Plan

ENDS, FEWEST = 2, 3
"""Steps shown at either end of a run of equal steps; fewest steps worth leaving out."""


def without_alike(plan: Plan, arrows: Arrows) -> list[ColumnRange]:
    """Return the columns to show: all but the inner ones of runs of equal columns."""
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
    """First and last column of each run of equal columns."""
    start = 0
    for number in range(1, len(columns) + 1):
        if number == len(columns) or columns[number - 1] != columns[number]:
            yield start, number - 1
            start = number


def _columns(plan: Plan, arrows: Arrows) -> list[Hashable]:
    """The content of each column: the bodies called at its time, whether it is read, arrows that never run."""
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
