"""Plan → a picture of the transition matrix: row = from, column = to (LP Figure 2 C)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from graphnet.network.network import INPUT, LOGITS
from graphnet.pictures.captions import MARGIN, SMALL, heading, row_names, times_text, unbroken
from graphnet.pictures.elements import PALE, Label, Node, Picture, label, wrapped
from graphnet.pictures.states import note_on_states
from graphnet.pictures.tables.grid import Grid, Sheet, grids_of
from graphnet.planning.plan import Fate, Plan

PAGE, LEAST, APART = 560.0, 300.0, 18.0
"""Default width of rows of grids; least width of the picture; room between grids."""

LEADING = 12.0
NEVER = "Grey: never fires at these times (its source is empty, or no readout needs it)."


def layout(plan: Plan, width: float = math.inf) -> Picture:
    """Lay out the picture as boxes and labels, no wider than `width`; grids that do not fit go below."""
    sheet = Sheet.of(plan)
    room = width - 2 * MARGIN
    grids = grids_of(sheet, room)
    rows = _rows(grids, PAGE if math.isinf(room) else room)
    width = max([min(LEAST, room), *(sum(grid.width + APART for grid in row) - APART for row in rows)]) + 2 * MARGIN
    labels = list(heading(plan, width - 2 * MARGIN))
    y = labels[-1].box.bottom + 6
    for text in _ends(plan):
        for line in wrapped(unbroken(text), SMALL, width - 2 * MARGIN):
            labels.append(label(line, SMALL, MARGIN, y + LEADING / 2))
            y += LEADING
    nodes: list[Node] = []
    y += 8
    for row in rows:
        x = MARGIN
        for grid in row:
            cells, texts = grid.draw(x, y, len(nodes))
            nodes += cells
            labels += texts
            x += grid.width + APART
        y += max(grid.height for grid in row) + APART
    notes, bottom = _notes(plan, sheet, y - (APART - 2 if rows else 0), width - 2 * MARGIN)
    return Picture(plan.name, width, bottom + MARGIN, (), tuple(nodes), (*labels, *notes))


def _ends(plan: Plan) -> Iterator[str]:
    """Lines on the pre-net and the post-net."""
    names = row_names(plan)
    ends = {(cell.source, cell.target): cell for cell in plan.cells if cell.place in ("pre_net", "post_net")}
    times: dict[tuple[str, str], list[int]] = {}
    for firing in plan.firings:
        if firing.fate is Fate.FIRES and (firing.source, firing.target) in ends:
            times.setdefault((firing.source, firing.target), []).append(firing.t)
    for (source, target), cell in ends.items():
        way = f"{names.get(source, INPUT)} → {names.get(target, LOGITS)}"
        when = f" at t = {times_text(times[source, target])}" if (source, target) in times else ""
        yield f"{cell.place.replace('_', '-')}: {way} by {cell.ops}{when}"


def _rows(grids: Sequence[Grid], width: float) -> list[list[Grid]]:
    """Rows of grids, as many side by side as fit the width."""
    rows: list[list[Grid]] = []
    left = 0.0
    for grid in grids:
        left -= grid.width + APART
        if not rows or left < -APART:
            rows.append([])
            left = width - grid.width
        rows[-1].append(grid)
    return rows


def _notes(plan: Plan, sheet: Sheet, y: float, width: float) -> tuple[list[Label], float]:
    """Notes below the grids from y on, and the y where they end."""
    grey = any(not entry.fires for matrix in sheet.matrices for entry in matrix.entries.values())
    labels = []
    for text in filter(None, (NEVER if grey else "", note_on_states(plan))):
        for line in wrapped(text, SMALL, width):
            y += LEADING
            labels.append(label(line, SMALL, MARGIN, y, colour=PALE))
    return labels, y + LEADING / 2
