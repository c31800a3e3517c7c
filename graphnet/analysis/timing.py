"""Interleaved timing of nets in one process: ratios that are robust to a noisy machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from graphnet.runtime.machine_profile import wait


class Ratio(NamedTuple):
    """The median of paired ratios, with its 95 % bootstrap interval over rounds."""

    median: float
    low: float
    high: float


Clock = Callable[[], float]


def seconds(net: nn.Module, images: Tensor, backward: bool, clock: Clock = time.perf_counter) -> float:
    """Time one forward pass without gradients, or one forward and backward pass; gradients are dropped afterwards.

    `time.process_time` gives processor time: on one thread, that of the net alone, even on a busy machine.
    """
    wait(images.device)
    started = clock()
    if backward:
        output = net(images)
        outputs = [output] if isinstance(output, Tensor) else list(output.values())
        torch.autograd.backward(torch.stack([each.square().sum() for each in outputs]).sum())
    else:
        with torch.no_grad():
            net(images)
    wait(images.device)
    elapsed = clock() - started
    for parameter in net.parameters():
        parameter.grad = None
    return elapsed


def interleaved(
    variants: Mapping[str, tuple[nn.Module, Tensor]], backward: bool, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """The seconds of each variant in each round, after a warm-up; sets nets to the measured mode.

    Each round starts with a different variant, so that none always follows the same one.
    """
    times: dict[str, list[float]] = {name: [] for name in variants}
    for net, images in variants.values():
        net.train(backward)
        seconds(net, images, backward, clock)
    names = list(variants)
    for k in range(rounds):
        start = k % len(names)
        for name in names[start:] + names[:start]:
            net, images = variants[name]
            times[name].append(seconds(net, images, backward, clock))
    return times


def ratio(slow: list[float], fast: list[float]) -> Ratio:
    """Ratio of the slow times to the fast ones, paired by round."""
    pairs = np.array(slow) / np.array(fast)
    medians = np.median(np.random.default_rng(0).choice(pairs, (2000, len(pairs))), axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return Ratio(float(np.median(pairs)), float(low), float(high))
