"""The pattern of a value while it is being written, out of transition functions and merges."""

from __future__ import annotations

from typing import NamedTuple

from graphnet.network.functions.ops import Op, Shape, op, shape_of
from graphnet.network.network import FIRST, SOURCE, Tensor, Transition
from graphnet.planning.lines import Pattern, Template


def stem(place: str) -> str:
    """A place or layer, as it stands in the names of values."""
    return place.replace(".", "_")


class BuiltPattern(NamedTuple):
    """A pattern; of its layers that divide, the transition and the layer: their divisors are given last."""

    pattern: Pattern
    divided: tuple[tuple[Transition, int], ...]


class PatternBuilder:
    """A pattern that is being written: the lines of a value, or of the pre-net."""

    def __init__(self, t: int) -> None:
        self.t = t
        self.given: list[Shape] = []
        self.tensors: dict[str, int] = {}
        self.held: list[Tensor] = []
        self.lines: list[Template] = []
        self.divided: list[tuple[Transition, int]] = []

    def give(self, shape: Shape) -> int:
        """The number of one more thing that the pattern is given."""
        self.given.append(shape)
        return -len(self.given)

    def append(self, before: str, after: str, kind: Op, arguments: tuple[int, ...], place: str) -> int:
        """Append a line without tensors; returns its number."""
        shapes = tuple([self.lines[at].shape if at >= 0 else self.given[-1 - at] for at in arguments])
        self.lines.append(Template(before, after, kind, arguments, (), shape_of(kind, shapes), place))
        return len(self.lines) - 1

    def function(self, transition: Transition, source: int, first: int) -> int:
        """Append the lines of a transition; returns the number of its result."""
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
            self.lines.append(Template(before, after, chosen, arguments, used, layer.shape, transition.place))
        return len(self.lines) - 1 if transition.function else source

    def _tensor(self, tensor: Tensor) -> int:
        number = self.tensors.setdefault(tensor.name, len(self.held))
        if number == len(self.held):
            self.held.append(tensor)
        return number

    def recipe(self) -> BuiltPattern:
        pattern = Pattern(tuple(self.given), tuple(self.held), tuple(self.lines), (len(self.lines) - 1,))
        return BuiltPattern(pattern, tuple(self.divided))
