"""Linear operators made of lines of a plan, and their spectral norms."""

from __future__ import annotations

import operator as operators
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

from graphnet.analysis.spectral import LinearMap, SpectralNorm
from graphnet.backends.torch_calls import say
from graphnet.ir.ops import KINDS, Op, Shape
from graphnet.ir.plan import Line

Path = tuple[Line, ...]
"""Linear lines, applied one after the other."""
Operator = tuple[Path, ...]
"""Paths whose results are added: one linear operator."""

DIAGONAL = ("batch_norm", "scale")
LINEAR = (*DIAGONAL, "conv", "conv_transpose", "linear", "avg_pool", "global_pool", "pad_identity", "flatten")
"""The ops that are linear, but for what they add: batch norm is in evaluation mode."""


class Norms:
    """Norms of operators made of lines, each found once a call."""

    def __init__(self, net: nn.Module, kept: dict[object, SpectralNorm], iterations: int) -> None:
        named = dict(net.named_parameters()) | dict(net.named_buffers())
        self.tensors = {name: tensor.double() for name, tensor in named.items()}
        self.device = next((tensor.device for tensor in self.tensors.values()), torch.device("cpu"))
        self.kept, self.iterations = kept, iterations
        self.found: dict[object, Tensor] = {}

    def constant(self, value: float) -> Tensor:
        return torch.tensor(value, dtype=torch.float64, device=self.device)

    def of(self, operator: Operator, shape: Shape) -> Tensor:
        """The spectral norm of an operator on values of that shape; exact where it is diagonal."""
        if operator == ((),):
            return self.constant(1)
        key = (shape, tuple(tuple((line.op, line.tensors, line.shape) for line in path) for path in operator))
        if key not in self.found:
            self.found[key] = self._norm(key, operator, (1, *shape))
        return self.found[key]

    def _norm(self, key: object, operator: Operator, shape: Shape) -> Tensor:
        apply = self._linear(operator)
        if is_diagonal(operator):
            return apply(torch.ones(shape, dtype=torch.float64, device=self.device)).abs().max()
        norm = self.kept.setdefault(key, SpectralNorm())
        return norm(apply, shape, self.iterations, self.device)

    def _linear(self, operator: Operator) -> LinearMap:
        def apply(x: Tensor) -> Tensor:
            return torch.stack([self._along(path, x) for path in operator]).sum(0)

        return apply

    def _along(self, path: Path, x: Tensor) -> Tensor:
        for line in path:
            tensors = [self.tensors[name] for name in line.tensors]
            if line.op.kind == "batch_norm":
                x = x * _scale(line, tensors).view(-1, *[1] * (x.dim() - 2))
            else:
                x = say(_EAGER, line, [x, *tensors[:1]])  # without the bias
        return x


class _Eager:
    """A writer of the table of PyTorch calls that calls at once."""

    def call(self, function: str, *arguments: Any, **settings: Any) -> Any:
        first, _, rest = function.partition(".")
        return attrgetter(rest)({"torch": torch, "operator": operators}[first])(*arguments, **settings)

    def method(self, name: str, *arguments: Any) -> Any:
        owner, *rest = arguments
        return getattr(owner, name)(*rest)

    def training(self) -> Any:
        return False

    def custom(self, kind: str, *arguments: Any, **settings: Any) -> Any:
        raise AssertionError(f"{kind} is not linear")


_EAGER = _Eager()


def _scale(line: Line, tensors: list[Tensor]) -> Tensor:
    """The factors `[C]` of a batch norm in evaluation mode."""
    named = dict(zip(KINDS["batch_norm"].roles, tensors, strict=False))
    factors = (named["running_var"] + setting(line.op, "eps", 0.0)).rsqrt()
    return factors * named["weight"] if "weight" in named else factors


def is_diagonal(operator: Operator) -> bool:
    return all(line.op.kind in DIAGONAL for path in operator for line in path)


def setting(op: Op, name: str, default: float) -> float:
    value = dict(op.attributes).get(name, default)
    assert isinstance(value, int | float)
    return float(value)
