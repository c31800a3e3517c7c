"""Whether the layers of a net are what its plan takes them for, where functions use what they hold."""

from __future__ import annotations

from operator import attrgetter, call, is_
from typing import NamedTuple

from torch import nn
from torch.nn.utils.parametrize import type_before_parametrizations

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
"""What users may set on a layer, and functions that use its tensors do not look at."""


class _Looked(NamedTuple):
    """A module as it was when it was looked at: where it is, its class, and its settings if it is a layer."""

    modules: dict[str, nn.Module | None]
    name: str
    module: nn.Module
    settings: tuple[str, ...]


class LayerCheck:
    """Looks at the layers of a net whose tensors functions use; `holds` says quickly whether nothing has changed.

    Raises:
        RuntimeError: a layer is of another class, has other settings or a hook, or trains in a net for inference.
    """

    def __init__(self, net: nn.Module, plan: Plan, executed: Plan, mode: str) -> None:
        self.looked: list[_Looked] = []
        self.infers = mode == "infer"
        self.reason = _REASONS[executed.calls_layers]
        seen: dict[str, nn.Module] = {"": net}
        for holder in plan.layers_of(plan.used_apart if executed.calls_layers else plan.holders):
            self._look(holder, seen)
        self.dicts = [each.modules for each in self.looked]
        self.names = [each.name for each in self.looked]
        self.modules = [each.module for each in self.looked]
        self.classes = [type(each.module) for each in self.looked]
        self.hooks = [getattr(module, name) for module in self.modules for name in HOOKS]
        layers = [(attrgetter(*each.settings), each.module) for each in self.looked if each.settings]
        self.getters, self.layers = [getter for getter, _ in layers], [layer for _, layer in layers]
        self.settings = list(map(call, self.getters, self.layers))

    def holds(self) -> bool:
        """Whether all modules are in their places, with the classes, settings and hooks that they had."""
        return (
            all(map(is_, map(dict.get, self.dicts, self.names), self.modules))
            and list(map(type, self.modules)) == self.classes
            and not any(self.hooks)
            and list(map(call, self.getters, self.layers)) == self.settings
        )

    def _look(self, holder: Holder, seen: dict[str, nn.Module]) -> None:
        """Look at a layer, and at the modules that it is in."""
        above, path = seen[""], ""
        for name in holder.name.split("."):
            path = f"{path}.{name}" if path else name
            if path not in seen:
                module = above._modules.get(name)
                if module is None:
                    raise RuntimeError(f"the net has no module '{path}' any more")
                self._refuse_hooks(path, module)
                seen[path] = module
                names = SETTINGS[holder.op.kind] if path == holder.name else ()
                names += ("training",) if self.infers and holder.op.kind == "batch_norm" and names else ()
                self.looked.append(_Looked(above._modules, name, module, names))
            above = seen[path]
        self._refuse_changes(holder, above)

    def _refuse_hooks(self, path: str, module: nn.Module) -> None:
        if any(getattr(module, name) for name in HOOKS):
            raise RuntimeError(f"'{path}' has a hook, which would not run: {self.reason}")

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
        if self.infers and holder.op.kind == "batch_norm" and module.training:
            raise RuntimeError(
                f"'{holder.name}' is in training, but the net was compiled for inference\n"
                "  call net.eval(), or compile with mode='train'"
            )


_REASONS = {
    False: "passes go across layers\n  compile with optimize=0, where layers are called",
    True: "its weight is also used by another function than its own\n  give that one a weight of its own",
}
