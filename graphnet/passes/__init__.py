"""Passes, Plan → Plan: the table below lists all of them in the order they run, each with its level."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Literal, NamedTuple, cast

from graphnet.passes.channels_last import channels_last
from graphnet.passes.fold_norms import fold_norms
from graphnet.passes.fold_zeros import fold_zeros
from graphnet.passes.fuse_sources import fuse_sources
from graphnet.passes.fuse_targets import fuse_targets
from graphnet.passes.in_place import in_place
from graphnet.passes.share_equal import share_equal
from graphnet.passes.share_norms import share_norms
from graphnet.planning.cost import BATCH, Target
from graphnet.planning.plan import Plan
from graphnet.planning.reference_machine import TYPICAL
from graphnet.planning.verify import verify

Rewrite = Callable[[Plan], Plan]
Weighed = Callable[[Plan, Target], Plan]
Mode = Literal["train", "infer"]
"""A net for training and evaluation, or for evaluation alone."""


class Pass(NamedTuple):
    """A pass, the lowest level that runs it, and its modes; a pass that weighs costs gets the target."""

    level: int
    run: Rewrite | Weighed
    modes: tuple[Mode, ...] = ("train", "infer")
    weighs: bool = False


PASSES: tuple[Pass, ...] = (
    Pass(1, fold_zeros),
    Pass(1, share_equal),
    Pass(1, share_norms, ("train",)),
    Pass(1, fold_norms, ("infer",)),
    Pass(2, fuse_sources, weighs=True),
    Pass(2, fuse_targets, weighs=True),
    Pass(1, in_place),
    Pass(2, channels_last, weighs=True),
)
"""Level 0 runs the plan unchanged; level 1 saves work; level 2, the default, chooses what is faster on a typical CPU,
level 3 what is faster on the target."""
DEFAULT = 2


def passes_of(level: int, mode: Mode = "train", target: Target | None = None) -> tuple[Rewrite, ...]:
    """The passes of an optimisation level; at level 3, those that weigh costs do so for the target."""
    if level < 3 or target is None:
        target = Target(TYPICAL, BATCH, mode)
    return tuple(
        _weighing(cast(Weighed, entry.run), target) if entry.weighs else cast(Rewrite, entry.run)
        for entry in PASSES
        if entry.level <= level and mode in entry.modes
    )


def _weighing(run: Weighed, target: Target) -> Rewrite:
    """Bind a pass that weighs costs to a target."""
    return wraps(run)(lambda plan: run(plan, target))


def run_passes(plan: Plan, level: int = DEFAULT, mode: Mode = "train", target: Target | None = None) -> Plan:
    """Run the passes of a level, verifying the plan after each; a failure names the guilty pass."""
    return next((after for _, after in reversed(list(trace_passes(plan, level, mode, target)))), plan)


def trace_passes(
    plan: Plan, level: int = DEFAULT, mode: Mode = "train", target: Target | None = None
) -> Iterator[tuple[Rewrite, Plan]]:
    """Yield each pass of a level with the plan after it; see `run_passes`."""
    done: list[str] = []
    for run in passes_of(level, mode, target):
        try:
            after = run(plan)
            plan = after if after is plan else verify(after)
        except AssertionError as broken:
            raise AssertionError(f"pass {run.__name__} broke the plan: {broken} (before it: {done})") from broken
        done.append(run.__name__)
        yield run, plan
