"""Find the state and the time at which a value stops being finite."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from graphnet.errors import and_more


def why_not_finite(net: nn.Module, images: Tensor) -> str:
    """Name what is not finite first in a forward pass: images, weights, or a state at a time.

    Args:
        net: in the mode of the pass that failed; its statistics may change.
        images: `[N, C, H, W]`, of that pass.
    """
    if not images.isfinite().all():
        return "the images hold values that are not finite"
    if wrong := [name for name, each in net.named_parameters() if not each.isfinite().all()]:
        return f"weights are not finite: {and_more(wrong)}"
    found: list[tuple[str, int, bool, float]] = []
    handles = []
    for name, module in net.named_children():
        output, times = module._modules.get("output"), vars(module).get("times")
        if output is not None and times:
            handles.append(output.register_forward_hook(partial(_note, found, name, iter(times))))
    try:
        net(images)
    finally:
        for handle in handles:
            handle.remove()
    largest = 0.0
    for name, t, is_finite, most in found:
        if not is_finite:
            before = f", after values up to {largest:.3g}" if largest else ""
            return f"{name} is not finite at t = {t}{before}"
        largest = max(largest, most)
    if not found:
        return "the weights and the images are finite"
    return f"all states are finite, with values up to {largest:.3g}; the logits are too large"


def _note(found: list[tuple[str, int, bool, float]], name: str, times: Any, module: Any, given: Any, out: Any) -> None:
    with torch.no_grad():
        found.append((name, next(times), bool(out.isfinite().all()), float(out.abs().max())))
