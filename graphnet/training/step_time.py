"""Time of a training step on this machine, by a few steps on random images."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from graphnet.runtime.machine_profile import wait
from graphnet.spec.recipe import Recipe

BUDGET = 10.0
"""Seconds of timing; a single step may take longer."""
MOST = 10
"""Timed batches are enough."""

Batch = Callable[[Tensor], object]
"""Trains on one batch of images `[N, C, H, W]`."""


@dataclass(frozen=True)
class StepTime:
    """Seconds of a batch of the recipe's size; how many batches of how many images were timed last."""

    seconds: float
    batches: int
    batch_size: int


def step_time(
    net: nn.Module,
    recipe: Recipe,
    image_shape: tuple[int, ...],
    device: torch.device,
    training: Callable[[nn.Module], Batch] | None = None,
    budget: float = BUDGET,
    clock: Callable[[], float] = time.perf_counter,
) -> StepTime:
    """Time training steps of a copy of a net; the net and the global random state are unchanged.

    Batches grow from two images to the recipe's size, as long as they are expected to fit in the budget.

    Args:
        net: compiled by torch.compile or not.
        recipe: for the batch size, the number type and the optimiser.
        image_shape: C, H, W of an image.
        device: where to train.
        training: makes the function that is timed, from the copy; None is `plain_training`.
        budget: seconds.
        clock: returns seconds.
    """
    copy = deepcopy(net).to(device).train()
    train = training(copy) if training is not None else plain_training(copy, recipe, device)
    generator = torch.Generator().manual_seed(0)
    kind = torch.float64 if recipe.precision == "fp64" else torch.float32

    def seconds(size: int) -> float:
        images = torch.randn(size, *image_shape, generator=generator).to(device, kind)
        wait(device)
        started = clock()
        train(images)
        wait(device)
        return clock() - started

    opened = clock()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        size = min(2, recipe.batch_size)
        seconds(size)  # a first step also prepares
        times = {size: [seconds(size)]}
        while size < recipe.batch_size:
            larger = min(4 * size, recipe.batch_size)
            if clock() - opened + times[size][0] * larger / size > budget:
                break
            size = larger
            times[size] = [seconds(size)]
        while len(times[size]) < MOST and clock() - opened + times[size][0] < budget:
            times[size].append(seconds(size))
    found = extrapolated({size: statistics.median(each) for size, each in times.items()}, recipe.batch_size)
    return StepTime(found, len(times[size]), size)


def extrapolated(times: Mapping[int, float], size: int) -> float:
    """The seconds of a batch of a size, from those of smaller ones in ascending order.

    A straight line goes through the two largest: a step has a part that does not depend on the batch.
    """
    *smaller, last = times
    if last == size or not smaller:
        return times[last] * size / last
    before = smaller[-1]
    rise = (times[last] - times[before]) / (last - before)
    return times[last] + max(rise, 0.0) * (size - last)


def plain_training(net: nn.Module, recipe: Recipe, device: torch.device) -> Batch:
    """Steps with the recipe's precision, SGD or AdamW, and a loss that costs nothing."""
    learning = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if recipe.precision == "fp64":
        net.double()
    made: torch.optim.Optimizer
    if recipe.optimizer == "sgd":
        made = torch.optim.SGD(learning, lr=1e-6, momentum=recipe.momentum)
    else:
        made = torch.optim.AdamW(learning, lr=1e-6)

    def train(images: Tensor) -> None:
        autocast = torch.autocast(device.type, torch.bfloat16) if recipe.precision == "bf16" else nullcontext()
        with autocast:
            output = net(images)
            outputs = [output] if isinstance(output, Tensor) else list(output.values())
            loss = torch.stack([each.float().square().mean() for each in outputs]).sum()
        torch.autograd.backward(loss)
        made.step()
        made.zero_grad()

    return train
