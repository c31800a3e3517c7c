"""What becomes of every cell of the matrix at every time, and warnings of those that come to nothing (rule 21)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphnet.errors import Fault
from graphnet.ir.activity import Activity, Node
from graphnet.ir.network import INPUT, Network, Transition
from graphnet.ir.plan import IMAGE, Fate, Firing
from graphnet.ir.values import Values


def find_fates(network: Network, activities: Sequence[Activity], values: Values, keep_dead: bool) -> tuple[Firing, ...]:
    """Every cell at every time; where nets differ by T, the best that becomes of it in any of them."""
    best: dict[tuple[str, str, int], Firing] = {}
    order = {fate: number for number, fate in enumerate(Fate)}
    for activity, numbers in zip(activities, values.numbers, strict=True):
        for node, arrivals in activity.arrivals.items():
            at_best = _fate_of(activity, node, keep_dead)
            for transition, t, reads, _ in arrivals:
                fate = at_best if reads in activity.populated else Fate.EMPTY
                number = numbers.get(reads)
                read = values.values[number].name if number is not None else IMAGE if reads[0] == INPUT else ""
                source, target = transition.key
                old = best.get((source, target, t))
                if old is None or order[fate] < order[old.fate]:
                    best[source, target, t] = Firing(source, target, t, fate, read, transition.text)
    rank = network.rank
    return tuple(sorted(best.values(), key=lambda each: (each.t, rank[each.target], rank[each.source])))


REASONS = (Fate.EMPTY, Fate.WAITING, Fate.UNREAD)
"""Why a cell does not fire, from how early it fails to how late."""


def _fate_of(activity: Activity, node: Node, keep_dead: bool) -> Fate:
    """What becomes of the arrows into a node whose sources are populated."""
    if not activity.firing.get(node):
        return Fate.WAITING
    return Fate.FIRES if node in activity.needed or keep_dead else Fate.UNREAD


def warnings(transitions: Sequence[Transition], firings: Sequence[Firing]) -> Iterator[Fault]:
    """Cells that never fire, and cells that do not fire at a time that the spec names."""
    fates: dict[tuple[str, str], list[Firing]] = {}
    for firing in firings:
        fates.setdefault(firing[:2], []).append(firing)
    cells = {(each.path, each.key): each for each in transitions if each.kind == "cell"}
    for transition in cells.values():
        mine = [each for each in fates.get(transition.key, ()) if each.t in transition.times]
        dead = [each for each in mine if each.fate is not Fate.FIRES]
        if len(dead) == len(mine):
            why = max((each.fate for each in dead), key=REASONS.index, default=None)
            what = f"this transition never fires: {why or 'its times are after the last readout'}"
        elif dead and not transition.open:
            what = f"this transition does not fire at t = {dead[0].t}: {dead[0].fate}"
        else:
            continue
        yield Fault(
            transition.path,
            what,
            "drop it, or change its times",
            on="key",
            severity="warning",
            code="GN501" if len(dead) == len(mine) else "GN502",
        )
