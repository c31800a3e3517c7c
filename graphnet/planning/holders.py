"""Layers as modules: which layer holds which tensors, and which lines call it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from graphnet.network.functions.ops import Line, Op, Shape
from graphnet.network.network import Tensor
from graphnet.planning.body import Body

LAYERS = ("conv", "conv_transpose", "linear", "batch_norm", "group_norm", "layer_norm")
"""Ops whose tensors a layer holds; the first tensor's place names the layer."""


class Holder(NamedTuple):
    """A layer that holds tensors.

    Attributes:
        name: its module's name as in bodies: `h2.from_h1.conv1`, or `….norm1.t{t}` for per-time tensors.
        op, shape: its op, and the shape of its output.
        roles: the roles and shapes of its tensors.
    """

    name: str
    op: Op
    shape: Shape
    roles: tuple[tuple[str, Shape], ...]

    def at(self, t: int) -> Holder:
        """The layer of arrival time t."""
        if "{t}" not in self.name:
            return self
        return Holder(self.name.format(t=t), self.op, self.shape, self.roles)

    def is_called_by(self, line: Line) -> bool:
        """Whether a line calls this layer; a batch norm may take its weight and bias from elsewhere."""
        left = self.left_by(line)
        is_whole = len(self.roles) + len(left) == len(line.tensors) and (not left or left == line.tensors[2:])
        may_leave = line.op.kind == "batch_norm" or not left
        return line.op == self.op and len(line.shape) == len(self.shape) and is_whole and may_leave

    def left_by(self, line: Line) -> tuple[str, ...]:
        """The tensors of a line that this layer does not hold."""
        held = [f"{self.name}.{role}" for role, _ in self.roles]
        return tuple([name for name in line.tensors if name not in held])


def place_of(line: Line) -> str:
    """The name of the layer that a line's op belongs to, wherever its tensors are; empty if none."""
    return line.tensors[0].rpartition(".")[0] if line.op.kind in LAYERS and line.tensors else ""


def flags_of(line: Line) -> tuple[str, ...]:
    """The name of the training flag of each norm layer in a line."""
    if line.op.kind not in ("batch_norm", "shared_norm"):
        return ()
    means = (name for name in line.tensors if name.endswith("running_mean"))
    return tuple(f"{name.rpartition('.')[0]}.training" for name in means)


def holders_of(lines: Iterable[Line], tensors: Iterable[Tensor]) -> dict[str, Holder]:
    """Name → layer that holds tensors. If several ops use its weight, the one it is named after counts."""
    held: dict[str, dict[str, Shape]] = {}
    for tensor in tensors:
        place, _, role = tensor.name.rpartition(".")
        held.setdefault(place, {})[role] = tensor.shape
    chosen: dict[str, Line] = {}
    for line in lines:
        place = place_of(line)
        if place in held and (place not in chosen or (_is_own(line, place) and not _is_own(chosen[place], place))):
            chosen[place] = line
    return {place: Holder(place, line.op, line.shape, tuple(held[place].items())) for place, line in chosen.items()}


class Holders:
    """The layers of bodies. Per-time layers belong to one body: another time may have another function there."""

    def __init__(self, bodies: Iterable[Body]) -> None:
        self.bodies = list(bodies)
        tensors = (tensor for body in self.bodies for tensor in body.tensors if not _is_timed(tensor))
        self.always = holders_of((line for body in self.bodies for line in body.lines), tensors)
        self.known: dict[Body, dict[str, Holder]] = {}

    def of(self, body: Body) -> Mapping[str, Holder]:
        """Name, as in the body → layer that the body may use."""
        if body not in self.known:
            own = holders_of(body.lines, (tensor for tensor in body.tensors if _is_timed(tensor)))
            self.known[body] = self.always | own
        return self.known[body]

    def used_apart(self, body: Body) -> frozenset[str]:
        """The names of layers whose tensors are also used by lines that do not call them."""
        return self._apart(body) | {name for name in self._always_apart if "{t}" not in name}

    @cached_property
    def _always_apart(self) -> frozenset[str]:
        return frozenset().union(*map(self._apart, self.bodies))

    def _apart(self, body: Body) -> frozenset[str]:
        names = set()
        for line in body.lines:
            holder = self.of(body).get(place_of(line))
            left = line.tensors if holder is None or not holder.is_called_by(line) else holder.left_by(line)
            names |= {name.rpartition(".")[0] for name in left}
        return frozenset(names)


def _is_timed(tensor: Tensor) -> bool:
    return "{t}" in tensor.name.rpartition(".")[0]


def _is_own(line: Line, place: str) -> bool:
    """Whether a place is named after a line: after its transition, and its layer there."""
    label = re.sub(r"\.t(\{t\}|\d+)$", "", place).removeprefix(f"{line.place}.")
    return line.name.endswith("_" + label.replace(".", "_"))
