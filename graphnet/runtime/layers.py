"""The layers of a net as modules of torch.nn."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from graphnet.network.functions.ops import Op, Shape
from graphnet.planning.holders import Holder

Roles = tuple[tuple[str, Shape], ...]
"""The tensors of a layer and their shapes."""


def module_of(holder: Holder) -> nn.Module:
    """The module of a layer; its tensors are on the meta device until they are set."""
    made = twin(template_of(holder))
    if isinstance(made, nn.modules.batchnorm._BatchNorm):
        made._buffers["num_batches_tracked"] = _NONE_YET.clone()
    return made


def template_of(holder: Holder) -> nn.Module:
    """A module with the class and settings of a layer."""
    return _template(holder.op, holder.shape, holder.roles)


def twin(module: nn.Module) -> nn.Module:
    """Copy a module's attributes, with separate dictionaries; a long net has thousands of like modules."""
    made = object.__new__(type(module))
    own = vars(made)
    own |= vars(module)
    for key in _dictionaries(module):
        own[key] = own[key].copy()
    return made


@lru_cache(maxsize=1024)
def _dictionaries(module: nn.Module) -> tuple[str, ...]:
    """The attributes that a module does not share with its twins."""
    return tuple(key for key, value in vars(module).items() if isinstance(value, dict | set))


_NONE_YET = torch.tensor(0)


@lru_cache(maxsize=1024)
def _template(op: Op, shape: Shape, roles: Roles) -> nn.Module:
    made: nn.Module = _MODULES[op.kind](op, shape, dict(roles))
    known = {name for name, _ in roles}
    for held in (made._parameters, made._buffers):  # tensors that a set keeps elsewhere are missing here
        held.update({name: None for name in held if name not in {*known, "num_batches_tracked"}})
    missing = known - {*made._parameters, *made._buffers}
    assert not missing, f"{type(made).__name__} has no {missing}"
    return made


def _conv(op: Op, shape: Shape, roles: dict[str, Shape]) -> nn.Module:
    transposed, weight = op.kind == "conv_transpose", roles["weight"]
    channels = (weight[0], op.number("channels")) if transposed else (weight[1] * op.number("groups"), weight[0])
    names = ("stride", "padding", "dilation", "groups", *(("output_padding",) if transposed else ()))
    settings = {name: op[name] for name in names}
    kind = f"Conv{'Transpose' if transposed else ''}{len(shape) - 1}d"
    made: nn.Module = getattr(nn, kind)(*channels, op["kernel"], bias="bias" in roles, device="meta", **settings)
    return made


def _linear(op: Op, shape: Shape, roles: dict[str, Shape]) -> nn.Module:
    outputs, inputs = roles["weight"]
    return nn.Linear(inputs, outputs, "bias" in roles, device="meta")


def _batch_norm(op: Op, shape: Shape, roles: dict[str, Shape]) -> nn.Module:
    kind = f"BatchNorm{max(len(shape) - 1, 1)}d"
    made: nn.Module = getattr(nn, kind)(shape[0], op["eps"], op["momentum"], "weight" in roles, device="meta")
    made._non_persistent_buffers_set.add("num_batches_tracked")
    made.register_load_state_dict_post_hook(_forget_count)  # type: ignore[no-untyped-call]
    return made


def _forget_count(module: nn.Module, keys: Any) -> None:
    """Accept state dicts with or without the batch count of `nn.BatchNorm2d`."""
    keys.unexpected_keys[:] = [key for key in keys.unexpected_keys if not key.endswith("num_batches_tracked")]


def _group_norm(op: Op, shape: Shape, roles: dict[str, Shape]) -> nn.Module:
    return nn.GroupNorm(op.number("groups"), shape[0], op.real("eps", 1e-5), device="meta")


def _layer_norm(op: Op, shape: Shape, roles: dict[str, Shape]) -> nn.Module:
    return nn.LayerNorm(shape, op.real("eps", 1e-5), bias="bias" in roles, device="meta")


_MODULES: dict[str, Callable[[Op, Shape, dict[str, Shape]], nn.Module]] = {
    "conv": _conv,
    "conv_transpose": _conv,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
}
