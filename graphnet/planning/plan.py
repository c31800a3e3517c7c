"""The plan: the net in time, as calls of its distinct steps. Pictures, tables and nets are built from it alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from graphnet.errors import Fault
from graphnet.network.functions.ops import Line as Line
from graphnet.network.functions.ops import Shape
from graphnet.network.network import System, Tensor
from graphnet.planning.body import IMAGE as IMAGE
from graphnet.planning.body import Body, Call, at, first_uses, trainable
from graphnet.planning.holders import Holder, Holders, place_of


class Fate(StrEnum):
    """The fate of a cell of the transition matrix at one time."""

    FIRES = "fires"
    EMPTY = "its source is empty"
    WAITING = "its merge needs an arrow whose source is empty"
    UNREAD = "no readout needs it"


class Firing(NamedTuple):
    """A cell (source, target) of the transition matrix at arrival time t, and its fate.

    `reads` names the value it reads, if its source is populated; `ops` is the function as written.
    """

    source: str
    target: str
    t: int
    fate: Fate
    reads: str
    ops: str


@dataclass(frozen=True)
class CellInfo:
    """A written cell of the matrix, for pictures and tables; `times` is text."""

    source: str
    target: str
    ops: str
    times: str
    delay: int
    place: str


@dataclass(frozen=True)
class Area:
    """A state, for pictures and tables; `update` is text with its noise, or empty."""

    name: str
    label: str
    shape: Shape
    merge: str
    update: str = ""
    hold: bool = False
    zeros: bool = False


class Coupling(NamedTuple):
    """Tensors whose gradients mix by `strength` (LPK eq. 2), in the order of time."""

    strength: float
    kernel: str
    tensors: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The net in time.

    Attributes:
        name, cite: from the spec.
        input_shape: C, H, W of an image; T, C, H, W of a sequence.
        input_times: when it arrives, as text.
        areas: the states in the order of the spec.
        cells: the written cells of the matrix, pre-net first, post-net last.
        firings: every cell at every time up to the last readout, in the order of execution.
        calls: the steps in the order of time, each a body at a time; what runs before the first step comes first.
        outputs: readout time → name of the value read.
        system: what kind of dynamical system the net is.
        couplings: the tensors that are softly coupled.
        weights: the weight of each readout's loss; empty where all are equal.
        combine: how several readouts combine, as in the spec.
        warnings: what is legal but probably unintended.
        layout: memory layout of maps, `contiguous` (N, C, H, W) or `channels_last`.
        calls_layers: whether the net calls layers, or functions on their tensors.
    """

    name: str
    cite: str
    input_shape: Shape
    input_times: str
    areas: tuple[Area, ...]
    cells: tuple[CellInfo, ...]
    firings: tuple[Firing, ...]
    calls: tuple[Call, ...]
    outputs: tuple[tuple[int, str], ...]
    system: System
    couplings: tuple[Coupling, ...] = ()
    weights: tuple[float, ...] = ()
    combine: str = "none"
    warnings: tuple[Fault, ...] = ()
    layout: str = "contiguous"
    calls_layers: bool = False

    @property
    def last_time(self) -> int:
        """T, the largest readout time."""
        return self.outputs[-1][0]

    @cached_property
    def bodies(self) -> Mapping[Body, int]:
        """Distinct step → number of calls, in the order of first call."""
        return Counter(call.body for call in self.calls)

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """Every value by name, in dependency order: the calls with names resolved."""
        return tuple(line for call in self.calls for line in call.lines)

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """The parameters and statistics of the net, in the order of first use."""
        return tuple(first_uses(self.calls, lambda body: body.tensors))

    @cached_property
    def made_at(self) -> Mapping[str, tuple[int, ...]]:
        """State → times at which it is computed, that is, at which its `output` is called."""
        states = {body: [line.place for line in body.lines if line.op.kind == "value"] for body in self.bodies}
        made: dict[str, list[int]] = {}
        for body, t in self.calls:
            for state in states[body]:
                made.setdefault(state, []).append(t)
        return {state: tuple(times) for state, times in made.items()}

    def layers(self, apart: bool = False) -> Iterable[Holder]:
        """The layers that hold the tensors, at all their times; with `apart`, those with uses other than calls."""

        def of(body: Body) -> list[Holder]:
            places = dict.fromkeys(tensor.name.rpartition(".")[0] for tensor in body.tensors)
            known, wanted = self._holders.of(body), self._holders.used_apart(body) if apart else places
            return [known[place] for place in places if place in known and place in wanted]

        return first_uses(self.calls, of)

    @cached_property
    def _holders(self) -> Holders:
        return Holders(self.bodies)

    def called(self, body: Body, line: Line) -> Holder | None:
        """The layer that a line of a body calls, if layers are called."""
        holder = self._holders.of(body).get(place_of(line)) if self.calls_layers else None
        return holder if holder is not None and holder.is_called_by(line) else None

    @cached_property
    def is_sequence(self) -> bool:
        """Whether the input is a sequence, one frame per time."""
        return any(line.op.kind == "slice" for body in self.bodies for line in body.lines)

    @property
    def arriving_shape(self) -> Shape:
        """C, H, W of the input at one time."""
        return self.input_shape[1:] if self.is_sequence else self.input_shape

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """Tensor → element count, by its name in bodies; lines before the first step name actual times."""
        tensors = [tensor for body in self.bodies for tensor in body.tensors]
        if any(line.op.kind == "lipschitz" for line in self.calls[0].body.lines):
            tensors += self.tensors
        return {tensor.name: math.prod(tensor.shape) for tensor in tensors}

    @property
    def output_shape(self) -> Shape:
        """The shape of the output for one image: `(classes,)` after a usual post-net."""
        last = self.outputs[-1][1]
        (shape,) = {
            call.body.shapes[result]
            for call in self.calls
            for result in call.body.results
            if at(result, call.t) == last
        }
        return shape

    @property
    def classes(self) -> int:
        """The length of the output's first axis: the classes, if there is a post-net."""
        return self.output_shape[0]

    @cached_property
    def trainable(self) -> tuple[Tensor, ...]:
        """The parameters, in the order of first use."""
        return tuple(trainable(self.calls))

    @property
    def parameters(self) -> int:
        """Trainable scalars."""
        return sum(math.prod(tensor.shape) for tensor in self.trainable)

    @property
    def flops(self) -> int:
        """Floating-point operations of convolutions and linear layers per image, 2 per multiply-add."""
        return sum(count * body.flops for body, count in self.bodies.items())

    @property
    def work(self) -> list[tuple[Line, int]]:
        """Each line with its floating-point operations per image."""
        return list(zip(self.lines, (flops for call in self.calls for flops in call.body.work), strict=True))

    @property
    def depth(self) -> int:
        """Convolutions, deconvolutions, linear and pooling layers on the longest path to a readout (LP Table 1)."""
        depths = {IMAGE: 0}
        for body, t in self.calls:
            below = {"": 0} | {name: depths[at(name, t)] for name, _ in body.reads}
            for name, ways in zip(body.results, body.ways, strict=True):
                depths[at(name, t)] = max([below[end] + way for end, way in ways.items()])
        return max(depths[name] for _, name in self.outputs)

    def rewritten(self, rewrite: Callable[[Body], Body]) -> Plan:
        """Return the plan with each body rewritten, for all its calls; the plan itself if none changes."""
        new = {body: rewrite(body) for body in self.bodies}
        if all(old is body for old, body in new.items()):
            return self
        return replace(self, calls=tuple([Call(new[body], t) for body, t in self.calls]))

    @property
    def milliseconds(self) -> tuple[int, int]:
        """Biological time of the last readout: 20 to 50 ms per step (LP section 3)."""
        return 20 * self.last_time, 50 * self.last_time
