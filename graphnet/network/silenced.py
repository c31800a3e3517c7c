"""Warnings for cells that later slabs override completely: a pair of states has one arrow at a time (rule 7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from graphnet.errors import Fault, KeyPath, dotted
from graphnet.network.matrix import WrittenCell, holding
from graphnet.spec.notation.times import Times, union
from graphnet.spec.text.source import Located


@dataclass(frozen=True)
class Holding:
    """Times at which each cell holds, for some readout times with known constants."""

    constants: Mapping[str, int]
    times: Mapping[WrittenCell, Times]

    @classmethod
    def of(cls, entries: list[WrittenCell], constants: Mapping[str, int]) -> Holding:
        return cls(constants, holding(entries, constants))

    def is_silenced(self, cell: WrittenCell) -> bool:
        """Whether it has times, but other cells override all of them."""
        return not self.times[cell] and bool(cell.times(self.constants))


def silenced_faults(
    entries: Sequence[WrittenCell], holdings: Sequence[Holding], source: Located | None
) -> Iterator[Fault]:
    """Yield a warning for each cell that later slabs of the same file override completely, whatever the readout time.

    A spec may override the spec it extends, and a net may override its parts.
    """
    silenced = [each for each in entries if any(one.is_silenced(each) for one in holdings)]
    silenced = [each for each in silenced if not any(one.times[each] for one in holdings)]
    pairs: dict[object, list[WrittenCell]] = {(*_pair(each), _file(each, source)): [] for each in silenced}
    if pairs:
        for each in entries:
            if (key := (*_pair(each), _file(each, source))) in pairs:
                pairs[key].append(each)
    told: set[KeyPath] = set()
    for cell in silenced:
        alike = pairs[*_pair(cell), _file(cell, source)]
        takers = _takers(cell, alike[alike.index(cell) + 1 :], holdings)
        if takers and cell.path not in told:
            told.add(cell.path)
            yield _warning(cell, takers, source)


def _pair(cell: WrittenCell) -> tuple[object, ...]:
    """Return a cell's states and the path of its list of slabs, that of the net or of a part."""
    return cell.source, cell.target, cell.path[:-3]


def _file(cell: WrittenCell, source: Located | None) -> str | None:
    return _fault(cell, "", source).file


def _takers(cell: WrittenCell, later: Sequence[WrittenCell], holdings: Sequence[Holding]) -> list[WrittenCell]:
    """Return the later cells that override all its times; none if some time is left."""
    takers: list[WrittenCell] = []
    for constants in (one.constants for one in holdings):
        times = cell.times(constants)
        taking = [each for each in later if times.both(each.times(constants))]
        if times.minus(union(each.times(constants) for each in taking)):
            return []
        takers += taking
    return list(dict.fromkeys(takers))


def _warning(cell: WrittenCell, takers: Sequence[WrittenCell], source: Located | None) -> Fault:
    first, *others = [_place(each, source) for each in takers]
    more = f" and {len(others)} more" if len(others) > 1 else f" and {others[0]}" if others else ""
    what = f"this transition holds at no time: {first}{more} {'override' if others else 'overrides'} it"
    return _fault(cell, what, source)


def _place(cell: WrittenCell, source: Located | None) -> str:
    """Format a cell and its place in the text."""
    found = _fault(cell, "", source)
    return dotted(cell.path) + (f" ({found.file}:{found.line}:{found.column})" if found.line else "")


def _fault(cell: WrittenCell, what: str, source: Located | None) -> Fault:
    fix = "drop it, or give each of them separate times"
    fault = Fault(cell.path, what, fix, on="key", severity="warning", code="GN509")
    return source.locate(fault) if source else fault
