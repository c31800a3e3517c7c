"""Values: one per state and time, shared by all nets that compute it the same way (rule 7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from graphnet.network.network import INPUT, Net, Network, Transition
from graphnet.planning.activity import Activity, Arrival, Node

Signature = tuple[object, ...]


class Source(NamedTuple):
    """An arrival and the numbers of the values it reads; -1 for the image."""

    arrival: Arrival
    reads: int
    first: int


@dataclass
class Value:
    """A state at a time, in one net or in several that agree. Without sources it is zeros.

    `reads` are the numbers of the values that its sources read, two per Source.
    """

    node: Node
    sources: tuple[Source, ...]
    reads: tuple[int, ...]
    net: Net
    name: str = ""


@dataclass(frozen=True)
class Values:
    """All values, and for each net: node → number of its value."""

    values: tuple[Value, ...]
    numbers: tuple[dict[Node, int], ...]

    def at(self, net: int, node: Node) -> Value:
        """The value of a state at a time in a net."""
        return self.values[self.numbers[net][node]]


def find_values(network: Network, activities: Sequence[Activity]) -> Values:
    """Number and name the values of every net; nets share equal values."""
    finder = _Finder(network)
    numbers = tuple(finder.number(net, activity) for net, activity in zip(network.nets, activities, strict=True))
    _name(finder.values)
    return Values(tuple(finder.values), numbers)


class _Finder:
    def __init__(self, network: Network) -> None:
        self.network = network
        self.values: list[Value] = []
        self.seen: dict[Signature, int] = {}
        self.kinds: dict[Signature, int] = {}
        self.kind_of: dict[int, int] = {}
        self.cells = Counter(each.place for net in network.nets for each in net.transitions)

    def number(self, net: Net, activity: Activity) -> dict[Node, int]:
        """Number the value of each populated node of one net."""
        mine: dict[Node, int] = {}
        for transition in net.transitions:
            self._know(transition)
        for node in activity.order:
            if node not in activity.populated:
                continue
            if node in activity.held:
                before = activity.held[node]
                mine[node] = mine.setdefault(before, self._value(before, (), net)) if before[1] < 0 else mine[before]
                continue
            arrivals = activity.firing[node]
            for reads in [arrival.reads for arrival in arrivals if arrival.reads not in mine]:
                if reads[0] != INPUT:  # zeros before t = 0 (rule 4)
                    mine[reads] = self._value(reads, (), net)
            numbers = [mine.get(arrival.reads, -1) for arrival in arrivals]
            first = [mine[arrival.first] if arrival.first else -1 for arrival in arrivals]
            mine[node] = self._value(node, tuple(map(Source, arrivals, numbers, first)), net)
        return mine

    def _value(self, node: Node, sources: tuple[Source, ...], net: Net) -> int:
        kinds = self.kind_of
        made_of = tuple([kinds[id(source.arrival.transition)] for source in sources])
        reads = tuple(chain.from_iterable([(number, first) for _, number, first in sources]))
        key = (node, made_of, reads)
        if key not in self.seen:
            self.seen[key] = len(self.values)
            self.values.append(Value(node, sources, reads, net))
        return self.seen[key]

    def _know(self, transition: Transition) -> None:
        """Number a transition's function; equal cells of different slabs get the same number."""
        content: Signature = (transition.place,)
        if self.cells[transition.place] > 1:
            content += (transition.function, transition.bindings)
        self.kind_of[id(transition)] = self.kinds.setdefault(content, len(self.kinds))


def _name(values: Sequence[Value]) -> None:
    """`h2_t3`; `h2_t4_T5` where nets differ; `h2_zeros` for the zeros before t = 0."""
    twins: dict[Node, list[Value]] = {}
    for value in values:
        twins.setdefault(value.node, []).append(value)
    for (state, t), same in twins.items():
        stem = state.replace(".", "_")
        for value in same:
            relative = f"_T{value.net.readouts[0]}" if len(same) > 1 else ""
            value.name = f"{stem}_t{t}{relative}" if t >= 0 else f"{stem}_zeros"
