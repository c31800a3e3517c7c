"""The fate of every cell of the matrix at every time (rule 21)."""

from __future__ import annotations

from collections.abc import Sequence

from graphnet.network.network import INPUT, Network
from graphnet.planning.activity import Activity, Node
from graphnet.planning.plan import IMAGE, Fate, Firing
from graphnet.planning.values import Values


def find_fates(network: Network, activities: Sequence[Activity], values: Values, keep_dead: bool) -> tuple[Firing, ...]:
    """Every cell at every time; where nets differ by T, its best fate in any of them."""
    best: dict[Node, dict[str, Firing]] = {}
    order = {fate: number for number, fate in enumerate(Fate)}
    for activity, numbers in zip(activities, values.numbers, strict=True):
        names = {node: values.values[number].name for node, number in numbers.items()}
        names |= {node: IMAGE for node in activity.populated if node[0] == INPUT}
        for node, arrivals in activity.arrivals.items():
            at_best = _fate_of(activity, node, keep_dead)
            mine = best.setdefault(node, {})
            for transition, t, reads, _ in arrivals:
                source = transition.source
                fate = at_best if reads in activity.populated else Fate.EMPTY
                if source not in mine or order[fate] < order[mine[source].fate]:
                    mine[source] = Firing(source, node[0], t, fate, names.get(reads, ""), transition.text)
    rank = network.rank
    ordered = [best[node] for node in sorted(best, key=lambda node: (node[1], rank[node[0]]))]
    return tuple([mine[source] for mine in ordered for source in sorted(mine, key=rank.__getitem__)])


def _fate_of(activity: Activity, node: Node, keep_dead: bool) -> Fate:
    """The fate of the arrows into a node from populated sources."""
    if not activity.firing.get(node):
        return Fate.WAITING
    return Fate.FIRES if node in activity.needed or keep_dead else Fate.UNREAD
