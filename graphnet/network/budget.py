"""Size estimate of a net before it is unrolled, so that a typo cannot fill the memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from graphnet.errors import Fault
from graphnet.network.network import INPUT, LOGITS, State, Transition
from graphnet.spec.notation.times import ALWAYS, Times

FLOAT = 4
"""Bytes per number."""


@dataclass(frozen=True)
class Estimate:
    """Upper bounds on the size of an unrolled net.

    Attributes:
        values: (state, time) pairs that may hold a value.
        transitions: (cell, time) pairs that may fire.
        lines: ops in the plan.
        parameters: scalars in weights, gains and norms.
        bytes: the values of one image, in float32.
    """

    values: int
    transitions: int
    lines: int
    parameters: int
    bytes: int

    def __str__(self) -> str:
        return (
            f"up to {_short(self.values)} values, {_short(self.transitions)} transitions and {_short(self.lines)} ops, "
            f"{_short(self.parameters)} parameters, {_short(self.bytes)}B an image"
        )


LIMITS = {"values": 10**6, "transitions": 10**6, "lines": 2 * 10**6, "parameters": 10**11, "bytes": 2**40}
"""The budget: a few minutes of compiling, and the memory of a large machine."""


def estimate(cells: Iterable[Transition], states: Sequence[State], readouts: Sequence[int], nets: int) -> Estimate:
    """Estimate the size of a network up to the last readout, times the number of nets relative to T."""
    last = max(readouts, default=0)
    transitions = lines = size = 0
    scalars: dict[str, int] = {}
    into: dict[str, int] = {}
    made_by: dict[int, int] = {}  # equal cells share a function
    for cell in cells:
        times = ALWAYS if cell.symbol or cell.kind == "update" else cell.times
        count = nets * count_times(times, last)
        if id(cell.function) not in made_by:
            made_by[id(cell.function)] = sum(math.prod(layer.shape) for layer in cell.function)
        made = made_by[id(cell.function)]
        if cell.kind == "update":
            count = nets * (last + 1)
        else:
            transitions += count
            into[cell.target] = into.get(cell.target, 0) + count
        lines += count * (len(cell.function) + (cell.source == INPUT) + (cell.target == LOGITS))
        size += count * made
        for binding in chain.from_iterable(cell.bindings):
            timed: dict[str, int] = {}
            for held, (name, _, shape, *_) in binding.pieces:
                if "{t}" not in name:
                    scalars[name] = math.prod(shape)
                else:  # the times of a binding's pieces are disjoint
                    often = count if held is ALWAYS else nets * count_times(held.both(times), last)
                    timed[name] = timed.get(name, 0) + often * math.prod(shape)
            for name, scalar in timed.items():
                scalars[name] = max(scalar, scalars.get(name, 0))
    values = 0
    for state in states:
        always = state.hold or state.zeros
        count = nets * (last + 1) if always else min(into.get(state.name, 0), nets * (last + 1))
        values += count
        lines += 2 * count
        size += count * math.prod(state.shape)
    return Estimate(values, transitions, lines, sum(scalars.values()), FLOAT * size)


def budget_faults(found: Estimate, steps: int) -> list[Fault]:
    """Return a fault if a net exceeds the budget, at its likely cause: the last readout or the states."""
    over = [name for name, limit in LIMITS.items() if getattr(found, name) > limit]
    if not over:
        return []
    what = f"this net is too large: {found}"
    fix = f"the budget is {_short(LIMITS[over[0]])} {over[0]}; --unlimited compiles it anyway"
    if steps > 1000 and over[0] in ("values", "transitions", "lines"):
        return [Fault(("readout", "t"), what, fix, code="GN604")]
    return [Fault(("states",), what, fix, on="key", code="GN604")]


def count_times(times: Times, last: int) -> int:
    """Count the times up to `last`."""
    return sum(max(0, min(span.last, last) - span.first + 1) for span in times.spans)


def _short(number: int) -> str:
    """Format a number with three digits: 3,100 as 3.1 k."""
    for power, unit in ((18, "E"), (15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if number >= 10**power:
            return f"{number / 10**power:.3g} {unit}"
    return str(number)
