"""The steps of a net: one body for all times that compute the same.

Names in a body give times relative to its call: `V1_t{t}` is V1's value now, `V1_t{t-1}` the one a step before. So
steps that do the same share a body, and a call is a body and a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple, Protocol, Self, TypeVar

from graphnet.network.functions.ops import KINDS, Line, Shape, op
from graphnet.network.network import Tensor

IMAGE = "input"
"""The name of the value that the caller passes."""
NOW, BEFORE = 0, -1
"""When a line of a body runs: at the time of the call, or once before the first step."""


@lru_cache(maxsize=1 << 16)
def _parts(name: str) -> tuple[str, int | None, str]:
    """Split a name into the text before its time, the steps back, and the text after; None if it has no time."""
    before, brace, rest = name.partition("{t")
    if not brace:
        return name, None, ""
    back, _, after = rest.partition("}")
    return before, int(back[1:] or 0) if back else 0, after


def at(name: str, t: int) -> str:
    """Resolve a name at time t."""
    before, back, after = _parts(name)
    return before if back is None else f"{before}{t - back}{after}"


@lru_cache(maxsize=1 << 16)
def earlier(name: str, steps: int) -> str:
    """The name of the same value `steps` steps earlier; a name without a time is unchanged."""
    before, back, after = _parts(name)
    if back is None or steps == 0:
        return name
    back += steps
    return f"{before}{{t-{back}}}{after}" if back else f"{before}{{t}}{after}"


def plain(name: str) -> str:
    """A name for use within another one: `V1_t{t-2}` becomes `V1_back2`."""
    before, back, after = _parts(name)
    return before if back is None else f"{before.removesuffix('_t')}{f'_back{back}' if back else ''}{after}"


def steps_back(name: str) -> int | None:
    """Steps between this value's time and now; None if its name has no time."""
    return _parts(name)[1]


def inlined(line: Line, t: int) -> Line:
    """Resolve a line of a body at time t."""
    name, kind, arguments, tensors, shape, when, place = line
    if kind.kind == "slice" and "offset" in dict(kind.attributes):
        kind = op("slice", index=t - kind.number("offset"))
    read = tuple([at(each, t) for each in arguments])
    used = tuple([at(each, t) for each in tensors])
    return Line(at(name, t), kind, read, used, shape, t if when == NOW else when, place)


