"""Maps laid out with the channels last, where convolutions run faster so."""

from __future__ import annotations

from dataclasses import replace

from graphnet.ir.plan import Plan

MAPS = ("conv", "conv_transpose", "conv_norm", "conv_transpose_norm")


def channels_last(plan: Plan) -> Plan:
    """Lay maps out as N, H, W, C where two-dimensional convolutions do most of the work; weights stay as they are.

    Group and layer norms run over channels of one image: PyTorch's are slower so, by more than convolutions gain.
    Values do not change, but for the order in which convolutions add up. Checkpoints and `state_dict()` do not see it.
    """
    if any(line.op.kind in ("group_norm", "layer_norm") for line in plan.lines):
        return plan
    work = plan.work
    maps = sum(flops for line, flops in work if line.op.kind in MAPS and len(line.shape) == 3)
    others = sum(flops for line, flops in work) - maps
    return replace(plan, layout="channels_last") if maps > others else plan
