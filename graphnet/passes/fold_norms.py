"""Fold batch norms into the convolution before them, for inference."""

from __future__ import annotations

from graphnet.network.functions.ops import Line, Op
from graphnet.planning.body import Body, readers_in
from graphnet.planning.plan import Plan

BEFORE = ("conv", "conv_transpose", "linear")


def fold_norms(plan: Plan) -> Plan:
    """Scale and shift a convolution's weights by the running statistics of the norm that is its only reader.

    For nets in evaluation mode. Each forward pass folds the current tensors, so checkpoints stay the same; the cost is
    small beside the convolution. Outputs differ only by rounding.
    """
    return plan.rewritten(_fold)


def _fold(body: Body) -> Body:
    readers = readers_in(body)
    made = {line.name: line for line in body.lines}
    folded: dict[str, Line] = {}
    for line in body.lines:
        before = made.get(line.arguments[0]) if line.op.kind == "batch_norm" else None
        if before is not None and _can_fold(before) and readers[before.name] == 1:
            settings = (*before.op.attributes, ("bias", len(before.tensors) > 1), ("eps", line.op["eps"]))
            tensors = (*before.tensors, *line.tensors)
            made_of = before._replace(name=line.name, op=Op(f"{before.op.kind}_norm", settings), tensors=tensors)
            folded |= {before.name: made_of, line.name: line}
    lines = [line for line in body.lines if line.name not in folded or line.op.kind == "batch_norm"]
    ends = {each.name: each for each in folded.values() if each.op.kind != "batch_norm"}
    return body.rewritten([ends.get(line.name, line) for line in lines])


def _can_fold(line: Line) -> bool:
    """Whether a norm folds into a layer: not into a grouped deconvolution, whose output channels span two axes."""
    return line.op.kind in BEFORE and (line.op.kind != "conv_transpose" or line.op["groups"] == 1)