@dataclass(frozen=True)
class Body:
    """A step of the net, independent of time.

    Attributes:
        lines: in dependency order. Their `t` is NOW, or BEFORE for what is computed once for all times.
        results: the names of the lines that other steps may read.
        tensors: the parameters and statistics it declares; per-time ones have `{t}` in their names.
        reads: the names and shapes of its inputs.
    """

    lines: tuple[Line, ...]
    results: tuple[str, ...]
    tensors: tuple[Tensor, ...]
    reads: tuple[tuple[str, Shape], ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Cached: a body is called at many times."""
        return hash((self.lines, self.results, self.tensors))

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """Name → shape, for every value of the body."""
        return dict(self.reads) | {line.name: line.shape for line in self.lines}

    def given(self, line: Line) -> tuple[Shape, ...]:
        """The shapes of a line's arguments."""
        return tuple([self.shapes[name] for name in line.arguments])

    @cached_property
    def work(self) -> tuple[int, ...]:
        """The floating-point operations of each line, per image."""
        return tuple(KINDS[line.op.kind].flops(line.op, self.given(line), line.shape) for line in self.lines)

    @cached_property
    def flops(self) -> int:
        """The floating-point operations of all lines, per image."""
        return sum(self.work)

    @cached_property
    def ways(self) -> tuple[Mapping[str, int], ...]:
        """For each result: value read → longest path from it, in layers that count; "" is no value."""
        ways: dict[str, Mapping[str, int]] = {name: {name: 0} for name, _ in self.reads}
        for line in self.lines:
            longest: dict[str, int] = {}
            for name in line.arguments:
                for end, way in ways[name].items():
                    longest[end] = max(way, longest.get(end, 0))
            depth = KINDS[line.op.kind].depth
            ways[line.name] = {end: way + depth for end, way in (longest or {"": 0}).items()}
        return tuple(ways[name] for name in self.results)

    @cached_property
    def trainable(self) -> tuple[Tensor, ...]:
        """The tensors that an optimiser sees."""
        return tuple(tensor for tensor in self.tensors if tensor.trainable)

    @cached_property
    def unread(self) -> frozenset[str]:
        """The names of lines that nothing reads and that are not results."""
        made = {line.name for line in self.lines}
        return frozenset(made.difference(self.results, *[line.arguments for line in self.lines]))

    @cached_property
    def timeless(self) -> tuple[str, ...]:
        """The names of lines without a time; a body with such lines is called once."""
        return tuple(line.name for line in self.lines if "{t" not in line.name)

    def inlined(self, t: int) -> Iterator[Line]:
        """The lines, resolved at time t."""
        return (inlined(line, t) for line in self.lines)

    def rewritten(
        self,
        lines: Iterable[Line],
        shapes: Mapping[str, Shape] | None = None,
        more_results: Iterable[str] = (),
        less_results: Container[str] = (),
    ) -> Body:
        """Return the body with new lines, and new results if given; `shapes` holds those of inputs it did not have.

        Lines that become unread are dropped, unless they have side effects.
        """
        results = tuple(name for name in dict.fromkeys((*self.results, *more_results)) if name not in less_results)
        kept = without_unread(lines, results)
        made = {line.name for line in kept}
        known = {**self.shapes, **(shapes or {})}
        reads = dict.fromkeys(name for line in kept for name in line.arguments if name not in made)
        made_of = Body(kept, results, self.tensors, tuple([(name, known[name]) for name in reads]))
        return self if made_of == self else made_of


ACTING = ("batch_norm", "shared_norm", "noise", "value", "lipschitz")
"""Ops with side effects: they update statistics, draw random numbers, or are tapped."""


def without_unread(lines: Iterable[Line], results: Container[str], acting: bool = True) -> tuple[Line, ...]:
    """Drop lines that no result depends on; keep those with side effects if `acting`."""
    kept: list[Line] = []
    read: set[str] = set()
    for line in reversed(list(lines)):
        acts = acting and (line.op.kind in ACTING or KINDS[line.op.kind].function is not None)
        if line.name in results or line.name in read or acts:
            kept.append(line)
            read.update(line.arguments)
    return tuple(reversed(kept))


def readers_in(body: Body) -> Counter[str]:
    """Count the readers of each value of a body; other steps count as one."""
    return Counter(name for line in body.lines for name in line.arguments) + Counter(body.results)


class Call(NamedTuple):
    """A body at a time."""

    body: Body
    t: int

    @property
    def reads(self) -> list[str]:
        """The names of its inputs."""
        return [at(name, self.t) for name, _ in self.body.reads]

    @property
    def results(self) -> list[str]:
        """The names of the values that other steps may read."""
        return [at(name, self.t) for name in self.body.results]

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors it declares."""
        return [tensor.at(self.t) for tensor in self.body.tensors]

    @property
    def lines(self) -> Iterator[Line]:
        """Its lines, with names resolved."""
        return self.body.inlined(self.t)


def body_of(
    lines: Sequence[Line], results: Sequence[str], tensors: Sequence[Tensor], shapes: Mapping[str, Shape]
) -> Body:
    """Make a body of lines; `shapes` holds those of its inputs."""
    made = {line.name for line in lines}
    reads = dict.fromkeys(name for line in lines for name in line.arguments if name not in made)
    return Body(tuple(lines), tuple(results), tuple(tensors), tuple([(name, shapes[name]) for name in reads]))


class Timed(Protocol):
    """An object that belongs to one time if its name has a time in it."""

    @property
    def name(self) -> str: ...

    def at(self, t: int) -> Self: ...


T = TypeVar("T", bound=Timed)


def first_uses(calls: Iterable[Call], tensors: Callable[[Body], Sequence[T]]) -> Iterable[T]:
    """The tensors of bodies at the times of their calls, each once, in the order of first use."""
    found: dict[str, T] = {}
    left: dict[Body, bool] = {}  # bodies seen so far: do they have other tensors at other times?
    for body, t in calls:
        if left.get(body, True):
            mine = tensors(body)
            for tensor in mine:
                made = tensor.at(t)
                found.setdefault(made.name, made)
            left[body] = any("{t}" in tensor.name for tensor in mine)
    return found.values()


def trainable(calls: Iterable[Call]) -> Iterable[Tensor]:
    """The parameters of the calls, each once, in the order of first use."""
    return first_uses(calls, lambda body: body.trainable)
