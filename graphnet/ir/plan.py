"""The plan: the unrolled net, one line a value in the order of execution. All that the backends read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from graphnet.errors import Fault
from graphnet.ir.network import System, Tensor
from graphnet.ir.ops import KINDS, Op, Shape

IMAGE = "input"
"""The name of the value that the caller gives."""


class Line(NamedTuple):
    """One value: `name = op(arguments; tensors)`, of `shape` (without the batch).

    `place` says whose line it is: a state (`h2`), a transition (`h2.from_h1`), `pre_net` or `post_net`; `t` is
    its time: the arrival time, for lines of a transition. `tensors` are names in `state_dict()`, in the order
    of the op's roles. A line whose op is `value` is its state's value at t.
    """

    name: str
    op: Op
    arguments: tuple[str, ...]
    tensors: tuple[str, ...]
    shape: Shape
    t: int
    place: str

    def __str__(self) -> str:
        given = ", ".join(self.arguments + self.tensors)
        settings = "".join(f", {key}={value}" for key, value in self.op.attributes)
        return f"{self.name} = {self.op.kind}({given}{settings})"


class Fate(StrEnum):
    """What becomes of a cell of the transition matrix at one time."""

    FIRES = "fires"
    EMPTY = "its source is empty"
    WAITING = "its merge needs an arrow whose source is empty"
    UNREAD = "no readout needs it"


class Firing(NamedTuple):
    """A cell (source, target) of the transition matrix at arrival time t, and its fate.

    `reads` is the value it reads, by name, if its source is populated; `ops` is the function, as written.
    """

    source: str
    target: str
    t: int
    fate: Fate
    reads: str
    ops: str


@dataclass(frozen=True)
class Cell:
    """A written cell of the matrix, for pictures and tables; `times` as text."""

    source: str
    target: str
    ops: str
    times: str
    delay: int
    place: str


@dataclass(frozen=True)
class Area:
    """A state, for pictures and tables."""

    name: str
    label: str
    shape: Shape
    merge: str


class Coupling(NamedTuple):
    """Tensors whose gradients are mixed by `strength` (LPK eq. 2), in the order of time."""

    strength: float
    kernel: str
    tensors: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The unrolled net.

    Attributes:
        name, cite: from the spec.
        input_shape: C, H, W of an image; T, C, H, W of a sequence.
        input_times: when it arrives, as text.
        areas: the states in the order of the spec.
        cells: the written cells of the matrix, pre-net first, post-net last.
        firings: every cell at every time up to the last readout, in the order of execution.
        tensors: the parameters and statistics of the net, in the order of first use.
        lines: the values, each after those it is made of.
        outputs: readout time → name of the value read.
        system: what kind of dynamical system the net is.
        couplings: the tensors that are softly coupled.
        weights: the weight of each readout's loss; empty where all are equal.
        warnings: what is legal but hardly meant.
        layout: how maps lie in memory, `contiguous` (N, C, H, W) or `channels_last`.
    """

    name: str
    cite: str
    input_shape: Shape
    input_times: str
    areas: tuple[Area, ...]
    cells: tuple[Cell, ...]
    firings: tuple[Firing, ...]
    tensors: tuple[Tensor, ...]
    lines: tuple[Line, ...]
    outputs: tuple[tuple[int, str], ...]
    system: System
    couplings: tuple[Coupling, ...] = ()
    weights: tuple[float, ...] = ()
    warnings: tuple[Fault, ...] = ()
    layout: str = "contiguous"

    @property
    def last_time(self) -> int:
        """T, the largest readout time."""
        return self.outputs[-1][0]

    @property
    def classes(self) -> int:
        """The length of the output's first axis after the batch: the classes, if there is a post-net."""
        shapes = {line.name: line.shape for line in self.lines}
        return shapes[self.outputs[-1][1]][0]

    @property
    def parameters(self) -> int:
        """Trainable scalars."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors if tensor.trainable)

    @property
    def flops(self) -> int:
        """Floating-point operations per image, 2 a multiply-add, of convolutions and linear layers."""
        return sum(flops for _, flops in self.work)

    @property
    def work(self) -> list[tuple[Line, int]]:
        """Each line with its floating-point operations per image."""
        shapes = {line.name: line.shape for line in self.lines} | {IMAGE: self.input_shape}
        return [
            (line, KINDS[line.op.kind].flops(line.op, tuple(shapes[name] for name in line.arguments), line.shape))
            for line in self.lines
        ]

    @property
    def depth(self) -> int:
        """Convolutions, deconvolutions, linear and pooling layers on the longest way to a readout (LP Table 1)."""
        depths = {IMAGE: 0}
        for line in self.lines:
            below = max((depths[name] for name in line.arguments), default=0)
            depths[line.name] = below + KINDS[line.op.kind].depth
        return max(depths[name] for _, name in self.outputs)

    @property
    def milliseconds(self) -> tuple[int, int]:
        """Biological time of the last readout: 20 to 50 ms a step (LP section 3)."""
        return 20 * self.last_time, 50 * self.last_time
