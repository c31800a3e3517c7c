"""Which states hold a value when, and which values a readout needs: the time-expanded graph (rules 3 to 6, 21)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import networkx as nx

from graphnet.errors import Fault
from graphnet.ir.network import INPUT, Net, Network, State, Transition
from graphnet.ir.ops import NEEDS_ALL

Node = tuple[str, int]
"""A state at a time."""


class Arrival(NamedTuple):
    """A transition at one of its times, and the state at a time that it reads."""

    transition: Transition
    t: int
    reads: Node


@dataclass(frozen=True)
class Activity:
    """What happens when, for one net.

    Attributes:
        order: every node that something arrives at or that holds, each after all that it reads.
        arrivals: the active arrows into a node, sources in the order of the spec.
        firing: the arrows into a populated node whose source is populated; empty for a node that holds its value.
        populated: the nodes with a value.
        needed: the populated nodes that a readout depends on.
    """

    order: tuple[Node, ...]
    arrivals: dict[Node, list[Arrival]]
    firing: dict[Node, list[Arrival]]
    populated: frozenset[Node]
    needed: frozenset[Node]


class ZeroDelayCycle(Exception):  # noqa: N818 - turned into a Fault by the caller, who knows the spec
    """Arrows that take no time run in a circle."""

    def __init__(self, arrivals: list[Arrival]) -> None:
        super().__init__(" → ".join([arrivals[0].transition.source, *(a.transition.target for a in arrivals)]))
        self.arrivals = arrivals


def trace(network: Network, net: Net, last: int) -> Activity:
    """Follow the signals through the times 0 to `last`. Raises ZeroDelayCycle."""
    states = network.states
    rank = network.rank
    arrivals: dict[Node, list[Arrival]] = {}
    for transition in sorted(net.transitions, key=lambda each: rank[each.source]):
        for t in transition.times.upto(last):
            arrival = Arrival(transition, t, (transition.source, max(t - transition.delay, -1)))
            arrivals.setdefault((transition.target, t), []).append(arrival)
    graph = _expand(arrivals, states, last)
    order = _in_order(graph, arrivals, rank)
    populated = {(INPUT, t) for t in network.input_times.upto(last)}
    populated |= {(state.name, -1) for state in states if state.zeros}
    firing: dict[Node, list[Arrival]] = {}
    for node in order:
        name, t = node
        live = [arrival for arrival in arrivals.get(node, ()) if arrival.reads in populated]
        state = network.state(name)
        if state and state.merge in NEEDS_ALL and len(live) < len(arrivals.get(node, ())):
            live = []
        holds = state is not None and state.hold and (name, t - 1) in populated
        if live or holds or (state and state.zeros):
            populated.add(node)
            firing[node] = live
    return Activity(order, arrivals, firing, frozenset(populated), _needed(net, firing, populated))


def _expand(arrivals: dict[Node, list[Arrival]], states: Sequence[State], last: int) -> nx.DiGraph[Node]:
    graph: nx.DiGraph[Node] = nx.DiGraph()
    for state in states:
        if state.hold or state.zeros:
            graph.add_nodes_from((state.name, t) for t in range(last + 1))
        if state.hold:
            graph.add_edges_from(((state.name, t - 1), (state.name, t)) for t in range(1, last + 1))
    graph.add_nodes_from(arrivals)
    graph.add_edges_from((arrival.reads, node) for node, into in arrivals.items() for arrival in into)
    return graph


def _in_order(graph: nx.DiGraph[Node], arrivals: dict[Node, list[Arrival]], rank: dict[str, int]) -> tuple[Node, ...]:
    try:
        order = nx.lexicographical_topological_sort(graph, key=lambda node: (node[1], rank[node[0]]))
        return tuple(node for node in order if node[0] != INPUT and node[1] >= 0)
    except nx.NetworkXUnfeasible:
        cycle = nx.find_cycle(graph)
        raise ZeroDelayCycle(
            [next(a for a in arrivals[target] if a.reads == source) for source, target in cycle]
        ) from None


def _needed(net: Net, firing: dict[Node, list[Arrival]], populated: set[Node]) -> frozenset[Node]:
    needed: set[Node] = set()
    stack = [(net.output, t) for t in net.readouts if (net.output, t) in populated]
    while stack:
        node = stack.pop()
        if node in needed or node not in firing:
            continue
        needed.add(node)
        live = firing[node]
        stack += [arrival.reads for arrival in live] if live else [(node[0], node[1] - 1)]
    return frozenset(needed)


def readout_faults(network: Network) -> list[Fault]:
    """A fault for every readout time at which the state that is read is empty."""
    faults = []
    for net in network.nets:
        activity = trace(network, net, max(net.readouts) + len(network.states) + 1)
        reached = [t for name, t in sorted(activity.populated) if name == network.read and t >= 0]
        for t in net.readouts:
            if t not in reached:
                times = " and ".join(f"t = {r}" for r in reached[:4]) + (", …" if len(reached) > 4 else "")
                here = f"signals reach it at {times}" + (" only" if len(reached) < 5 else "")
                faults.append(
                    Fault(
                        network.readout_path,
                        f"'{network.read}' is empty at t = {t}: {here if reached else 'no signal ever reaches it'}",
                        f"use {' or '.join(map(str, reached[:4]))}, or give '{network.read}' a self-transition"
                        if reached
                        else f"give it a transition that leads from '{network.states[0].name}' to '{network.read}'",
                    )
                )
    return faults
