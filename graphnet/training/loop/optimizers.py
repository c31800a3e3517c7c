"""Optimisers of a recipe: which parameters they train, with which rate and decay, and their state as tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from graphnet.network.matrix import read_constants
from graphnet.planning.plan import Plan
from graphnet.spec.notation.selectors import parse_selector
from graphnet.spec.recipe import Recipe, Second
from graphnet.training.errors import RecipeError, TrainingError


@dataclass(frozen=True, eq=False)
class Optimizers:
    """The optimisers of a net, and what is frozen.

    Attributes:
        each: one, or Muon and the optimiser of what it cannot train.
        names: names of the parameters, as in `state_dict()`.
        frozen: parameters that are not trained, by name.
        still: modules whose statistics do not change.
    """

    each: tuple[Optimizer, ...]
    names: Mapping[nn.Parameter, str]
    frozen: Mapping[str, nn.Parameter]
    still: tuple[nn.Module, ...]

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All trained parameters."""
        return [parameter for each in self.each for group in each.param_groups for parameter in group["params"]]

    def set_rate(self, share: float) -> None:
        """Set each learning rate to a share of its own base rate."""
        for each in self.each:
            for group in each.param_groups:
                group["lr"] = group["initial_lr"] * share

    def zero_grad(self) -> None:
        for each in self.each:
            each.zero_grad(set_to_none=True)

    def step(self, is_bad: Tensor | None = None) -> None:
        """Take a step; if `is_bad`, a scalar on the device, is 1, fused optimisers change nothing."""
        for each in self.each:
            vars(each).pop("found_inf", None)
            if is_bad is not None and each.defaults.get("fused"):
                vars(each)["found_inf"] = is_bad  # as torch's GradScaler does
            each.step()

    def state(self) -> dict[str, Tensor]:
        """The state of each parameter, as `name/key` → tensor."""
        return {
            f"{self.names[parameter]}/{key}": value
            for each in self.each
            for parameter, entries in each.state.items()
            for key, value in entries.items()
            if isinstance(value, Tensor) and isinstance(parameter, nn.Parameter)
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        by_name = {name: parameter for parameter, name in self.names.items()}
        owner = {parameter: each for each in self.each for group in each.param_groups for parameter in group["params"]}
        for each in self.each:
            each.state.clear()
        for name, tensor in tensors.items():
            place, _, key = name.rpartition("/")
            parameter = by_name[place]
            is_like = tensor.shape == parameter.shape
            owner[parameter].state[parameter][key] = tensor.to(parameter.device) if is_like else tensor.clone()


def optimizers_of(net: nn.Module, recipe: Recipe, fused: bool = False) -> Optimizers:
    """Make the optimisers of a recipe.

    Args:
        fused: use torch's fused kernels, which can leave out a step without waiting for the device; Muon has none.

    Raises:
        RecipeError: a group selects nothing, or the recipe's optimiser has nothing to train.
        TrainingError: the net has no parameters to train.
    """
    chosen = _settings_by_name(net, recipe)
    names = {parameter: name for name, parameter in net.named_parameters()}
    frozen = {name: each for each, name in names.items() if chosen[name].freeze and each.requires_grad}
    trained = [(name, each) for each, name in names.items() if each.requires_grad and name not in frozen]
    if not trained:
        raise TrainingError("the net has no parameters to train")
    matrices = [(name, each) for name, each in trained if recipe.optimizer == "muon" and each.ndim == 2]
    others = [(name, each) for name, each in trained if (name, each) not in matrices]
    if recipe.optimizer == "muon" and not matrices:
        what = "optimizer: muon trains matrices, and the net has only convolutions, biases and norms"
        raise RecipeError(f"{what}\n  use sgd or adamw")
    each: list[Optimizer] = []
    if matrices:
        groups = _grouped(matrices, chosen)
        each.append(torch.optim.Muon(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov))
    if others:
        rest = recipe.second if recipe.optimizer == "muon" else recipe
        each.append(_made(rest, _grouped(others, chosen), fused))
    modules = dict(net.named_modules())
    still = {name.rpartition(".")[0] for name, buffer in net.named_buffers() if chosen[name].freeze}
    return Optimizers(tuple(each), names, frozen, tuple(modules[name] for name in sorted(still)))


def _made(given: Recipe | Second, groups: list[dict[str, Any]], fused: bool) -> Optimizer:
    if given.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=given.lr, betas=given.betas, eps=given.eps, fused=fused or None)
    nesterov = isinstance(given, Recipe) and given.nesterov
    return torch.optim.SGD(groups, lr=given.lr, momentum=given.momentum, nesterov=nesterov, fused=fused or None)


