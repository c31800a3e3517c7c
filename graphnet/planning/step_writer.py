"""Values in the order of time → calls of distinct steps, each written once."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from graphnet.network.functions.lipschitz import Bound
from graphnet.network.functions.ops import Line, Op, Shape, op
from graphnet.network.network import INPUT, Network, State, Transition
from graphnet.planning.activity import Arrival
from graphnet.planning.body import BEFORE, IMAGE, NOW, Body, Call, at, body_of, earlier
from graphnet.planning.step_builder import Part, Pattern, join, stem
from graphnet.planning.values import Value, Values


class _Home(NamedTuple):
    """A value's name in the step that makes it, its time, and whether later steps use that same name."""

    template: str
    t: int
    stays: bool


@dataclass
class StepWriter:
    """Writes the steps, and reuses the lines of values and steps at other times.

    `parts` gathers a step value by value, until a value of another time comes.
    """

    network: Network
    values: Values
    stay: frozenset[str]
    calls: list[Call] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    now: int = BEFORE
    divisors: dict[tuple[Op, tuple[str, ...]], Line] = field(default_factory=dict)
    patterns: dict[object, Pattern] = field(default_factory=dict)
    bodies: dict[tuple[Part, ...], Body] = field(default_factory=dict)
    homes: dict[str, _Home] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    images: dict[int, str] = field(default_factory=dict)
    names: dict[tuple[int, ...], tuple[list[str], list[int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        last = max(t for net in self.network.nets for t in net.readouts)
        self.slices = {t: number for number, t in enumerate(self.network.input_times.upto(last))}
        shape = self.network.input_shape
        self.shapes[IMAGE] = (len(self.slices), *shape) if self.network.sequence else shape
        self.homes[IMAGE] = _Home(IMAGE, BEFORE, True)

    def write(self, value: Value) -> None:
        """Append a value's dependencies and its own lines to the step of its time."""
        if value.name in self.shapes:
            return
        state, t = value.node
        self._begin(t if t >= 0 else self.now)
        read, firsts = self._read(value.reads)
        images = [self._image(source.arrival) for source in value.sources if source.reads < 0]
        given = [*images, *read] or [IMAGE]  # the image is first in order (rule 3)
        known = self.network.state(state) if t >= 0 else None
        update, noise = (known.update, known.noise_at(t)) if known else (None, 0.0)
        used = [source.arrival.transition for source in value.sources] + ([update] if update else [])
        key = (state, t < 0, noise, *used, *[each.variant(t) for each in used if each.parted])
        if key not in self.patterns:
            self.patterns[key] = self._value(value, update, noise, [self.shapes[name] for name in given])
        suffix = value.name.removeprefix(stem(state))
        self._take(self.patterns[key], t, suffix, given, {len(images) + at for at in firsts}, value.name in self.stay)

    def _read(self, numbers: tuple[int, ...]) -> tuple[list[str], list[int]]:
        """Write values where needed; return their names, and which of them are their state's first (I0)."""
        if numbers not in self.names:
            read = [(self.values.values[number], at % 2 == 1) for at, number in enumerate(numbers) if number >= 0]
            for each, _ in read:
                self.write(each)
            firsts = [at for at, (_, is_first) in enumerate(read) if is_first]
            self.names[numbers] = [each.name for each, _ in read], firsts
        return self.names[numbers]

    def _value(self, value: Value, update: Transition | None, noise: float, given: Sequence[Shape]) -> Pattern:
        """The lines of a value: its arrivals, their merge, the update, its noise, the value itself."""
        state, t = value.node
        name = stem(state)
        pattern = Pattern(t)
        numbers = iter([pattern.give(shape) for shape in given])
        arrived = []
        for source in value.sources:
            transition, read = source.arrival.transition, next(numbers)
            first = next(numbers) if source.first >= 0 else read
            if transition.source == INPUT:
                arrived.append(read)
            else:
                arrived.append(pattern.function(transition, read, first))
        if not arrived:
            after = "_zeros" if t >= 0 else ""  # before t = 0 the value itself has this name
            merged = pattern.append(name, after, op("zeros", shape=self._state(state).shape), (next(numbers),), state)
        elif len(arrived) > 1:
            merge = self._state(state).merge
            merged = pattern.append(name, f"_{merge}", op(merge), tuple(arrived), state)
        else:
            (merged,) = arrived
        if update is not None:
            merged = pattern.function(update, merged, merged)
        if noise:
            merged = pattern.append(name, "_noise", op("noise", std=noise), (merged,), state)
        if t >= 0:
            pattern.append(name, "", op("value", state=state), (merged,), state)
        return pattern

    def _image(self, arrival: Arrival) -> str:
        """Write the pre-net if needed; return the name of its result."""
        transition, t, *_ = arrival
        if not self.network.sequence:  # the pre-net sees a constant image once (rule 3)
            t = transition.times.first
        if t not in self.images:
            image = IMAGE
            if self.network.sequence:
                slicing = op("slice", offset=t - self.slices[t])
                image = self._single(f"{IMAGE}_t{t}", slicing, IMAGE, t)
            self.images[t] = self._pre_net(transition, t, image) if transition.function else image
        return self.images[t]

    def _pre_net(self, transition: Transition, t: int, image: str) -> str:
        key = transition.variant(t)
        if key not in self.patterns:
            self.patterns[key] = pattern = Pattern(t)
            read = pattern.give(self.shapes[image])
            pattern.function(transition, read, read)
        return self._take(self.patterns[key], t, f"_t{t}", [image], stays=not self.network.sequence)

    def _single(self, name: str, kind: Op, argument: str, t: int) -> str:
        """Append a pattern of one line; return its name."""
        key = (name.removesuffix(f"_t{t}"), kind)
        if key not in self.patterns:
            self.patterns[key] = pattern = Pattern(t)
            pattern.append(key[0], "", kind, (pattern.give(self.shapes[argument]),), IMAGE)
        return self._take(self.patterns[key], t, f"_t{t}", [argument])

    def _begin(self, t: int) -> None:
        """Start the step at time t."""
        if t != self.now:
            self._end()
            self.now = t

    def _end(self) -> None:
        """Turn the gathered step into a call."""
        if self.parts:
            key = tuple(self.parts)
            if key not in self.bodies:
                self.bodies[key] = join(key)
            self.calls.append(Call(self.bodies[key], self.now))
            self.parts = []

    def _take(
        self,
        pattern: Pattern,
        t: int,
        suffix: str,
        given: Sequence[str],
        firsts: Container[int] = (),
        stays: bool = False,
    ) -> str:
        """Append a pattern to the step of its time; return the name of its result."""
        divisors = [self._divisor(transition, number, t, suffix) for transition, number in pattern.divided]
        mine = suffix.replace(f"_t{t}", "_t{t}", 1) if t >= 0 else suffix
        now = self.now if t < 0 else t
        read = tuple([self._seen(name, now, which in firsts) for which, name in enumerate((*given, *divisors))])
        part = Part(pattern, mine, read, NOW if t >= 0 else BEFORE)
        if now == self.now:
            self.parts.append(part)
        else:  # an image that came before anything read it
            key = (part,)
            self.bodies.setdefault(key, join(key))
            self.calls.append(Call(self.bodies[key], t))
        last = pattern.lines[-1]
        name = f"{last.before}{suffix}{last.after}"
        self.homes[name] = _Home(part.result, t, stays or t < 0)
        self.shapes[name] = last.shape
        return name

    def _seen(self, name: str, now: int, first: bool = False) -> str:
        """The name of a value in the step at time `now`."""
        template, t, stays = self.homes[name]
        if t == now or not (stays or first):
            return earlier(template, now - t)
        return name

    def _divisor(self, transition: Transition, number: int, t: int, suffix: str) -> str:
        """The Lipschitz divisor of a function (LPK eq. 3): computed before all else, once for the same tensors."""
        layer = transition.function[number]
        bound = layer.op["bound"]
        assert isinstance(bound, Bound)
        bindings = []
        for each in bound.names:
            which, _, role = each.partition(".")
            roles = [slot.role for slot in transition.function[int(which)].slots]
            bindings.append(transition.bindings[int(which)][roles.index(role)])
        bindings += transition.bindings[number]
        kind, tensors = Op("lipschitz", layer.op.attributes), tuple(binding.at(t).name for binding in bindings)
        if (kind, tensors) not in self.divisors:
            before, after = stem(transition.place), f"_{stem(layer.label)}_divisor"
            name = f"{before}{suffix}{after}"
            self.divisors[kind, tensors] = Line(name, kind, (), tensors, (), BEFORE, transition.place)
            by_time = any("{t}" in binding.piece(t).name for binding in bindings)
            template = f"{before}{suffix.replace(f'_t{t}', '_t{t}', 1)}{after}" if by_time else name
            self.homes[name] = _Home(template, t if by_time else BEFORE, not by_time)
            self.shapes[name] = ()
        return self.divisors[kind, tensors].name

    def finish(self) -> tuple[tuple[Call, ...], tuple[tuple[int, str], ...]]:
        """All calls in the order of time, and the readouts."""
        self._end()
        outputs = self._outputs()
        calls = sorted(self.calls, key=lambda call: call.t)
        if self.divisors:
            lines = tuple(self.divisors.values())
            calls.insert(0, Call(body_of(lines, [line.name for line in lines], (), {}), BEFORE))
        return tuple(calls), outputs

    def _outputs(self) -> tuple[tuple[int, str], ...]:
        """Readout times and the names of their values, combined as in the spec (rules 20 and 33)."""
        found = sorted(
            (t, self.values.at(which, (net.output, t)).name)
            for which, net in enumerate(self.network.nets)
            for t in net.readouts
        )
        if self.network.combine == "none":
            return tuple(found)
        if self.network.combine == "mean":
            return (self._combined("mean", [name for _, name in found], found[-1][0]),)
        combined = found[:1]
        for number, (t, name) in enumerate(found[1:], start=2):
            if self.network.combine == "cumulative":
                combined.append(self._combined("mean", [each for _, each in found[:number]], t))
            else:  # each sum extends the previous one, so long nets add once per step
                combined.append(self._combined("sum", [combined[-1][1], name], t))
        return tuple(combined)

    def _combined(self, merge: str, names: Sequence[str], t: int) -> tuple[int, str]:
        """Append the combined readouts up to a time; return that time and the name of the result."""
        output = self.network.nets[0].output
        template = f"{stem(output)}_upto_t{{t}}"
        read = [self._seen(name, t) for name in names]
        shape = self.shapes[names[-1]]
        line = Line(template, op(merge), tuple(read), (), shape, NOW, output)
        self.calls.append(Call(body_of([line], [template], (), dict.fromkeys(read, shape)), t))
        name = at(template, t)
        self.homes[name], self.shapes[name] = _Home(template, t, False), shape
        return t, name

    def _state(self, name: str) -> State:
        state = self.network.state(name)
        assert state is not None, f"{name} is no state of the spec"
        return state
