"""A transition function as written → layers whose sizes fit from source to target (rules 9 to 11)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from graphnet.ir.network import SOURCE, Function, Init, Layer, Slot
from graphnet.ir.ops import Op, Shape, op, shape_of
from graphnet.spec.functions import ACTIVATIONS, WIDTH, Branches, Call, Chain
from graphnet.spec.model import Norm
from graphnet.spec.wholes import Misspelt

EPS, MOMENTUM = 1e-5, 0.1
LABELS = {"conv_transpose": "deconv", "batch_norm": "norm", "sum": "add"}
"""Layers are counted under their op's name, but for these."""


@dataclass(frozen=True)
class Ends:
    """What a function runs between; `target` is None where any result will do. `between` is the width inside."""

    source: Shape
    target: Shape | None
    between: int
    source_name: str
    target_name: str
    norm: Norm
    constants: Mapping[str, int]


def fit(chain: Chain, ends: Ends) -> Function:
    """The layers of a transition function. Raises Misspelt where a size does not fit, saying what would."""
    builder = _Builder(ends)
    last, shape = builder.chain(chain, SOURCE, ends.source, ends.target, builder.labels)
    _check_end(chain, shape, ends)
    if last == SOURCE:
        return ()
    assert last == len(builder.layers) - 1
    return tuple(builder.layers)


@dataclass
class _Labels:
    """Counts layers by name within a prefix: conv1, conv2, …"""

    prefix: str = ""
    counts: Counter[str] = field(default_factory=Counter)

    def next(self, kind: str) -> str:
        name = LABELS.get(kind, kind)
        self.counts[name] += 1
        return f"{self.prefix}{name}{self.counts[name]}"


@dataclass
class _Path:
    """What is left to hand out along the first branch of everything: strides, and who comes last."""

    strides: list[int]
    widths_left: int
    last_width: int