@dataclass(frozen=True)
class _Own:
    """Settings of a tensor."""

    lr: float
    weight_decay: float
    freeze: bool = False


def _grouped(parameters: Sequence[tuple[str, nn.Parameter]], chosen: Mapping[str, _Own]) -> list[dict[str, Any]]:
    """Parameter groups with equal settings, in order of the first parameter."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parameters:
        own = chosen[name]
        groups.setdefault((own.lr, own.weight_decay), []).append(parameter)
    return [
        {"params": members, "lr": lr, "initial_lr": lr, "weight_decay": decay}
        for (lr, decay), members in groups.items()
    ]


def _settings_by_name(net: nn.Module, recipe: Recipe) -> dict[str, _Own]:
    """The settings of each parameter and buffer, by its name."""
    tensors = dict(net.named_parameters()) | dict(net.named_buffers())
    own: dict[str, _Own] = {}
    for name, tensor in tensors.items():
        base = recipe.second if recipe.optimizer == "muon" and tensor.ndim != 2 else recipe
        own[name] = _Own(base.lr, base.weight_decay if recipe.decay == "all" or tensor.ndim > 1 else 0.0)
    for number, group in enumerate(recipe.groups):
        for member in group.members:
            found = list(selected(net, member, list(tensors)))
            if not found:
                fix = 'write a transition such as "V1->*", or a name such as "pre_net.*"'
                what = f"groups[{number}].members: '{member}' selects no weights of this net"
                raise RecipeError(
                    f"{what}\n  {fix}; the names are those of state_dict(), such as {next(iter(tensors))}"
                )
            for name in found:
                lr = own[name].lr if group.lr is None else group.lr
                decay = own[name].weight_decay if group.weight_decay is None else group.weight_decay
                freeze = group.freeze if "freeze" in group.model_fields_set else own[name].freeze
                own[name] = _Own(lr, decay, freeze)
    return own


def selected(net: nn.Module, member: str, tensors: Sequence[str]) -> Iterator[str]:
    """Yield the names of the tensors that a member of a group selects.

    `"V1->*"` selects the tensors that these transitions use, wherever weight sharing keeps them; `"pre_net.*"` selects
    by name.
    """
    if "->" not in member:
        yield from (name for name in tensors if fnmatchcase(name, member) or name.startswith(f"{member}."))
        return
    plan = getattr(net, "meta", {}).get("plan")
    if not isinstance(plan, Plan):
        raise RecipeError(f"groups: '{member}' selects transitions, and this net was not compiled by graphnet")
    selector = parse_selector(member)
    constants = read_constants(net.meta["spec"], [])  # type: ignore[arg-type, index]
    used: set[str] = set()
    for line in plan.lines:
        target, is_transition, source = line.place.partition(".from_")
        if not (line.tensors and is_transition and selector.matches(source, target)):
            continue
        layer = line.name.removeprefix(f"{line.place.replace('.', '_')}_t{line.t}_")
        is_layer = selector.layer is None or fnmatchcase(layer, selector.layer)
        if is_layer and (not selector.times or any(line.t in each.times(constants) for each in selector.times)):
            used.update(line.tensors)
    yield from (name for name in tensors if name in used)
