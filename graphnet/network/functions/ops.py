"""The ops of the plan: one table with the shape rule, the FLOPs and the depth of each.

Shapes omit the batch: `(C, H, W)`, `(C, L)` or `(C,)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

Shape = tuple[int, ...]
Attribute = Hashable


@dataclass(frozen=True, slots=True)
class Op:
    """The computation of a plan's line: a kind from `KINDS` and its fixed settings."""

    kind: str
    attributes: tuple[tuple[str, Attribute], ...] = ()

    def __getitem__(self, name: str) -> Attribute:
        for key, value in self.attributes:
            if key == name:
                return value
        raise KeyError(f"{self.kind} has no {name}")

    def number(self, name: str) -> int:
        """Return a setting that is a whole number."""
        value = self[name]
        assert isinstance(value, int)
        return value

    def real(self, name: str, default: float) -> float:
        """Return a setting that is a number."""
        value = dict(self.attributes).get(name, default)
        assert isinstance(value, int | float)
        return float(value)

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(f'{key}={value}' for key, value in self.attributes)})"


def op(kind: str, **attributes: Attribute) -> Op:
    """Build an op with settings in the given order."""
    return Op(kind, tuple(attributes.items()))


class Line(NamedTuple):
    """One value: `name = op(arguments; tensors)`, of `shape` (without the batch).

    `place` is its owner: a state (`h2`), a transition (`h2.from_h1`), `pre_net` or `post_net`; `t` is its time: the
    arrival time, for lines of a transition. `tensors` are names in `state_dict()`, in the order of the op's roles. A
    line whose op is `value` is its state's value at t.
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


class Kind(NamedTuple):
    """Properties of a kind of op.

    `shape` maps the op and the shapes of its arguments to the shape of its value and raises ValueError if they do not
    fit. `flops` counts 2 per multiply-add, per image; only convolutions and linear layers count. A registered op has a
    `function`, and `own_tensors` (role, shape, init) for its input shape.
    """

    shape: Callable[[Op, tuple[Shape, ...]], Shape]
    flops: Callable[[Op, tuple[Shape, ...], Shape], int] = lambda op, arguments, value: 0
    depth: int = 0
    roles: tuple[str, ...] = ()
    own_tensors: Callable[[Shape], tuple[tuple[str, Shape, Any], ...]] = lambda shape: ()
    function: Callable[..., Any] | None = None


def _same(op: Op, shapes: tuple[Shape, ...]) -> Shape:
    (shape,) = shapes
    return shape


def _all_same(op: Op, shapes: tuple[Shape, ...]) -> Shape:
    if not shapes or len(set(shapes)) != 1:
        raise ValueError(f"{op.kind} of unequal shapes {shapes}")
    return shapes[0]


def _concatenated(op: Op, shapes: tuple[Shape, ...]) -> Shape:
    if len({shape[1:] for shape in shapes}) != 1:
        raise ValueError(f"concat of unequal sizes {shapes}")
    return (sum(shape[0] for shape in shapes), *shapes[0][1:])


def _convolved(op: Op, shapes: tuple[Shape, ...]) -> Shape:
    _, *sizes = shapes[0]
    reach = op.number("dilation") * (op.number("kernel") - 1)
    left = 2 * op.number("padding") - reach - 1
    return (op.number("channels"), *((size + left) // op.number("stride") + 1 for size in sizes))


def _upsampled(op: Op, shapes: tuple[Shape, ...]) -> Shape:
    _, *sizes = shapes[0]
    reach = op.number("dilation") * (op.number("kernel") - 1)
    more = reach - 2 * op.number("padding") + op.number("output_padding") + 1
    return (op.number("channels"), *((size - 1) * op.number("stride") + more for size in sizes))


def _pooled(op: Op, shapes: tuple[Shape, ...]) -> Shape:
    ((channels, *sizes),) = shapes
    left = 2 * op.number("padding") - op.number("kernel")
    return (channels, *((size + left) // op.number("stride") + 1 for size in sizes))


def _padded(op: Op, shapes: tuple[Shape, ...]) -> Shape:
    ((_, *sizes),) = shapes
    return (op.number("channels"), *(-(-size // op.number("stride")) for size in sizes))


def _sliced(op: Op, shapes: tuple[Shape, ...]) -> Shape:
    return shapes[0][1:]


def _given(op: Op, shapes: tuple[Shape, ...] = ()) -> Shape:
    shape = op["shape"]
    assert isinstance(shape, tuple)
    return shape


def _macs(op: Op, arguments: tuple[Shape, ...], value: Shape) -> int:
    kernel = (op.number("kernel"),) * (len(value) - 1)
    return 2 * math.prod(value) * arguments[0][0] * math.prod(kernel) // op.number("groups")


def _macs_up(op: Op, arguments: tuple[Shape, ...], value: Shape) -> int:
    kernel = (op.number("kernel"),) * (len(value) - 1)
    return 2 * math.prod(arguments[0]) * value[0] * math.prod(kernel) // op.number("groups")


def _convolved_at_once(op: Op, shapes: tuple[Shape, ...]) -> Shape:
    return (_upsampled if op["transposed"] else _convolved)(op, shapes)


def _macs_at_once(op: Op, arguments: tuple[Shape, ...], value: Shape) -> int:
    return (_macs_up if op["transposed"] else _macs)(op, arguments, value)


KINDS: dict[str, Kind] = {
    "conv": Kind(_convolved, _macs, depth=1, roles=("weight", "bias")),
    "conv_transpose": Kind(_upsampled, _macs_up, depth=1, roles=("weight", "bias")),
    "linear": Kind(
        lambda op, shapes: (op.number("channels"),),
        lambda op, arguments, value: 2 * value[0] * arguments[0][0],
        depth=1,
        roles=("weight", "bias"),
    ),
    "batch_norm": Kind(_same, roles=("running_mean", "running_var", "weight", "bias")),
    "group_norm": Kind(_same, roles=("weight", "bias")),
    "layer_norm": Kind(_same, roles=("weight", "bias")),
    "scale": Kind(_same, roles=("gain",)),
    "lipschitz": Kind(lambda op, shapes: ()),
    "divide": Kind(lambda op, shapes: shapes[0]),
    "pad_identity": Kind(_padded),
    "slice": Kind(_sliced),
    "shared_norm": Kind(_same),
    "item": Kind(_same),
    "weights": Kind(_given),
    "convs": Kind(_convolved_at_once, _macs_at_once, depth=1),
    "part": Kind(lambda op, shapes: (op.number("channels"), *shapes[0][1:])),
    "max_pool": Kind(_pooled, depth=1),
    "avg_pool": Kind(_pooled, depth=1),
    "global_pool": Kind(lambda op, shapes: shapes[0][:1], depth=1),
    "flatten": Kind(lambda op, shapes: (math.prod(shapes[0]),)),
    **{
        name: Kind(_same)
        for name in ("relu", "elu", "gelu", "leaky_relu", "sigmoid", "silu", "softplus", "tanh", "noise")
    },
    **{name: Kind(_all_same) for name in ("sum", "mean", "max", "product")},
    "concat": Kind(_concatenated),
    "zeros": Kind(_given),
    "value": Kind(_same),
}
KINDS |= {  # a norm in evaluation mode, folded into the layer before it
    f"{kind}_norm": KINDS[kind]._replace(roles=("weight", "bias", *KINDS["batch_norm"].roles))
    for kind in ("conv", "conv_transpose", "linear")
}
MERGES = ("sum", "mean", "max", "product", "concat")
NEEDS_ALL = ("product", "concat")
"""Merges that are empty if any active arrow has an empty source (rule 12)."""


def shape_of(op: Op, arguments: tuple[Shape, ...]) -> Shape:
    """Return the shape of an op's value. Raises ValueError if the arguments do not fit or the value is empty."""
    shape = KINDS[op.kind].shape(op, arguments)
    if min(shape, default=1) < 1:
        raise ValueError("nothing is left")
    return shape
