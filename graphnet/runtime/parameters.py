"""The modules of a net: parameters and statistics under their names, with their first values, taps and divisors."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Container, Mapping

import torch
from torch import nn

from graphnet.network.functions.ops import Line, Shape
from graphnet.network.network import VECTOR, Tensor
from graphnet.planning.plan import Plan
from graphnet.runtime.lipschitz_divisor import Divisor, random_unit


def modules_of(plan: Plan, seed: int, given: Mapping[str, torch.Tensor], layout: str = "contiguous") -> nn.Module:
    """The modules of a plan; draws its initial weights from `seed` and nothing else at random.

    Tensors that are `given`, by name, are those of another net: they share its storage. The weights of convolutions lie
    in memory as the maps do, in the `layout` of the plan that is executed: else each convolution would turn them, and
    each backward pass their gradients.
    """
    root = nn.Module()
    places = {"": root}
    like = next(iter(given.values()), None)
    for tensor in plan.tensors:
        if tensor.name in given:
            _own(places, tensor, given[tensor.name].detach(), given[tensor.name].requires_grad)
        else:
            values = initial(tensor, seed)
            if layout == "channels_last" and tensor.trainable and values.dim() == 4:
                values = values.contiguous(memory_format=torch.channels_last)
            _own(places, tensor, values if like is None else values.to(like))
    for line in (line for body in plan.bodies for line in body.lines):
        if line.op.kind == "value":
            holder = _module(places, line.place)
            if "output" not in holder._modules:
                holder._modules["output"] = nn.Identity()
        elif line.op.kind == "lipschitz":
            _module(places, line.place)._modules[line.name] = Divisor(line.op)
    return root


def divisors_of(plan: Plan) -> list[Line]:
    """The lines that find what functions are divided by; they are made before the first step."""
    return [line for body in plan.bodies for line in body.lines if line.op.kind == "lipschitz"]


FIRST_ITERATIONS = 15
"""As many power iterations as PyTorch's spectral norm makes when it is put on a layer."""


def settle_divisors(
    net: nn.Module, iterations: int, known: Container[str] = (), among: Collection[str] | None = None
) -> None:
    """Bring the singular vectors of a net's Lipschitz bounds nearer to those of its weights, unless they are known.

    With `among`, of those bounds alone that these tensors are in.
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
    """A tensor's first values, from a generator of its own (rule 17), drawn in float32; in torch's default type."""
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
    return torch.randn(tensor.shape, generator=generator) * math.sqrt(VARIANCES[scheme](fan_in, fan_out))


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


def _own(places: dict[str, nn.Module], tensor: Tensor, values: torch.Tensor, learns: bool = True) -> None:
    place, _, role = tensor.name.rpartition(".")
    holder = places.get(place) or _module(places, place)
    if tensor.trainable:
        holder._parameters[role] = nn.Parameter(values, learns)
    else:
        holder._buffers[role] = values


def _module(places: dict[str, nn.Module], path: str) -> nn.Module:
    """The module at a dotted path, made where it is missing; `places` are those there are."""
    if path not in places:
        above, _, name = path.rpartition(".")
        places[path] = _module(places, above)._modules[name] = twin(_EMPTY)
    return places[path]


def twin(module: nn.Module) -> nn.Module:
    """A module with the same attributes and dictionaries of its own; a long net has thousands that are alike."""
    made = object.__new__(type(module))
    made.__dict__ |= {key: value.copy() if isinstance(value, dict) else value for key, value in vars(module).items()}
    return made


_EMPTY = nn.Module()