class _Builder:
    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        self.layers: list[Layer] = []
        self.labels = _Labels()
        self.skips = 0

    def chain(self, chain: Chain, at: int, shape: Shape, target: Shape | None, labels: _Labels) -> tuple[int, Shape]:
        """Append a chain that runs from the value `at` towards `target`; returns its last value and shape."""
        path = first_path(chain)
        widths = sum(call.op in WIDTH for call in path)
        last_width = target[0] if target else self.ends.between
        strides = share_strides(path, shape, target)
        return self._items(chain, at, shape, _Path(strides, widths, last_width), labels)

    def _items(self, chain: Chain, at: int, shape: Shape, path: _Path, labels: _Labels) -> tuple[int, Shape]:
        for item in chain:
            if isinstance(item, Branches):
                at, shape = self._fork(item, at, shape, path, labels)
            else:
                at, shape = self._call(item, at, shape, path, labels)
        return at, shape

    def _fork(self, fork: Branches, at: int, shape: Shape, path: _Path, labels: _Labels) -> tuple[int, Shape]:
        names = self._branch_labels(fork, labels)
        ends = [self._items(fork.chains[0], at, shape, path, names[0])]
        for branch, name in zip(fork.chains[1:], names[1:], strict=True):
            ends.append(self.chain(branch, at, shape, ends[0][1], name))
            if ends[-1][1] != ends[0][1]:
                raise Misspelt(
                    f"branches of unequal shapes {size_text(ends[0][1])} and {size_text(ends[-1][1])} cannot be added",
                    *chain_span(branch),
                    "give this branch a convolution, such as C1, or a stride",
                )
        if len(ends) == 1:
            return ends[0]
        return self._append(op("sum"), tuple(end for end, _ in ends), labels), ends[0][1]

    def _branch_labels(self, fork: Branches, labels: _Labels) -> list[_Labels]:
        """The first branch with tensors goes on in the names around it; later ones are skip, skip2, …"""
        names = []
        first = True
        for branch in fork.chains:
            if not has_tensors(branch) or first:
                names.append(labels)
                first = first and not has_tensors(branch)
            else:
                self.skips += 1
                names.append(_Labels("skip." if self.skips == 1 else f"skip{self.skips}."))
        return names

    def _call(self, call: Call, at: int, shape: Shape, path: _Path, labels: _Labels) -> tuple[int, Shape]:
        if call.op == "identity":
            return at, shape
        if call.op == "linear" and len(shape) > 1:
            at, shape = self._append(op("flatten"), (at,), labels), (math.prod(shape),)
        elastic = is_elastic(call)
        chosen = self._op(call, shape, path.strides.pop(0) if elastic else call.stride, path)
        try:
            at = self._append(chosen, (at,), labels, self._slots(chosen, shape))
        except ValueError:
            raise Misspelt(f"{call.op} leaves nothing of {size_text(shape)}", *call.span) from None
        return at, self.layers[at].shape

    def _op(self, call: Call, shape: Shape, stride: int | None, path: _Path) -> Op:
        if call.op in ACTIVATIONS:
            return op(call.op)
        if call.op == "norm":
            return op("batch_norm", affine=self.ends.norm.affine != "none", momentum=MOMENTUM, eps=EPS)
        if len(shape) == 1 and call.op != "linear":
            raise Misspelt(f"{call.op} needs a map, not {size_text(shape)}", *call.span, "drop it, or drop G before it")
        if call.op == "global_pool":
            return op("global_pool")
        if call.op in ("max_pool", "avg_pool"):
            kernel, stride = call.kernel or 2, stride or 2
            return op(call.op, kernel=kernel, stride=stride, padding=(kernel - 1) // 2)
        width = self._width(call, path)
        if call.op == "linear":
            return op("linear", channels=width)
        kernel, stride = call.kernel or 3, stride or 1
        settings = {"channels": width, "kernel": kernel, "stride": stride, "padding": kernel // 2}
        if call.op == "deconv":
            return op("conv_transpose", **settings, output_padding=stride - 1)
        return op("conv", **settings)

    def _width(self, call: Call, path: _Path) -> int:
        path.widths_left -= 1
        if call.width is None:
            return self.ends.between if path.widths_left else path.last_width
        unknown = [name for name in call.width.names if name not in self.ends.constants]
        if unknown:
            raise Misspelt(f"no constant is called '{unknown[0]}'", *call.span, "name it in [let]")
        width = call.width.value(self.ends.constants)
        if not 1 <= width <= 1 << 24:
            raise Misspelt(f"a width of {width} channels is not between 1 and {1 << 24:,}", *call.span)
        return width

    def _slots(self, op: Op, shape: Shape) -> tuple[Slot, ...]:
        channels = shape[0]
        if op.kind == "batch_norm":
            norm = self.ends.norm
            per_time = norm.statistics == "per-time"
            statistics = (
                Slot("running_mean", (channels,), Init("zeros"), per_time),
                Slot("running_var", (channels,), Init("ones"), per_time),
            )
            per_time = norm.affine == "per-time"
            affine = (
                Slot("weight", (channels,), Init("ones"), per_time),
                Slot("bias", (channels,), Init("zeros"), per_time),
            )
            return statistics if norm.affine == "none" else statistics + affine
        if op.kind in ("conv", "conv_transpose"):
            kernel = (op.number("kernel"),) * (len(shape) - 1)
            first, second = op.number("channels"), channels
            if op.kind == "conv_transpose":
                first, second = second, first
            return (Slot("weight", (first, second, *kernel), Init("he", channels * math.prod(kernel))),)
        if op.kind == "linear":
            width = op.number("channels")
            return (
                Slot("weight", (width, channels), Init("he", channels)),
                Slot("bias", (width,), Init("zeros")),
            )
        return ()

    def _append(self, op: Op, arguments: tuple[int, ...], labels: _Labels, slots: tuple[Slot, ...] = ()) -> int:
        shapes = tuple(self.ends.source if at == SOURCE else self.layers[at].shape for at in arguments)
        self.layers.append(Layer(labels.next(op.kind), op, arguments, shape_of(op, shapes), slots))
        return len(self.layers) - 1


def first_path(chain: Chain) -> list[Call]:
    """The calls along a chain, through the first branch of every fork."""
    return [call for item in chain for call in (first_path(item.chains[0]) if isinstance(item, Branches) else (item,))]


def has_tensors(chain: Chain) -> bool:
    """Whether a chain owns weights or statistics."""
    return any(
        any(map(has_tensors, item.chains)) if isinstance(item, Branches) else item.op in (*WIDTH, "norm")
        for item in chain
    )


def is_elastic(call: Call) -> bool:
    """Whether the compiler chooses the stride."""
    return call.op in ("conv", "deconv") and call.stride is None


def share_strides(path: list[Call], source: Shape, target: Shape | None) -> list[int]:
    """Strides for the elastic convolutions of a path: 2 for the first ones, as few as make the size come out."""
    elastic = [call for call in path if is_elastic(call)]
    if target is None or len(target) == 1 or len(source) == 1:
        return [1] * len(elastic)
    smaller = target[1:] < source[1:]
    takers = [call.op == ("conv" if smaller else "deconv") for call in elastic]
    for count in range(sum(takers) + 1):
        strides, left = [], count
        for takes in takers:
            strides.append(2 if takes and left else 1)
            left -= takes and left > 0
        if sizes_along(path, source, strides) == target[1:]:
            return strides
    return [1] * len(elastic)


def sizes_along(path: list[Call], source: Shape, strides: list[int]) -> Shape:
    """The map's size at the end of a path."""
    sizes = source[1:]
    chosen = iter(strides)
    for call in path:
        if call.op in ("conv", "deconv"):
            stride = next(chosen) if is_elastic(call) else call.stride or 1
            sizes = tuple(size * stride if call.op == "deconv" else -(-size // stride) for size in sizes)
        elif call.op in ("max_pool", "avg_pool"):
            kernel, stride = call.kernel or 2, call.stride or 2
            sizes = tuple((size + 2 * ((kernel - 1) // 2) - kernel) // stride + 1 for size in sizes)
        elif call.op in ("global_pool", "linear"):
            sizes = ()
    return sizes


def _check_end(chain: Chain, shape: Shape, ends: Ends) -> None:
    if ends.target is None or shape == ends.target:
        return
    start, end = chain_span(chain)
    what = (
        f"this makes {size_text(shape)} of '{ends.source_name}' ({size_text(ends.source)}), "
        f"but '{ends.target_name}' is {size_text(ends.target)}"
    )
    raise Misspelt(what, start, end, _what_fits(chain, shape, ends))


def _what_fits(chain: Chain, shape: Shape, ends: Ends) -> str:
    """A hint how a function that misses its target could meet it."""
    target = ends.target
    assert target is not None
    path = first_path(chain)
    if len(shape) == len(target) and shape[1:] == target[1:]:
        return f"end on a convolution of {target[0]} channels, such as C1:{target[0]}"
    if len(shape) != len(target):
        return "G or L make a vector of a map" if len(target) == 1 else "a vector does not become a map"
    smaller = target[1:] < ends.source[1:]
    letter, verb = ("C", "halves") if smaller else ("D", "doubles")
    for count in range(1, 11):
        calls = [Call("conv" if smaller else "deconv", (0, 0))] * count
        if sizes_along(calls, ends.source, [2] * count) == target[1:]:
            have = sum(call.op == calls[0].op for call in path)
            return (
                f"'{letter}' {verb} the size: BR{letter}x{count} fits"
                if have < count
                else f"without strides of their own, {count} of '{letter}' fit"
            )
    wish = f"{size_text(ends.source)} cannot become {size_text(target)}"
    return f"sizes are halved by C or P (rounding up or down) or doubled by D: {wish}"


def chain_span(chain: Chain) -> tuple[int, int]:
    """First and last-plus-one character of a chain."""
    return min(item.span[0] for item in chain), max(item.span[1] for item in chain)


def size_text(shape: Shape) -> str:
    """A shape as people write it: 64x32x32."""
    return "x".join(map(str, shape))
