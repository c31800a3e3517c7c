"""Batch norms of one value that share their work."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary


def shared_norm(
    x: Tensor, training: bool, relu: bool, momentum: float, eps: float, *statistics: Tensor
) -> list[Tensor]:
    """What several batch norms without affine part make of one value, each with its running mean and variance `[C]`.

    In training all of them normalise by the batch alike: it is done once, and each one's statistics are brought up to
    date as it would do itself. In evaluation each has its own statistics. With `relu` that follows.
    """
    if has_torch_function_unary(x):  # a tracer sees one node, in training and evaluation alike
        given: Any = (training, relu, momentum, eps, *statistics)
        seen: list[Tensor] = handle_torch_function(shared_norm, (x,), x, *given)
        return seen
    means, variances = statistics[::2], statistics[1::2]
    if training:
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
        F.batch_norm(x, mean, var, None, None, False, momentum, eps) for mean, var in zip(means, variances, strict=True)
    ]
    return [torch.relu_(y) for y in normed] if relu else normed
