"""Sizes of maps after ops, and the strides that make them fit (rule 11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphnet.network.functions.ops import KINDS, Shape, op
from graphnet.spec.notation.op_words import OPS, WIDTH
from graphnet.spec.notation.transition_functions import Branches, Call, Chain, FunctionFault

MAPS = ("conv", "deconv", "max_pool", "avg_pool")
"""Ops with a sliding window."""
POOLS = ("max_pool", "avg_pool")


@dataclass(frozen=True)
class Window:
    """Sliding window of an op; `stride` is None if the compiler chooses it."""

    kernel: int
    stride: int | None
    padding: int
    dilation: int
    grows: bool

    def size(self, size: int, stride: int) -> int:
        """Return the output size for `size` input pixels."""
        reach = self.dilation * (self.kernel - 1)
        if self.grows:
            return (size - 1) * stride - 2 * self.padding + reach + stride
        return (size + 2 * self.padding - reach - 1) // stride + 1


def number(call: Call, name: str) -> int | None:
    """Return a whole-number setting of a call whose constants are replaced; None if it is not given."""
    value = call.get(name)
    assert value is None or isinstance(value, int), f"{call.op}: {name} is not settled"
    return value


def window(call: Call) -> Window:
    """Return the window of a call: kernels are odd and keep the size at stride 1 unless padding is given."""
    pool = call.op in POOLS
    kernel = number(call, "kernel") or (2 if pool else 3)
    stride = number(call, "stride") or (2 if pool else None)
    dilation = number(call, "dilation") or 1
    padding = number(call, "padding")
    if padding is None:
        if not pool and kernel % 2 == 0:
            what = f"the kernel {kernel} is even"
            raise FunctionFault(what, call.place, f"use {kernel - 1} or {kernel + 1}, or give a padding", code="GN205")
        padding = 0 if pool and kernel % 2 == 0 else dilation * (kernel - 1) // 2
    return Window(kernel, stride, padding, dilation, call.op == "deconv")


def first_path(chain: Chain) -> list[Call]:
    """Return the calls along a chain, through the first branch of every fork."""
    return [call for item in chain for call in (first_path(item.chains[0]) if isinstance(item, Branches) else (item,))]


def count_widths(chain: Chain) -> int:
    """Count the ops along a chain's first path that set the number of output channels."""
    return sum(call.op in WIDTH for call in first_path(chain))


def share_strides(path: Sequence[Call], source: Shape, target: Shape | None) -> list[int]:
    """Choose strides for convolutions without one: 2 for the first ones, as few as reach the target's size."""
    elastic = [call for call in path if call.op in WIDTH[:2] and window(call).stride is None]
    if target is not None and len(target) == len(source) > 1:
        taker = "conv" if target[1:] < source[1:] else "deconv"
        takers = [number for number, call in enumerate(elastic) if call.op == taker]
        for count in range(len(takers) + 1):
            strides = [2 if number in takers[:count] else 1 for number in range(len(elastic))]
            if sizes_along(path, source, target, strides) == target[1:]:
                return strides
    return [1] * len(elastic)


def sizes_along(path: Sequence[Call], source: Shape, target: Shape | None, strides: Sequence[int]) -> Shape:
    """Return the map's size after a path whose elastic convolutions have these strides; () for a vector."""
    sizes = source[1:]
    chosen = iter(strides)
    for call in path:
        if call.op in MAPS:
            view = window(call)
            stride = next(chosen) if view.stride is None else view.stride
            sizes = tuple(view.size(size, stride) for size in sizes)
        elif call.op == "pad_identity" and target is not None:
            sizes = target[1:]
        elif call.op in ("global_pool", "linear"):
            sizes = ()
        elif KINDS[call.op].function if call.op in KINDS else None:
            settings = dict(OPS[call.op].defaults) | dict(call.settings)
            own = op(call.op, **settings)
            sizes = KINDS[call.op].shape(own, ((source[0], *sizes),))[1:]
    return sizes


def what_fits(chain: Chain, shape: Shape, source: Shape, target: Shape) -> str:
    """Return a hint on how a function from `source` that yields `shape` could yield `target`."""
    if len(shape) != len(target):
        if len(shape) > 1 and len(target) > 1:
            return "give both states the same number of sizes: [C, H, W] or [C, L]"
        return "G or L turn a map into a vector" if len(target) == 1 else "a vector cannot become a map"
    if len(target) == 1:
        return f"end on L, which gives {target[0]} channels"
    if shape[1:] == target[1:]:
        return f"end on a convolution of {target[0]} channels, such as C1:{target[0]}"
    smaller = target[1:] < source[1:]
    letter, verb = ("C", "halves") if smaller else ("D", "doubles")
    word = "conv" if smaller else "deconv"
    for count in range(1, 11):
        calls = [Call(word, chain[0].place)] * count
        if sizes_along(calls, source, None, [2] * count) == target[1:]:
            have = sum(call.op == word for call in first_path(chain))
            if have < count:
                return f"'{letter}' {verb} the size: BR{letter}{f'x{count}' if count > 1 else ''} fits"
            return f"without explicit strides, {count} of '{letter}' fit"
    wish = f"{size_text(source)} cannot become {size_text(target)}"
    order = "; shapes are channels, height, width" if source[-1] != source[-2] or target[-1] != target[-2] else ""
    return f"C or P halve a size (rounding up or down) and D doubles it: {wish}{order}"


def size_text(shape: Shape) -> str:
    """Format a shape: 64x32x32."""
    return "x".join(map(str, shape))
