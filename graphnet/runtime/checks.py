"""Checks before a forward pass: its input, and the layers whose tensors functions use."""

from __future__ import annotations

from operator import attrgetter, call, is_
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from graphnet.network.functions.ops import Shape
from graphnet.planning.holders import Holder
from graphnet.planning.plan import Plan
from graphnet.runtime.layers import template_of

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
CONVOLUTION = ("stride", "padding", "dilation", "groups", "padding_mode", "output_padding")
SETTINGS: dict[str, tuple[str, ...]] = {
    "conv": CONVOLUTION,
    "conv_transpose": CONVOLUTION,
    "linear": (),
    "batch_norm": ("momentum", "eps", "track_running_stats"),
    "group_norm": ("num_groups", "eps"),
    "layer_norm": ("normalized_shape", "eps"),
}
"""Settings of layers that functions on their tensors ignore."""


class LayerCheck:
    """Checks the layers whose tensors functions use; `holds` is a fast test that nothing has changed.

    Raises:
        RuntimeError: a layer is of another class, has other settings or a hook, or trains in a net for inference.
    """

    def __init__(self, net: nn.Module, plan: Plan, executed: Plan, mode: str) -> None:
        self.calls_layers, self.infers = executed.calls_layers, mode == "infer"
        self.reason = _REASONS[self.calls_layers]
        self.dicts: list[dict[str, nn.Module | None]] = []
        self.names: list[str] = []
        self.modules: list[nn.Module] = []
        self.layers: list[nn.Module] = []
        self.getters: list[attrgetter[Any]] = []
        seen: dict[str, nn.Module] = {"": net}
        for holder in plan.layers(apart=self.calls_layers):
            self._look(holder, seen)
        self.classes = list(map(type, self.modules))
        self.hooks = [getattr(module, name) for module in self.modules for name in HOOKS]
        self.settings = list(map(call, self.getters, self.layers))

    def holds(self) -> bool:
        """Whether all modules still have their places, classes, settings and hooks."""
        return (
            all(map(is_, map(dict.get, self.dicts, self.names), self.modules))
            and list(map(type, self.modules)) == self.classes
            and not any(self.hooks)
            and list(map(call, self.getters, self.layers)) == self.settings
        )

    def _look(self, holder: Holder, seen: dict[str, nn.Module]) -> None:
        """Check a layer and the modules around it."""
        above, path = seen[""], ""
        for name in holder.name.split("."):
            path = f"{path}.{name}" if path else name
            if path not in seen:
                module = above._modules.get(name)
                if module is None:
                    raise RuntimeError(f"the net no longer has a module '{path}'")
                if any(getattr(module, each) for each in HOOKS) and not self.calls_layers:
                    raise RuntimeError(f"'{path}' has a hook that would not run: {self.reason}")
                self.dicts.append(above._modules)
                self.names.append(name)
                self.modules.append(module)
                seen[path] = module
            above = seen[path]
        names = SETTINGS[holder.op.kind]
        if names:
            names += ("training",) if self.infers and holder.op.kind == "batch_norm" else ()
            self.getters.append(attrgetter(*names))
            self.layers.append(above)
        self._refuse_changes(holder, above)

    def _refuse_changes(self, holder: Holder, module: nn.Module) -> None:
        expected = template_of(holder)
        found = type_before_parametrizations(module)
        if found is not type(expected):
            what = f"'{holder.name}' is of class {found.__name__}, not {type(expected).__name__}"
            raise RuntimeError(f"{what}, and would not be called: {self.reason}")
        for name in SETTINGS[holder.op.kind]:
            now, before = getattr(module, name), getattr(expected, name)
            if now != before:
                what = f"'{holder.name}' has {name} = {now}, not {before}"
                raise RuntimeError(f"{what}, which would not be used: {self.reason}")
        for role, _ in holder.roles:  # pruning sets them in a hook when the layer is called
            if role in vars(module) and "_is_replica" not in vars(module):
                raise RuntimeError(f"a hook that would not run sets '{holder.name}.{role}': {self.reason}")
        if self.infers and holder.op.kind == "batch_norm" and module.training:
            raise RuntimeError(
                f"'{holder.name}' is in training, but the net was compiled for inference\n"
                "  call net.eval(), or compile with mode='train'"
            )


_REASONS = {
    False: "passes work across layers\n  compile with optimize=0, which calls layers",
    True: "another function also uses its weight\n  give that function its own weight",
}


def refuse_input(image: Any, shape: Shape) -> None:
    """Raise ValueError if an image does not fit the net; a tracer's proxy has no shape yet and passes."""
    if isinstance(image, fx.Proxy) or torch.jit.is_tracing():  # type: ignore[no-untyped-call, attr-defined]
        return
    wanted = f"floating-point numbers of shape [N, {', '.join(map(str, shape))}]"
    if not isinstance(image, Tensor):
        raise ValueError(f"the net takes a tensor of {wanted}, not a {type(image).__name__}")
    given = f"{str(image.dtype).removeprefix('torch.')} of shape {list(image.shape)}"
    raise ValueError(f"the net takes {wanted}, but got {given}")
