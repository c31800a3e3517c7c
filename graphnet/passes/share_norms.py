"""Batch norms that normalise one value alike become one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from graphnet.network.functions.ops import op
from graphnet.planning.plan import Line, Plan

Key = tuple[str, int, object, object]


def share_norms(plan: Plan) -> Plan:
    """Normalise a value once for all transitions that do it alike at one time, and apply the ReLU after it once.

    In training batch norms without affine part differ in their running statistics alone; those keep their names and
    are all brought up to date. Outputs, gradients and statistics do not change; in evaluation nothing is shared.
    Statistics that are used at several times are left alone: autograd keeps them for the backward pass.
    """
    readers = Counter(name for line in plan.lines for name in line.arguments) + Counter(dict(plan.outputs).values())
    after = {line.arguments[0]: line for line in plan.lines if line.op.kind == "relu"}
    groups: dict[Key, list[Line]] = {}
    for line in plan.lines:
        if line.op.kind == "batch_norm" and len(line.tensors) == 2:
            key = (line.arguments[0], line.t, line.op["momentum"], line.op["eps"])
            groups.setdefault(key, []).append(line)
    uses = Counter(name for line in plan.lines for name in line.tensors)
    shared = {
        norms[0].name: norms
        for norms in groups.values()
        if len(norms) > 1 and all(uses[name] == 1 for norm in norms for name in norm.tensors)
    }
    lines: list[Line] = []
    items: dict[str, Line] = {}  # what stands in place of a norm, or of the ReLU after it
    gone: set[str] = set()
    for line in plan.lines:
        if line.name in shared:
            norms = shared[line.name]
            relus = [after.get(norm.name) for norm in norms]
            with_relu = all(
                relu is not None and readers[norm.name] == 1 for norm, relu in zip(norms, relus, strict=True)
            )
            tensors = tuple(name for norm in norms for name in norm.tensors)
            settings = {"relu": with_relu, "momentum": line.op["momentum"], "eps": line.op["eps"]}
            made = f"{line.arguments[0]}_norm_t{line.t}"
            lines.append(
                Line(made, op("shared_norm", **settings), line.arguments, tensors, line.shape, line.t, line.place)
            )
            for index, (norm, relu) in enumerate(zip(norms, relus, strict=True)):
                old = relu if with_relu and relu is not None else norm
                items[old.name] = old._replace(op=op("item", index=index), arguments=(made,), tensors=())
                gone.add(norm.name)
        if line.name in items:
            lines.append(items[line.name])
        elif line.name not in gone:
            lines.append(line)
    return replace(plan, lines=tuple(lines))
