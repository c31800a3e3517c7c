"""The lines of a plan: what makes a value is written once, as a pattern, and named for each time when asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple, TypeVar, overload

from graphnet.network.functions.ops import KINDS, Line, Op, Shape
from graphnet.network.network import Init, Tensor

IMAGE = "input"
"""The name of the value that the caller gives."""

T = TypeVar("T")


class Template(NamedTuple):
    """A line whatever its time: its name is `before`, the turn's suffix, `after`.

    `arguments` are numbers of earlier lines of the pattern, or -1, -2, … for what the pattern is given; `tensors` are
    numbers of the pattern's tensors.
    """

    before: str
    after: str
    op: Op
    arguments: tuple[int, ...]
    tensors: tuple[int, ...]
    shape: Shape
    place: str


@dataclass(frozen=True, eq=False)
class Pattern:
    """The lines that make a value of what they are given, whatever the time.

    Attributes:
        given: the shapes of what it is given.
        tensors: its parameters and statistics; those that belong to the time have `{t}` in their names.
        lines: each after those that it is made of.
        results: the numbers of the lines that may be read outside.
    """

    given: tuple[Shape, ...]
    tensors: tuple[Tensor, ...]
    lines: tuple[Template, ...]
    results: tuple[int, ...]

    def shapes(self, arguments: Sequence[int]) -> tuple[Shape, ...]:
        """The shapes of a line's arguments."""
        lines, given = self.lines, self.given
        return tuple([lines[at].shape if at >= 0 else given[-1 - at] for at in arguments])

    @cached_property
    def work(self) -> tuple[int, ...]:
        """The floating-point operations of each line, per image."""
        return tuple(KINDS[line.op.kind].flops(line.op, self.shapes(line.arguments), line.shape) for line in self.lines)

    @cached_property
    def flops(self) -> int:
        """The floating-point operations of all lines, per image."""
        return sum(self.work)

    @cached_property
    def ways(self) -> tuple[dict[int, int], ...]:
        """For each result the longest way from each given thing to it, in layers that count; -1 is the first given.

        Number 0 stands for a line that is made of nothing.
        """
        ways: list[dict[int, int]] = []
        for line in self.lines:
            read = [ways[at] if at >= 0 else {at: 0} for at in line.arguments] or [{0: 0}]
            longest = read[0]
            if len(read) > 1:
                longest = {}
                for end, way in chain.from_iterable(map(dict.items, read)):
                    longest[end] = max(way, longest.get(end, 0))
            depth = KINDS[line.op.kind].depth
            ways.append({end: way + depth for end, way in longest.items()} if depth else longest)
        return tuple(ways[number] for number in self.results)

    @cached_property
    def unread(self) -> frozenset[int]:
        """The numbers of the lines that nothing is made of, and that are no results."""
        return frozenset(range(len(self.lines))).difference(self.results, *[line.arguments for line in self.lines])

    @cached_property
    def trainable(self) -> tuple[Tensor, ...]:
        """The tensors that an optimiser sees."""
        return tuple(tensor for tensor in self.tensors if tensor.trainable)

    @cached_property
    def is_timed(self) -> bool:
        """Whether any trainable tensor belongs to the time."""
        return any(tensor.at(0) is not tensor for tensor in self.trainable)


class Turn(NamedTuple):
    """A pattern at a time, given values by name."""

    pattern: Pattern
    t: int
    suffix: str
    given: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The names of its lines."""
        suffix = self.suffix
        return [f"{line[0]}{suffix}{line[1]}" for line in self.pattern.lines]

    @property
    def results(self) -> list[str]:
        """The names of the lines that may be read outside."""
        lines = self.pattern.lines
        return [f"{lines[number].before}{self.suffix}{lines[number].after}" for number in self.pattern.results]

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors of its time."""
        return [tensor.at(self.t) for tensor in self.pattern.tensors]

    @property
    def lines(self) -> Iterator[Line]:
        """Its lines, written out."""
        names, tensors = self.names, [tensor.name for tensor in self.tensors]
        for name, (_, _, op, arguments, used, shape, place) in zip(names, self.pattern.lines, strict=True):
            read = tuple([names[at] if at >= 0 else self.given[-1 - at] for at in arguments])
            yield Line(name, op, read, tuple([tensors[at] for at in used]), shape, self.t, place)


class _Written(Sequence[T]):
    """What turns hold, one after the other; written out when it is first looked at."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.turns = tuple(turns)

    @property
    @abstractmethod
    def written(self) -> tuple[T, ...]:
        """All of it."""

    def __len__(self) -> int:
        return len(self.written)

    def __iter__(self) -> Iterator[T]:
        return iter(self.written)

    @overload
    def __getitem__(self, at: int) -> T: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[T, ...]: ...

    def __getitem__(self, at: int | slice) -> T | tuple[T, ...]:
        return self.written[at]

    def __eq__(self, other: object) -> bool:
        return self.written == (other.written if isinstance(other, _Written) else other)

    def __hash__(self) -> int:
        return hash(self.written)

    def __repr__(self) -> str:
        return repr(self.written)


class Lines(_Written[Line]):
    """The lines of turns, one after the other."""

    @cached_property
    def written(self) -> tuple[Line, ...]:
        """All lines."""
        return tuple(line for turn in self.turns for line in turn.lines)

    def __len__(self) -> int:
        return sum(len(turn.pattern.lines) for turn in self.turns)


class Tensors(_Written[Tensor]):
    """The tensors of turns, each once, in the order of first use, named for each time."""

    @cached_property
    def written(self) -> tuple[Tensor, ...]:
        """All tensors."""
        return tuple({tensor.name: tensor for turn in self.turns for tensor in turn.tensors}.values())


def trainable(turns: Iterable[Turn]) -> Iterable[Tensor]:
    """The parameters of turns, each once, in the order of first use."""
    found: dict[str, Tensor] = {}
    seen: set[Pattern] = set()
    for turn in turns:
        if turn.pattern.is_timed or turn.pattern not in seen:
            seen.add(turn.pattern)
            found |= {made.name: made for tensor in turn.pattern.trainable if (made := tensor.at(turn.t))}
    return found.values()


UNDECLARED = "undeclared"
"""The role of a tensor that a plan uses and does not declare."""


def as_turn(lines: Sequence[Line], tensors: Sequence[Tensor], image: Shape, results: Sequence[str]) -> Turn:
    """Lines that were written out as one turn, which is given the image and what it lacks."""
    numbers: dict[str, int] = {}
    given = {IMAGE: 0}
    declared = {tensor.name: number for number, tensor in enumerate(tensors)}
    used = [*tensors]
    templates = []
    for number, line in enumerate(lines):
        for name in line.tensors:
            if name not in declared:
                declared[name] = len(used)
                used.append(Tensor(name, UNDECLARED, (), Init("zeros"), ""))
        arguments = tuple(
            numbers[name] if name in numbers else -1 - given.setdefault(name, len(given)) for name in line.arguments
        )
        held = tuple(declared[name] for name in line.tensors)
        templates.append(Template(line.name, "", line.op, arguments, held, line.shape, line.place))
        numbers[line.name] = number
    shapes = tuple(image if name == IMAGE else () for name in given)
    ends = tuple(numbers[name] for name in results if name in numbers)
    return Turn(Pattern(shapes, tuple(used), tuple(templates), ends), 0, "", tuple(given))
