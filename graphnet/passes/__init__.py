"""Passes, Plan → Plan: the table below is all there are, in the order in which they run, each with its level."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from graphnet.ir.fold import fold, unfold
from graphnet.ir.plan import Plan
from graphnet.ir.steps import Entry as Step
from graphnet.ir.steps import cut
from graphnet.ir.verify import verify
from graphnet.passes.channels_last import channels_last
from graphnet.passes.fold_norms import fold_norms
from graphnet.passes.in_place import in_place
from graphnet.passes.share_norms import share_norms

Pass = Callable[[Plan], Plan]
Mode = Literal["train", "infer"]
"""A net for training, which can be evaluated too, or for evaluation alone."""


class Entry(NamedTuple):
    """A pass, the least level that runs it, and the modes in which it does."""

    level: int
    run: Pass
    modes: tuple[Mode, ...] = ("train", "infer")


PASSES: tuple[Entry, ...] = (
    Entry(1, share_norms, ("train",)),
    Entry(1, fold_norms, ("infer",)),
    Entry(1, in_place),
    Entry(2, channels_last),
)
"""Level 0 runs the plan as it is; level 1 saves work; level 2, the default, chooses what is faster by shapes."""
DEFAULT = 2


def passes_of(level: int, mode: Mode = "train") -> tuple[Pass, ...]:
    """The passes of an optimisation level."""
    return tuple(entry.run for entry in PASSES if entry.level <= level and mode in entry.modes)


def run_passes(plan: Plan, level: int = DEFAULT, mode: Mode = "train") -> Plan:
    """The plan after every pass of a level, verified after each; a failure names the guilty pass."""
    return next((after for _, after in reversed(list(trace_passes(plan, level, mode)))), plan)


def run_stepwise(plan: Plan, level: int = DEFAULT, mode: Mode = "train") -> tuple[Plan, list[Step]]:
    """The plan after every pass of a level, and the steps that it consists of.

    Where steps recur, passes see few of them, and the plan that comes back is that of these: a pass is to decide by
    what stands in a step, not by how often it does.
    """
    folded = fold(plan)
    if folded is not None:
        short = run_passes(verify(folded.short), level, mode)
        if (entries := unfold(folded, short)) is not None:
            return short, entries
    executed = run_passes(plan, level, mode)
    return executed, cut(executed)


def trace_passes(plan: Plan, level: int = DEFAULT, mode: Mode = "train") -> Iterator[tuple[Pass, Plan]]:
    """Each pass of a level with the plan after it; see `run_passes`."""
    done: list[str] = []
    for run in passes_of(level, mode):
        try:
            after = run(plan)
            plan = after if after is plan else verify(after)
        except AssertionError as broken:
            raise AssertionError(f"pass {run.__name__} broke the plan: {broken} (before it: {done})") from broken
        done.append(run.__name__)
        yield run, plan
