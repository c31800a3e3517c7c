"""Interpreter for lines of plans in evaluation mode: runs any part of a net, or several nets that share much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from graphnet.network.functions.ops import KINDS, Op
from graphnet.planning.holders import flags_of
from graphnet.planning.plan import IMAGE, Line, Plan
from graphnet.runtime.eager_writer import Eager
from graphnet.runtime.lipschitz_divisor import Divisor
from graphnet.runtime.lowering_rules import say


class Interpreter(Eager):
    """Runs any line of a plan immediately."""

    def divisor(self, line: Line, given: Sequence[Any]) -> Any:
        return Divisor(line.op).eval()(*given)


INTERPRETER = Interpreter()


def tensors_of(net: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name."""
    return dict(net.named_parameters()) | dict(net.named_buffers())


def run(
    lines: Sequence[Line], tensors: Mapping[str, Tensor], given: Mapping[str, Tensor], wanted: Collection[str]
) -> dict[str, Tensor]:
    """Run lines on the given values; return the wanted values."""
    found = {name: value for name, value in given.items() if name in wanted}
    return found | {line.name: value for line, value in steps(lines, tensors, given) if line.name in wanted}


@torch.no_grad()
def steps(
    lines: Sequence[Line], tensors: Mapping[str, Tensor], given: Mapping[str, Tensor]
) -> Iterator[tuple[Line, Tensor]]:
    """Run lines on the given values; yield each line with its value, and free values after their last use."""
    last = {name: number for number, line in enumerate(lines) for name in line.arguments}
    values = dict(given)
    for number, line in enumerate(lines):
        arguments = [values[name] for name in line.arguments]
        if line.op.kind == "value":
            value = arguments[0]
        else:
            flags = [False for _ in flags_of(line)]
            value = say(INTERPRETER, line, [*arguments, *(tensors[name] for name in line.tensors), *flags])
        yield line, value
        if line.name in last:
            values[line.name] = value
        for name in line.arguments:
            if last[name] == number:
                values.pop(name, None)


@dataclass
class Merged:
    """Several plans merged: shared computations run once.

    Two lines merge if they apply the same op to the same values and tensors. `outputs` are the last readouts of the
    plans, in their order.
    """

    lines: list[Line] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    known: dict[tuple[Op, tuple[str, ...], tuple[str, ...], int], str] = field(default_factory=dict)

    def add(self, plan: Plan, table: Mapping[str, str]) -> None:
        """Add a plan; `table` maps its tensors to their names here."""
        names = {IMAGE: IMAGE}
        drawn: Counter[object] = Counter()  # random lines draw per line of a plan, shared between plans
        for line in plan.lines:
            arguments = tuple(names[name] for name in line.arguments)
            if line.op.kind == "value":
                names[line.name] = arguments[0]
                continue
            tensors = tuple(table[name] for name in line.tensors)
            same = (line.op, arguments, tensors)
            key = (*same, drawn[same])
            if line.op.kind == "noise" or KINDS[line.op.kind].function is not None:
                drawn[same] += 1
            if key not in self.known:
                self.known[key] = f"value{len(self.lines)}"
                self.lines.append(line._replace(name=self.known[key], arguments=arguments, tensors=tensors))
            names[line.name] = self.known[key]
        self.outputs.append(names[plan.outputs[-1][1]])
