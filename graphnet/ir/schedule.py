"""Network → Plan: unroll in time, keep what a readout needs, write one line a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from graphnet.ir.activity import Activity
from graphnet.ir.fates import find_fates, warnings
from graphnet.ir.lint import lint
from graphnet.ir.lipschitz import Bound
from graphnet.ir.network import FIRST, INPUT, SOURCE, Network, State, Tensor, Transition
from graphnet.ir.ops import Op, Shape, op, shape_of
from graphnet.ir.plan import IMAGE, Area, Cell, Coupling, Line, Plan
from graphnet.ir.values import Source, Value, Values, find_values
from graphnet.spec.times import Times, union

BEFORE = -1
"""The time of what is made before the first step."""


def schedule(network: Network, keep_dead: bool = False) -> Plan:
    """The plan of a network.

    With `keep_dead`, values that no readout needs are computed too, for debugging.
    """
    activities = network.activities
    values = find_values(network, activities)
    writer = _Writer(network, values)
    for value in _turns(network, activities, values, keep_dead):
        writer.write(value)
    outputs = writer.outputs()
    lines = (*writer.divisors.values(), *writer.lines)
    firings = find_fates(network, activities, values, keep_dead)
    transitions = [each for net in network.nets for each in net.transitions]
    return Plan(
        name=network.name,
        cite=network.cite,
        input_shape=writer.shapes[IMAGE],
        input_times=str(network.input_times),
        areas=tuple(Area(state.name, state.label, state.shape, state.merge) for state in network.states),
        cells=_cells(network, transitions),
        firings=firings,
        tensors=tuple(writer.tensors.values()),
        lines=lines,
        outputs=outputs,
        system=network.system,
        couplings=_couplings(network, writer.tensors.values()),
        weights=network.weights,
        warnings=(
            *network.warnings,
            *warnings(transitions, firings),
            *lint(network, activities, lines, outputs),
        ),
    )


def _turns(network: Network, activities: Sequence[Activity], values: Values, keep_dead: bool) -> list[Value]:
    """The values to compute, in the order of time, target and net (rule 18)."""
    rank = network.rank
    turns = []
    for which, activity in enumerate(activities):
        for place, node in enumerate(activity.order):
            if node in activity.populated and (keep_dead or node in activity.needed):
                within = place if len(activities) == 1 else rank[node[0]]
                turns.append((node[1], within, which, values.at(which, node)))
    turns.sort(key=lambda turn: turn[:3])
    return [value for *_, value in turns]


def _cells(network: Network, transitions: Sequence[Transition]) -> tuple[Cell, ...]:
    """The written cells, each once, with the times at which it holds for any readout."""
    rank = network.rank
    times: dict[object, Times] = {}
    for each in transitions:
        times[each.path, each.key] = union((times.get((each.path, each.key), Times()), each.times))
    cells = {(each.path, each.key): each for each in transitions}.values()
    return tuple(
        Cell(each.source, each.target, each.text, str(times[each.path, each.key]), each.delay, each.place)
        for each in sorted(cells, key=lambda each: (rank[each.target], rank[each.source]))
    )


def _couplings(network: Network, tensors: Iterable[Tensor]) -> tuple[Coupling, ...]:
    groups: dict[str, list[str]] = {}
    for tensor in tensors:
        if tensor.coupled and tensor.trainable:
            groups.setdefault(tensor.coupled, []).append(tensor.name)
    return tuple(
        Coupling(*network.couplings[int(group.split(":")[0])], tuple(names))
        for group, names in groups.items()
        if len(names) > 1
    )


@dataclass
class _Writer:
    network: Network
    values: Values
    lines: list[Line] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    divisors: dict[tuple[Op, tuple[str, ...]], Line] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    images: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        last = max(t for net in self.network.nets for t in net.readouts)
        self.slices = {t: number for number, t in enumerate(self.network.input_times.upto(last))}
        shape = self.network.input_shape
        self.shapes[IMAGE] = (len(self.slices), *shape) if self.network.sequence else shape

    def write(self, value: Value) -> None:
        """Append the lines of a value: its arrivals, their merge, the update, the value itself."""
        if value.name in self.shapes:
            return
        name, (state, t) = value.name, value.node
        for source in value.sources:
            for number in (source.reads, source.first):
                if number >= 0:
                    self.write(self.values.values[number])
        if t < 0:
            self._append(name, op("zeros", shape=self._state(state).shape), (IMAGE,), t, state)
            return
        stem = state.replace(".", "_")
        suffix = name.removeprefix(stem)
        arrived = [self._arrival(source, suffix) for source in value.sources]
        merged = arrived[0] if len(arrived) == 1 else f"{name}_{self._state(state).merge}"
        if not arrived:
            merged = self._append(f"{name}_zeros", op("zeros", shape=self._state(state).shape), (IMAGE,), t, state)
        elif len(arrived) > 1:
            self._append(merged, op(self._state(state).merge), tuple(arrived), t, state)
        update = known.update if (known := self.network.state(state)) else None
        if update is not None:
            merged = self._function(update, t, merged, "", f"{stem}_update{suffix}")
        self._append(name, op("value", state=state), (merged,), t, state)

    def _arrival(self, source: Source, suffix: str) -> str:
        """Append the lines of a transition at a time; returns the name of its result."""
        transition, t, *_ = source.arrival
        stem = f"{transition.place.replace('.', '_')}{suffix}"
        if transition.source != INPUT:
            read, first = (
                self.values.values[number].name if number >= 0 else "" for number in (source.reads, source.first)
            )
            return self._function(transition, t, read, first, stem)
        if not self.network.sequence:  # an image that stays is looked at once (rule 3)
            t = transition.times.first
        if t not in self.images:
            image = IMAGE
            if self.network.sequence:
                image = self._append(f"{IMAGE}_t{t}", op("slice", index=self.slices[t]), (IMAGE,), t, IMAGE)
            self.images[t] = self._function(transition, t, image, "", f"{transition.place}_t{t}")
        return self.images[t]

    def _function(self, transition: Transition, t: int, source: str, first: str, stem: str) -> str:
        made: list[str] = []
        given = {SOURCE: source, FIRST: first}
        for layer, bindings in zip(transition.function, transition.bindings, strict=True):
            arguments = tuple(given[index] if index < 0 else made[index] for index in layer.arguments)
            tensors = [binding.at(t) for binding in bindings]
            for tensor in tensors:
                known = self.tensors.setdefault(tensor.name, tensor)
                assert known.shape == tensor.shape, f"two tensors are called {tensor.name}"
            name = f"{stem}_{layer.label.replace('.', '_')}"
            names = tuple(tensor.name for tensor in tensors)
            chosen = layer.op
            if chosen.kind == "divide":
                arguments = (*arguments, self._divisor(transition, t, chosen, names, name))
                chosen, names = op("divide", mu=chosen["mu"]), ()
            self.shapes[name] = layer.shape
            self.lines.append(Line(name, chosen, arguments, names, layer.shape, t, transition.place))
            made.append(name)
        return made[-1] if made else source

    def _divisor(self, transition: Transition, t: int, divide: Op, vectors: tuple[str, ...], stem: str) -> str:
        """What a function is divided by (LPK eq. 3): found before all else, once for the same tensors."""
        bound = divide["bound"]
        assert isinstance(bound, Bound)
        tensors = []
        for each in bound.names:
            number, _, role = each.partition(".")
            roles = [slot.role for slot in transition.function[int(number)].slots]
            tensors.append(transition.bindings[int(number)][roles.index(role)].at(t).name)
        key = (Op("lipschitz", divide.attributes), (*tensors, *vectors))
        if key not in self.divisors:
            name = f"{stem}_divisor"
            self.divisors[key] = Line(name, key[0], (), key[1], (), BEFORE, transition.place)
            self.shapes[name] = ()
        return self.divisors[key].name

    def outputs(self) -> tuple[tuple[int, str], ...]:
        """Readout times and the names of their values, combined as the spec says (rule 20)."""
        found = sorted(
            (t, self.values.at(which, (net.output, t)).name)
            for which, net in enumerate(self.network.nets)
            for t in net.readouts
        )
        if self.network.combine == "none" or len(found) == 1:
            return tuple(found)
        output = self.network.nets[0].output
        combined = []
        for number, (t, name) in enumerate(found):
            so_far = tuple(name for _, name in found[: number + 1])
            if number and (self.network.combine == "cumulative" or number == len(found) - 1):
                name = self._append(f"{output.replace('.', '_')}_upto_t{t}", op("mean"), so_far, t, output)
            combined.append((t, name))
        return tuple(combined[-1:] if self.network.combine == "mean" else combined)

    def _append(self, name: str, kind: Op, arguments: tuple[str, ...], t: int, place: str) -> str:
        """Append a line without tensors; returns its name."""
        shapes = tuple(self.shapes[argument] for argument in arguments)
        self.shapes[name] = shape_of(kind, shapes)
        self.lines.append(Line(name, kind, arguments, (), self.shapes[name], t, place))
        return name

    def _state(self, name: str) -> State:
        state = self.network.state(name)
        assert state is not None, f"{name} is no state of the spec"
        return state
