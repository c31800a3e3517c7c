"""Spec → network traced through time: the last stage before the plan, and the last that finds faults in a spec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphnet.errors import Fault, SpecError
from graphnet.network.network import Network
from graphnet.network.resolve import resolve
from graphnet.planning.activity import Activity, follow
from graphnet.spec.model import Spec


@dataclass(frozen=True, eq=False)
class TimeExpansion:
    """A network, the activity of each of its nets, and warnings about what is legal but probably unintended."""

    network: Network
    activities: tuple[Activity, ...]
    warnings: tuple[Fault, ...] = ()


def expand_in_time(spec: Spec, unlimited: bool = False) -> TimeExpansion:
    """Expand the network of a spec in time; `unlimited` lifts the limits on its size.

    Raise SpecError with every fault found.
    """
    expansion, faults = expand_as_far_as_possible(spec, unlimited=unlimited)
    if expansion is None or any(fault.severity == "error" for fault in faults):
        raise SpecError(faults)
    return expansion


def expand_as_far_as_possible(
    spec: Spec, form_faults: Sequence[Fault] = (), unlimited: bool = False
) -> tuple[TimeExpansion | None, list[Fault]]:
    """Return the network in time, or None if too little of the spec is right, and every fault found.

    `form_faults` are those already known; faults that follow from them are not reported.
    """
    network, faults = resolve(spec, form_faults, unlimited)
    if network is None:
        return None, faults
    activities = follow(network, faults)
    return TimeExpansion(network, activities, tuple(faults)), faults
