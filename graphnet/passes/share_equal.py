"""Lines that do the same to the same become one."""

from __future__ import annotations

from dataclasses import replace

from graphnet.network.functions.ops import KINDS
from graphnet.planning.plan import Line, Plan

CHANGING = ("batch_norm", "noise", "value", "lipschitz")
"""Ops that do more than make their value: they change statistics, draw, or are tapped."""


def share_equal(plan: Plan) -> Plan:
    """Compute once what is made of the same values by the same op with the same weights, at whatever times.

    So what is read again later, by a longer delay or from a source that weights are shared with, is not made again.
    Batch norms are left alone, as each brings its statistics up to date. Outputs and gradients do not change.
    """
    same: dict[object, str] = {}
    known: dict[str, str] = {}
    lines: list[Line] = []
    outputs = {name for _, name in plan.outputs}
    for line in plan.lines:
        line = line._replace(arguments=tuple(known.get(name, name) for name in line.arguments))
        if line.op.kind not in CHANGING and KINDS[line.op.kind].function is None and line.name not in outputs:
            first = same.setdefault((line.op, line.arguments, line.tensors), line.name)
            if first != line.name:
                known[line.name] = first
                continue
        lines.append(line)
    return replace(plan, lines=tuple(lines)) if known else plan
