"""What comes from zeros alone is zeros, and adds nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from graphnet.network.functions.ops import op
from graphnet.planning.plan import IMAGE, Line, Plan

LINEAR = ("conv", "conv_transpose", "linear")
KEEPING = (
    *("relu", "elu", "gelu", "leaky_relu", "silu", "tanh", "scale", "divide", "pad_identity"),
    *("max_pool", "avg_pool", "global_pool", "flatten"),
)
"""Ops that make zeros of zeros."""


def fold_zeros(plan: Plan) -> Plan:
    """Write what comes from zeros as zeros, and leave it out of sums. Outputs and statistics do not change.

    A weight that is used on zeros alone keeps its use, so that its gradient is zero as it was.
    """
    uses = Counter(name for line in plan.lines for name in line.tensors)
    zeros: set[str] = set()
    known: dict[str, str] = {}
    lines: list[Line] = []
    outputs = {name for _, name in plan.outputs}
    for line in plan.lines:
        line = line._replace(arguments=tuple(known.get(name, name) for name in line.arguments))
        if _is_zero(line, zeros) and all(uses[name] > 1 for name in line.tensors):
            zeros.add(line.name)
            if line.op.kind != "zeros":
                uses.subtract(line.tensors)
                line = line._replace(op=op("zeros", shape=line.shape), arguments=(IMAGE,), tensors=())
        elif line.op.kind in ("sum", "mean") and not zeros.isdisjoint(line.arguments):
            line = _without(line, zeros)
            if line.op.kind == "sum" and len(line.arguments) == 1 and line.name not in outputs:
                known[line.name] = line.arguments[0]
                continue
        lines.append(line)
    return replace(plan, lines=_read(lines, outputs)) if zeros else plan


def _is_zero(line: Line, zeros: set[str]) -> bool:
    """Whether a line's value is zeros whatever the image and the weights are."""
    kind, given = line.op.kind, [name in zeros for name in line.arguments]
    if kind in LINEAR:
        return given[0] and len(line.tensors) == 1
    if kind in KEEPING:
        return given[0]
    if kind in ("sum", "mean", "max", "concat"):
        return all(given)
    return kind == "zeros" or (kind == "product" and any(given))


def _without(line: Line, zeros: set[str]) -> Line:
    """A merge without the arguments that are zeros; a mean is still over as many."""
    settings = {"of": len(line.arguments)} if line.op.kind == "mean" else {}
    left = tuple(name for name in line.arguments if name not in zeros)
    return line._replace(op=op(line.op.kind, **settings), arguments=left)


def _read(lines: list[Line], outputs: set[str]) -> tuple[Line, ...]:
    """Lines without the zeros that nothing reads any more."""
    read = {name for line in lines for name in line.arguments} | outputs
    return tuple(line for line in lines if line.op.kind != "zeros" or line.name in read)
