"""Plan → a picture of the transition matrix: row = from, column = to, a table for each range of time in which it is
the same (LP Figure 2 C)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from graphnet.network.network import INPUT, LOGITS
from graphnet.pictures.captions import MARGIN, SMALL, TEXT, heading, row_names, times_text, unbroken
from graphnet.pictures.elements import (
    FAINT,
    FILL,
    INK,
    PALE,
    PAPER,
    Anchor,
    Box,
    Label,
    Node,
    Picture,
    label,
    text_width,
    wrapped,
)
from graphnet.planning.plan import Fate, Firing, Plan

WIDEST, LEADING, PAD = 108.0, 12.0, 4.0
"""So wide a function may be before it is wrapped; distance of its lines; room around them."""

PAGE, APART = 560.0, 18.0
"""So wide the picture gets before tables stand below each other; distance of tables."""

CORNER = "from ↓ to →"
NOTE = "Grey: never fires at these times (its source is empty, or nobody reads it)."


@dataclass(frozen=True)
class MatrixCell:
    """A cell of a matrix: the functions, and whether it fires at any of the times."""

    texts: tuple[str, ...]
    fires: bool


@dataclass(frozen=True)
class Matrix:
    """The transition matrix at the times at which it is the same, between states by name."""

    times: tuple[int, ...]
    entries: Mapping[tuple[str, str], MatrixCell]


def matrices(plan: Plan) -> list[Matrix]:
    """The matrices of a net in the order of their first time; none of a time without transitions."""
    rank = {area.name: number for number, area in enumerate(plan.areas)}
    delays: dict[tuple[str, str, str], dict[int, None]] = {}
    for cell in plan.cells:
        delays.setdefault((cell.source, cell.target, cell.ops), {})[cell.delay] = None
    found: dict[tuple[tuple[tuple[str, str], tuple[str, ...]], ...], dict[int, set[tuple[str, str]]]] = {}
    for t, now in groupby(plan.firings, key=lambda firing: firing.t):
        cells: dict[tuple[str, str], dict[str, None]] = {}
        firing: set[tuple[str, str]] = set()
        for each in now:
            if each.source != INPUT and each.target != LOGITS:
                ends = each.source, each.target
                cells.setdefault(ends, {})[_text(each, tuple(delays.get((*ends, each.ops), ())))] = None
                firing |= {ends} if each.fate is Fate.FIRES else set()
        if cells:
            inner = sorted(cells, key=lambda ends: (rank[ends[0]], rank[ends[1]]))
            key = tuple((ends, tuple(cells[ends])) for ends in inner)
            found.setdefault(key, {}).setdefault(t, set()).update(firing)
    return [
        Matrix(
            tuple(times),
            {ends: MatrixCell(texts, any(ends in firing for firing in times.values())) for ends, texts in key},
        )
        for key, times in found.items()
    ]


def _text(firing: Firing, delays: Sequence[int]) -> str:
    """The function, with its delay unless that is 1."""
    return firing.ops if tuple(delays) in ((), (1,)) else f"{firing.ops}, delay {' or '.join(map(str, delays))}"


def layout(plan: Plan, width: float = math.inf) -> Picture:
    """The picture, as boxes and labels; tables stand below each other where they do not fit a page of this width."""
    found = matrices(plan)
    columns = _columns(plan, found)
    grids = [_Table(plan, matrix, columns) for matrix in found]
    widest = max([min(PAGE, width - 2 * MARGIN), *(grid.width for grid in grids)])
    rows = _rows(grids, widest)
    width = max([200.0, *(sum(grid.width + APART for grid in row) - APART for row in rows)]) + 2 * MARGIN
    labels = list(heading(plan, width - 2 * MARGIN))
    y = labels[-1].box.bottom + 6
    for text in _ends(plan):
        for line in wrapped(text, SMALL, width - 2 * MARGIN):
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
    y -= APART
    if any(not entry.fires for matrix in found for entry in matrix.entries.values()):
        for line in wrapped(NOTE, SMALL, width - 2 * MARGIN):
            y += LEADING
            labels.append(label(line, SMALL, MARGIN, y + 2, colour=PALE))
    return Picture(plan.name, width, y + MARGIN + LEADING / 2, (), tuple(nodes), tuple(labels))


def _ends(plan: Plan) -> Iterator[str]:
    """What stands before and behind the matrix."""
    names = row_names(plan)
    for cell in plan.cells:
        if cell.place in ("pre_net", "post_net"):
            ends = f"{names.get(cell.source, cell.source)} → {names.get(cell.target, cell.target)}"
            yield f"{cell.place.replace('_', '-')}: {ends} by {cell.ops} at t = {cell.times}"


def _rows(grids: Sequence[_Table], width: float) -> list[list[_Table]]:
    """Tables beside each other as far as the width goes."""
    rows: list[list[_Table]] = []
    left = 0.0
    for grid in grids:
        left -= grid.width + APART
        if not rows or left < -APART:
            rows.append([])
            left = width - grid.width
        rows[-1].append(grid)
    return rows


def _lines(entry: MatrixCell) -> list[str]:
    """What stands in a cell."""
    return [line for text in entry.texts for line in wrapped(unbroken(text), SMALL, WIDEST)]


def _heads(plan: Plan) -> dict[str, list[str]]:
    """The states' names as they head rows and columns."""
    names = row_names(plan)
    return {area.name: wrapped(names[area.name], TEXT, WIDEST, bold=True) or [area.name] for area in plan.areas}


