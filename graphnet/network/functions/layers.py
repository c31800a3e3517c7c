"""One op as written → its op in the plan and its tensors (rules 9, 17, 18)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphnet.network.functions.lipschitz import Bound, Bounds, Floats, work_out
from graphnet.network.functions.ops import KINDS, Line, Op, Shape, op
from graphnet.network.functions.sizes import MAPS, number, size_text, window
from graphnet.network.network import FIRST, SOURCE, VECTOR, Init, Layer, Slot
from graphnet.spec.model import Norm
from graphnet.spec.notation.op_words import OPS
from graphnet.spec.notation.transition_functions import Call, FunctionFault, Place

Made = tuple[Op | None, tuple[Slot, ...]]
"""An op and its tensors; None as the op does nothing."""

NORMS = (("norm",), ("pre_net", "norm"), ("post_net", "norm"))
"""Places of the settings of a B."""


def make_layer(call: Call, shape: Shape, width: int, stride: int, norm: Norm) -> Made:
    """Return the op of a call on a value of `shape`, given its width and stride. Raises FunctionFault."""
    if call.op == "norm":
        return _norm(call, shape, norm.of(call))
    if call.op in MAPS:
        return _windowed(call, shape, width, stride)
    if call.op == "linear":
        weight = _init(call, "init", (width, shape[0]), shape[0], width)
        slots = (Slot("weight", (width, shape[0]), weight), *_bias(call, width, default=True))
        return op("linear", channels=width), slots
    if call.op == "pad_identity":
        if width < shape[0]:
            what = f"Ip pads with zeros and cannot make {width} channels of {shape[0]}"
            raise FunctionFault(what, call.place, "use a convolution, such as C1", code="GN209")
        if width == shape[0] and stride == 1:
            return None, ()
        return op("pad_identity", channels=width, added=width - shape[0], stride=stride), ()
    if call.op == "global_pool":
        return op("global_pool", rank=len(shape) - 1), ()
    given = dict(OPS[call.op].defaults) | dict(call.settings)
    settings = {name: value for name, value in given.items() if isinstance(value, int | float | str | bool)}
    return op(call.op, **settings), tuple(Slot(*each) for each in KINDS[call.op].own_tensors(shape))


def bounded(layers: Sequence[Layer], source: Shape, last: int, mu: float) -> tuple[Op, tuple[Slot, ...]]:
    """Return the op that divides layer `last` by max(bound / mu, 1), and the vectors of its power iterations.

    The bound names the tensors of layer k `k.role`. Raises NoBound.
    """
    names = {SOURCE: "source", FIRST: "first"}
    lines = [
        Line(
            str(k),
            layer.op,
            tuple(names.get(at, str(at)) for at in layer.arguments),
            tuple(f"{k}.{slot.role}" for slot in layer.slots),
            layer.shape,
            0,
            "",
        )
        for k, layer in enumerate(layers)
    ]
    bound = Bound.of(Bounds(lines, {"source": source}).of(names.get(last, str(last))))
    if not bound.norms:
        return op("scale", factor=1 / max(work_out(bound.formula, Floats()) / mu, 1)), ()
    vectors = (
        Slot(f"{VECTOR}{number}", norm.shape, Init("unit"), per_time=True)
        for number, norm in enumerate(bound.searched, start=1)
    )
    return op("divide", mu=mu, bound=bound), tuple(vectors)


def _norm(call: Call, shape: Shape, norm: Norm) -> Made:
    per_time = norm.affine == "per-time"
    size = shape if norm.kind == "layer" else shape[:1]
    affine: tuple[Slot, ...] = ()
    if norm.affine != "none":
        start = Init("ones") if norm.scale == 1 else Init("constant", value=norm.scale)
        affine = (Slot("weight", size, start, per_time), Slot("bias", size, Init("zeros"), per_time))
    if norm.kind == "none":
        return None, ()
    if norm.kind == "group":
        if shape[0] % norm.groups:
            what = f"{shape[0]} channels do not split into {norm.groups} groups"
            raise FunctionFault(what, call.place, "choose norm.groups so that they do", code="GN210", given=NORMS)
        return op("group_norm", groups=norm.groups, eps=norm.eps), affine
    if norm.kind == "layer":
        return op("layer_norm", eps=norm.eps), affine
    per_time = norm.statistics == "per-time"
    statistics = (
        Slot("running_mean", size, Init("zeros"), per_time),
        Slot("running_var", size, Init("ones"), per_time),
    )
    return op("batch_norm", momentum=norm.momentum, eps=norm.eps), statistics + affine


def _windowed(call: Call, shape: Shape, width: int, stride: int) -> Made:
    view = window(call)
    settings: dict[str, int] = {"kernel": view.kernel, "stride": stride, "padding": view.padding}
    if call.op not in ("conv", "deconv"):
        if 2 * view.padding > view.kernel:
            what = f"a padding of {view.padding} is more than half the kernel {view.kernel}"
            raise FunctionFault(what, call.place, f"at most {view.kernel // 2}", code="GN204")
        return op(call.op, **settings), ()
    groups = number(call, "groups") or 1
    if shape[0] % groups or width % groups:
        what = f"{shape[0]} and {width} channels do not both split into {groups} groups"
        raise FunctionFault(what, call.place, "choose groups that divide both", code="GN210")
    settings |= {"dilation": view.dilation, "groups": groups}
    kernel = (view.kernel,) * (len(shape) - 1)
    area = math.prod(kernel)
    size = (width, shape[0] // groups, *kernel)
    if call.op == "deconv":
        size = (shape[0], width // groups, *kernel)
        settings["output_padding"] = stride - 1
    weight = _init(call, "init", size, shape[0] // groups * area, width // groups * area)
    slots = (Slot("weight", size, weight), *_bias(call, width, default=False))
    return op("conv" if call.op == "conv" else "conv_transpose", channels=width, **settings), slots


def _bias(call: Call, width: int, default: bool) -> tuple[Slot, ...]:
    wanted = call.get("bias")
    wanted = default if wanted is None else wanted
    if not wanted:
        if call.get("bias_init") is not None:
            raise FunctionFault("bias_init without a bias", call.place, "set bias = true", code="GN211")
        return ()
    return (Slot("bias", (width,), _init(call, "bias_init", (width,), 0, 0)),)


def _init(call: Call, name: str, size: Shape, fan_in: int, fan_out: int) -> Init:
    given: Any = call.get(name)
    if given is None:
        return Init("he" if name == "init" else "zeros", fan_in, fan_out)
    if isinstance(given, str):
        if name == "bias_init" and given not in ("zeros", "ones"):
            fix = "zeros, ones, a number or an array"
            raise FunctionFault(f"a bias cannot start with '{given}'", call.place, fix, code="GN211")
        return Init(given, fan_in, fan_out)
    if isinstance(given, tuple) and _array_size(given) != size:
        what = f"this array is {size_text(_array_size(given))}, but {size_text(size)} values are needed"
        fix = "give an array of this shape, one number or a scheme"
        raise FunctionFault(what, Place((*call.place.path, name)), fix, code="GN211")
    return Init("constant", fan_in, fan_out, given)


def _array_size(array: Any) -> Shape:
    """Return the shape of nested tuples; -1 where they are ragged."""
    if not isinstance(array, tuple):
        return ()
    inner = {_array_size(entry) for entry in array}
    return (len(array), *inner.pop()) if len(inner) == 1 else (-1,)
