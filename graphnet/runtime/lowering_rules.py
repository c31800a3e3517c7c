"""Lowering rules: op → PyTorch calls, one table for all backends.

A rule calls a `Writer`, which makes graph nodes or text, so both come from the same rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Any, Protocol, TypeVar

from graphnet.network.functions.lipschitz import MATTERS, Operator
from graphnet.network.functions.ops import Op
from graphnet.planning.plan import Line

V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)


class Writer(Protocol[V_co]):
    """Writes calls; `function` is a dotted name below `torch` or `operator`."""

    def call(self, function: str, *arguments: object, **settings: object) -> V_co: ...

    def method(self, name: str, *arguments: object) -> V_co: ...

    def divisor(self, line: Line, given: Sequence[Any]) -> V_co: ...

    def custom(self, kind: str, *arguments: object, **settings: object) -> V_co: ...


class Quoted(str):
    """A string argument, not the name of a value."""


Rule = Callable[[Writer[V], Line, Sequence[V]], V]
"""`rule(writer, line, given)`: `given` are the line's arguments, tensors and flags, in this order."""

DEFAULTS = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}
CONV = ("stride", "padding", "dilation", "groups")
CONV_TRANSPOSE = ("stride", "padding", "output_padding", "groups", "dilation")


def _rank(line: Line) -> int:
    """The number of spatial dimensions."""
    return len(line.shape) - 1


def _settings(op: Op, *names: str) -> dict[str, object]:
    return {name: op[name] for name in names if op[name] != DEFAULTS.get(name)}


