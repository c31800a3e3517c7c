"""Spectral norms of operators made of a plan's lines, by power iteration with persistent vectors.

Yoshida & Miyato 2017; Miyato et al. 2018. The persistent vector is the right singular vector v: the norm is ‖A v‖,
which needs no transpose, never exceeds the true norm (except by rounding), and has the right gradient for fixed v.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Container, Mapping, Sequence
from types import FrameType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils import checkpoint

from graphnet.network.functions.lipschitz import Bound, SpectralNorm, work_out
from graphnet.network.functions.ops import Op, Shape
from graphnet.planning.plan import Line
from graphnet.runtime.eager_writer import EAGER
from graphnet.runtime.lowering_rules import say_operator

Tensors = Mapping[str, Tensor]
"""An operator's tensors, by name."""


def applied(norm: SpectralNorm, x: Tensor, tensors: Tensors) -> Tensor:
    """Apply a norm's operator to values `[1, …]`."""
    value: Tensor = say_operator(EAGER, norm.operator, x, tensors)
    return value


def transposed(norm: SpectralNorm, y: Tensor, tensors: Tensors) -> Tensor:
    """Apply its transpose, line by line: autograd would trigger the hooks of activation checkpointing."""
    ends = []
    for path in norm.operator:
        shapes, end = [norm.shape, *(line.shape for line in path)], y
        for line, shape in reversed(list(zip(path, shapes[:-1], strict=True))):
            end = _transposed_line(line, shape, end, tensors)
        ends.append(end)
    total: Tensor = sum(ends[1:], start=ends[0])
    return total


def _transposed_line(line: Line, shape: Shape, y: Tensor, tensors: Tensors) -> Tensor:
    """Apply the transpose of one linear line that reads values of a shape."""
    kind, rank = line.op.kind, len(shape) - 1
    settings: dict[str, Any] = dict(line.op.attributes)
    weight = next((tensors[name] for name in line.tensors if name.endswith("weight") and name in tensors), y)
    if kind == "conv":
        return _conv_input(shape, weight, y, line, settings["groups"])
    if kind == "avg_pool":
        size = (settings["kernel"],) * rank
        return _conv_input(shape, y.new_full((shape[0], 1, *size), 1 / math.prod(size)), y, line, shape[0])
    if kind == "conv_transpose":
        names = ("stride", "padding", "dilation", "groups")
        back: Tensor = getattr(F, f"conv{rank}d")(y, weight, **{name: settings[name] for name in names})
        return back
    if kind == "linear":
        return y @ weight
    if kind == "flatten":
        return y.reshape(1, *shape)
    if kind == "global_pool":
        return (y / math.prod(shape[1:])).reshape(1, shape[0], *[1] * rank).expand(1, *shape)
    if kind == "pad_identity":
        x = y.new_zeros(1, *shape)
        every: Any = (..., *[slice(None, None, settings["stride"])] * rank)
        x[every] = y[:, : shape[0]]
        return x
    same: Tensor = say_operator(EAGER, ((line,),), y, tensors)  # diagonal
    return same


def _conv_input(shape: Shape, weight: Tensor, y: Tensor, line: Line, groups: Any) -> Tensor:
    from torch.nn import grad

    function = getattr(grad, f"conv{len(shape) - 1}d_input")
    stride, padding, dilation = (line.op.real(name, 1) for name in ("stride", "padding", "dilation"))
    back: Tensor = function((1, *shape), weight, y, int(stride), int(padding), int(dilation), groups)
    return back


def improved(norm: SpectralNorm, v: Tensor, tensors: Tensors, iterations: int = 1) -> Tensor:
    """Refine the first right singular vector; each iteration applies the operator and its transpose."""
    with torch.no_grad():
        v = v[None]
        for _ in range(iterations):
            found = transposed(norm, applied(norm, v, tensors), tensors)
            size = found.norm()
            v = torch.where(size > 0, found / size, v)  # a zero operator leaves it unchanged
    return v[0]


def random_unit(shape: Shape, generator: torch.Generator) -> Tensor:
    """The start of power iteration."""
    vector = torch.randn(shape, generator=generator)
    unit: Tensor = vector / vector.norm()
    return unit


