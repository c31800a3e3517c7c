"""The plan: the unrolled net, one line a value in the order of execution. All that the backends read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from graphnet.errors import Fault
from graphnet.network.functions.ops import Line as Line
from graphnet.network.functions.ops import Shape
from graphnet.network.network import System, Tensor
from graphnet.planning.lines import IMAGE as IMAGE
from graphnet.planning.lines import Lines, Pattern, Tensors, Turn, as_turn, trainable


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
class CellInfo:
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
        lines: the values, each after those it is made of; written out when they are first looked at.
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
    cells: tuple[CellInfo, ...]
    firings: tuple[Firing, ...]
    tensors: Sequence[Tensor]
    lines: Sequence[Line]
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

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """What the lines are written from: patterns at times; lines that a pass has written are one turn."""
        if isinstance(self.lines, Lines) and isinstance(self.tensors, Tensors):
            return self.lines.turns
        return (as_turn(self.lines, self.tensors, self.input_shape, [name for _, name in self.outputs]),)

    @property
    def once(self) -> Iterator[Line]:
        """The lines of each pattern at its first time: those of all kinds of op in all places, few of them."""
        if not isinstance(self.lines, Lines):
            return iter(self.lines)
        first: dict[Pattern, Turn] = {}
        for turn in self.turns:
            first.setdefault(turn.pattern, turn)
        return (line for turn in first.values() for line in turn.lines)

    @property
    def classes(self) -> int:
        """The length of the output's first axis after the batch: the classes, if there is a post-net."""
        last = self.outputs[-1][1]
        (shape,) = (
            turn.pattern.lines[number].shape
            for turn in self.turns
            for name, number in zip(turn.results, turn.pattern.results, strict=True)
            if name == last
        )
        return shape[0]

    @cached_property
    def trainable(self) -> tuple[Tensor, ...]:
        """The parameters, in the order of first use."""
        if isinstance(self.tensors, Tensors):
            return tuple(trainable(self.tensors.turns))
        return tuple(tensor for tensor in self.tensors if tensor.trainable)

    @property
    def parameters(self) -> int:
        """Trainable scalars."""
        return sum(math.prod(tensor.shape) for tensor in self.trainable)

    @property
    def flops(self) -> int:
        """Floating-point operations per image, 2 a multiply-add, of convolutions and linear layers."""
        return sum(turn.pattern.flops for turn in self.turns)

    @property
    def work(self) -> list[tuple[Line, int]]:
        """Each line with its floating-point operations per image."""
        return list(zip(self.lines, (flops for turn in self.turns for flops in turn.pattern.work), strict=True))

    @property
    def depth(self) -> int:
        """Convolutions, deconvolutions, linear and pooling layers on the longest way to a readout (LP Table 1)."""
        depths = {IMAGE: 0}
        for turn in self.turns:
            below = [0, *(depths[name] for name in reversed(turn.given))]  # by -1, -2, … for what is given
            for name, ways in zip(turn.results, turn.pattern.ways, strict=True):
                depths[name] = max([below[end] + way for end, way in ways.items()])
        return max(depths[name] for _, name in self.outputs)

    @property
    def milliseconds(self) -> tuple[int, int]:
        """Biological time of the last readout: 20 to 50 ms a step (LP section 3)."""
        return 20 * self.last_time, 50 * self.last_time
