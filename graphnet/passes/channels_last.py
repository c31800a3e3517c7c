"""Maps and weights laid out with the channels last, where a net runs faster so."""

from __future__ import annotations

from dataclasses import replace

from graphnet.planning.cost import LAYOUTS, Target, seconds
from graphnet.planning.plan import Plan


def channels_last(plan: Plan, target: Target) -> Plan:
    """Lay maps, and the weights of convolutions, out as N, H, W, C where the target is predicted to be faster so.

    Values do not change, but for the order in which convolutions add up. Checkpoints do not see it.
    """
    if len(plan.arriving_shape) != 3:
        return plan
    return replace(plan, layout=min(LAYOUTS, key=lambda layout: seconds(plan, target, layout)))
