"""Flow panels into columns of equal height, like text on a page; a long panel continues in the next column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FEWEST, BACK, STEP = 3, 4, 6.0
"""Fewest rows of a piece; rows a break may move up to the start of a transition; growth of columns per try."""


@dataclass(frozen=True)
class Flowing:
    """A panel to break into pieces.

    Attributes:
        heads: height above the rows, in the first piece and in the others.
        rows: heights of the rows.
        named: heights of rows that name their transition, as the first one of a piece does.
        starts: the first row of each transition.
    """

    heads: tuple[float, float]
    rows: tuple[float, ...]
    named: tuple[float, ...]
    starts: frozenset[int]

    def height(self, first: int, end: int) -> float:
        """Height of the piece with rows first to end, exclusive."""
        return self.heads[first > 0] + sum(self.named[first : first + 1]) + sum(self.rows[first + 1 : end])

    def breaks(self, first: int, room: float) -> int:
        """End of the longest good piece from row `first` that fits the room; `first` if none does."""
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
    """Rows first to end (exclusive) of a panel, and the total height."""

    panel: int
    first: int
    end: int
    height: float


def flowed(panels: Sequence[Flowing], count: int, apart: float) -> list[list[Piece]]:
    """Arrange pieces top to bottom in at most `count` columns, as low as possible."""
    total = sum(each.height(0, len(each.rows)) for each in panels) + apart * (len(panels) - 1)
    tall = total / count
    while len(columns := _columns(panels, tall, apart)) > count:
        tall += STEP
    return columns


def _columns(panels: Sequence[Flowing], tall: float, apart: float) -> list[list[Piece]]:
    """Arrange pieces in columns no taller than `tall`, except for unbreakable pieces."""
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
