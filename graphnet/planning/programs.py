"""Cut a body into programs: runs of lines between the values of states, which can be tapped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from graphnet.network.functions.ops import Line, Op, Shape
from graphnet.planning.body import Body, at, inlined
from graphnet.planning.holders import Holder, flags_of
from graphnet.planning.plan import Plan

Relative = tuple[Op, tuple[int, ...], tuple[int, ...], Shape]
"""A line without names: arguments are line numbers, or -1, -2, … for the program's inputs; then tensors, and the
training flags of norm layers."""


@dataclass(frozen=True)
class Program:
    """Lines independent of time, states and weights, and which of them are read outside."""

    lines: tuple[Relative, ...]
    results: tuple[int, ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Cached: many bodies contain the same program."""
        return hash((self.lines, self.results))


class Run(NamedTuple):
    """A program in a body: the names of its inputs, tensors, flags and results; and its lines."""

    program: Program
    given: tuple[str, ...]
    tensors: tuple[str, ...]
    results: tuple[str, ...]
    lines: tuple[Line, ...]

    def at(self, t: int) -> Run:
        """The run at a time, except for its lines."""
        given, tensors, results = (tuple([at(name, t) for name in names]) for names in self[1:4])
        return Run(self.program, given, tensors, results, self.lines)


class LayerCall(NamedTuple):
    """A line that calls a layer."""

    line: Line
    layer: Holder

    def at(self, t: int) -> LayerCall:
        """The call at a time."""
        return LayerCall(inlined(self.line, t), self.layer.at(t))


Piece = Run | LayerCall | Line

ALONE = ("value", "lipschitz", "slice")
"""Ops outside any program: a state's value, which can be tapped, a Lipschitz divisor, a frame of a sequence."""


def cut(plan: Plan, body: Body) -> tuple[Piece, ...]:
    """Cut a body into programs and single lines, in order; a new program starts after a value that is read.

    Lines that call layers stay single.
    """
    readers: dict[str, set[str]] = {}
    for line in body.lines:
        for name in line.arguments:
            readers.setdefault(name, set()).add(line.name)
    for name in body.results:
        readers.setdefault(name, set()).add("another step")
    pieces: list[Piece] = []
    inside: list[Line] = []
    values: list[Line] = []  # of the current program
    for line in body.lines:
        if inside and (line.t != inside[-1].t or any(value.name in line.arguments for value in values)):
            pieces += [_run(inside, readers), *values]
            inside, values = [], []
        layer = plan.called(body, line)
        if layer is not None:
            pieces += [*([_run(inside, readers)] if inside else []), *values, LayerCall(line, layer)]
            inside, values = [], []
        elif line.op.kind not in ALONE:
            inside.append(line)
        elif inside and line.op.kind == "value":
            values.append(line)
        else:
            pieces.append(line)
    return (*pieces, _run(inside, readers), *values) if inside else (*pieces,)


def _run(lines: Sequence[Line], readers: Mapping[str, set[str]]) -> Run:
    numbers = {line.name: number for number, line in enumerate(lines)}
    given: dict[str, int] = {}
    tensors: dict[str, int] = {}
    relative: list[Relative] = []
    for line in lines:
        arguments = tuple(
            numbers[name] if name in numbers else -1 - given.setdefault(name, len(given)) for name in line.arguments
        )
        used = tuple(tensors.setdefault(name, len(tensors)) for name in (*line.tensors, *flags_of(line)))
        relative.append((line.op, arguments, used, line.shape))
    results = tuple(k for name, k in numbers.items() if readers.get(name, set()) - numbers.keys())
    names = tuple(lines[k].name for k in results)
    return Run(Program(tuple(relative), results), tuple(given), tuple(tensors), names, tuple(lines))


def runs_of(plan: Plan) -> Iterator[tuple[int, Piece]]:
    """Yield time and piece for all calls of a plan, in order; names are those in the body."""
    pieces = {body: cut(plan, body) for body in plan.bodies}
    for body, t in plan.calls:
        for piece in pieces[body]:
            yield t, piece
