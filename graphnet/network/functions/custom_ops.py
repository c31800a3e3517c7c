"""Registration of custom ops in Python; a spec can use them but not define them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from graphnet.network.functions.ops import KINDS, Kind, Op, Shape
from graphnet.network.network import Init
from graphnet.spec.notation.integers import Misspelt
from graphnet.spec.notation.op_words import OPS, OpRule, Setting

Default = bool | int | float | str


def register_op(
    name: str,
    function: Callable[..., Any],
    *,
    shape: Callable[..., Shape] | None = None,
    tensors: Mapping[str, tuple[Callable[[Shape], Shape], str | float]] | None = None,
    settings: Mapping[str, Default] | None = None,
) -> None:
    """Add an op for transition functions, as in `"BRC my_op"` or `[{ my_op = { power = 3 } }]`.

    Args:
        name: an unused lower-case word.
        function: called as `function(x, *tensors, **settings)` with x of `[N, *shape]`; it must be defined at module
            level, so that generated code can import it.
        shape: `shape(input_shape, **settings)` returns the shape of the value, without the batch; None keeps it. The
            change of height and width must not depend on the number of channels.
        tensors: its parameters: role → (function from the input's shape to the parameter's, initial value), the latter
            a scheme of the language such as "he" or "ones", or a number.
        settings: its settings and their defaults, which also set their types.

    Raises:
        ValueError: the name is not a lower-case word, or taken.
    """
    if not re.fullmatch(r"[a-wyz][a-z0-9_]*|x[a-z_][a-z0-9_]*", name):
        raise ValueError(f"{name!r} is not a lower-case word")
    if name in OPS or name in KINDS:
        raise ValueError(f"an op called {name!r} already exists")
    defaults, roles = dict(settings or {}), dict(tensors or {})

    def own_tensors(read: Shape) -> tuple[tuple[str, Shape, Init], ...]:
        return tuple((role, rule(read), _init(rule(read), start)) for role, (rule, start) in roles.items())

    def value_shape(op: Op, shapes: tuple[Shape, ...]) -> Shape:
        return tuple(shape(shapes[0], **dict(op.attributes))) if shape else shapes[0]

    OPS[name] = OpRule(settings={key: _reader(default) for key, default in defaults.items()}, defaults=defaults)
    KINDS[name] = Kind(value_shape, roles=tuple(roles), own_tensors=own_tensors, function=function)


def _init(shape: Shape, start: str | float) -> Init:
    if isinstance(start, str):
        return Init(start, math.prod(shape[1:]), shape[0] * math.prod(shape[2:]))
    return Init("constant", value=float(start))


def _reader(default: Default) -> Callable[[Any], Setting]:
    kind = type(default)

    def read(value: Any) -> Setting:
        fits = type(value) is kind or (kind is float and type(value) is int)
        if not fits:
            raise Misspelt(f"this must be like {default!r}, not {value!r}", 0, 0, code="GN204")
        return kind(value)

    return read
