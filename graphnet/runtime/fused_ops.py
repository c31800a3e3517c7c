"""Fused kernels: batch norms or convolutions that share an input, a layer with the norm after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

R = TypeVar("R")


def _one_node(function: Callable[..., R]) -> Callable[..., R]:
    """Trace the function as one node, in training and evaluation; its first argument is x, or a list of them."""

    @wraps(function)
    def called(x: Any, *given: Any, **settings: Any) -> R:
        seen = tuple(x) if isinstance(x, list | tuple) else (x,)
        if has_torch_function(seen):
            traced: R = handle_torch_function(called, seen, x, *given, **settings)
            return traced
        return function(x, *given, **settings)

    return called


@_one_node
def shared_norm(
    x: Tensor, training: Sequence[bool], relu: bool, momentum: float, eps: float, *statistics: Tensor
) -> list[Tensor]:
    """Apply several batch norms without affine parameters to one value, each with its running mean and variance `[C]`.

    If all are in training, normalise by the batch once, and update each norm's statistics as it would itself.
    Otherwise apply each separately. With `relu`, a ReLU follows.
    """
    means, variances = statistics[::2], statistics[1::2]
    if all(training):
        kept = 1 - momentum
        with torch.no_grad():
            firsts = [means[0], variances[0]]
            before = torch._foreach_mul(firsts, kept)
        y = F.batch_norm(x, means[0], variances[0], None, None, True, momentum, eps)
        with torch.no_grad():
            steps = torch._foreach_sub(firsts, before)  # momentum times the moments of the batch
            others = [*means[1:], *variances[1:]]
            torch._foreach_mul_(others, kept)
            torch._foreach_add_(others, [steps[0]] * len(means[1:]) + [steps[1]] * len(means[1:]))
        return [torch.relu_(y) if relu else y] * len(means)
    normed = [
        F.batch_norm(x, mean, variance, None, None, trains, momentum, eps)
        for mean, variance, trains in zip(means, variances, training, strict=True)
    ]
    return [torch.relu_(y) for y in normed] if relu else normed


@_one_node
def convs(
    sources: Sequence[Tensor],
    kind: str,
    parts: Sequence[int],
    axis: int,
    weight: Tensor,
    bias: Tensor | None = None,
    **settings: int,
) -> list[Tensor]:
    """Convolve sources, which may be one value, with weights joined along `axis`.

    `parts` are their channels; `kind` is `conv2d`, `conv_transpose2d` or another rank of these. Sources normalised by
    separate statistics, as in evaluation, are convolved one by one.
    """
    convolve = getattr(torch, kind)
    if all(source is sources[0] for source in sources):
        made: Tensor = convolve(sources[0], weight, bias, **settings)
        return list(torch.split(made, list(parts), 1))
    weights = torch.split(weight, list(parts), axis)
    biases = [None] * len(parts) if bias is None else torch.split(bias, list(parts))
    return [convolve(x, w, b, **settings) for x, w, b in zip(sources, weights, biases, strict=True)]


@_one_node
def normed(x: Tensor, kind: str, biased: bool, eps: float, weight: Tensor, *given: Tensor, **settings: int) -> Tensor:
    """A convolution or linear layer with the batch norm after it folded into its weights by the running statistics.

    `kind` is `linear`, `conv2d`, `conv_transpose2d` or another rank of these; `given` is the bias if there is one, the
    running mean and variance `[C]`, and the norm's weight and bias if it has them.
    """
    bias, (mean, variance, *affine) = (given[0], given[1:]) if biased else (0, given)
    scale = torch.rsqrt(variance + eps)
    if affine:
        scale = scale * affine[0]
    shift = (bias - mean) * scale
    if affine:
        shift = shift + affine[1]
    shape = [1] * weight.dim()
    shape["transpose" in kind] = -1
    function = F.linear if kind == "linear" else getattr(torch, kind)
    made: Tensor = function(x, weight * scale.reshape(shape), shift, **settings)
    return made


@_one_node
def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The affine part of a batch norm whose weight and bias `[C]` belong to another layer."""
    shape = (-1, *[1] * (x.dim() - 2))
    return x * weight.reshape(shape) + bias.reshape(shape)


@_one_node
def channels_last(x: Tensor) -> Tensor:
    """A map `[N, C, H, W]` or weight laid out as N, H, W, C; works under vmap."""
    return x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def add_into(a: Tensor, b: Tensor) -> Tensor:
    """a + b, in place if the sum has a's type: under autocast it may be wider."""
    if not torch.compiler.is_compiling() and has_torch_function((a, b)):
        traced: Tensor = handle_torch_function(add_into, (a, b), a, b)  # one node when traced
        return traced
    return a.add_(b) if torch.promote_types(a.dtype, b.dtype) == a.dtype else a + b
