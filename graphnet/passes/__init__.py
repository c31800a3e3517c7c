"""Passes, Plan → Plan: the tuple below is all there are, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable

from graphnet.ir.plan import Plan
from graphnet.ir.verify import verify

Pass = Callable[[Plan], Plan]
PASSES: tuple[Pass, ...] = ()


def run_passes(plan: Plan) -> Plan:
    """The plan after every pass, verified after each; a failure names the guilty pass."""
    done: list[str] = []
    for run in PASSES:
        try:
            plan = verify(run(plan))
        except AssertionError as broken:
            raise AssertionError(f"pass {run.__name__} broke the plan: {broken} (before it: {done})") from broken
        done.append(run.__name__)
    return plan
