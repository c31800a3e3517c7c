"""Spectral norms of operators made of a plan's lines, by power iteration with kept vectors.

Yoshida & Miyato 2017; Miyato et al. 2018. The vector that is kept is the right singular one, v: the norm is ‖A v‖,
which needs no transpose, is never above the true norm (but for rounding), and has the right gradient with v held fixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from graphnet.backends.eager import EAGER
from graphnet.backends.torch_calls import say_operator
from graphnet.ir.lipschitz import Bound, Norm, work_out
from graphnet.ir.ops import Op, Shape

LinearMap = Callable[[Tensor], Tensor]
"""A linear map: no bias, nothing added."""


def improved(operator: LinearMap, v: Tensor, iterations: int = 1) -> Tensor:
    """A vector nearer to the operator's first right singular vector; each iteration applies it and its transpose."""
    with torch.no_grad():
        for _ in range(iterations):
            y, transpose = torch.func.vjp(operator, v)[:2]
            (found,) = transpose(y)
            v = found / found.norm().clamp_min(torch.finfo(v.dtype).tiny)
    return v


def linear_map(norm: Norm, tensors: Mapping[str, Tensor]) -> LinearMap:
    """The operator of a norm, on values `[1, …]`; `tensors` are its own, by name."""
    return lambda x: say_operator(EAGER, norm.operator, x, tensors)


def random_unit(shape: Shape, generator: torch.Generator) -> Tensor:
    """Where power iteration starts."""
    vector = torch.randn(shape, generator=generator)
    unit: Tensor = vector / vector.norm()
    return unit


def spectral_norm(operator: LinearMap, shape: Shape, iterations: int = 100) -> Tensor:
    """The largest singular value of a linear map of float64 tensors, from a random start; differentiable."""
    start = random_unit(shape, torch.Generator().manual_seed(0)).double()
    norm: Tensor = operator(improved(operator, start, iterations)).norm()
    return norm


class Divisor(nn.Module):
    """c = max(L̂/μ, 1), by which a function is divided so that its Lipschitz bound L̂ is at most μ.

    LPK's eq. 3 prints max(μ/L̂, 1); its own text ("if L̂ ≤ μ, c will not change the function") needs this one.

    L̂ is that of the net in evaluation mode, with the running statistics from before the step. In training each call
    improves the vectors by one iteration, as PyTorch's spectral norm does. What activation checkpointing computes again
    in the backward pass is what was computed before: the same vectors, the same statistics.
    """

    def __init__(self, op: Op) -> None:
        super().__init__()
        bound = op["bound"]
        assert isinstance(bound, Bound)
        self.bound, self.mu = bound, op.real("mu", 1)
        self.seen: tuple[Tensor, ...] = ()

    def forward(self, *tensors: Tensor) -> Tensor:
        """c, a scalar, of the bound's tensors and its vectors."""
        if self.training and not _is_recomputing():
            self.improve(tensors)
            self.seen = tuple(
                t if t.requires_grad else t.clone() for t in tensors
            )  # a later step changes them in place
        if self.training:
            tensors = tuple(now if now.requires_grad else then for now, then in zip(tensors, self.seen, strict=True))
        with torch.autocast(tensors[0].device.type, enabled=False):
            named = dict(zip(self.bound.names, tensors, strict=False))
            vectors = dict(zip(self.bound.searched, tensors[len(named) :], strict=True))
            return (work_out(self.bound.formula, Torch(tensors[0], named, vectors)) / self.mu).clamp_min(1)

    def improve(self, tensors: Sequence[Tensor], iterations: int = 1) -> None:
        """Bring the vectors nearer to the singular ones, in place; takes what `forward` takes."""
        named = dict(zip(self.bound.names, (tensor.detach() for tensor in tensors), strict=False))
        for norm, vector in zip(self.bound.searched, tensors[len(named) :], strict=True):
            vector.copy_(improved(linear_map(norm, named), vector[None], iterations)[0])


class Torch:
    """Works out the formula of a bound, in the type of `like`; each norm has its vector."""

    def __init__(self, like: Tensor, tensors: Mapping[str, Tensor], vectors: Mapping[Norm, Tensor]) -> None:
        self.like, self.tensors, self.vectors = like, tensors, vectors

    def number(self, value: float) -> Tensor:
        return self.like.new_tensor(value)

    def norm(self, norm: Norm) -> Tensor:
        if norm.is_diagonal:
            return linear_map(norm, self.tensors)(self.like.new_ones(1, *norm.shape)).abs().max()
        result: Tensor = linear_map(norm, self.tensors)(self.vectors[norm][None]).norm()
        return result

    def product(self, parts: Sequence[Tensor]) -> Tensor:
        return math.prod(parts[1:], start=parts[0])

    def sum(self, parts: Sequence[Tensor]) -> Tensor:
        return sum(parts[1:], start=parts[0])


def _is_recomputing() -> bool:
    """Whether a backward pass is on: then checkpointing computes a forward pass again."""
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1
