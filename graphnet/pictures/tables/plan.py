"""Plan → a picture of its lines: one panel per distinct step, with its times and the cost of its ops."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from graphnet.pictures.captions import MARGIN, SMALL, heading
from graphnet.pictures.elements import FAINT, PALE, PAPER, Box, Node, Picture, label, wrapped
from graphnet.pictures.states import takes_time
from graphnet.pictures.tables.columns import Piece, flowed
from graphnet.pictures.tables.panel_text import LEADING, PAD, Look, Tables
from graphnet.pictures.tables.steps import Panel, panels, rounded_count
from graphnet.planning.plan import Plan

APART = 12.0
"""Room between panels."""

MOST_ROWS = 400
"""Most rows shown; a longer plan shows its first steps."""

TALL = 1.35
"""Largest ratio of height to width before panels flow into more columns."""


def layout(plan: Plan, width: float = math.inf) -> Picture:
    """Lay out the picture as boxes and labels, no wider than `width`."""
    found = panels(plan)
    tables = Tables(_first(found))
    look, columns = _arranged(tables, width - 2 * MARGIN)
    width = len(columns) * (look.outer + APART) - APART + 2 * MARGIN
    labels = list(heading(plan, width - 2 * MARGIN))
    y = labels[-1].box.bottom + 5
    count = f"{len(found)} distinct step{'s' * (len(found) > 1)} of {sum(len(panel.times) for panel in found)}"
    for text in (summary(plan), f"{len(plan.lines):,} lines in {count}"):
        for line in wrapped(text, SMALL, width - 2 * MARGIN):
            labels.append(label(line, SMALL, MARGIN, y + LEADING * SMALL / 2))
            y += LEADING * SMALL
    top = bottom = y + 6
    nodes: list[Node] = []
    for number, pieces in enumerate(columns):
        x, y = MARGIN + number * (look.outer + APART), top
        for piece in pieces:
            box = Box(x, y, look.outer, piece.height)
            nodes.append(Node(f"step{len(nodes)}", box, "", kind="step", fill=PAPER, frame=FAINT))
            labels += tables.texts(piece, look, nodes[-1])
            y += piece.height + APART
        bottom = max(bottom, y - APART)
    for text in _notes(found, len(tables.panels)):
        for line in wrapped(text, SMALL, width - 2 * MARGIN):
            bottom += LEADING * SMALL
            labels.append(label(line, SMALL, MARGIN, bottom, colour=PALE))
    return Picture(plan.name, width, bottom + SMALL / 2 + MARGIN, (), tuple(nodes), tuple(labels))


def summary(plan: Plan) -> str:
    """The net's figures in one line."""
    flops = f"{rounded_count(plan.flops)} FLOPs per image"
    low, high = plan.milliseconds
    time = f", {low}–{high}\u00a0ms" if takes_time(plan) else ""
    return f"{plan.parameters:,} parameters, {flops}, depth\u00a0{plan.depth}{time}"


def _notes(found: Sequence[Panel], shown: int) -> Iterator[str]:
    """Notes below the panels."""
    rows = [row for panel in found[:shown] for row in panel.rows]
    if any(row.shared for row in rows):
        yield "(…): parameters shared with a row above, counted there."
    if any(row.times > 1 for row in rows):
        yield "n×…: each of n times has its own parameters."
    if shown < len(found):
        yield f"… and {len(found) - shown} more distinct steps; `graphnet plan --json` lists every line."


def _first(found: Sequence[Panel]) -> list[Panel]:
    """The first panels, at least one, within the most rows shown."""
    rows = 0
    for number, panel in enumerate(found):
        rows += len(panel.rows)
        if rows > MOST_ROWS and number:
            return list(found[:number])
    return list(found)


def _arranged(tables: Tables, room: float) -> tuple[Look, list[list[Piece]]]:
    """Choose look and columns of panels: more columns if they would be tall and there is room."""
    look = tables.fitted(room - 2 * PAD) or tables.squeezed(room - 2 * PAD)
    columns = flowed(tables.flowing(look), 1, APART)
    for count in range(2, sum(len(panel.rows) for panel in tables.panels) + 1):
        page = look.outer if math.isinf(room) else room
        if max(sum(piece.height + APART for piece in column) for column in columns) <= TALL * page * len(columns):
            break
        tighter = tables.fitted((room - (count - 1) * APART) / count - 2 * PAD)
        if tighter is None:
            break
        look, columns = tighter, flowed(tables.flowing(tighter), count, APART)
    return look, columns