def _conv(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    settings = _settings(line.op, *CONV)
    return writer.call(f"torch.conv{_rank(line)}d", *given, **settings)


def _conv_transpose(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    settings = _settings(line.op, *CONV_TRANSPOSE)
    return writer.call(f"torch.conv_transpose{_rank(line)}d", *given, **settings)


def _batch_norm(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    *given, training = given
    settings = {"training": training, "momentum": line.op["momentum"], "eps": line.op["eps"]}
    return writer.call("torch.nn.functional.batch_norm", *given, **settings)


def _shared_norm(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    x, *rest = given
    statistics, flags = rest[: len(rest) // 3 * 2], rest[len(rest) // 3 * 2 :]
    settings = [line.op[name] for name in ("relu", "momentum", "eps")]
    return writer.call("graphnet.runtime.fused_ops.shared_norm", x, list(flags), *settings, *statistics)


def _folded(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    """A convolution or linear layer with a norm folded into its weight and bias."""
    kind, (x, *tensors) = line.op.kind.removesuffix("_norm"), given
    names = {"conv": CONV, "conv_transpose": CONV_TRANSPOSE}.get(kind, ())
    function = Quoted(kind if kind == "linear" else f"{kind}{_rank(line)}d")
    settings = _settings(line.op, *names)
    return writer.call(
        "graphnet.runtime.fused_ops.normed", x, function, line.op["bias"], line.op["eps"], *tensors, **settings
    )


def _group_norm(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    x, *affine = given
    function = "torch.nn.functional.group_norm"
    return writer.call(function, x, line.op["groups"], *affine, **_settings(line.op, "eps"))


def _layer_norm(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    x, *affine = given
    function = "torch.nn.functional.layer_norm"
    return writer.call(function, x, line.shape, *affine, **_settings(line.op, "eps"))


def _scale(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    factors = [] if line.tensors else [line.op["factor"]]
    return writer.call("operator.mul", *given, *factors)


def _pad_identity(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    """Every stride-th pixel, with zeros for new channels (He et al. 2015, option A)."""
    x, stride = given[0], line.op.number("stride")
    if stride > 1:
        every = (slice(None), slice(None), *[slice(None, None, stride)] * _rank(line))
        x = writer.call("operator.getitem", x, every)
    if not line.op["added"]:
        return x
    size = (writer.method("size", x, 0), line.op.number("added"), *line.shape[1:])
    return writer.call("torch.cat", [x, writer.method("new_zeros", x, size)], 1)


def _convs(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    """Fused convolutions with joined weights; one by one if sources differ, as those of a shared norm may."""
    op, count, parts = line.op, line.op.number("sources"), line.op["parts"]
    kind = "conv_transpose" if op["transposed"] else "conv"
    settings = _settings(op, "stride", "padding", *(["output_padding"] if op["transposed"] else []), "dilation")
    if count == 1:
        made = writer.call(f"torch.{kind}{_rank(line)}d", *given, **settings)
        return writer.call("torch.split", made, parts, 1)
    sources, weights = list(given[:count]), given[count:]
    axis = 1 if op["transposed"] else 0
    more = [sources, Quoted(f"{kind}{_rank(line)}d"), parts, axis, *weights]
    return writer.call("graphnet.runtime.fused_ops.convs", *more, **settings)


def _slice(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    return writer.call("torch.select", *given, 1, line.op["index"])


def _pool(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    function = f"torch.nn.functional.{line.op.kind}{_rank(line)}d"
    return writer.call(function, *given, line.op["kernel"], line.op["stride"], **_settings(line.op, "padding"))


def _global_pool(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    function = f"torch.nn.functional.adaptive_avg_pool{line.op.number('rank')}d"
    return writer.call("torch.flatten", writer.call(function, *given, 1), 1)


def _zeros(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    return writer.method("new_zeros", given[0], (writer.method("size", given[0], 0), *line.shape))


def _chain(function: str, writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    return reduce(lambda left, right: writer.call(function, left, right), given)


ADD_INTO = "graphnet.runtime.fused_ops.add_into"
AFFINE = "graphnet.runtime.fused_ops.affine"
CHANNELS_LAST = "graphnet.runtime.fused_ops.channels_last"


def _sum(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    """Add in the order of the arguments; `overwrite` adds in place, from the second or from the first sum on."""
    overwrite = dict(line.op.attributes).get("overwrite")
    if overwrite is None or len(given) == 1:
        return _chain("operator.add", writer, line, given)
    total = writer.call(ADD_INTO, *given[:2]) if overwrite else writer.call("operator.add", *given[:2])
    return reduce(lambda left, right: writer.call(ADD_INTO, left, right), given[2:], total)


def _mean(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    total, settings = _sum(writer, line, given), dict(line.op.attributes)
    count = settings.get("of", len(given))
    if settings.get("overwrite") is None:
        return writer.call("operator.truediv", total, count)
    return writer.method("div_", total, count)


def _relu(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    return writer.call("torch.relu_" if dict(line.op.attributes).get("overwrite") else "torch.relu", *given)


def _activation(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    return writer.call(f"torch.nn.functional.{line.op.kind}", *given, **dict(line.op.attributes))


def _noise(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    """Draw in N, C, H, W order in any memory layout, so a seed gives the same noise at every level."""
    size = (writer.method("size", given[0], 0), *line.shape)
    drawn = writer.method("normal_", writer.method("new_empty", given[0], size))
    return writer.call("operator.add", *given, writer.call("operator.mul", drawn, line.op["std"]))


def _plain(function: str, *more: object) -> Rule[Any]:
    return lambda writer, line, given: writer.call(function, *given, *more)


RULES: dict[str, Rule[Any]] = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "linear": _plain("torch.nn.functional.linear"),
    "batch_norm": _batch_norm,
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
    "scale": _scale,
    "pad_identity": _pad_identity,
    "slice": _slice,
    "max_pool": _pool,
    "avg_pool": _pool,
    "global_pool": _global_pool,
    "flatten": _plain("torch.flatten", 1),
    "relu": _relu,
    "sigmoid": _plain("torch.sigmoid"),
    "tanh": _plain("torch.tanh"),
    **dict.fromkeys(("elu", "gelu", "leaky_relu", "silu", "softplus"), _activation),
    "noise": _noise,
    "shared_norm": _shared_norm,
    **dict.fromkeys(("conv_norm", "conv_transpose_norm", "linear_norm"), _folded),
    "item": lambda writer, line, given: writer.call("operator.getitem", given[0], line.op["index"]),
    "weights": lambda writer, line, given: writer.call("torch.cat", list(given), line.op["axis"]),
    "convs": _convs,
    "part": lambda writer, line, given: writer.call("operator.getitem", given[0], line.op["index"]),
    "sum": _sum,
    "product": partial(_chain, "operator.mul"),
    "max": partial(_chain, "torch.maximum"),
    "mean": _mean,
    "concat": lambda writer, line, given: writer.call("torch.cat", list(given), 1),
    "zeros": _zeros,
    "lipschitz": lambda writer, line, given: writer.divisor(line, given),
    "divide": _plain("operator.truediv"),
}
"""Rules for every kind of op except `value`, which each backend lowers itself."""


def say(writer: Writer[V], line: Line, given: Sequence[V]) -> V:
    """Write a line by its rule; a user-registered op by a call of its function."""
    if line.op.kind in RULES:
        said: V = RULES[line.op.kind](writer, line, given)
        return said
    return writer.custom(line.op.kind, *given, **dict(line.op.attributes))


def say_operator(writer: Writer[V], operator: Operator, x: V, tensors: Mapping[str, V]) -> V:
    """Write a linear operator applied to x: the sum over paths of linear lines, without their biases."""
    ends = []
    for path in operator:
        end = x
        for line in path:
            end = _say_linear(writer, line, end, tensors)
        ends.append(end)
    return reduce(lambda left, right: writer.call("operator.add", left, right), ends)


def _say_linear(writer: Writer[V], line: Line, x: V, tensors: Mapping[str, V]) -> V:
    roles = ((name.rpartition(".")[2], name) for name in line.tensors)
    named = {role: tensors[name] for role, name in roles if role in MATTERS}
    if line.op.kind == "batch_norm":  # in evaluation mode
        factors = writer.call("torch.rsqrt", writer.call("operator.add", named["running_var"], line.op["eps"]))
        if "weight" in named:
            factors = writer.call("operator.mul", factors, named["weight"])
        return writer.call("operator.mul", x, writer.call("torch.reshape", factors, (-1, *[1] * _rank(line))))
    if line.op.kind == "divide":
        return writer.call("operator.truediv", x, tensors[line.arguments[1]])
    return say(writer, line, [x, *named.values()])
