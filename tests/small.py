"""Small specs for tests, and what is said of wrong ones."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import graphnet
from graphnet.errors import Fault
from graphnet.planning.time_expansion import TimeExpansion, expand_in_time

SMALL: dict[str, Any] = {
    "graphnet": 1,
    "name": "small",
    "input": {"shape": [1, 8, 8]},
    "states": {"h1": [4, 8, 8], "h2": [6, 4, 4]},
    "transitions": [{"h1": {"h1": "BRC+I", "h2": "BRC"}, "h2": {"h1": "BRD", "h2": "BRC+I"}}],
    "pre_net": {"ops": "C"},
    "post_net": {"ops": "BRGL", "classes": 3},
    "readout": {"t": 3},
}
"""Two areas wired both ways; signals reach h2 at t = 1."""


def small(*slabs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The small spec with other slabs, if any are given, and other tables; None leaves a table out."""
    spec = deepcopy(SMALL) | ({"transitions": list(slabs)} if slabs else {}) | changes
    return {key: value for key, value in spec.items() if value is not None}


def expansion(spec: dict[str, Any]) -> TimeExpansion:
    """The network in time that a right spec means."""
    return expand_in_time(graphnet.load(spec))


def faults(spec: Any) -> tuple[Fault, ...]:
    """All that is wrong with a spec: its path, or its dict."""
    try:
        graphnet.plan(spec)
    except graphnet.SpecError as error:
        return error.faults
    return ()


def fault(spec: Any) -> Fault:
    """The one thing that is wrong with a spec."""
    found = faults(spec)
    assert len(found) == 1, [str(each) for each in found]
    return found[0]
