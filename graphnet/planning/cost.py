"""Cost model of a plan: floating-point operations, bytes and launches from its shapes, seconds on a known machine."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from graphnet.network.functions.ops import KINDS, Shape
from graphnet.planning.body import Body
from graphnet.planning.plan import Line, Plan

CONVOLUTIONS = ("conv", "conv_transpose", "linear")
NORMS = ("batch_norm", "group_norm", "layer_norm")
LAYOUTS = ("contiguous", "channels_last")
LAUNCHES = {"item": 0, "value": 0, "slice": 0, "shared_norm": 5, "conv_norm": 5, "conv_transpose_norm": 5}
"""Op → kernels launched in the forward pass, where that is not one."""

BATCH = 32
"""The default batch size."""


class Cost(NamedTuple):
    """Cost of one pass: floating-point operations of convolutions and linear layers, bytes moved, kernels launched."""

    flops: int = 0
    bytes: int = 0
    launches: int = 0


@dataclass(frozen=True)
class Machine:
    """Measured speed of a device; `train` is forward and backward, `infer` forward alone.

    Attributes:
        device: its name, and the conditions of the measurement.
        concurrent: whether kernels launch while the device works, as on a GPU.
        launch: `conv mode` or `other mode` → seconds per kernel that does almost no work.
        convolving: `kind layout mode` → (channels, seconds per floating-point operation), by ascending channels.
        moving: `kind layout mode` → seconds per byte, for norms and for all else (`elementwise`).
    """

    device: str
    concurrent: bool
    launch: Mapping[str, float]
    convolving: Mapping[str, Sequence[tuple[int, float]]]
    moving: Mapping[str, float]


@dataclass(frozen=True)
class Target:
    """What to optimise a net for: machine, batch size, and `train` or `infer`."""

    machine: Machine
    batch: int
    mode: str

    def seconds(self, lines: Iterable[Line], sizes: Sizes, layout: str) -> float:
        """Predicted seconds of lines with maps in a memory layout."""
        return sum(self.seconds_by_kind(lines, sizes, layout).values())

    def prefers(self, new: Iterable[Line], old: Iterable[Line], sizes: Sizes, layout: str) -> bool:
        """Whether `new` is predicted to beat `old` by more than the prediction error of 5 %."""
        return self.seconds(new, sizes, layout) < 0.95 * self.seconds(old, sizes, layout)

    def seconds_by_kind(self, lines: Iterable[Line], sizes: Sizes, layout: str) -> dict[str, float]:
        """As `seconds`, for `convolutions`, `norms`, `other` and `launches`."""
        found = dict.fromkeys(("convolutions", "norms", "other", "launches"), 0.0)
        where = f"{layout} {self.mode}"
        for line in lines:
            cost = cost_of(line, sizes, self.batch, self.mode)
            kind = family(line)
            launched = "conv" if kind in CONVOLUTIONS else "other"
            found["launches"] += cost.launches * self.machine.launch[f"{launched} {self.mode}"]
            if kind in CONVOLUTIONS:
                rates = self.machine.convolving[f"{kind} {where}"]
                found["convolutions"] += cost.flops * _between(rates, _channels(line, sizes))
            else:
                found["norms" if kind in NORMS else "other"] += cost.bytes * self.machine.moving[f"{kind} {where}"]
        if self.machine.concurrent:  # launches overlap with the work of the device
            found["launches"] = max(0.0, 2 * found["launches"] - sum(found.values()))
        return found


def cost_of(line: Line, sizes: Sizes, batch: int, mode: str) -> Cost:
    """Cost of a line for a batch in float32; a backward pass repeats the work for each gradient."""
    given = tuple(sizes.shapes[name] for name in line.arguments)
    once = KINDS[line.op.kind].flops(line.op, given, line.shape)
    launches = LAUNCHES.get(line.op.kind, 1)
    if line.op.kind in ("sum", "product", "max", "mean"):
        launches = max(1, len(given) - 1 + (line.op.kind == "mean"))
    maps = sum(map(math.prod, given[:1] if family(line) in CONVOLUTIONS else given)) + math.prod(line.shape)
    if line.op.kind == "weights":
        maps = 0
    moved = 4 * (batch * maps + sum(sizes.tensors[name] for name in line.tensors)) if launches else 0
    factor = 1 if mode == "infer" else 3 if family(line) in CONVOLUTIONS else 2
    return Cost(batch * once * factor, moved * factor, launches * factor)


def cost(plan: Plan, batch: int = 1, mode: str = "infer") -> Cost:
    """Total cost of a plan's lines; see `cost_of`."""
    total = Counter[str]()
    for body, count in plan.bodies.items():
        sizes = sizes_of(plan, body)
        for line in body.lines:
            each = cost_of(line, sizes, batch, mode)
            total.update({name: count * value for name, value in each._asdict().items()})
    return Cost(**total)


class Sizes(NamedTuple):
    """The shape of each value of a body, without the batch axis, and the element count of each tensor."""

    shapes: Mapping[str, Shape]
    tensors: Mapping[str, int]


def sizes_of(plan: Plan, body: Body) -> Sizes:
    """The sizes of the values and tensors of a body of a plan."""
    return Sizes(body.shapes, plan.sizes)


def seconds(plan: Plan, target: Target, layout: str) -> float:
    """Predicted seconds of a plan on a target, with maps in a memory layout."""
    return sum(seconds_by_kind(plan, target, layout).values())


def seconds_by_kind(plan: Plan, target: Target, layout: str) -> dict[str, float]:
    """As `seconds`, for `convolutions`, `norms`, `other` and `launches`."""
    total = defaultdict[str, float](float)
    for body, count in plan.bodies.items():
        found = target.seconds_by_kind(body.lines, sizes_of(plan, body), layout)
        for kind, value in found.items():
            total[kind] += count * value
    if layout == "channels_last":  # weights are contiguous: each pass converts them to the layout of maps
        weights = sum(math.prod(tensor.shape) for tensor in plan.tensors if tensor.is_weight_of_maps)
        total["other"] += 8 * weights * target.machine.moving[f"elementwise contiguous {target.mode}"]
    return dict(total)


def family(line: Line) -> str:
    """The kind of op whose measured speed applies to a line: a convolution, a norm, or `elementwise`."""
    kind = line.op.kind
    if kind == "convs":
        return "conv_transpose" if line.op["transposed"] else "conv"
    if kind.removesuffix("_norm") in CONVOLUTIONS:
        return kind.removesuffix("_norm")
    return {"shared_norm": "batch_norm"}.get(kind, kind if kind in NORMS else "elementwise")


def _channels(line: Line, sizes: Sizes) -> int:
    """The smaller of a convolution's input and output channels per group: its speed depends on that most."""
    groups = dict(line.op.attributes).get("groups", 1)
    assert isinstance(groups, int)
    return min(sizes.shapes[line.arguments[0]][0], line.shape[0]) // groups


def _between(rates: Sequence[tuple[int, float]], channels: int) -> float:
    """Interpolate the rate at `channels` log-linearly; clamp outside the measured range."""
    at = bisect_left([known for known, _ in rates], channels)
    if at == 0 or at == len(rates):
        return rates[max(at - 1, 0)][1]
    (below, slow), (above, fast) = rates[at - 1 : at + 1]
    part = math.log(channels / below) / math.log(above / below)
    return math.exp((1 - part) * math.log(slow) + part * math.log(fast))
