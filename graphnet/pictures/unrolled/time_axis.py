"""The time axis below an unrolled net."""

from __future__ import annotations

from collections.abc import Collection

from graphnet.pictures.captions import MARGIN, SMALL, TEXT, TINY
from graphnet.pictures.elements import HEAD, PALE, RIGHT, Curve, Label, Stroke, label, text_width
from graphnet.pictures.unrolled.grid import Grid, milliseconds
from graphnet.pictures.unrolled.line_breaks import ColumnRange


def time_axis(
    grid: Grid, span: ColumnRange, named: bool, start: int, read: Collection[int], clock: bool
) -> tuple[list[Curve], list[Label]]:
    """Draw the time axis of some columns: time steps (readouts in bold), and biological time if `clock`.

    `start` is the time of column 0; `named` puts the axis's name at the left.
    """
    first, last, _ = span
    y = grid.tops[-1] + 10
    left = grid.left + first * grid.pitch
    ends = ((left - 4, y), (max(grid.right - HEAD, left + grid.width), y))
    curves = [Curve((("M", ends[:1]), ("L", ends[1:])), Stroke(PALE, width=0.8), RIGHT)]
    labels = []
    if named:
        labels.append(label("time t", SMALL, MARGIN, y + 10))
        labels += [label("ms", SMALL, MARGIN, y + 22, colour=PALE)] if clock else []
    widest = max(text_width(milliseconds(start + column), TINY) for column in range(first, last + 1))
    every = int((widest + 4) // grid.pitch) + 1
    for column in range(first, last + 1):
        t = start + column
        x = grid.left + column * grid.pitch + grid.width / 2
        curves.append(Curve((("M", ((x, y - 2),)), ("L", ((x, y + 2),))), Stroke(PALE, width=0.8)))
        text = str(t) if t >= 0 else "before"
        labels.append(label(text, TEXT, x, y + 10, anchor="middle", bold=t in read))
        if clock and t >= 0 and (column - first) % every == 0:
            labels.append(label(milliseconds(t), TINY, x, y + 22, anchor="middle", colour=PALE))
    return curves, labels
