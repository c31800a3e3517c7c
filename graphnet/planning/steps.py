"""A plan cut into steps; two steps are the same if they do the same to what they are given (design, section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from graphnet.network.functions.ops import Op, Shape
from graphnet.planning.plan import Line, Plan

Relative = tuple[Op, tuple[int, ...], tuple[int, ...], Shape]
"""A line without names: arguments are numbers of lines of the step, or -1, -2, … for what it is given; then tensors."""


@dataclass(frozen=True)
class Step:
    """What a step does, whatever its time, its states and its weights: lines, and which of them are read outside."""

    lines: tuple[Relative, ...]
    results: tuple[int, ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Found once: a step stands in the calls of many times."""
        return hash((self.lines, self.results))


@dataclass(frozen=True)
class Call:
    """A step at time t: the names of what it reads, of its tensors and of its results."""

    step: Step
    given: tuple[str, ...]
    tensors: tuple[str, ...]
    results: tuple[str, ...]
    t: int


Instruction = Call | Line
"""A call of a step; or a line of its own: a state's value, which can be tapped, a Lipschitz divisor, a slice."""
ALONE = ("value", "lipschitz", "slice")


def cut(plan: Plan) -> list[Instruction]:
    """The calls and single lines that a plan consists of, in order: a new step for each time, and after a value.

    A state's value stands outside the steps; what reads it at the same time is another step.
    """
    readers = _readers(plan)
    entries: list[Instruction] = []
    inside: list[Line] = []
    values: list[Line] = []  # of the step that is being gathered
    for line in plan.lines:
        if inside and (line.t != inside[-1].t or any(value.name in line.arguments for value in values)):
            entries += [_call(inside, readers), *values]
            inside, values = [], []
        if line.op.kind not in ALONE:
            inside.append(line)
        elif inside:
            values.append(line)
        else:
            entries.append(line)
    return [*entries, _call(inside, readers), *values] if inside else entries


def _readers(plan: Plan) -> dict[str, set[str]]:
    """Who reads each value; an output is read by the caller."""
    readers: dict[str, set[str]] = {}
    for line in plan.lines:
        for name in line.arguments:
            readers.setdefault(name, set()).add(line.name)
    for _, name in plan.outputs:
        readers.setdefault(name, set()).add("the caller")
    return readers


def _call(lines: Sequence[Line], readers: Mapping[str, set[str]]) -> Call:
    numbers = {line.name: number for number, line in enumerate(lines)}
    given: dict[str, int] = {}
    tensors: dict[str, int] = {}
    relative: list[Relative] = []
    for line in lines:
        arguments = tuple(
            numbers[name] if name in numbers else -1 - given.setdefault(name, len(given)) for name in line.arguments
        )
        used = tuple(tensors.setdefault(name, len(tensors)) for name in line.tensors)
        relative.append((line.op, arguments, used, line.shape))
    results = tuple(k for name, k in numbers.items() if readers.get(name, set()) - numbers.keys())
    names = tuple(lines[k].name for k in results)
    return Call(Step(tuple(relative), results), tuple(given), tuple(tensors), names, lines[0].t)
