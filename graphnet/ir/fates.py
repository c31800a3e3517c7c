"""What becomes of every cell of the matrix at every time, and warnings of those that come to nothing (rule 21)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphnet.errors import Fault
from graphnet.ir.activity import Activity, Arrival, Node
from graphnet.ir.network import INPUT, Network, Transition
from graphnet.ir.plan import IMAGE, Fate, Firing
from graphnet.ir.values import Values


def find_fates(network: Network, activities: Sequence[Activity], values: Values, keep_dead: bool) -> tuple[Firing, ...]:
    """Every cell at every time; where nets differ by T, the best that becomes of it in any of them."""
    best: dict[tuple[str, str, int], Firing] = {}
    order = list(Fate)
    for activity, numbers in zip(activities, values.numbers, strict=True):
        for node, arrivals in activity.arrivals.items():
            for arrival in arrivals:
                fate = _fate(activity, node, arrival, keep_dead)
                number = numbers.get(arrival.reads)
                reads = IMAGE if arrival.transition.source == INPUT else ""
                reads = reads if number is None else values.values[number].name
                firing = Firing(*arrival.transition.key, arrival.t, fate, reads, arrival.transition.text)
                old = best.setdefault(firing[:3], firing)
                if order.index(fate) < order.index(old.fate):
                    best[firing[:3]] = firing
    rank = network.rank
    return tuple(sorted(best.values(), key=lambda each: (each.t, rank[each.target], rank[each.source])))


REASONS = (Fate.EMPTY, Fate.WAITING, Fate.UNREAD)
"""Why a cell does not fire, from how early it fails to how late."""


def _fate(activity: Activity, node: Node, arrival: Arrival, keep_dead: bool) -> Fate:
    if arrival.reads not in activity.populated:
        return Fate.EMPTY
    if not activity.firing.get(node):
        return Fate.WAITING
    return Fate.FIRES if node in activity.needed or keep_dead else Fate.UNREAD


def warnings(transitions: Sequence[Transition], firings: Sequence[Firing]) -> Iterator[Fault]:
    """Cells that never fire, and cells that do not fire at a time that the spec names."""
    fates: dict[tuple[str, str], dict[int, Fate]] = {}
    for firing in firings:
        fates.setdefault((firing.source, firing.target), {})[firing.t] = firing.fate
    cells = {(each.path, each.key): each for each in transitions if each.kind == "cell"}
    for transition in cells.values():
        mine = {t: fate for t, fate in fates.get(transition.key, {}).items() if t in transition.times}
        dead = {t: fate for t, fate in mine.items() if fate is not Fate.FIRES}
        if len(dead) == len(mine):
            why = max(dead.values(), key=REASONS.index, default=None)
            what = f"this transition never fires: {why or 'its times are after the last readout'}"
        elif dead and not transition.open:
            t, why = next(iter(dead.items()))
            what = f"this transition does not fire at t = {t}: {why}"
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
