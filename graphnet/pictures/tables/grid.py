"""Layout of transition matrices as grids: column widths, line breaks, positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from graphnet.pictures.captions import MOST_LINES, SMALL, TEXT, TINY, row_names, times_text, unbroken
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
    label,
    text_width,
    wrapped,
)
from graphnet.pictures.states import arrivals, computed_texts
from graphnet.pictures.tables.matrices import Ends, Matrix, MatrixCell, matrices
from graphnet.planning.plan import Plan

WIDEST, NARROWEST, PAD = 108.0, 20.0, 4.0
"""Widest text before it is broken; narrowest column; room around text."""

LEADING, LONGEST = 1.27, 12
"""Distance of lines, in text sizes; most lines of a cell."""

CORNER, FOOT = "from\u00a0↓ to\u00a0→", "merge, update"


class Look(NamedTuple):
    """Text sizes of functions and of state names."""

    small: float
    head: float


LOOKS = (Look(SMALL, TEXT), Look(TINY, SMALL))
"""Normal and small; the small one if columns need it."""


@dataclass(frozen=True)
class Sheet:
    """Content of a net's grids.

    Attributes:
        names: of the states, for rows and columns.
        matrices: each drawn as one grid, or several below each other.
        feet: merge and update of each state, if worth showing.
        places: of the transitions, for the picture's data.
    """

    names: dict[str, str]
    matrices: list[Matrix]
    feet: dict[str, str]
    places: dict[Ends, str]

    @classmethod
    def of(cls, plan: Plan) -> Sheet:
        names, arriving = row_names(plan), arrivals(plan)
        texts = {area.name: ", ".join(computed_texts(area, arriving.get(area.name, 0))) for area in plan.areas}
        return cls(
            {area.name: names[area.name] for area in plan.areas},
            matrices(plan),
            {name: text for name, text in texts.items() if text},
            {(cell.source, cell.target): cell.place for cell in plan.cells},
        )

    @cached_property
    def columns(self) -> dict[str, list[str]]:
        """All texts in the column of each state, except its name."""
        found: dict[str, dict[str, None]] = {name: {} for name in self.names}
        for matrix in self.matrices:
            for (_, target), entry in matrix.entries.items():
                found[target] |= dict.fromkeys(map(unbroken, entry.texts))
        for name, text in self.feet.items():
            found[name][text] = None
        return {name: list(texts) for name, texts in found.items()}

    def side(self, look: Look, most: float) -> float:
        """The width of the row names, at most `most`."""
        texts = [*((name, look.head, True) for name in self.names.values()), (CORNER, look.small, False)]
        texts += [(FOOT, look.small, False)] if self.feet else []
        room = min(WIDEST, most - 3 * PAD)
        bold = [line for text, size, heavy in texts if heavy for line in wrapped(text, size, room, bold=True)]
        others = [word for text, *_ in texts[len(self.names) :] for word in text.split(" ")]
        widths = [text_width(line, look.head, bold=True) for line in bold]
        return max([*widths, *(min(text_width(word, look.small), room) for word in others)]) + 3 * PAD

    def widths(self, look: Look, cap: float, words: bool) -> dict[str, float]:
        """Column widths if text is broken at `cap`; `words` forbids breaks within words."""
        return {name: self._width(name, look, cap, words) for name in self.names}

    def _width(self, name: str, look: Look, cap: float, words: bool) -> float:
        texts, head = self.columns[name], self.names[name]
        if words:
            longest = [text_width(word, look.small) for text in texts for word in text.split(" ")]
            longest += [text_width(word, look.head, bold=True) for word in head.split(" ")]
            cap = max(cap, min(WIDEST, max(longest, default=0.0)))
        lines = [text_width(line, look.small) for text in texts for line in wrapped(text, look.small, cap)]
        heads = [text_width(line, look.head, bold=True) for line in wrapped(head, look.head, cap, bold=True)]
        return max([NARROWEST, *lines, *heads]) + 2 * PAD


@dataclass(frozen=True)
class Block:
    """Columns side by side, and their look; `whole` if the block has all columns."""

    look: Look
    side: float
    columns: dict[str, float]
    whole: bool

    @property
    def width(self) -> float:
        return self.side + sum(self.columns.values())


def blocks(sheet: Sheet, room: float) -> list[Block]:
    """Fit the columns to the room: one block if no word has to break, else blocks of equal width."""
    for look in LOOKS:
        side = sheet.side(look, room / 3)
        for cap in range(int(WIDEST), int(NARROWEST), -4):
            block = Block(look, side, sheet.widths(look, cap, words=True), True)
            if block.width <= room:
                return [block]
    look = LOOKS[0]
    side = sheet.side(look, room / 3)
    widths = sheet.widths(look, max(min(WIDEST, room - side - 2 * PAD), NARROWEST), words=False)
    count = len(_packed(widths, room - side))
    most = max(widths.values())
    while len(_packed(widths, most)) > count:
        most += PAD
    return [Block(look, side, dict(columns), count == 1) for columns in _packed(widths, most)]


def _packed(widths: dict[str, float], room: float) -> list[list[tuple[str, float]]]:
    """Fill lines with columns from left to right, as many as there is room for."""
    packed: list[list[tuple[str, float]]] = []
    left = -1.0
    for name, width in widths.items():
        if width > left or not packed:
            packed.append([])
            left = room
        packed[-1].append((name, width))
        left -= width
    return packed


def grids_of(sheet: Sheet, room: float) -> list[Grid]:
    """The grids of a net in order, none wider than the room if possible."""
    found = blocks(sheet, room)
    return [Grid(sheet, matrix, block, block is not found[0]) for matrix in sheet.matrices for block in found]


class Grid:
    """A matrix, or some of its columns, with row sizes. A partial block has no empty rows."""

    def __init__(self, sheet: Sheet, matrix: Matrix, block: Block, continued: bool) -> None:
        self.sheet, self.matrix, self.block, self.look = sheet, matrix, block, block.look
        self.entries = {ends: entry for ends, entry in matrix.entries.items() if ends[1] in block.columns}
        read = {source for source, _ in self.entries}
        self.states = [name for name in sheet.names if block.whole or name in read]
        self.title = f"t = {times_text(matrix.times)}{', continued' if continued else ''}"
        self.titles = wrapped(self.title, self.look.head, max(block.width, 100.0), bold=True)
        self.feet = any(name in sheet.feet for name in block.columns)
        self.top = self._height([*map(self._head, block.columns)], [CORNER.split(" ")])
        self.rows = [self._row(source) for source in self.states]
        self.foot = self._height([], [FOOT.split(" "), *map(self._foot, block.columns)]) + PAD if self.feet else 0.0
        self.width = max([block.width, *(text_width(line, self.look.head, True) for line in self.titles)])
        self.height = len(self.titles) * 1.3 * self.look.head + 2 + self.top + sum(self.rows) + self.foot

    def _head(self, name: str) -> list[str]:
        width = self.block.columns[name] - 2 * PAD + 0.01
        return wrapped(self.sheet.names[name], self.look.head, width, bold=True, most=MOST_LINES)

    def _side(self, name: str) -> list[str]:
        width = self.block.side - 3 * PAD + 0.01
        return wrapped(self.sheet.names[name], self.look.head, width, bold=True, most=MOST_LINES)

    def _cell(self, ends: Ends) -> list[str]:
        width = self.block.columns[ends[1]] - 2 * PAD + 0.01
        lines = (wrapped(unbroken(text), self.look.small, width, most=LONGEST) for text in self.entries[ends].texts)
        return [line for each in lines for line in each]

    def _foot(self, name: str) -> list[str]:
        return wrapped(self.sheet.feet.get(name, ""), self.look.small, self.block.columns[name] - 2 * PAD + 0.01)

    def _row(self, source: str) -> float:
        return self._height([self._side(source)], [self._cell(ends) for ends in self.entries if ends[0] == source])

    def _height(self, heads: Sequence[Sequence[str]], texts: Sequence[Sequence[str]]) -> float:
        most = max((len(lines) for lines in texts), default=1) * self.look.small
        return max([most, *(len(lines) * self.look.head for lines in heads)]) * LEADING + 2 * PAD

    def draw(self, x: float, y: float, number: int) -> tuple[list[Node], list[Label]]:
        """Draw cells and labels from the upper left corner x, y; cell numbers continue from `number`."""
        blanks: list[Node] = []
        nodes: list[Node] = []
        labels: list[Label] = []
        for line in self.titles:
            y += 1.3 * self.look.head
            labels.append(label(line, self.look.head, x, y - 0.65 * self.look.head, bold=True))
        y += 2
        side = self.block.side
        labels += _block(CORNER.split(" "), self.look.small, Box(x, y, side - 2 * PAD, self.top), "end", colour=PALE)
        for name, box in self._boxes(x, y, self.top):
            labels += _block(self._head(name), self.look.head, box, bold=True)
        y += self.top
        for source, height in zip(self.states, self.rows, strict=True):
            room = Box(x, y, side - 2 * PAD, height)
            labels += _block(self._side(source), self.look.head, room, "end", bold=True)
            for target, box in self._boxes(x, y, height):
                name = f"cell{number + len(blanks) + len(nodes)}"
                entry = self.entries.get((source, target))
                if entry is None:
                    blanks.append(Node(name, box, "", kind="blank", fill=FILL, frame=FAINT, radius=0))
                else:
                    nodes.append(self._node((source, target), entry, box, name))
                    colour = INK if entry.fires else PALE
                    labels += _block(self._cell((source, target)), self.look.small, box, owner=name, colour=colour)
            y += height
        if self.feet:
            feet, texts = self._draw_feet(x, y + PAD, number + len(blanks) + len(nodes))
            nodes += feet
            labels += texts
        return [*blanks, *nodes], labels

    def _boxes(self, x: float, y: float, height: float) -> Iterator[tuple[str, Box]]:
        """A row of boxes, one per column."""
        left = x + self.block.side
        for name, width in self.block.columns.items():
            yield name, Box(left, y, width, height)
            left += width

    def _draw_feet(self, x: float, y: float, number: int) -> tuple[list[Node], list[Label]]:
        """The row below the matrix: merges and updates of the states."""
        height = self.foot - PAD
        room = Box(x, y, self.block.side - 2 * PAD, height)
        labels = [*_block(FOOT.split(" "), self.look.small, room, "end", colour=PALE)]
        nodes: list[Node] = []
        for name, box in self._boxes(x, y, height):
            nodes.append(Node(f"cell{number + len(nodes)}", box, "", kind="foot", fill=PAPER, frame=FAINT, radius=0))
            labels += _block(self._foot(name), self.look.small, box, owner=nodes[-1].name)
        return nodes, labels

    def _node(self, ends: Ends, entry: MatrixCell, box: Box, name: str) -> Node:
        facts = (("source", ends[0]), ("target", ends[1]), ("place", self.sheet.places[ends]))
        title = f"{' → '.join(ends)}, t = {times_text(self.matrix.times)}: {'; '.join(entry.texts)}"
        return Node(name, box, title, kind="cell", facts=facts, fill=PAPER, frame=PALE, radius=0)


def _block(
    lines: Sequence[str],
    size: float,
    box: Box,
    anchor: Anchor = "middle",
    *,
    bold: bool = False,
    owner: str = "",
    colour: str = INK,
) -> Iterator[Label]:
    """Lines of text centred in a box, or at its right end."""
    x = box.right if anchor == "end" else box.cx
    y = box.cy - LEADING * size * (len(lines) - 1) / 2
    for line in lines:
        yield label(line, size, x, y, anchor=anchor, bold=bold, owner=owner, colour=colour)
        y += LEADING * size
