"""Network → Plan: unroll in time, keep what a readout needs, write one line a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from graphnet.errors import Fault
from graphnet.ir.activity import Activity, Arrival, Node, trace
from graphnet.ir.network import INPUT, LOGITS, SOURCE, Net, Network, State, Tensor, Transition
from graphnet.ir.ops import Shape, op
from graphnet.ir.plan import IMAGE, Area, Cell, Fate, Firing, Line, Plan

Signature = tuple[object, ...]


def schedule(network: Network, keep_dead: bool = False) -> Plan:
    """The plan of a network.

    With `keep_dead`, values that no readout needs are computed too, for debugging.
    """
    return _Scheduler(network, keep_dead).run()


@dataclass
class _Value:
    """A state at a time in one net, or in several nets where they agree (rule 7)."""

    node: Node
    firing: tuple[tuple[Arrival, int], ...]
    net: Net
    name: str = ""
    written: bool = False


@dataclass
class _Scheduler:
    network: Network
    keep_dead: bool
    values: list[_Value] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)

    def run(self) -> Plan:
        network = self.network
        activities = [trace(network, net, max(net.readouts)) for net in network.nets]
        numbers = self._number(activities)
        self._name()
        self.shapes[IMAGE] = network.input_shape
        rank = network.rank
        turns = [
            (node[1], which, place, node)
            for which, activity in enumerate(activities)
            for place, node in enumerate(activity.order)
            if node in activity.populated and (self.keep_dead or node in activity.needed)
        ]
        for _, which, _, node in sorted(turns, key=lambda turn: turn[:3]):
            self._write(self.values[numbers[which][node]])
        firings = list(self._firings(activities, numbers))
        outputs = tuple(
            (t, self.values[numbers[which][net.output, t]].name)
            for which, net in enumerate(network.nets)
            for t in net.readouts
        )
        transitions = [each for net in network.nets for each in net.transitions]
        return Plan(
            network.name,
            network.cite,
            network.input_shape,
            str(network.input_times),
            tuple(Area(state.name, state.label, state.shape, state.merge) for state in network.states),
            tuple(
                dict.fromkeys(
                    Cell(each.source, each.target, each.text, str(each.times), each.delay, each.place)
                    for each in sorted(transitions, key=lambda each: (rank[each.target], rank[each.source]))
                )
            ),
            tuple(firings),
            tuple(self.tensors.values()),
            tuple(self.lines),
            tuple(sorted(outputs)),
            network.system,
            tuple(_warnings(transitions, firings)),
        )

    def _number(self, activities: Sequence[Activity]) -> list[dict[Node, int]]:
        """Number the values of every net so that equal ones of different nets are one."""
        seen: dict[Signature, int] = {}
        numbers: list[dict[Node, int]] = []
        for net, activity in zip(self.network.nets, activities, strict=True):
            mine: dict[Node, int] = {}
            for node in activity.order:
                if node not in activity.populated:
                    continue
                live = activity.firing[node]
                before = (node[0], node[1] - 1)
                if not live and before in mine and self._state(node[0]).hold:
                    mine[node] = mine[before]
                    continue
                for arrival in live:
                    if arrival.reads[1] < 0:
                        mine.setdefault(arrival.reads, self._numbered(arrival.reads, (), net, seen))
                firing = tuple((arrival, mine.get(arrival.reads, -1)) for arrival in live)
                mine[node] = self._numbered(node, firing, net, seen)
            numbers.append(mine)
        return numbers

    def _numbered(
        self, node: Node, firing: tuple[tuple[Arrival, int], ...], net: Net, seen: dict[Signature, int]
    ) -> int:
        key = (node, tuple((id(arrival.transition.function), number) for arrival, number in firing))
        if key not in seen:
            seen[key] = len(self.values)
            self.values.append(_Value(node, firing, net))
        return seen[key]

    def _name(self) -> None:
        twins: dict[Node, list[_Value]] = {}
        for value in self.values:
            twins.setdefault(value.node, []).append(value)
        for (state, t), values in twins.items():
            for value in values:
                value.name = f"{state}_t{t}" + (f"_T{value.net.readouts[0]}" if len(values) > 1 else "")
                if t < 0:
                    value.name = f"{state}_zeros"

    def _write(self, value: _Value) -> None:
        """Append the lines of a value: its arrivals, their merge, the value itself."""
        if value.written:
            return
        value.written = True
        state, t = value.node
        suffix = value.name.removeprefix(state)
        for _, number in value.firing:
            if number >= 0 and self.values[number].node[1] < 0:
                self._write(self.values[number])
        if not value.firing:
            shape = self._state(state).shape
            name = value.name if t < 0 else f"{value.name}_zeros"
            self._append(Line(name, op("zeros", shape=shape), (IMAGE,), (), shape, t, state))
            if t >= 0:
                self._append(Line(value.name, op("value", state=state), (name,), (), shape, t, state))
            return
        arrived = [
            self._arrival(arrival, self.values[number].name if number >= 0 else IMAGE, suffix)
            for arrival, number in value.firing
        ]
        merged = arrived[0]
        if len(arrived) > 1:
            merge = op(self._state(state).merge)
            merged = f"{value.name}_{merge.kind}"
            self._append(Line(merged, merge, tuple(arrived), (), self.shapes[arrived[0]], t, state))
        shape = self.shapes[merged]
        self._append(Line(value.name, op("value", state=state), (merged,), (), shape, t, state))

    def _arrival(self, arrival: Arrival, source: str, suffix: str) -> str:
        """Append the lines of a transition function at a time; returns the name of its result."""
        transition, t, _ = arrival
        stem = f"{transition.place.replace('.', '_')}{suffix}"
        if transition.source == INPUT:  # an image that stays is looked at once (rule 3)
            if transition.place in self.images:
                return self.images[transition.place]
            t = transition.times.first
            stem = f"{transition.place}_t{t}"
        made: list[str] = []
        for layer, bindings in zip(transition.function, transition.bindings, strict=True):
            arguments = tuple(source if index == SOURCE else made[index] for index in layer.arguments)
            tensors = tuple(binding.at(t) for binding in bindings)
            for tensor in tensors:
                self.tensors.setdefault(tensor.name, tensor)
            name = f"{stem}_{layer.label.replace('.', '_')}"
            names = tuple(tensor.name for tensor in tensors)
            self._append(Line(name, layer.op, arguments, names, layer.shape, t, transition.place))
            made.append(name)
        result = made[-1] if made else source
        if transition.source == INPUT:
            self.images[transition.place] = result
        return result

    def _state(self, name: str) -> State:
        state = self.network.state(name)
        assert state is not None, f"{name} is no state of the spec"
        return state

    def _append(self, line: Line) -> None:
        self.lines.append(line)
        self.shapes[line.name] = line.shape

    def _firings(self, activities: Sequence[Activity], numbers: Sequence[dict[Node, int]]) -> Iterator[Firing]:
        """Every cell at every time; where nets differ by T, the best that becomes of it in any of them."""
        best: dict[tuple[str, str, int], Firing] = {}
        severity = list(Fate)
        for activity, mine in zip(activities, numbers, strict=True):
            for node in activity.order:
                for arrival in activity.arrivals.get(node, ()):
                    fate = self._fate(activity, node, arrival)
                    number = mine.get(arrival.reads, -1)
                    reads = self.values[number].name if number >= 0 else ""
                    if arrival.transition.source == INPUT:
                        reads = IMAGE
                    firing = Firing(*arrival.transition.key, arrival.t, fate, reads)
                    old = best.setdefault(firing[:3], firing)
                    if severity.index(fate) < severity.index(old.fate):
                        best[firing[:3]] = firing
        rank = self.network.rank
        yield from sorted(best.values(), key=lambda each: (each.t, rank[each.target], rank[each.source]))

    def _fate(self, activity: Activity, node: Node, arrival: Arrival) -> Fate:
        if arrival.reads not in activity.populated:
            return Fate.EMPTY
        if arrival not in activity.firing.get(node, ()):
            return Fate.WAITING
        return Fate.FIRES if node in activity.needed or self.keep_dead else Fate.UNREAD


def _warnings(transitions: Sequence[Transition], firings: Sequence[Firing]) -> Iterator[Fault]:
    """Cells that never fire, and cells that do not fire at a time that the spec names."""
    fates: dict[tuple[str, str], dict[int, Fate]] = {}
    for firing in firings:
        fates.setdefault((firing.source, firing.target), {})[firing.t] = firing.fate
    for transition in {each.path: each for each in transitions if each.target != LOGITS}.values():
        mine = {t: fate for t, fate in fates.get(transition.key, {}).items() if t in transition.times}
        dead = {t: fate for t, fate in mine.items() if fate is not Fate.FIRES}
        if len(dead) == len(mine):
            why = next(iter(dead.values()), None)
            what = f"this transition never fires: {why or 'its times are after the last readout'}"
        elif dead and not transition.open:
            t, why = next(iter(dead.items()))
            what = f"this transition does not fire at t = {t}: {why}"
        else:
            continue
        yield Fault(transition.path, what, "drop it, or change its times", on="key", severity="warning")
