"""The learning rate of each step of the optimiser, from a recipe's schedule (no torch)."""

from __future__ import annotations

import math

from graphnet.spec.recipe import Recipe, Schedule

CHANGES = (4 / 6, 5 / 6)
"""Shares of a run after which `steps` changes the rate unless told (Liao & Poggio 2016, section 5)."""
RISE = 0.3
"""Share of a one-cycle run in which the rate rises unless told, as in torch's OneCycleLR."""
DIVISOR, LAST_DIVISOR = 25.0, 1e4
"""One-cycle: the peak rate over the first one, and the first over the last one, as in torch's OneCycleLR."""

_ROUNDING = 1e-9
"""Relative error of a product of epochs and steps: 0.1 epochs of 30 steps are 3 steps."""


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int, total_steps: int) -> float:
    """Return the learning rate of one step of the optimiser.

    Args:
        recipe: its `lr` and `schedule` define the rates; `Schedule` says how.
        step: the step, counted from 0.
        steps_per_epoch: steps of the optimiser in an epoch; the last epoch of a run may be shorter.
        total_steps: steps of the optimiser in the whole run.

    Raises ValueError if the run has no such step.
    """
    if not 0 <= step < total_steps:
        raise ValueError(f"step {step} of a run of {total_steps} steps")
    schedule, lr = recipe.schedule, recipe.lr
    if schedule.kind == "one-cycle":
        return _one_cycle(schedule, lr, step, steps_per_epoch, total_steps)
    rising = (schedule.warmup or 0.0) * steps_per_epoch
    if step < rising:
        return lr * min(1.0, (step + 1) / rising)
    if schedule.kind == "steps":
        return lr * schedule.factor ** _changes_until(schedule, step, steps_per_epoch, total_steps)
    if schedule.kind == "logspace":
        return _logspace(schedule, lr, step, steps_per_epoch, total_steps)
    if schedule.kind == "cosine":
        return _cosine(lr, schedule.end, (step - rising) / (total_steps - rising))
    return lr


def _changes_until(schedule: Schedule, step: int, steps_per_epoch: int, total_steps: int) -> int:
    """Return the number of changes up to a step; a change may lie inside an epoch."""
    if schedule.at is not None:
        changes = [epoch * steps_per_epoch for epoch in schedule.at]
    else:
        changes = [share * total_steps for share in CHANGES]
    return sum(change - _ROUNDING * max(1.0, change) <= step for change in changes)


def _logspace(schedule: Schedule, lr: float, step: int, steps_per_epoch: int, total_steps: int) -> float:
    """Return the rate of the equal part of the run that a step is in."""
    count = schedule.count or math.ceil(total_steps / steps_per_epoch)
    part = step * count // total_steps
    if count == 1:
        return lr
    first, last = math.log10(lr), math.log10(schedule.end)
    return float(10 ** (first + (last - first) * part / (count - 1)))


def _one_cycle(schedule: Schedule, lr: float, step: int, steps_per_epoch: int, total_steps: int) -> float:
    rising = RISE * total_steps if schedule.warmup is None else schedule.warmup * steps_per_epoch
    first, last = lr / DIVISOR, lr / DIVISOR / LAST_DIVISOR
    peak, end = rising - 1, total_steps - 1
    if step <= peak:
        return _cosine(first, lr, step / peak if peak else 1.0)
    return _cosine(lr, last, (step - peak) / (end - peak))


def _cosine(first: float, last: float, share: float) -> float:
    """Return the value at a share of half a period of a cosine from `first` to `last`."""
    return last + (first - last) / 2 * (1 + math.cos(math.pi * share))
