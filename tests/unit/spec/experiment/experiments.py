"""Small experiments for tests, as data."""

from __future__ import annotations

from typing import Any

from graphnet.errors import Fault, SpecError
from graphnet.given_experiments import load_experiment

SHARING: dict[str, Any] = {"shared": {}, "unshared": {"set": {"sharing.over_time": False}}}
TIMES: dict[str, Any] = {"set": "readout.t", "values": [5, 9, 13]}


def experiment(**changes: Any) -> dict[str, Any]:
    """A right experiment with two factors, changed."""
    return {
        "graphnet-experiment": 1,
        "spec": "resnet-2-state-once",
        "seeds": "0..4",
        "vary": {"sharing": SHARING, "t": TIMES},
    } | changes


def claim(effect: str = "test_error", expect: str = "> 0", **more: str) -> dict[str, Any]:
    """The entry of one claim."""
    return {"claims": [{"says": "something", "effect": effect, "expect": expect} | more]}


def measure(**entries: Any) -> dict[str, Any]:
    """The entry of one measure."""
    return {"measure": [{"name": "own", "of": "test_error"} | entries]}


def faults(data: dict[str, Any]) -> list[Fault]:
    """The faults of an experiment; none if it is right."""
    try:
        load_experiment(data)
    except SpecError as error:
        return list(error.faults)
    return []
