"""In-place ReLUs and sums, where nothing else reads the argument."""

from __future__ import annotations

from graphnet.network.functions.ops import Line, op
from graphnet.planning.body import Body, readers_in
from graphnet.planning.plan import Plan

FRESH = (
    *("batch_norm", "group_norm", "layer_norm", "conv", "conv_transpose", "linear"),
    *("conv_norm", "conv_transpose_norm", "linear_norm"),
)
"""Ops that return a new tensor and do not need it for their gradient."""


def in_place(plan: Plan) -> Plan:
    """Run ReLUs and sums in place if nothing else reads the argument. Values and gradients do not change.

    Of a sum's two arguments, the one that may be overwritten comes first; a + b equals b + a to the last bit.
    """
    return plan.rewritten(_in_place)


def _in_place(body: Body) -> Body:
    readers = readers_in(body)
    free: set[str] = set()  # values that their only reader may overwrite
    lines = []
    for line in body.lines:
        lines.append(_overwriting(line, free))
        is_fresh = line.op.kind in FRESH or (line.op.kind in ("sum", "mean") and len(line.arguments) > 1)
        if is_fresh and readers[line.name] == 1:
            free.add(line.name)
    return body.rewritten(lines)


def _overwriting(line: Line, free: set[str]) -> Line:
    kind, arguments = line.op.kind, line.arguments
    if kind == "relu" and arguments[0] in free:
        return line._replace(op=op("relu", overwrite=True))
    if kind in ("sum", "mean") and len(arguments) > 1:
        first, second, *more = arguments
        if first not in free and second in free:
            first, second = second, first
        chosen = op(kind, **dict(line.op.attributes), overwrite=first in free)
        return line._replace(op=chosen, arguments=(first, second, *more))
    return line
