"""The time-expanded graph: which states hold a value when, and which values a readout needs (rules 3 to 6, 21)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from graphnet.errors import Fault
from graphnet.network.functions.ops import NEEDS_ALL, Shape
from graphnet.network.network import INPUT, Net, Network, State, Transition
from graphnet.spec.notation.times import Times, times_at

Node = tuple[str, int]
"""A state at a time."""


class Arrival(NamedTuple):
    """A transition at one of its times: the node it reads, and the state's first value if I0 adds that."""

    transition: Transition
    t: int
    reads: Node
    first: Node | None = None


@dataclass(frozen=True)
class Activity:
    """Signal flow through one net, time by time.

    Attributes:
        order: every node that has arrivals or holds, each after all that it reads.
        arrivals: the active arrows into a node, sources in the order of the spec.
        firing: the arrows into a populated node from populated sources; none if the node is held or zeros.
        held: held node → the earlier node whose value it keeps.
        populated: the nodes with a value.
        needed: the populated nodes that a readout depends on.
    """

    order: tuple[Node, ...]
    arrivals: dict[Node, list[Arrival]]
    firing: dict[Node, list[Arrival]]
    held: dict[Node, Node]
    populated: frozenset[Node]
    needed: frozenset[Node]


class ZeroDelayCycle(Exception):  # noqa: N818 - turned into a Fault by the caller, who knows the spec
    """Raised when arrows without delay form a cycle."""

    def __init__(self, arrivals: list[Arrival]) -> None:
        super().__init__(" → ".join([arrivals[0].transition.source, *(a.transition.target for a in arrivals)]))
        self.arrivals = arrivals


def trace(network: Network, net: Net, last: int) -> Activity:
    """Follow the signals through the times 0 to `last`. Raises ZeroDelayCycle."""
    states = network.states
    rank = network.rank
    arrivals = _arrivals(sorted(net.transitions, key=lambda each: rank[each.source]), last)
    order = _order(net, arrivals, states, last, rank)
    functions = {id(transition.function): transition for transition in net.transitions}
    adds_first = any(transition.adds_first for transition in functions.values())
    populated = {(INPUT, t) for t in network.input_times.upto(last)}
    populated |= {(state.name, -1) for state in states if state.zeros}
    firing: dict[Node, list[Arrival]] = {}
    held: dict[Node, Node] = {}
    first: dict[str, Node] = {}
    for node in order:
        name, t = node
        live = [arrival for arrival in arrivals.get(node, ()) if arrival.reads in populated]
        state = network.state(name)
        if state and state.merge in NEEDS_ALL and len(live) < len(arrivals.get(node, ())):
            live = []
        holds = state is not None and state.hold and (name, t - 1) in populated
        if live or holds or (state and state.zeros):
            populated.add(node)
            if holds and not live:
                held[node] = (name, t - 1)
            if adds_first:
                live = [_with_first(arrival, first.get(name)) for arrival in live]
            first.setdefault(name, node)
            firing[node] = live
    return Activity(order, arrivals, firing, held, frozenset(populated), _needed(net, firing, held, populated))


def _arrivals(transitions: Iterable[Transition], last: int) -> dict[Node, list[Arrival]]:
    """The arrows into each node; cells of a row or column with the same times share their nodes."""
    arrivals: dict[Node, list[Arrival]] = {}
    nodes: dict[tuple[str, Times, int], list[Node]] = {}
    for transition in transitions:
        for name, delay in ((transition.source, transition.delay), (transition.target, 0)):
            if (name, transition.times, delay) not in nodes:
                nodes[name, transition.times, delay] = [(name, max(t - delay, -1)) for t in transition.times.upto(last)]
        reads = nodes[transition.source, transition.times, transition.delay]
        for node, read in zip(nodes[transition.target, transition.times, 0], reads, strict=True):
            arrivals.setdefault(node, []).append(Arrival(transition, node[1], read))
    return arrivals


def _with_first(arrival: Arrival, first: Node | None) -> Arrival:
    """Return the arrival, reading its state's first value too if its transition adds that.

    The arrival that makes the first value adds what it reads: the zeros before t = 0.
    """
    return arrival._replace(first=first or arrival.reads) if arrival.transition.adds_first else arrival


def _order(
    net: Net, arrivals: dict[Node, list[Arrival]], states: Sequence[State], last: int, rank: dict[str, int]
) -> tuple[Node, ...]:
    """The nodes by time, then by state, except those that read a later state at the same time."""
    edges: dict[Node, list[Node]] = {}
    for state in states:
        if state.hold or state.zeros:
            edges |= {(state.name, t): [(state.name, t - 1)] if state.hold and t else [] for t in range(last + 1)}
    if not any(
        each.delay == 0 and rank[each.source] >= rank[each.target] and each.times.upto(last) for each in net.transitions
    ):
        return tuple(sorted(edges.keys() | arrivals.keys(), key=lambda node: (node[1], rank[node[0]])))
    for node, into in arrivals.items():
        edges.setdefault(node, []).extend([arrival.reads for arrival in into])
    return _sorted(edges, arrivals, rank)


def _sorted(
    edges: dict[Node, list[Node]], arrivals: dict[Node, list[Arrival]], rank: dict[str, int]
) -> tuple[Node, ...]:
    """Topological order of the nodes; ties by time, then by state."""
    import networkx as nx  # half of a command's start-up time, and needed only here

    graph: nx.DiGraph[Node] = nx.DiGraph()
    graph.add_nodes_from(edges)
    graph.add_edges_from((each, node) for node, into in edges.items() for each in into)
    try:
        order = nx.lexicographical_topological_sort(graph, key=lambda node: (node[1], rank[node[0]]))
        return tuple(node for node in order if node[0] != INPUT and node[1] >= 0)
    except nx.NetworkXUnfeasible:
        cycle = nx.find_cycle(graph)
        raise ZeroDelayCycle(
            [next(a for a in arrivals[target] if a.reads == source) for source, target in cycle]
        ) from None


