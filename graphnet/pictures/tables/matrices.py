"""Plan → transition matrices: one for all times, unless its cells would be hard to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from graphnet.network.network import INPUT, LOGITS
from graphnet.pictures.captions import times_text
from graphnet.planning.plan import Fate, Firing, Plan

Ends = tuple[str, str]
"""Source and target of a transition, by name."""

MOST_TEXTS, LONGEST_TIMES = 3, 24
"""Limits of a readable cell: number of texts, and letters of one text's times."""


@dataclass(frozen=True)
class MatrixCell:
    """A matrix cell: its functions, with times unless they always hold, and whether it ever fires."""

    texts: tuple[str, ...]
    fires: bool


@dataclass(frozen=True)
class Matrix:
    """The transition matrix at some times, between states by name."""

    times: tuple[int, ...]
    entries: Mapping[Ends, MatrixCell]


@dataclass
class _Sheet:
    """A matrix under construction: its times, the times of each cell's functions, and the cells that fire."""

    times: set[int] = field(default_factory=set)
    cells: dict[Ends, dict[str, set[int]]] = field(default_factory=dict)
    firing: set[Ends] = field(default_factory=set)

    def joined(self, other: _Sheet) -> _Sheet:
        """Merge two matrices."""
        cells = {ends: dict(texts) for ends, texts in self.cells.items()}
        for ends, texts in other.cells.items():
            here = cells.setdefault(ends, {})
            for text, times in texts.items():
                here[text] = here.get(text, set()) | times
        return _Sheet(self.times | other.times, cells, self.firing | other.firing)

    @property
    def readable(self) -> bool:
        """Whether every cell is within the limits."""
        return all(
            len(texts) <= MOST_TEXTS
            and all(times == self.times or len(times_text(times)) <= LONGEST_TIMES for times in texts.values())
            for texts in self.cells.values()
        )

    def finished(self, rank: Mapping[str, int]) -> Matrix:
        entries = {
            ends: MatrixCell(tuple(self._text(*each) for each in self.cells[ends].items()), ends in self.firing)
            for ends in sorted(self.cells, key=lambda ends: (rank[ends[0]], rank[ends[1]]))
        }
        return Matrix(tuple(sorted(self.times)), entries)

    def _text(self, text: str, times: set[int]) -> str:
        return text if times == self.times else f"{text} at t = {times_text(times)}"


def matrices(plan: Plan) -> list[Matrix]:
    """Return the matrices of a net in order of their first time, without times that have no transitions.

    Matrices of different times are merged, with times in their cells, as long as they stay readable.
    """
    found: list[_Sheet] = []
    for sheet in _constant(plan):
        joined = found[-1].joined(sheet) if found else sheet
        found[-1:] = [joined] if joined.readable else [*found[-1:], sheet]
    rank = {area.name: number for number, area in enumerate(plan.areas)}
    return [sheet.finished(rank) for sheet in found]


def _constant(plan: Plan) -> list[_Sheet]:
    """One matrix for each set of times with the same matrix."""
    delays: dict[tuple[str, str, str], dict[int, None]] = {}
    for cell in plan.cells:
        delays.setdefault((cell.source, cell.target, cell.ops), {})[cell.delay] = None
    found: dict[frozenset[tuple[Ends, str]], _Sheet] = {}
    for t, now in groupby(plan.firings, key=lambda firing: firing.t):
        inner = [each for each in now if each.source != INPUT and each.target != LOGITS]
        texts = [
            ((each.source, each.target), _text(each, tuple(delays.get((each.source, each.target, each.ops), ()))))
            for each in inner
        ]
        if texts:
            sheet = found.setdefault(frozenset(texts), _Sheet(cells={ends: {} for ends, _ in texts}))
            sheet.times.add(t)
            sheet.firing |= {(each.source, each.target) for each in inner if each.fate is Fate.FIRES}
            for ends, text in texts:
                sheet.cells[ends].setdefault(text, sheet.times)
    return list(found.values())


def _text(firing: Firing, delays: Sequence[int]) -> str:
    """The function, with its delay unless that is 1."""
    return firing.ops if tuple(delays) in ((), (1,)) else f"{firing.ops}, delay {' or '.join(map(str, delays))}"
