"""Warnings about cells that never fire, or do not fire at a time that the spec names (rule 21)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from graphnet.errors import MOST_LISTED, Fault, KeyPath
from graphnet.network.network import Transition
from graphnet.planning.plan import Fate, Firing

REASONS = (Fate.EMPTY, Fate.WAITING, Fate.UNREAD)
"""Reasons why a cell does not fire, from the earliest failure to the latest."""
TOO_LATE = "its times are after the last readout"
MOST_APART = 10
"""Above this many dead cells, one warning covers them all."""
FIX = "drop it, or change its times"


class _Dead(NamedTuple):
    """A cell that never fires, or does not fire at time t, and the reason."""

    cell: Transition
    why: str
    t: int | None

    @property
    def code(self) -> str:
        return "GN501" if self.t is None else "GN502"

    @property
    def when(self) -> str:
        return "" if self.t is None else f" at t = {self.t}"

    @property
    def what(self) -> str:
        return "this transition never fires" if self.t is None else "this transition does not fire"


def warnings(transitions: Sequence[Transition], firings: Sequence[Firing]) -> Iterator[Fault]:
    """Warn of cells that never fire, and of cells that do not fire at a time that the spec names.

    The instances of a part share one warning; so do all dead cells of a net that has many.
    """
    cells = list({(each.path, each.key): each for each in transitions if each.kind == "cell"}.values())
    instances = Counter(cell.path for cell in cells)
    found: defaultdict[tuple[str, KeyPath], list[_Dead]] = defaultdict(list)
    for dead in _dead(cells, firings):
        found[dead.code, dead.cell.path].append(dead)
    counts = Counter(code for code, path in found if not _is_of_part(path))
    many = {code for code, count in counts.items() if count > MOST_APART}
    for code in sorted(many):
        yield _summary([each for (one, path), same in found.items() if one == code for each in same], cells)
    for (code, path), same in found.items():
        if _is_of_part(path):
            yield _of_part(same, instances[path])
        elif code not in many:
            (dead,) = same
            yield _fault(path, dead, f"{dead.what}{dead.when}: {dead.why}", FIX)


def _dead(cells: Sequence[Transition], firings: Sequence[Firing]) -> Iterator[_Dead]:
    fates: defaultdict[tuple[str, str], list[Firing]] = defaultdict(list)
    for firing in firings:
        fates[firing[:2]].append(firing)
    last = firings[-1].t if firings else 0
    holding = {times: set(times.upto(last)) for times in {each.times for each in cells}}
    for cell in cells:
        times = holding[cell.times]
        mine = [each for each in fates[cell.key] if each.t in times]
        dead = [each for each in mine if each.fate is not Fate.FIRES]
        if len(dead) == len(mine):
            yield _Dead(cell, max((each.fate for each in dead), key=REASONS.index, default=TOO_LATE), None)
        elif dead and not cell.open:
            yield _Dead(cell, dead[0].fate, dead[0].t)


def _is_of_part(path: KeyPath) -> bool:
    return path[:1] == ("parts",)


def _fault(path: KeyPath, dead: _Dead, what: str, fix: str) -> Fault:
    return Fault(path, what, fix, on="key", severity="warning", code=dead.code)


def _of_part(same: Sequence[_Dead], instances: int) -> Fault:
    """One warning for all instances of a part's cell, listing those in which it is dead.

    Dropping a cell from a part drops it from all instances: if some need it, the advice is to block it in the others.
    """
    names: dict[tuple[str, str], list[str]] = {}
    for each in same:
        names.setdefault((each.when, each.why), []).append(f"'{each.cell.source.partition('.')[0]}'")
    where = "; ".join(f"in {listed(concerned)}{when}: {why}" for (when, why), concerned in names.items())
    first = same[0]
    fix = FIX
    if len(same) < instances or len({each.when for each in same}) > 1:
        block = f'"{first.cell.source}" = {{ "{first.cell.target}" = "-" }}'
        times = "" if first.t is None else f" with t = {first.t}"
        others = ", and the others likewise" if len(same) > 1 else ""
        fix = f"keep it for the rest, and block it here, in [[transitions]]{times}: {block}{others}"
    return _fault(first.cell.path, first, f"{first.what} {where}", fix)


def listed(names: Sequence[str]) -> str:
    """Join names as prose: `a, b and c`."""
    if len(names) > MOST_LISTED:
        return f"{', '.join(names[:MOST_LISTED])} and {len(names) - MOST_LISTED} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _summary(dead: Sequence[_Dead], cells: Sequence[Transition]) -> Fault:
    """One warning that lists all cells of the net that are dead in the same way."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for each in (each for each in dead if not _is_of_part(each.cell.path)):
        arrows.setdefault((each.when, each.why), []).append("->".join(each.cell.key))
    told = "; ".join(f"{', '.join(names)}{when}: {why}" for (when, why), names in arrows.items())
    count, total = sum(map(len, arrows.values())), sum(not _is_of_part(cell.path) for cell in cells)
    never = "never fire" if dead[0].t is None else "do not fire at a time that they name"
    what = f"{count} of {total} transitions {never}: {told}"
    fix = "drop them, or change their times; `graphnet plan` shows what fires when"
    return _fault(("transitions",), dead[0], what, fix)
