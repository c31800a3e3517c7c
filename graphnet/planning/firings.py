"""What becomes of every cell of the matrix at every time, and warnings of those that come to nothing (rule 21)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from graphnet.errors import Fault
from graphnet.network.network import INPUT, Network, Transition
from graphnet.planning.activity import Activity, Node
from graphnet.planning.plan import IMAGE, Fate, Firing
from graphnet.planning.values import Values


def find_fates(network: Network, activities: Sequence[Activity], values: Values, keep_dead: bool) -> tuple[Firing, ...]:
    """Every cell at every time; where nets differ by T, the best that becomes of it in any of them."""
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


REASONS = (Fate.EMPTY, Fate.WAITING, Fate.UNREAD)
"""Why a cell does not fire, from how early it fails to how late."""


def _fate_of(activity: Activity, node: Node, keep_dead: bool) -> Fate:
    """What becomes of the arrows into a node whose sources are populated."""
    if not activity.firing.get(node):
        return Fate.WAITING
    return Fate.FIRES if node in activity.needed or keep_dead else Fate.UNREAD


def warnings(transitions: Sequence[Transition], firings: Sequence[Firing]) -> Iterator[Fault]:
    """Cells that never fire, and cells that do not fire at a time that the spec names."""
    fates: defaultdict[tuple[str, str], list[Firing]] = defaultdict(list)
    for firing in firings:
        fates[firing[:2]].append(firing)
    last = firings[-1].t if firings else 0
    cells = {(each.path, each.key): each for each in transitions if each.kind == "cell"}.values()
    holding = {times: set(times.upto(last)) for times in {each.times for each in cells}}
    for transition in cells:
        times = holding[transition.times]
        mine = [each for each in fates[transition.key] if each.t in times]
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
