"""Measures that a plan and the record of a run give, without the net; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphnet.experiments.running.measured import Points
from graphnet.pipeline import plan as plan_of
from graphnet.planning.plan import Plan
from graphnet.spec.model import Spec
from graphnet.training.errors import RunError
from graphnet.training.runs.run_folder import LAST, RunFolder


def of_plan(spec: Spec, plan: Plan) -> dict[str, Points]:
    """Parameters, and the depth at each readout time."""
    times = [t for t, _ in plan.outputs]
    depths = {t: plan_of(spec, settings={"readout.t": t}, unlimited=True).depth for t in times if len(times) > 1}
    by_time: Points = [({"t": str(t)}, float(depth)) for t, depth in depths.items()]
    return {"parameters": [({}, float(plan.parameters))], "depth": by_time or [({}, float(plan.depth))]}


def of_run(folder: RunFolder) -> dict[str, Points]:
    """Errors and losses of a finished run; no accuracy where the error is that of values, no share.

    Raises:
        RunError: the run is damaged.
    """
    record, lines = folder.read_record(), folder.read_metrics()
    try:
        results, last, task = record["results"], lines[-1], record["dataset"]["task"]
        baseline = results.get("linear_baseline")
        linear: Points = [] if baseline is None else [({}, 1 - float(baseline["accuracy"]))]
        return {
            "test_error": _by_time(results["errors"]),
            "loss": _by_time(results["loss"]),
            **({"train_accuracy": [({}, 1 - float(last["train_error"]))]} if task != "values" else {}),
            "train_loss": [({}, float(last["train_loss"]))],
            "chance": [({}, float(record["dataset"]["chance_error"]))],
            **({"linear_error": linear} if linear else {}),
        }
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as fault:
        raise RunError(f"{folder.path} is damaged: it does not hold the results of a finished run") from fault


def _by_time(values: Mapping[str, Any]) -> Points:
    return [({} if time == LAST else {"t": time}, float(value)) for time, value in values.items()]
