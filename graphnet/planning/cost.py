"""What a plan costs: floating-point operations, bytes and launches by its shapes, and seconds on a known machine."""

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
"""Kernels that an op starts, forward, where it is not one."""

BATCH = 32
"""Images at once, unless something else is known."""


class Cost(NamedTuple):
    """Of one pass: floating-point operations of convolutions and linear layers, bytes moved, kernels launched."""

    flops: int = 0
    bytes: int = 0
    launches: int = 0


@dataclass(frozen=True)
class Machine:
    """How fast a device is, as measured once; `train` is forward and backward, `infer` forward alone.

    Attributes:
        device: its name, and what else the figures hold for.
        concurrent: whether launching goes on while the device works, as on a GPU.
        launch: `conv mode` or `other mode` → seconds a kernel takes that does next to nothing.
        convolving: `kind layout mode` → (channels, seconds a floating-point operation), by ascending channels.
        moving: `kind layout mode` → seconds a byte, for norms and for all else (`elementwise`).
    """

    device: str
    concurrent: bool
    launch: Mapping[str, float]
    convolving: Mapping[str, Sequence[tuple[int, float]]]
    moving: Mapping[str, float]


@dataclass(frozen=True)
class Target:
    """What a net is to be fast for: a machine, images at once, and `train` or `infer`."""

    machine: Machine
    batch: int
    mode: str

    def seconds(self, lines: Iterable[Line], sizes: Sizes, layout: str) -> float:
        """What lines are predicted to take, if maps lie in a layout."""
        return sum(self.seconds_by_kind(lines, sizes, layout).values())

    def prefers(self, new: Iterable[Line], old: Iterable[Line], sizes: Sizes, layout: str) -> bool:
        """Whether lines are predicted to be faster than others by more than predictions are wrong, 5 %."""
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
        if self.machine.concurrent:  # what is launched while the device works takes no time
            found["launches"] = max(0.0, 2 * found["launches"] - sum(found.values()))
        return found


def cost_of(line: Line, sizes: Sizes, batch: int, mode: str) -> Cost:
    """Of a line for a batch in float32; a backward pass does the work once more for each gradient."""
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
    """Of all lines of a plan; see `cost_of`."""
    total = Counter[str]()
    for body, count in plan.bodies.items():
        sizes = sizes_of(plan, body)
        for line in body.lines:
            each = cost_of(line, sizes, batch, mode)
            total.update({name: count * value for name, value in each._asdict().items()})
    return Cost(**total)


class Sizes(NamedTuple):
    """The shape of each value of a body, without the batch, and the numbers in each tensor."""

    shapes: Mapping[str, Shape]
    tensors: Mapping[str, int]


def sizes_of(plan: Plan, body: Body) -> Sizes:
    """The sizes of the values and tensors of a body of a plan."""
    return Sizes(body.shapes, plan.sizes)


def seconds(plan: Plan, target: Target, layout: str) -> float:
    """What a plan is predicted to take on a target, if maps lie in a layout."""
    return sum(seconds_by_kind(plan, target, layout).values())


def seconds_by_kind(plan: Plan, target: Target, layout: str) -> dict[str, float]:
    """As `seconds`, for `convolutions`, `norms`, `other` and `launches`."""
    total = defaultdict[str, float](float)
    for body, count in plan.bodies.items():
        found = target.seconds_by_kind(body.lines, sizes_of(plan, body), layout)
        for kind, value in found.items():
            total[kind] += count * value
    if layout == "channels_last":  # weights are contiguous: they are laid out as maps are, once a pass
        weights = sum(math.prod(tensor.shape) for tensor in plan.tensors if tensor.is_weight_of_maps)
        total["other"] += 8 * weights * target.machine.moving[f"elementwise contiguous {target.mode}"]
    return dict(total)


def family(line: Line) -> str:
    """The kind of op whose speed a line's is like: a convolution, a norm, or `elementwise`."""
    kind = line.op.kind
    if kind == "convs":
        return "conv_transpose" if line.op["transposed"] else "conv"
    if kind.removesuffix("_norm") in CONVOLUTIONS:
        return kind.removesuffix("_norm")
    return {"shared_norm": "batch_norm"}.get(kind, kind if kind in NORMS else "elementwise")


def _channels(line: Line, sizes: Sizes) -> int:
    """The fewer of the channels that a convolution mixes and makes, of one group: what its speed depends on most."""
    groups = dict(line.op.attributes).get("groups", 1)
    assert isinstance(groups, int)
    return min(sizes.shapes[line.arguments[0]][0], line.shape[0]) // groups


def _between(rates: Sequence[tuple[int, float]], channels: int) -> float:
    """The rate at so many channels: between measured ones in proportion, by logarithms; beyond them the outermost."""
    at = bisect_left([known for known, _ in rates], channels)
    if at == 0 or at == len(rates):
        return rates[max(at - 1, 0)][1]
    (below, slow), (above, fast) = rates[at - 1 : at + 1]
    part = math.log(channels / below) / math.log(above / below)
    return math.exp((1 - part) * math.log(slow) + part * math.log(fast))
