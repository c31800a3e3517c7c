"""Batch norms that become part of the convolution before them, for inference."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from graphnet.network.functions.ops import Op
from graphnet.planning.plan import Line, Plan

BEFORE = ("conv", "conv_transpose", "linear")


def fold_norms(plan: Plan) -> Plan:
    """Scale and shift a convolution's weights by the running statistics of the norm that alone reads it.

    For nets in evaluation mode. The weights are folded anew in each pass, from the tensors as they are, so that
    checkpoints stay as they are; that is little beside the convolution. Outputs differ by rounding alone.
    """
    readers = Counter(name for line in plan.lines for name in line.arguments) + Counter(dict(plan.outputs).values())
    made = {line.name: line for line in plan.lines}
    folded: dict[str, Line] = {}
    for line in plan.lines:
        before = made.get(line.arguments[0]) if line.op.kind == "batch_norm" else None
        if before is not None and _can_fold(before) and readers[before.name] == 1:
            settings = (*before.op.attributes, ("bias", len(before.tensors) > 1), ("eps", line.op["eps"]))
            tensors = (*before.tensors, *line.tensors)
            made_of = before._replace(name=line.name, op=Op(f"{before.op.kind}_norm", settings), tensors=tensors)
            folded |= {before.name: made_of, line.name: line}
    lines = [line for line in plan.lines if line.name not in folded or line.op.kind == "batch_norm"]
    ends = {each.name: each for each in folded.values() if each.op.kind != "batch_norm"}
    return replace(plan, lines=tuple(ends.get(line.name, line) for line in lines))


def _can_fold(line: Line) -> bool:
    """Whether a norm can go into a layer: the channels of a grouped deconvolution's weight are not in one row."""
    return line.op.kind in BEFORE and (line.op.kind != "conv_transpose" or line.op["groups"] == 1)