def _needed(
    net: Net, firing: dict[Node, list[Arrival]], held: dict[Node, Node], populated: set[Node]
) -> frozenset[Node]:
    needed: set[Node] = set()
    stack = [(net.output, t) for t in net.readouts if (net.output, t) in populated]
    while stack:
        node = stack.pop()
        if node in needed or node not in firing:
            continue
        needed.add(node)
        stack += {arrival.reads for arrival in firing[node]} - needed
        stack += [arrival.first for arrival in firing[node] if arrival.first]
        stack += [held[node]] if node in held else []
    return frozenset(needed)


def follow(network: Network, faults: list[Fault]) -> tuple[Activity, ...]:
    """Trace each net of a network; skip a net that cannot run.

    Append to `faults`: cycles without delay, empty readouts, concat that does not fit.
    """
    activities = []
    for net in network.nets:
        try:
            activity = trace(network, net, max(net.readouts))
        except ZeroDelayCycle as cycle:
            first = cycle.arrivals[0]
            what = f"at t = {first.t} these arrows take no time and form a cycle: {cycle}"
            faults.append(Fault(first.transition.path, what, "give one of them a delay of 1", code="GN301"))
            continue
        activities.append(activity)
        faults += list(_joined_faults(network, activity, faults))
        if any((network.read, t) not in activity.populated for t in net.readouts):
            faults += _readout_faults(network, net)
    return tuple(activities)


def _reached(reached: Sequence[int], network: Network, horizon: int, empty: Sequence[int]) -> tuple[str, str]:
    """When signals reach the state that is read, up to `horizon`, and a fix for the empty readouts."""
    if len(reached) > 1 and reached == list(range(reached[0], horizon + 1)):
        return f"signals reach it from t = {reached[0]} on", f"use {reached[0]} or later"
    times = " and ".join(f"t = {r}" for r in reached[:4]) + (", …" if len(reached) > 4 else "")
    only = " only" if len(reached) < 5 else ""
    near = reached if len(reached) < 5 else sorted(sorted(reached, key=lambda t: abs(t - empty[0]))[:2])
    fix = f"use {' or '.join(map(str, near))}, or give '{network.read}' a self-transition"
    return f"signals reach it at {times}{only}", fix


def _joined_faults(network: Network, activity: Activity, known: Sequence[Fault]) -> Iterator[Fault]:
    """A fault for each concat state whose channels differ from those of its arrivals, at the first such time.

    Arrivals whose function is at fault are skipped.
    """
    told = set()
    unread = {fault.path[:size] for fault in known for size in range(len(fault.path) + 1)}
    for (name, t), live in activity.firing.items():
        state = network.state(name)
        if state and state.merge == "concat" and live and state.shape and name not in told:
            if any(arrival.transition.path in unread for arrival in live):
                continue
            shapes = [_result_shape(network, arrival.transition) for arrival in live]
            channels = [shape[0] for shape in shapes if shape]
            if sum(channels) != state.shape[0] and len(channels) == len(shapes):
                told.add(name)
                made = " + ".join(map(str, channels))
                what = f"at t = {t} the arrivals at '{name}' have {made} channels, not {state.shape[0]}"
                yield Fault(
                    live[-1].transition.path, what, "under concat give each its width, such as C:16", code="GN303"
                )


def _result_shape(network: Network, transition: Transition) -> Shape:
    if transition.function:
        return transition.function[-1].shape
    source = network.state(transition.source)
    return source.shape if source else network.slice_shape


def _readout_faults(network: Network, net: Net) -> Iterator[Fault]:
    activity, horizon = _traced_on(network, net)
    reached = [t for name, t in sorted(activity.populated) if name == network.read and t >= 0]
    empty = [t for t in net.readouts if t not in reached]
    here, fix = _reached(reached, network, horizon, empty)
    waiting = [
        arrival.transition
        for node, arrivals in activity.arrivals.items()
        for arrival in arrivals
        if node not in activity.populated and arrival.reads not in activity.populated
    ]
    joins = [cell for cell in waiting if (state := network.state(cell.target)) and state.merge in NEEDS_ALL]
    if not reached and joins:
        cell = joins[0]
        here = f"the merge of '{cell.target}' waits for {cell.source}->{cell.target}, whose source is empty"
        fix = "product and concat need every active arrow: drop it, or give it other times"
    elif not reached:
        here = "no signal ever reaches it"
        fix = f"give it a transition that leads from '{network.states[0].name}' to '{network.read}'"
    what = f"'{network.read}' is empty at t = {times_at(empty)}: {here}"
    yield Fault(("readout", "t"), what, fix, code="GN302")


MUCH_LATER = 1000
"""Steps after the last readout beyond which an input counts as endless."""


def _traced_on(network: Network, net: Net) -> tuple[Activity, int]:
    """Trace the net until signals have passed all states after the last readout and the end of the input.

    Stop earlier if arrows form a cycle after the last readout.
    """
    last = max(net.readouts)
    shown = network.input_times.spans[-1].last
    horizon = max(last, shown if shown < last + MUCH_LATER else 0) + len(network.states) + 1
    while True:
        try:
            return trace(network, net, horizon), horizon
        except ZeroDelayCycle as cycle:
            horizon = max(cycle.arrivals[0].t - 1, last)
