"""Network → Plan: unroll in time, keep what a readout needs, write one line a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from graphnet.network.functions.lipschitz import Bound
from graphnet.network.functions.ops import Op, Shape, op
from graphnet.network.network import INPUT, Network, State, Tensor, Transition
from graphnet.planning.activity import Activity, Arrival
from graphnet.planning.firings import find_fates, warnings
from graphnet.planning.lines import IMAGE, Lines, Pattern, Template, Tensors, Turn, trainable
from graphnet.planning.lint import lint
from graphnet.planning.plan import Area, CellInfo, Coupling, Plan
from graphnet.planning.step_builder import BuiltPattern, PatternBuilder, stem
from graphnet.planning.time_expansion import TimeExpansion
from graphnet.planning.values import Value, Values, find_values
from graphnet.spec.notation.times import union

BEFORE = -1
"""The time of what is made before the first step."""


def schedule(expansion: TimeExpansion, keep_dead: bool = False) -> Plan:
    """The plan of a network in time.

    With `keep_dead`, values that no readout needs are computed too, for debugging.
    """
    network, activities = expansion.network, expansion.activities
    values = find_values(network, activities)
    writer = _Writer(network, values)
    for value in _values(network, activities, values, keep_dead):
        writer.write(value)
    outputs = writer.outputs()
    turns = (*writer.divisors.values(), *writer.turns)
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
        tensors=Tensors(writer.turns),
        lines=Lines(turns),
        outputs=outputs,
        system=network.system,
        couplings=_couplings(network, trainable(writer.turns)),
        weights=network.weights,
        warnings=(
            *expansion.warnings,
            *warnings(transitions, firings),
            *lint(network, activities, turns, outputs),
        ),
    )


def _values(network: Network, activities: Sequence[Activity], values: Values, keep_dead: bool) -> list[Value]:
    """The values to compute, in the order of time, target and net (rule 18)."""
    rank = network.rank
    found = []
    for which, activity in enumerate(activities):
        for place, node in enumerate(activity.order):
            if node in activity.populated and (keep_dead or node in activity.needed):
                within = place if len(activities) == 1 else rank[node[0]]
                found.append((node[1], within, which, values.at(which, node)))
    found.sort(key=lambda each: each[:3])
    return [value for *_, value in found]


def _cells(network: Network, transitions: Sequence[Transition]) -> tuple[CellInfo, ...]:
    """The written cells, each once, with the times at which it holds for any readout."""
    rank = network.rank
    cells: dict[object, list[Transition]] = {}
    for each in transitions:
        cells.setdefault((each.path, each.key), []).append(each)
    alike = sorted(cells.values(), key=lambda same: (rank[same[0].target], rank[same[0].source]))
    times = [same[0].times if len(same) == 1 else union(each.times for each in same) for same in alike]
    texts = {each: str(each) for each in set(times)}
    return tuple(
        [
            CellInfo(each.source, each.target, each.text, texts[when], each.delay, each.place)
            for when, (*_, each) in zip(times, alike, strict=True)
        ]
    )


def _couplings(network: Network, tensors: Iterable[Tensor]) -> tuple[Coupling, ...]:
    groups: dict[str, list[str]] = {}
    for tensor in tensors:
        if tensor.coupled:
            groups.setdefault(tensor.coupled, []).append(tensor.name)
    return tuple(
        Coupling(*network.couplings[int(group.split(":")[0])], tuple(names))
        for group, names in groups.items()
        if len(names) > 1
    )


@dataclass
class _Writer:
    """Writes the turns of values; what is written of a value once is taken again at other times."""

    network: Network
    values: Values
    turns: list[Turn] = field(default_factory=list)
    divisors: dict[tuple[Op, tuple[str, ...]], Turn] = field(default_factory=dict)
    recipes: dict[object, BuiltPattern] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    images: dict[int, str] = field(default_factory=dict)
    names: dict[tuple[int, ...], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        last = max(t for net in self.network.nets for t in net.readouts)
        self.slices = {t: number for number, t in enumerate(self.network.input_times.upto(last))}
        shape = self.network.input_shape
        self.shapes[IMAGE] = (len(self.slices), *shape) if self.network.sequence else shape

    def write(self, value: Value) -> None:
        """Append the turns of what a value is made of, and its own."""
        if value.name in self.shapes:
            return
        read = self._read(value.reads)
        images = [self._image(source.arrival) for source in value.sources if source.reads < 0]
        given = [*images, *read] or [IMAGE]  # the image is first in order (rule 3)
        state, t = value.node
        update = known.update if (known := self.network.state(state)) and t >= 0 else None
        used = [source.arrival.transition for source in value.sources] + ([update] if update else [])
        key = (state, t < 0, *used, *[each.variant(t) for each in used if each.parted])
        if key not in self.recipes:
            self.recipes[key] = self._value(value, update, [self.shapes[name] for name in given])
        self._take(self.recipes[key], t, value.name.removeprefix(stem(state)), given)

    def _read(self, numbers: tuple[int, ...]) -> list[str]:
        """The names of values, written if they are not yet; many values read the same."""
        if numbers not in self.names:
            read = [self.values.values[number] for number in numbers if number >= 0]
            for each in read:
                self.write(each)
            self.names[numbers] = [each.name for each in read]
        return self.names[numbers]

    def _value(self, value: Value, update: Transition | None, given: Sequence[Shape]) -> BuiltPattern:
        """The lines of a value: its arrivals, their merge, the update, the value itself."""
        state, t = value.node
        name = stem(state)
        sketch = PatternBuilder(t)
        numbers = iter([sketch.give(shape) for shape in given])
        arrived = []
        for source in value.sources:
            transition, read = source.arrival.transition, next(numbers)
            first = next(numbers) if source.first >= 0 else read
            if transition.source == INPUT:
                arrived.append(read)
            else:
                arrived.append(sketch.function(transition, read, first))
        if not arrived:
            after = "_zeros" if t >= 0 else ""  # before t = 0 the value itself is called so
            merged = sketch.append(name, after, op("zeros", shape=self._state(state).shape), (next(numbers),), state)
        elif len(arrived) > 1:
            merge = self._state(state).merge
            merged = sketch.append(name, f"_{merge}", op(merge), tuple(arrived), state)
        else:
            (merged,) = arrived
        if update is not None:
            merged = sketch.function(update, merged, merged)
        if t >= 0:
            sketch.append(name, "", op("value", state=state), (merged,), state)
        return sketch.recipe()

    def _image(self, arrival: Arrival) -> str:
        """The name of what the pre-net makes, written if it is not yet."""
        transition, t, *_ = arrival
        if not self.network.sequence:  # an image that stays is looked at once (rule 3)
            t = transition.times.first
        if t not in self.images:
            image = IMAGE
            if self.network.sequence:
                slicing = op("slice", index=self.slices[t])
                image = self._single(f"{IMAGE}_t{t}", slicing, (IMAGE,), t, IMAGE)
            self.images[t] = self._pre_net(transition, t, image) if transition.function else image
        return self.images[t]

    def _pre_net(self, transition: Transition, t: int, image: str) -> str:
        key = transition.variant(t)
        if key not in self.recipes:
            sketch = PatternBuilder(t)
            read = sketch.give(self.shapes[image])
            sketch.function(transition, read, read)
            self.recipes[key] = sketch.recipe()
        return self._take(self.recipes[key], t, f"_t{t}", [image])

    def _single(self, name: str, kind: Op, arguments: Sequence[str], t: int, place: str) -> str:
        """Append a turn of one line; returns its name."""
        sketch = PatternBuilder(t)
        sketch.append(name, "", kind, tuple([sketch.give(self.shapes[each]) for each in arguments]), place)
        return self._take(sketch.recipe(), t, "", arguments)

    def _take(self, recipe: BuiltPattern, t: int, suffix: str, given: Sequence[str]) -> str:
        """Append a turn; returns the name of its result."""
        pattern = recipe.pattern
        divisors = [self._divisor(transition, number, t, suffix) for transition, number in recipe.divided]
        turn = Turn(pattern, t, suffix, (*given, *divisors))
        self.turns.append(turn)
        (name,) = turn.results
        self.shapes[name] = pattern.lines[-1].shape
        return name

    def _divisor(self, transition: Transition, number: int, t: int, suffix: str) -> str:
        """What a function is divided by (LPK eq. 3): found before all else, once for the same tensors."""
        layer = transition.function[number]
        bound = layer.op["bound"]
        assert isinstance(bound, Bound)
        tensors = []
        for each in bound.names:
            at, _, role = each.partition(".")
            roles = [slot.role for slot in transition.function[int(at)].slots]
            tensors.append(transition.bindings[int(at)][roles.index(role)].at(t))
        tensors += [binding.at(t) for binding in transition.bindings[number]]
        key = (Op("lipschitz", layer.op.attributes), tuple(tensor.name for tensor in tensors))
        if key not in self.divisors:
            before, after = stem(transition.place), f"_{stem(layer.label)}_divisor"
            held = dict.fromkeys(tensors)
            numbers = {tensor: number for number, tensor in enumerate(held)}
            used = tuple(numbers[tensor] for tensor in tensors)
            line = Template(before, after, key[0], (), used, (), transition.place)
            self.divisors[key] = Turn(Pattern((), tuple(held), (line,), (0,)), BEFORE, suffix, ())
        (name,) = self.divisors[key].results
        self.shapes[name] = ()
        return name

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
                name = self._single(f"{stem(output)}_upto_t{t}", op("mean"), so_far, t, output)
            combined.append((t, name))
        return tuple(combined[-1:] if self.network.combine == "mean" else combined)

    def _state(self, name: str) -> State:
        state = self.network.state(name)
        assert state is not None, f"{name} is no state of the spec"
        return state
