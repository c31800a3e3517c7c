"""Rows of panels, flowed into columns of equal height as text is on a page; a long panel goes on in the next column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FEWEST, BACK, STEP = 3, 4, 6.0
"""Rows that stand together at least; how far a break moves up to the start of a transition; how columns grow."""


@dataclass(frozen=True)
class Flowing:
    """A panel to be broken into pieces.

    Attributes:
        heads: the height of what stands above the rows, in the first piece and in the others.
        rows: their heights.
        named: their heights where they name their transition, as the first one of a piece does.
        starts: the rows that are the first of their transition.
    """

    heads: tuple[float, float]
    rows: tuple[float, ...]
    named: tuple[float, ...]
    starts: frozenset[int]

    def height(self, first: int, end: int) -> float:
        """The height of the piece with the rows from first up to end."""
        return self.heads[first > 0] + sum(self.named[first : first + 1]) + sum(self.rows[first + 1 : end])

    def breaks(self, first: int, room: float) -> int:
        """The end of the piece from row first on that fits the room; `first` if no good one does."""
        count = len(self.rows)
        if self.height(first, count) <= room:
            return count
        used, end = self.height(first, first + 1), first + 1
        while end < count and used + self.rows[end] <= room:
            used += self.rows[end]
            end += 1
        end = min(end, count - FEWEST)
        near = [row for row in self.starts if max(end - BACK, first + FEWEST) <= row <= end]
        end = max(near, default=end)
        return end if end >= first + FEWEST else first


@dataclass(frozen=True)
class Piece:
    """Rows of a panel, by numbers, from first up to end; and the height of all that stands there."""

    panel: int
    first: int
    end: int
    height: float


def flowed(panels: Sequence[Flowing], count: int, apart: float) -> list[list[Piece]]:
    """Pieces, top to bottom and left to right, in so many columns at most, as low as they can be."""
    total = sum(each.height(0, len(each.rows)) for each in panels) + apart * (len(panels) - 1)
    tall = total / count
    while len(columns := _columns(panels, tall, apart)) > count:
        tall += STEP
    return columns


def _columns(panels: Sequence[Flowing], tall: float, apart: float) -> list[list[Piece]]:
    """Pieces in columns that are no taller than `tall`, but for what cannot be broken."""
    columns: list[list[Piece]] = [[]]
    left = tall
    for number, each in enumerate(panels):
        first, count = 0, len(each.rows)
        while first < count:
            end = each.breaks(first, left)
            if end == first and columns[-1]:
                columns.append([])
                left = tall
                continue
            if end == first:  # too tall for any column
                end = min(count, first + FEWEST)
            columns[-1].append(Piece(number, first, end, each.height(first, end)))
            left = left - columns[-1][-1].height - apart if end == count else 0.0
            first = end
    return columns
