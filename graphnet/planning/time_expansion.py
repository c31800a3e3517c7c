"""Spec → its network followed through time: the last stage before the plan, and all that a spec can be wrong in."""

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
    """A network, what happens when in each of its nets, and what is legal but hardly meant."""

    network: Network
    activities: tuple[Activity, ...]
    warnings: tuple[Fault, ...] = ()


def expand_in_time(spec: Spec, unlimited: bool = False) -> TimeExpansion:
    """The network a spec means, in time; `unlimited` lets it be of any size.

    Raises SpecError with every fault found.
    """
    expansion, faults = expand_as_far_as_possible(spec, unlimited=unlimited)
    if expansion is None or any(fault.severity == "error" for fault in faults):
        raise SpecError(faults)
    return expansion


def expand_as_far_as_possible(
    spec: Spec, form_faults: Sequence[Fault] = (), unlimited: bool = False
) -> tuple[TimeExpansion | None, list[Fault]]:
    """The network in time, or None if too little of the spec is right, and every fault found.

    `form_faults` are those already known of the spec; what follows from them is not looked into.
    """
    network, faults = resolve(spec, form_faults, unlimited)
    if network is None:
        return None, faults
    activities = follow(network, faults)
    return TimeExpansion(network, activities, tuple(faults)), faults
