"""Join weights once, before the first step; per-time weights are joined in their step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from graphnet.network.functions.ops import Line, Shape, op
from graphnet.planning.body import BEFORE, NOW, Body, Call, body_of, plain
from graphnet.planning.plan import Plan

CONVS = ("conv", "conv_transpose")


@dataclass
class JoinedWeights:
    """Makes the lines that join weights, each once per plan."""

    plan: Plan
    shapes: dict[str, Shape] = field(init=False)
    lines: dict[tuple[tuple[str, ...], int], Line] = field(init=False)
    number: int = field(init=False)

    def __post_init__(self) -> None:
        self.shapes = {tensor.name: tensor.shape for body in self.plan.bodies for tensor in body.tensors}
        found = [line for body in self.plan.bodies for line in body.lines if line.op.kind == "weights"]
        self.lines = {(line.tensors, line.op.number("axis")): line for line in found}
        self.number = max((int(plain(line.name).removeprefix("weights")) for line in found), default=0)

    def weights(self, names: Sequence[str], axis: int, place: str) -> Line:
        """The line that joins these tensors along an axis."""
        key = (tuple(names), axis)
        if key not in self.lines:
            shape = list(self.shapes[names[0]])
            shape[axis] = sum(self.shapes[name][axis] for name in names)
            kind = op("weights", axis=axis, shape=tuple(shape))
            by_time = any("{t}" in name for name in names)
            self.number += 1
            name = f"weights{self.number}" + ("_t{t}" if by_time else "")
            self.lines[key] = Line(name, kind, (), key[0], tuple(shape), NOW if by_time else BEFORE, place)
        return self.lines[key]

    def within(self, body: Body, lines: Sequence[Line]) -> Body:
        """Return the body with new lines, plus the per-time joins made here."""
        made, read = {line.name for line in lines}, {name for line in lines for name in line.arguments}
        mine = [line for line in self.lines.values() if line.name in read - made]
        now = [line for line in mine if line.t == NOW]
        return body.rewritten([*now, *lines], {line.name: line.shape for line in mine})

    def before(self, plan: Plan) -> Plan:
        """Return the plan with the joins before its first step, as far as they are read."""
        read = {name for body in plan.bodies for name, _ in body.reads}
        old = {line.name for call in plan.calls if call.t == BEFORE for line in call.body.lines}
        lines = [line for line in self.lines.values() if line.t == BEFORE and line.name in read - old]
        if not lines:
            return plan
        first = body_of(lines, [line.name for line in lines], (), {})
        calls = list(plan.calls)
        if calls[0].t == BEFORE:
            old_first = calls.pop(0).body
            results = (*old_first.results, *first.results)
            first = body_of((*old_first.lines, *lines), results, old_first.tensors, old_first.shapes)
        return replace(plan, calls=(Call(first, BEFORE), *calls))


def alike(line: Line) -> object:
    """The key that convolutions must share to be fused, apart from channels and sources."""
    settings = tuple((key, value) for key, value in line.op.attributes if key != "channels")
    return line.op.kind, settings, len(line.tensors), line.t
