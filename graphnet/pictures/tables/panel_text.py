"""Text layout of panels: column widths, line breaks, positions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from graphnet.pictures.captions import SMALL, TEXT, TINY
from graphnet.pictures.elements import INK, PALE, Label, Node, label, text_width, wrapped
from graphnet.pictures.tables.columns import Flowing, Piece
from graphnet.pictures.tables.steps import Panel, Row

LEADING, PAD, TAB = 1.3, 5.0, 6.0
"""Distance of lines, in text sizes; padding of panels; room between columns."""

MOST_MADE = 3
"""Most lines for the values that a step makes."""

HEADS = ("transition", "op", "shape", "parameters", "FLOPs")
WORDS, NUMBERS = (0, 1), (3, 4)
"""Columns that wrap if there is no room, and columns aligned right."""

LEAST = 24.0
"""Least width of a column of words."""


@dataclass(frozen=True)
class Look:
    """Text sizes, and the column widths of all panels."""

    small: float
    head: float
    widths: tuple[float, ...] = ()

    @property
    def inner(self) -> float:
        """The width of a panel's text."""
        return sum(self.widths) + TAB * (len(self.widths) - 1)

    @property
    def outer(self) -> float:
        """The width of a panel."""
        return self.inner + 2 * PAD

    @property
    def line(self) -> float:
        """The height of a line."""
        return LEADING * self.small

    def starts(self) -> Iterator[float]:
        """The x where each column begins, or ends if it is aligned right."""
        left = 0.0
        for k, width in enumerate(self.widths):
            yield left + width if k in NUMBERS else left
            left += width + TAB


LOOKS = (Look(SMALL, TEXT), Look(TINY, SMALL))
"""Normal and small; the small one if columns need it."""


def _cells(row: Row) -> tuple[str, ...]:
    """The texts of a row's columns; a transition breaks before its arrow, an op never before a number."""
    place, op = row.place.replace("→ ", "→\u00a0"), re.sub(r" (?=\d)", "\u00a0", row.op)
    return place, op, row.shape, row.parameters, row.flops


@dataclass(frozen=True)
class Tables:
    """Text of panels."""

    panels: Sequence[Panel]

    @cached_property
    def _texts(self) -> list[list[str]]:
        """The texts of each column, without repeats."""
        rows = [HEADS, *(_cells(row) for panel in self.panels for row in panel.rows)]
        return [list(dict.fromkeys(column)) for column in zip(*rows, strict=True)]

    def _natural(self, look: Look) -> list[float]:
        """Column widths if no text is broken."""
        return [max(text_width(text, look.small) for text in column) for column in self._texts]

    def fitted(self, inner: float) -> Look | None:
        """The first look whose columns fit the width, with breaks between words if necessary."""
        for look in LOOKS:
            widths = self._natural(look)
            over = sum(widths) + TAB * (len(widths) - 1) - inner
            words = [[word for text in self._texts[k] for word in text.split(" ")] for k in WORDS]
            spare = [
                widths[k] - max(text_width(word, look.small) for word in column)
                for k, column in zip(WORDS, words, strict=True)
            ]
            if over <= 0:
                return replace(look, widths=tuple(widths))
            if look is LOOKS[-1] and over <= sum(spare):
                for k, each in zip(WORDS, spare, strict=True):
                    widths[k] -= over * each / sum(spare)
                return replace(look, widths=tuple(widths))
        return None

    def squeezed(self, inner: float) -> Look:
        """The smallest look with breaks within words, to fit the width if possible."""
        look = LOOKS[-1]
        widths = self._natural(look)
        room = inner - TAB * (len(widths) - 1) - sum(width for k, width in enumerate(widths) if k not in WORDS)
        first, second = (widths[k] for k in WORDS)
        narrow = max(min(first, room / 2), room - second, LEAST)
        widths[:2] = narrow, max(min(second, room - narrow), LEAST)
        return replace(look, widths=tuple(widths))

    def flowing(self, look: Look) -> list[Flowing]:
        """The panels with the heights of their rows, for columns."""
        return [self._flowing(panel, look) for panel in self.panels]

    def _flowing(self, panel: Panel, look: Look) -> Flowing:
        above = len(_title(panel, look, False)) * LEADING * look.head + look.line * len(_made(panel, look)) + 2
        again = len(_title(panel, look, True)) * LEADING * look.head + 2
        below = _height(_broken(HEADS, look), look) + 2 * PAD
        heads = above + below, again + below
        starts = frozenset(k for k, row in enumerate(panel.rows) if not k or row.place != panel.rows[k - 1].place)
        named = tuple(_height(_broken(_cells(row), look), look) for row in panel.rows)
        plain = (_height(_broken(_cells(row), look)[1:], look) for row in panel.rows)
        rows = tuple(named[k] if k in starts else height for k, height in enumerate(plain))
        return Flowing(heads, rows, named, starts)

    def texts(self, piece: Piece, look: Look, node: Node) -> Iterator[Label]:
        """The labels of a piece of a panel in its box."""
        panel = self.panels[piece.panel]
        x, y = node.box.x + PAD, node.box.y + PAD
        for text in _title(panel, look, piece.first > 0):
            yield label(text, look.head, x, y + LEADING * look.head / 2, bold=True, owner=node.name)
            y += LEADING * look.head
        y += look.line / 2
        for text in () if piece.first else _made(panel, look):
            yield label(text, look.small, x, y, colour=PALE, owner=node.name)
            y += look.line
        y += 2
        heads = _broken(HEADS, look)
        yield from _row(heads, look, x, y, node, PALE)
        y += _height(heads, look)
        place = ""
        for row in panel.rows[piece.first : piece.end]:
            cells = _broken(_cells(row), look)
            cells[:1] = cells[:1] if row.place != place else [[]]
            yield from _row(cells, look, x, y, node, INK)
            y += _height(cells, look)
            place = row.place


def _title(panel: Panel, look: Look, continued: bool) -> list[str]:
    text = f"{panel.title}{', continued' if continued else ''}"
    return wrapped(text, look.head, look.inner, bold=True)


def _made(panel: Panel, look: Look) -> list[str]:
    return wrapped(f"makes {', '.join(panel.makes)}", look.small, look.inner, most=MOST_MADE) if panel.makes else []


def _height(cells: Sequence[Sequence[str]], look: Look) -> float:
    return look.line * max(map(len, cells))


def _broken(cells: Sequence[str], look: Look) -> list[list[str]]:
    """The cells of a row in lines."""
    columns = enumerate(zip(cells, look.widths, strict=True))
    return [wrapped(text, look.small, width + 0.01) if k in WORDS else [text] for k, (text, width) in columns]


def _row(cells: Sequence[Sequence[str]], look: Look, x: float, y: float, node: Node, colour: str) -> Iterator[Label]:
    for k, (lines, start) in enumerate(zip(cells, look.starts(), strict=True)):
        for number, text in enumerate(lines):
            if text:
                anchor = "end" if k in NUMBERS else "start"
                where = x + start, y + number * look.line
                yield label(text, look.small, *where, anchor=anchor, owner=node.name, colour=colour)  # type: ignore[arg-type]
