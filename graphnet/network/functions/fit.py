"""Transition function as written → layers whose sizes fit source and target (rules 9 to 11)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from graphnet.errors import KeyPath
from graphnet.network.functions.constants import settle
from graphnet.network.functions.layers import bounded, make_layer
from graphnet.network.functions.lipschitz import NoBound
from graphnet.network.functions.ops import Op, Shape, op, shape_of
from graphnet.network.functions.sizes import (
    MAPS,
    count_widths,
    first_path,
    number,
    share_strides,
    size_text,
    what_fits,
    window,
)
from graphnet.network.network import FIRST, SOURCE, Function, Init, Layer, Slot
from graphnet.spec.model import Cell, Gain, Norm
from graphnet.spec.notation.op_words import WIDTH
from graphnet.spec.notation.transition_functions import Branches, Call, Chain, FunctionFault, Place

NORMS = dict.fromkeys(("batch_norm", "group_norm", "layer_norm"), "norm")
LABELS = {"conv_transpose": "deconv", "sum": "add", "divide": "lipschitz"} | NORMS
"""Label of a layer where it differs from its op's name."""


@dataclass(frozen=True)
class Ends:
    """Ends of a transition function.

    `target` is None if any shape fits. `joins`: the number of channels is free, because the arrivals at a concat state
    add up to the state's. `between` is the inner width. `recurs`: this is a self-transition.
    """

    source: Shape
    target: Shape | None
    between: int
    source_name: str
    target_name: str
    norm: Norm
    constants: Mapping[str, int]
    joins: bool = False
    recurs: bool = False


def fit(chain: Chain, ends: Ends, cell: Cell | None = None) -> Function:
    """Return the layers of a transition function; for a cell, with its Lipschitz bound, gain and noise.

    Raises FunctionFault if something does not fit or has no known bound.
    """
    chain = settle(chain, ends.constants)
    builder = _Builder(ends)
    mu = cell.lipschitz if cell else None
    last, shape = builder.chain(chain, SOURCE, ends.source, ends.target, builder.labels, mu)
    _check_end(chain, shape, ends)
    if cell and cell.gain and (cell.gain.learn or cell.gain.init != 1):
        last = builder.gain(cell.gain, last)
    if cell and cell.noise:
        last = builder.append(op("noise", std=cell.noise), (last,), builder.labels)
    if last == SOURCE:
        return ()
    if last != len(builder.layers) - 1:  # the last layer is the result
        builder.append(op("sum"), (last,), builder.labels)
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
    """Strides and widths to hand out along the first branch of every fork, and the target."""

    strides: list[int]
    widths_left: int
    last_width: int
    target: Shape | None


