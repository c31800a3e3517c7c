"""The convolutions of a plan alone: a lower bound on the time of any net that computes them all.

Each runs on random numbers of its shapes, forward and, in training, with both backward convolutions (only the one for
the weight if it reads the image).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from graphnet.planning.plan import IMAGE, Line, Plan

KINDS = ("conv", "conv_transpose", "linear")
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class Bare(nn.Module):
    """The convolutions and linear layers of a plan before any pass, as `net(images)`; in training also backward."""

    def __init__(self, plan: Plan, images: Tensor, layout: str) -> None:
        super().__init__()
        shapes = {line.name: line.shape for line in plan.lines} | {IMAGE: plan.input_shape}
        weights = {tensor.name: tensor.shape for tensor in plan.tensors}
        known: dict[tuple[int, ...], Tensor] = {}

        def numbers(*shape: int) -> Tensor:
            if shape not in known:
                made = torch.randn(shape, device=images.device) / math.sqrt(math.prod(shape[1:]))
                known[shape] = made.to(memory_format=LAYOUTS[layout]) if len(shape) == 4 else made
            return known[shape]

        self.calls = [
            (
                line,
                numbers(len(images), *shapes[line.arguments[0]]),
                numbers(*weights[line.tensors[0]]),
                numbers(len(images), *line.shape),
                line.arguments[0] != IMAGE,
            )
            for line in plan.lines
            if line.op.kind in KINDS
        ]

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        for line, x, weight, _, _ in self.calls:
            _forward(line, x, weight)
        if self.training:
            for line, x, weight, gradient, inner in reversed(self.calls):
                _backward(line, x, weight, gradient, inner)
        return images.new_zeros(1).requires_grad_()  # its backward pass does nothing


def _settings(line: Line) -> tuple[object, ...]:
    """Stride, padding, dilation, transposed, output padding, groups, as for torch.ops.aten.convolution."""
    settings = dict(line.op.attributes)
    rank = len(line.shape) - 1
    stride, padding, dilation = ([settings[name]] * rank for name in ("stride", "padding", "dilation"))
    transposed = line.op.kind == "conv_transpose"
    return stride, padding, dilation, transposed, [settings.get("output_padding", 0)] * rank, settings["groups"]


def _forward(line: Line, x: Tensor, weight: Tensor) -> Tensor:
    if line.op.kind == "linear":
        return nn.functional.linear(x, weight)
    made: Tensor = torch.ops.aten.convolution(x, weight, None, *_settings(line))
    return made


def _backward(line: Line, x: Tensor, weight: Tensor, gradient: Tensor, inner: bool) -> None:
    if line.op.kind == "linear":
        gradient.T @ x
        gradient @ weight
    else:
        mask = [inner, True, False]
        torch.ops.aten.convolution_backward(gradient, x, weight, None, *_settings(line), mask)
