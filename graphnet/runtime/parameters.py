"""The modules of a net: parameters and statistics under their names, with initial values, taps and divisors."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Container, Mapping

import torch
from torch import nn

from graphnet.network.functions.ops import Line, Shape
from graphnet.network.network import VECTOR, Tensor
from graphnet.planning.holders import Holder
from graphnet.planning.plan import Plan
from graphnet.runtime.layers import module_of, twin
from graphnet.runtime.lipschitz_divisor import Divisor, random_unit


def modules_of(plan: Plan, seed: int, given: Mapping[str, torch.Tensor]) -> nn.Module:
    """Build the modules of a plan; draw initial weights from `seed` alone.

    Tensors in `given`, by name, come from another net and share its storage.
    """
    root = nn.Module()
    places = _Places({"": root}, {holder.name: holder for holder in plan.layers()})
    like = next(iter(given.values()), None)
    for tensor in plan.tensors:
        if tensor.name in given:
            places.own(tensor, given[tensor.name].detach(), given[tensor.name].requires_grad)
        else:
            values = initial(tensor, seed)
            places.own(tensor, values if like is None else values.to(like))
    for line in (line for body in plan.bodies for line in body.lines):
        if line.op.kind == "value":
            holder = places.module(line.place)
            if "output" not in holder._modules:
                holder._modules["output"] = nn.Identity()
        elif line.op.kind == "lipschitz":
            places.module(line.place)._modules[line.name] = Divisor(line.op)
    return root


class _Places:
    """Modules at dotted paths, created on demand."""

    def __init__(self, modules: dict[str, nn.Module], holders: Mapping[str, Holder]) -> None:
        self.modules, self.holders = modules, holders

    def own(self, tensor: Tensor, values: torch.Tensor, learns: bool = True) -> None:
        """Register a tensor in its module."""
        place, _, role = tensor.name.rpartition(".")
        module = self.modules.get(place) or self.module(place)
        if tensor.trainable:
            module._parameters[role] = nn.Parameter(values, learns)
        else:
            module._buffers[role] = values

    def module(self, path: str) -> nn.Module:
        """The module at a path: a layer, or a container."""
        if path not in self.modules:
            above, _, name = path.rpartition(".")
            holder = self.holders.get(path)
            made = twin(_EMPTY) if holder is None else module_of(holder)
            self.modules[path] = self.module(above)._modules[name] = made
        return self.modules[path]


_EMPTY = nn.Module()


def divisors_of(plan: Plan) -> list[Line]:
    """The lines that compute Lipschitz divisors; they run before the first step."""
    return [line for body in plan.bodies for line in body.lines if line.op.kind == "lipschitz"]


FIRST_ITERATIONS = 15
"""Initial power iterations, as in PyTorch's spectral norm."""


def settle_divisors(
    net: nn.Module, iterations: int, known: Container[str] = (), among: Collection[str] | None = None
) -> None:
    """Refine the singular vectors of a net's Lipschitz bounds, except the `known` ones.

    With `among`, only those of bounds that involve these tensors.
    """
    plan = getattr(net, "meta", {}).get("plan")
    found = divisors_of(plan) if isinstance(plan, Plan) else []
    tensors = dict(net.named_parameters()) | dict(net.named_buffers()) if found else {}
    for line in found:
        if among is None or not set(among).isdisjoint(line.tensors):
            given = [tensors[name] for name in line.tensors]
            vectors = [name for name in line.tensors if name.rpartition(".")[2].startswith(VECTOR)]
            kept = {number for number, name in enumerate(vectors) if name in known}
            divisor = net.get_submodule(f"{line.place}.{line.name}")
            assert isinstance(divisor, Divisor)
            divisor.improve(given, iterations, kept)


def initial(tensor: Tensor, seed: int) -> torch.Tensor:
    """A tensor's initial values from its own generator (rule 17), drawn in float32, in torch's default type."""
    if tensor.init[0] in FILLED:
        return FILLED[tensor.init[0]](tensor.shape)
    return _first_values(tensor, seed).to(torch.get_default_dtype())


FILLED = {"zeros": torch.zeros, "ones": torch.ones}


def _first_values(tensor: Tensor, seed: int) -> torch.Tensor:
    scheme, fan_in, fan_out, value = tensor.init
    if scheme == "constant":
        return torch.tensor(value, dtype=torch.float64).expand(tensor.shape).clone()
    if scheme == "identity":
        return _identity(tensor.shape)
    digest = hashlib.sha256(f"{seed} {tensor.seed}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
    if scheme == "unit":
        return random_unit(tensor.shape, generator)
    deviation = math.sqrt(VARIANCES[scheme.removesuffix("-uniform")](fan_in, fan_out))
    if scheme.endswith("-uniform"):
        return (2 * torch.rand(tensor.shape, generator=generator) - 1) * math.sqrt(3) * deviation
    return torch.randn(tensor.shape, generator=generator) * deviation


VARIANCES: dict[str, Callable[[int, int], float]] = {
    "he": lambda fan_in, fan_out: 2 / fan_in,
    "he-fan-out": lambda fan_in, fan_out: 2 / fan_out,
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "lecun": lambda fan_in, fan_out: 1 / fan_in,
}


def _identity(shape: Shape) -> torch.Tensor:
    """Weights that copy channel k to channel k, through the middle of the kernel."""
    values = torch.zeros(shape)
    middle = tuple(size // 2 for size in shape[2:])
    for channel in range(min(shape[:2])):
        values[(channel, channel, *middle)] = 1
    return values
