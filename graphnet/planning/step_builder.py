"""Builders for the lines of a value, and for the body of a step from its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from graphnet.network.functions.ops import Line, Op, Shape, op, shape_of
from graphnet.network.network import FIRST, SOURCE, Tensor, Transition
from graphnet.planning.body import NOW, Body


def stem(place: str) -> str:
    """A place or layer as part of the names of values."""
    return place.replace(".", "_")


class PatternLine(NamedTuple):
    """A line independent of time: its name is `before`, the value's suffix, `after`.

    `arguments` are numbers of earlier lines of the pattern, or -1, -2, … for its inputs.
    """

    before: str
    after: str
    op: Op
    arguments: tuple[int, ...]
    tensors: tuple[str, ...]
    shape: Shape
    place: str


class Pattern:
    """Builder for the lines of a value or of the pre-net; the last line is its result.

    `divided` are its layers that divide, by transition and number: their divisors are the last inputs.
    """

    def __init__(self, t: int) -> None:
        self.t = t
        self.given: list[Shape] = []
        self.tensors: dict[str, Tensor] = {}
        self.lines: list[PatternLine] = []
        self.divided: list[tuple[Transition, int]] = []

    def give(self, shape: Shape) -> int:
        """Add an input; return its number."""
        self.given.append(shape)
        return -len(self.given)

    def append(self, before: str, after: str, kind: Op, arguments: tuple[int, ...], place: str) -> int:
        """Append a line without tensors; return its number."""
        shapes = tuple([self.lines[at].shape if at >= 0 else self.given[-1 - at] for at in arguments])
        self.lines.append(PatternLine(before, after, kind, arguments, (), shape_of(kind, shapes), place))
        return len(self.lines) - 1

    def function(self, transition: Transition, source: int, first: int) -> int:
        """Append the lines of a transition; return the number of its result."""
        ends = {SOURCE: source, FIRST: first}
        before, start = stem(transition.place), len(self.lines)
        for number, (layer, bindings) in enumerate(zip(transition.function, transition.bindings, strict=True)):
            arguments = tuple([ends[at] if at < 0 else start + at for at in layer.arguments])
            used = tuple([self._tensor(binding.piece(self.t)) for binding in bindings])
            chosen = layer.op
            if chosen.kind == "divide":
                self.divided.append((transition, number))
                arguments, used = (*arguments, self.give(())), ()
                chosen = op("divide", mu=chosen["mu"])
            after = f"_{stem(layer.label)}"
            self.lines.append(PatternLine(before, after, chosen, arguments, used, layer.shape, transition.place))
        return len(self.lines) - 1 if transition.function else source

    def _tensor(self, tensor: Tensor) -> str:
        return self.tensors.setdefault(tensor.name, tensor).name


class Part(NamedTuple):
    """A pattern in a step: the suffix of its names, its inputs, and whether it runs now or before."""

    pattern: Pattern
    suffix: str
    given: tuple[str, ...]
    t: int = NOW

    @property
    def result(self) -> str:
        """The name of its result."""
        line = self.pattern.lines[-1]
        return f"{line.before}{self.suffix}{line.after}"


def join(parts: Sequence[Part]) -> Body:
    """Join parts into the body of a step."""
    lines: list[Line] = []
    tensors: dict[str, Tensor] = {}
    reads: dict[str, Shape] = {}
    for pattern, suffix, given, t in parts:
        names = [f"{line.before}{suffix}{line.after}" for line in pattern.lines]
        for name, (_, _, kind, arguments, used, shape, place) in zip(names, pattern.lines, strict=True):
            read = tuple([names[at] if at >= 0 else given[-1 - at] for at in arguments])
            lines.append(Line(name, kind, read, used, shape, t, place))
        tensors |= pattern.tensors
        reads |= dict(zip(given, pattern.given, strict=True))
    made = {line.name for line in lines}
    used_names = {name for line in lines for name in line.arguments}
    left = tuple((name, shape) for name, shape in reads.items() if name not in made and name in used_names)
    return Body(tuple(lines), tuple(part.result for part in parts), tuple(tensors.values()), left)
