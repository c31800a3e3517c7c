"""Estimates before a run: its length, memory, time and disk space."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from rich.filesize import decimal
from torch import nn

from graphnet.planning.memory.training_step import Memory, memory
from graphnet.planning.plan import Plan
from graphnet.spec.recipe import DEFAULT_EPOCHS, Recipe
from graphnet.training.out_of_memory import FULL, available_bytes, out_of_memory_advice
from graphnet.training.step_time import BUDGET, Batch, StepTime, step_time

SHOWN = 3
"""States that are named for their share of the saved values."""


@dataclass(frozen=True)
class Estimate:
    """What a run will need.

    Attributes:
        recipe: of the run.
        images: for training.
        image_shape: C, H, W.
        device: where it will run.
        parameters: scalars that learn.
        memory: bytes of a step.
        peaks: smaller batch size → bytes at the peak.
        available: bytes that are available on the device; None if unknown.
        time: of a step; None if it was not measured.
        checkpoints: files that the run folder keeps.
    """

    recipe: Recipe
    images: int
    image_shape: tuple[int, ...]
    device: torch.device
    parameters: int
    memory: Memory
    peaks: Mapping[int, int]
    available: int | None
    time: StepTime | None
    checkpoints: int

    @property
    def batches(self) -> int:
        """Batches per epoch; what is left of the images is left out."""
        return max(self.images // self.recipe.batch_size, 1)

    @property
    def steps(self) -> int:
        """Steps of the optimiser in the whole run."""
        if self.recipe.steps is not None:
            return self.recipe.steps
        return math.ceil((self.recipe.epochs or DEFAULT_EPOCHS) * self.batches / self.recipe.accumulate)

    @property
    def epochs(self) -> float:
        """Passes over the images."""
        if self.recipe.steps is None:
            return self.recipe.epochs or DEFAULT_EPOCHS
        return self.recipe.steps * self.recipe.accumulate / self.batches

    @property
    def fits(self) -> bool:
        """Whether the peak fits in the available memory, as far as that is known."""
        return self.available is None or self.memory.peak <= FULL * self.available

    @property
    def seconds_per_epoch(self) -> float | None:
        """Seconds of training per epoch."""
        return None if self.time is None else self.time.seconds * self.batches

    @property
    def disk(self) -> int:
        """Bytes of the checkpoints, and of the one that is being written."""
        return (self.checkpoints + 1) * self.memory.kept

    def out_of_memory_advice(self) -> str:
        """Say what a step needs and what to try, in two or three sentences."""
        return out_of_memory_advice(self.recipe, self.memory, self.peaks, self.device, self.available)


def dry_run(
    net: nn.Module,
    executed: Plan,
    recipe: Recipe,
    images: int,
    image_shape: tuple[int, ...],
    device: torch.device,
    *,
    timed: bool = True,
    training: Callable[[nn.Module], Batch] | None = None,
    budget: float = BUDGET,
    checkpoints: int = 2,
) -> Estimate:
    """Estimate what training a net will need; the net is unchanged.

    Args:
        net: a compiled net; its parameters that need no gradient count as frozen.
        executed: `net.meta["executed"]`.
        recipe: of the run.
        images: the number of training images.
        image_shape: C, H, W of one.
        device: where to train.
        timed: time a few steps on random images, unless they would not fit in the available memory.
        training: makes the function that is timed, from a copy of the net; None is plain training.
        budget: seconds of timing.
        checkpoints: files that the run folder keeps, such as the last and the best.
    """
    frozen = {name for name, parameter in net.named_parameters() if not parameter.requires_grad}
    peaks = {size: memory(executed, replace_batch(recipe, size), frozen).peak for size in halvings(recipe.batch_size)}
    estimate = Estimate(
        recipe=recipe,
        images=images,
        image_shape=image_shape,
        device=device,
        parameters=sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad),
        memory=memory(executed, recipe, frozen),
        peaks=peaks,
        available=available_bytes(device),
        time=None,
        checkpoints=checkpoints,
    )
    if not timed or not estimate.fits:
        return estimate
    return replace(estimate, time=step_time(net, recipe, image_shape, device, training, budget))


def halvings(size: int) -> Iterator[int]:
    """Smaller batch sizes, each half of the one before, down to 2."""
    while size > 3:
        size //= 2
        yield size


def replace_batch(recipe: Recipe, size: int) -> Recipe:
    """The recipe with smaller batches, whose gradients are accumulated."""
    return recipe.model_copy(update={"batch_size": size, "accumulate": max(recipe.accumulate, 2)})


def estimate_text(estimate: Estimate, data: str) -> str:
    """Format an estimate for a terminal; `data` names the data set."""
    rows = (
        ("data", [f"{data}: {_count(estimate.images, 'training image')} of {_size(estimate.image_shape)}"]),
        ("run", [_length(estimate)]),
        ("parameters", [f"{estimate.parameters:,}"]),
        ("memory", list(_memory(estimate))),
        ("time", [_time(estimate)]),
        ("disk", [_disk(estimate)]),
    )
    named = [(name if k == 0 else "", line) for name, lines in rows for k, line in enumerate(lines)]
    return "\n".join(f"{name:12}{line}" for name, line in named)


def _length(estimate: Estimate) -> str:
    recipe, epochs = estimate.recipe, estimate.epochs
    passes = f"{epochs:,.3g} epochs" if epochs != int(epochs) else _count(int(epochs), "epoch")
    batches = f"{_count(estimate.batches, 'batch', 'batches')} of {_count(recipe.batch_size, 'image')}"
    each = f", {recipe.accumulate} per step" if recipe.accumulate > 1 else ""
    return f"{passes} of {batches}{each}: {_count(estimate.steps, 'step')} on {estimate.device}"


def _memory(estimate: Estimate) -> Iterator[str]:
    parts, saved = estimate.memory, estimate.memory.saved
    total = saved.bytes(estimate.recipe.batch_size)
    average = f"moving average {decimal(parts.average)}, " if parts.average else ""
    yield (
        f"weights and statistics {decimal(parts.parameters)}, gradients {decimal(parts.gradients)}, "
        f"optimiser {decimal(parts.optimizer)}, {average}saved for the backward pass {decimal(total)}"
    )
    shares = {state: size * estimate.recipe.batch_size / total for state, size in saved.places.items()} if total else {}
    most = ", ".join(f"{state} {share:.0%}" for state, share in list(shares.items())[:SHOWN])
    yield f"most of what is saved belongs to {most}" if most else "nothing is saved"
    free = "" if estimate.available is None else f"; {decimal(estimate.available)} are available"
    yield f"about {decimal(parts.peak)} at the peak, without PyTorch itself and the data{free}"
    if not estimate.fits:
        yield from (line.strip() for line in estimate.out_of_memory_advice().splitlines())


def _time(estimate: Estimate) -> str:
    each, time = estimate.seconds_per_epoch, estimate.time
    if each is None or time is None:
        return "not measured" + ("" if estimate.fits else ", as a step does not fit in memory")
    how = f"timed here with {_count(time.batches, 'batch', 'batches')} of {_count(time.batch_size, 'random image')}"
    return (
        f"about {duration(each)} per epoch, {duration(each * estimate.epochs)} in all "
        f"({how}; without data loading, validation and test)"
    )


def _disk(estimate: Estimate) -> str:
    kept = _count(estimate.checkpoints, "checkpoint")
    return f"about {decimal(estimate.disk)}: {kept} of {decimal(estimate.memory.kept)}, and one while it is written"


def duration(seconds: float) -> str:
    """Format a duration with two digits or more: `0.31 s`, `26 s`, `5 min`, `3.2 h`, `4.1 days`."""
    units = ((86400, 72 * 3600, "days"), (3600, 100 * 60, "h"), (60, 100, "min"), (1, 0, "s"))
    unit, name = next((unit, name) for unit, least, name in units if seconds >= least)
    value = seconds / unit
    return f"{value:.2g} {name}" if value < 10 else f"{value:,.0f} {name}"


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _count(number: int, what: str, several: str | None = None) -> str:
    return f"{number:,} {what if number == 1 else several or what + 's'}"
