"""What an experiment would take: runs, work, memory and time on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from graphnet.experiments.running.conditions import Condition
from graphnet.experiments.running.pool import Machine
from graphnet.experiments.running.runs import is_finished
from graphnet.experiments.running.work import Work, data_of
from graphnet.training.devices import choose_device
from graphnet.training.dry_run import Estimate, dry_run, duration
from graphnet.training.errors import DataError
from graphnet.training.runs.train_run import compile_for

BUDGET = 4.0
"""Seconds of timing for each condition."""
PASSES = 3
"""Work of a training step over that of a forward pass: the backward pass does two of the same size (gradients of maps
and of weights)."""


@dataclass(frozen=True)
class Cost:
    """Costs of the runs of one condition.

    Attributes:
        missing, runs: of all seeds.
        each: the estimate of one run.
        work: floating-point operations of one run, 2 per multiply-add.
    """

    condition: Condition
    missing: int
    runs: int
    each: Estimate
    work: float

    @property
    def seconds(self) -> float | None:
        """Seconds of training of one run."""
        per_epoch = self.each.seconds_per_epoch
        return None if per_epoch is None else per_epoch * self.each.epochs


def costs(work: Work, images: int | None, machine: Machine) -> list[Cost]:
    """Return the costs of each condition that needs runs of its own.

    Args:
        images: number of training images of data that are not here; None if it is a published one.

    Raises:
        TrainingError: the device is not here, or the number of images is not known.
    """
    with _threads(machine.threads):
        return list(_costs(work, images, machine.devices[0]))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let PyTorch use so many threads, as the processes of an experiment do."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _costs(work: Work, images: int | None, device: str) -> Iterator[Cost]:
    seen: set[str] = set()
    for condition in dict.fromkeys(map(id, (case.condition for case in work.cases))):
        cases = [case for case in work.cases if id(case.condition) == condition]
        runs = {case.run.key: case.run for case in cases if case.run.key not in seen}
        seen |= set(runs)
        if not runs:
            continue
        made = cases[0].condition
        net = compile_for(made.spec, made.recipe)
        count = _images(work, made, images)
        shape = made.plan.input_shape
        executed = net.meta["executed"]
        each = dry_run(net, executed, made.recipe, count, shape, choose_device(device), budget=BUDGET)
        seen_images = each.steps * made.recipe.accumulate * made.recipe.batch_size
        missing = sum(not is_finished(run.folder) for run in runs.values())
        yield Cost(made, missing, len(runs), each, PASSES * made.plan.flops * seen_images)


PUBLISHED = {"cifar10": 50_000, "cifar100": 50_000, "mnist": 60_000, "fashion-mnist": 60_000}
"""Training images of data sets that need not be here."""


def _images(work: Work, condition: Condition, given: int | None) -> int:
    if (known := work.data.get(data_of(condition))) is not None:
        return known.images
    recipe = condition.recipe
    images = given or PUBLISHED.get(recipe.data.partition("@")[0])
    if images is None:
        raise DataError(f"{recipe.data} is not here; say how many training images it has with --images")
    return recipe.train_size or images


def costs_text(found: Sequence[Cost], processes: int, tflops: float | None, absent: Sequence[str] = ()) -> str:
    """Format costs for a terminal: a row for each condition, then the sums.

    Args:
        processes: at once.
        tflops: work per second, in 10^12 operations, that another device is assumed to sustain; None says nothing.
        absent: data sets that are not here.
    """
    head = ("missing", "parameters", "steps", "batch", "operations", "memory", "time here")
    rows = [(*head, *(() if tflops is None else (f"{tflops:g} TFLOP/s",)), "condition")]
    rows += [_row(cost, tflops) for cost in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row[:-1], widths, strict=False)) for row in rows]
    lines = [f"{line}  {row[-1]}" for line, row in zip(lines, rows, strict=True)]
    missing = [f"{name} is not here, so nothing can be run yet: give its folder with --data-root" for name in absent]
    return "\n".join([*lines, "", *_sums(found, processes, tflops), *missing])


def _row(cost: Cost, tflops: float | None) -> tuple[str, ...]:
    each = cost.each
    return (
        f"{cost.missing} of {cost.runs}",
        f"{each.parameters:,}",
        f"{each.steps:,}",
        f"{each.recipe.batch_size * each.recipe.accumulate}",
        f"{cost.work:.2e}",
        _gigabytes(each.memory.peak),
        "does not fit" if cost.seconds is None else duration(cost.seconds),
        *(() if tflops is None else (duration(cost.work / tflops / 1e12),)),
        str(cost.condition),
    )


def _sums(found: Sequence[Cost], processes: int, tflops: float | None) -> Iterator[str]:
    missing, runs = sum(cost.missing for cost in found), sum(cost.runs for cost in found)
    work = sum(cost.missing * cost.work for cost in found)
    yield f"{missing:,} of {runs:,} runs are missing: {work:.2e} floating-point operations, 2 per multiply-add"
    if missing and all(cost.seconds is not None for cost in found):
        seconds = sum(cost.missing * (cost.seconds or 0.0) for cost in found)
        at_once = f" with {processes} runs at once" if processes > 1 else ""
        yield f"about {duration(seconds / processes)} here{at_once}, without data loading and measuring"
    if missing and tflops is not None:
        yield f"about {duration(work / tflops / 1e12)} on one device that sustains {tflops:g} TFLOP/s, which is assumed"
    peak = max((cost.each.memory.peak for cost in found), default=0)
    yield f"at most {_gigabytes(peak)} of memory in each process, without PyTorch itself and the data"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2g} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"