def spectral_norm(norm: SpectralNorm, tensors: Tensors, iterations: int = 100) -> Tensor:
    """The largest singular value of an operator of float64 tensors, from a random start; differentiable."""
    start = random_unit(norm.shape, torch.Generator().manual_seed(0)).double()
    found: Tensor = applied(norm, improved(norm, start, tensors, iterations)[None], tensors).norm()
    return found


class Divisor(nn.Module):
    """c = max(L̂/μ, 1), the divisor that keeps a function's Lipschitz bound L̂ at most μ.

    LPK's eq. 3 prints max(μ/L̂, 1); its own text ("if L̂ ≤ μ, c will not change the function") needs this one.

    L̂ is the bound in evaluation mode, with the running statistics from before the step. In training, each call refines
    the vectors by one iteration, as PyTorch's spectral norm does. When activation checkpointing recomputes a pass, it
    uses the vectors and statistics of the last forward pass. (If several checkpointed passes precede one backward pass,
    the earlier ones also get those of the last: c is off by one iteration.)
    """

    def __init__(self, op: Op) -> None:
        super().__init__()
        bound = op["bound"]
        assert isinstance(bound, Bound)
        self.bound, self.mu = bound, op.real("mu", 1)
        self.seen: tuple[Tensor | None, ...] = ()

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return c, a scalar, given the bound's tensors and its vectors."""
        if self.training and not _is_recomputing():
            self.improve(tensors)
            self.seen = tuple(None if t.requires_grad else t.clone() for t in tensors)  # a later step changes them
        if self.training:
            pairs = zip(tensors, self.seen, strict=True)
            tensors = tuple(now if then is None or now.requires_grad else then for now, then in pairs)
        with torch.autocast(tensors[0].device.type, enabled=False):
            named = dict(zip(self.bound.names, tensors, strict=False))
            vectors = dict(zip(self.bound.searched, tensors[len(named) :], strict=True))
            return (work_out(self.bound.formula, Torch(tensors[0], named, vectors)) / self.mu).clamp_min(1)

    def improve(self, tensors: Sequence[Tensor], iterations: int = 1, kept: Container[int] = ()) -> None:
        """Refine the singular vectors in place, except those whose numbers are in `kept`.

        Takes the tensors of `forward`.
        """
        named = dict(zip(self.bound.names, (tensor.detach() for tensor in tensors), strict=False))
        for number, (norm, vector) in enumerate(zip(self.bound.searched, tensors[len(named) :], strict=True)):
            if number in kept:
                continue
            vector.copy_(improved(norm, vector, named, iterations))


class Torch:
    """Evaluates the formula of a bound in the type of `like`; each norm has its vector."""

    def __init__(self, like: Tensor, tensors: Mapping[str, Tensor], vectors: Mapping[SpectralNorm, Tensor]) -> None:
        self.like, self.tensors, self.vectors = like, tensors, vectors

    def number(self, value: float) -> Tensor:
        return self.like.new_tensor(value)

    def norm(self, norm: SpectralNorm) -> Tensor:
        if norm.is_diagonal:
            return applied(norm, self.like.new_ones(1, *norm.shape), self.tensors).abs().max()
        result: Tensor = applied(norm, self.vectors[norm][None], self.tensors).norm()
        return result

    def product(self, parts: Sequence[Tensor]) -> Tensor:
        return math.prod(parts[1:], start=parts[0])

    def sum(self, parts: Sequence[Tensor]) -> Tensor:
        return sum(parts[1:], start=parts[0])


def _is_recomputing() -> bool:
    """Whether activation checkpointing is recomputing a pass: then one of its functions is among our callers.

    Any other forward pass during a backward pass, as in a hook, counts as ordinary.
    """
    if torch.compiler.is_compiling():
        return False
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        code = frame.f_code
        if code.co_name in RECOMPUTING and code.co_filename == checkpoint.__file__:
            return True
        frame = frame.f_back
    return False


RECOMPUTING = ("unpack_hook", "backward")
"""The functions of `torch.utils.checkpoint` that recompute: without and with reentrant autograd."""