def _head_width(lines: Sequence[str]) -> float:
    return max(text_width(line, TEXT, bold=True) for line in lines)


def _columns(plan: Plan, found: Sequence[Matrix]) -> list[float]:
    """The widths of the columns, the same in all tables."""
    widths = {name: max(28.0, _head_width(lines)) for name, lines in _heads(plan).items()}
    for matrix in found:
        for (_, target), entry in matrix.entries.items():
            widths[target] = max(widths[target], *(text_width(line, SMALL) for line in _lines(entry)))
    return [width + 2 * PAD for width in widths.values()]


class _Table:
    """A matrix with the sizes of its rows and columns."""

    def __init__(self, plan: Plan, matrix: Matrix, columns: Sequence[float]) -> None:
        self.matrix, self.columns = matrix, columns
        self.states = [area.name for area in plan.areas]
        self.places = {(cell.source, cell.target): cell.place for cell in plan.cells}
        self.title = f"t = {times_text(list(matrix.times))}"
        self.lines = {ends: _lines(entry) for ends, entry in matrix.entries.items()}
        self.heads = _heads(plan)
        self.side = max(text_width(CORNER, SMALL), *map(_head_width, self.heads.values())) + 4 * PAD
        self.rows = [self._row(source) for source in self.states]
        self.top = max(len(lines) for lines in self.heads.values()) * LEADING * 1.1 + 2 * PAD
        self.titles = wrapped(self.title, TEXT, max(self.side + sum(self.columns), 100.0), bold=True)
        self.width = max([self.side + sum(self.columns), *(text_width(line, TEXT, True) for line in self.titles)])
        self.height = len(self.titles) * 1.3 * TEXT + 2 + self.top + sum(self.rows)

    def _row(self, source: str) -> float:
        counts = [len(texts) for (name, _), texts in self.lines.items() if name == source]
        return max([len(self.heads[source]) * 1.1, *counts]) * LEADING + 2 * PAD

    def draw(self, x: float, y: float, number: int) -> tuple[list[Node], list[Label]]:
        """Cells and labels with the upper left corner at x, y; cells are numbered on."""
        blanks: list[Node] = []
        nodes: list[Node] = []
        labels: list[Label] = []
        for line in self.titles:
            y += 1.3 * TEXT
            labels.append(label(line, TEXT, x, y - 0.65 * TEXT, bold=True))
        y += 2
        labels.append(label(CORNER, SMALL, x + PAD, y + self.top / 2, colour=PALE))
        left = x + self.side
        for name, width in zip(self.states, self.columns, strict=True):
            labels += _block(self.heads[name], TEXT, Box(left, y, width, self.top), bold=True)
            left += width
        y += self.top
        for source, height in zip(self.states, self.rows, strict=True):
            labels += _block(self.heads[source], TEXT, Box(x, y, self.side - 3 * PAD, height), bold=True, anchor="end")
            left = x + self.side
            for target, width in zip(self.states, self.columns, strict=True):
                box = Box(left, y, width, height)
                name = f"cell{number + len(blanks) + len(nodes)}"
                entry = self.matrix.entries.get((source, target))
                if entry is None:
                    blanks.append(Node(name, box, "", kind="blank", fill=FILL, frame=FAINT, radius=0))
                else:
                    nodes.append(self._cell(source, target, entry, box, name))
                    colour = INK if entry.fires else PALE
                    labels += _block(self.lines[source, target], SMALL, box, owner=name, colour=colour)
                left += width
            y += height
        return [*blanks, *nodes], labels

    def _cell(self, source: str, target: str, entry: MatrixCell, box: Box, name: str) -> Node:
        facts = (("source", source), ("target", target), ("place", self.places[source, target]))
        title = f"{source} → {target}, {self.title}: {'; '.join(entry.texts)}"
        return Node(name, box, title, kind="cell", facts=facts, fill=PAPER, frame=PALE, radius=0)


def _block(
    lines: Sequence[str],
    size: float,
    box: Box,
    *,
    bold: bool = False,
    owner: str = "",
    colour: str = INK,
    anchor: Anchor = "middle",
) -> Iterator[Label]:
    """Lines in the middle of a box, or at its right end."""
    x = box.right if anchor == "end" else box.cx
    step = LEADING * (1.1 if bold else 1.0)
    y = box.cy - step * (len(lines) - 1) / 2
    for line in lines:
        yield label(line, size, x, y, anchor=anchor, bold=bold, owner=owner, colour=colour)
        y += step
