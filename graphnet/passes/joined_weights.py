"""Weights joined before the first step, once for all times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graphnet.network.functions.ops import Shape, op
from graphnet.planning.plan import Line, Plan

BEFORE = -1
CONVS = ("conv", "conv_transpose")


@dataclass
class Ready:
    """Makes the lines of a plan that join weights, each once."""

    tensors: Mapping[str, Shape]
    lines: dict[tuple[tuple[str, ...], int], Line] = field(default_factory=dict)

    def weights(self, names: Sequence[str], axis: int, place: str) -> Line:
        """The line whose value is these tensors, joined along an axis."""
        key = (tuple(names), axis)
        if key not in self.lines:
            shape = list(self.tensors[names[0]])
            shape[axis] = sum(self.tensors[name][axis] for name in names)
            kind = op("weights", axis=axis, shape=tuple(shape))
            number = 1 + max((int(line.name.removeprefix("weights")) for line in self.lines.values()), default=0)
            self.lines[key] = Line(f"weights{number}", kind, (), key[0], tuple(shape), BEFORE, place)
        return self.lines[key]

    def within(self, lines: Sequence[Line]) -> tuple[Line, ...]:
        """Those lines, and before them the ones that they read of those made here."""
        read = {name for line in lines for name in line.arguments}
        old = [line for line in lines if line.op.kind == "weights"]
        names = {line.name for line in old}
        new = [line for line in self.lines.values() if line.name in read - names]
        return (*old, *new, *(line for line in lines if line.op.kind != "weights"))


def ready(plan: Plan) -> Ready:
    """What joins weights of a plan; it knows those that are."""
    known = {(line.tensors, line.op.number("axis")): line for line in plan.lines if line.op.kind == "weights"}
    return Ready({tensor.name: tensor.shape for tensor in plan.tensors}, known)


def alike(line: Line) -> object:
    """What convolutions must have in common to run at once, but for their channels and sources."""
    settings = tuple((key, value) for key, value in line.op.attributes if key != "channels")
    return line.op.kind, settings, len(line.tensors), line.t