class _Builder:
    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        self.layers: list[Layer] = []
        self.labels = _Labels()
        self.skips = 0

    def chain(
        self,
        chain: Chain,
        at: int,
        shape: Shape,
        target: Shape | None,
        labels: _Labels,
        lipschitz: float | None = None,
    ) -> tuple[int, Shape]:
        """Append a chain from the value `at` towards `target`; return its last value and shape."""
        strides = share_strides(first_path(chain), shape, target)
        width = target[0] if target else self.ends.between
        path = _Path(strides, count_widths(chain), width, target)
        if lipschitz is not None:
            return self._bounded(chain, at, shape, path, lipschitz)
        return self._items(chain, at, shape, path, labels)

    def gain(self, gain: Gain, at: int) -> int:
        """Append a fixed or learned factor for the whole function."""
        if not gain.learn:
            return self.append(op("scale", factor=float(gain.init)), (at,), self.labels)
        slot = Slot("gain", (), Init("constant", value=float(gain.init)))
        return self.append(op("scale"), (at,), self.labels, (slot,), label="gain")

    def _items(self, chain: Chain, at: int, shape: Shape, path: _Path, labels: _Labels) -> tuple[int, Shape]:
        for item in chain:
            if isinstance(item, Branches):
                at, shape = self._fork(item, at, shape, path, labels)
            else:
                at, shape = self._call(item, at, shape, path, labels)
        return at, shape

    def _fork(self, fork: Branches, at: int, shape: Shape, path: _Path, labels: _Labels) -> tuple[int, Shape]:
        ends, shape = self._branches(fork, at, shape, path, labels)
        return self._sum(ends), shape

    def _sum(self, ends: list[int]) -> int:
        return ends[0] if len(ends) == 1 else self.append(op("sum"), tuple(ends), self.labels)

    def _branches(self, fork: Branches, at: int, shape: Shape, path: _Path, labels: _Labels) -> tuple[list[int], Shape]:
        """Append the branches; return the last value of each, and their shape."""
        names = self._branch_labels(fork, labels)
        ends = [self._items(fork.chains[0], at, shape, path, names[0])]
        for branch, name in zip(fork.chains[1:], names[1:], strict=True):
            ends.append(self.chain(branch, at, shape, ends[0][1], name))
            if ends[-1][1] != ends[0][1]:
                what = f"branches of {size_text(ends[0][1])} and {size_text(ends[-1][1])} cannot be added"
                fix = "give this branch a convolution, such as C1, or a stride"
                raise FunctionFault(what, place_of(branch), fix, code="GN208")
        return [end for end, _ in ends], ends[0][1]

    def _bounded(self, chain: Chain, at: int, shape: Shape, path: _Path, mu: float) -> tuple[int, Shape]:
        """Append a chain; divide what it adds to identities so that its Lipschitz bound is at most `mu`."""
        whole = chain[0]
        fork = whole if len(chain) == 1 and isinstance(whole, Branches) else Branches((chain,), place_of(chain))
        ends, shape = self._branches(fork, at, shape, path, self.labels)
        kept = [end for end, branch in zip(ends, fork.chains, strict=True) if _is_identity(branch)]
        function = [end for end, branch in zip(ends, fork.chains, strict=True) if not _is_identity(branch)]
        if not function:
            fix = "drop it: identities are not bounded"
            raise FunctionFault("lipschitz bounds what is added to an identity", fork.place, fix, code="GN215")
        last = self._sum(function)
        try:
            settings, slots = bounded(self.layers, self.ends.source, last, mu)
        except NoBound as fault:
            raise FunctionFault(str(fault), fork.place, fault.fix, code="GN215") from None
        return self._sum([self.append(settings, (last,), self.labels, slots), *kept]), shape

    def _branch_labels(self, fork: Branches, labels: _Labels) -> list[_Labels]:
        """The first branch with tensors continues the surrounding labels; later ones are skip, skip2, …"""
        names = []
        first = True
        for branch in fork.chains:
            if not self._has_tensors(branch) or first:
                names.append(labels)
                first = first and not self._has_tensors(branch)
            else:
                self.skips += 1
                names.append(_Labels("skip." if self.skips == 1 else f"skip{self.skips}."))
        return names

    def _has_tensors(self, chain: Chain) -> bool:
        """Whether a chain has weights or statistics."""
        return any(
            any(map(self._has_tensors, item.chains))
            if isinstance(item, Branches)
            else item.op in WIDTH or (item.op == "norm" and self.ends.norm.of(item).has_tensors)
            for item in chain
        )

    def _call(self, call: Call, at: int, shape: Shape, path: _Path, labels: _Labels) -> tuple[int, Shape]:
        if call.op == "identity":
            return at, shape
        if call.op == "first_value":
            return self._first_value(call)
        if call.op == "linear" and len(shape) > 1:
            at, shape = self.append(op("flatten"), (at,), labels), (math.prod(shape),)
        if len(shape) == 1 and call.op in (*MAPS, "global_pool", "pad_identity"):
            what = f"{call.op} needs a map, not a vector of {size_text(shape)}"
            raise FunctionFault(what, call.place, "drop it, or the op that makes a vector", code="GN209")
        stride = self._stride(call, shape, path)
        width = self._width(call, path) if call.op in WIDTH else path.last_width
        chosen, slots = make_layer(call, shape, width, stride, self.ends.norm)
        if chosen is None:  # count it anyway: names must not depend on the kind of norm
            labels.next(call.op)
            return at, shape
        try:
            at = self.append(chosen, (at,), labels, slots)
        except ValueError as fault:
            what, fix = f"{call.op} does not fit {size_text(shape)}: {fault}", "drop it, or start from a larger map"
            raise FunctionFault(what, call.place, fix, code="GN209") from None
        return at, self.layers[at].shape

    def _first_value(self, call: Call) -> tuple[int, Shape]:
        if not self.ends.recurs:
            source, target = self.ends.source_name, self.ends.target_name
            here = "is an update" if source == target else f"runs from '{source}' to '{target}'"
            what = f"I0 adds a state's first value, but this {here}"
            raise FunctionFault(what, call.place, "use it in a transition from a state to itself", code="GN212")
        return FIRST, self.ends.source

    def _stride(self, call: Call, shape: Shape, path: _Path) -> int:
        if call.op in MAPS:
            stride = window(call).stride
            return path.strides.pop(0) if stride is None else stride
        if call.op == "pad_identity" and path.target is not None and len(path.target) == len(shape):
            return max(1, *(-(-size // goal) for size, goal in zip(shape[1:], path.target[1:], strict=True)))
        return 1

    def _width(self, call: Call, path: _Path) -> int:
        path.widths_left -= 1
        width = number(call, "width")
        if width is None:
            return self.ends.between if path.widths_left else path.last_width
        return width

    def append(
        self, op: Op, arguments: tuple[int, ...], labels: _Labels, slots: tuple[Slot, ...] = (), label: str = ""
    ) -> int:
        shapes = tuple(self.ends.source if at < 0 else self.layers[at].shape for at in arguments)
        self.layers.append(Layer(label or labels.next(op.kind), op, arguments, shape_of(op, shapes), slots))
        return len(self.layers) - 1


def _is_identity(branch: Chain) -> bool:
    """Whether a branch only passes its input on: LPK bound the function beside it."""
    (first, *more) = branch
    return not more and isinstance(first, Call) and first.op in ("identity", "first_value", "pad_identity")


def _check_end(chain: Chain, shape: Shape, ends: Ends) -> None:
    target = ends.target
    if target is None or shape == target or (ends.joins and shape[1:] == target[1:]):
        return
    what = (
        f"this makes {size_text(shape)} of '{ends.source_name}' ({size_text(ends.source)}), "
        f"but '{ends.target_name}' is {size_text(target)}"
    )
    state = ends.target_name.partition(".")[0]
    given: tuple[KeyPath, ...] = (("merge",), ("states", state, "merge"), ("post_net", "classes"))
    raise FunctionFault(what, place_of(chain), what_fits(chain, shape, ends.source, target), code="GN207", given=given)


def place_of(chain: Chain) -> Place:
    """Return the place of a chain: from its first to its last character, if it is a string."""
    first = chain[0].place
    ends = [item.place.end for item in chain if item.place.path == first.path]
    return Place(first.path, first.start, max(ends)) if len(ends) == len(chain) else Place(first.path[:-1])
