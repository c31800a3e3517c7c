"""Share equal batch norms of one value."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from graphnet.network.functions.ops import Line, op
from graphnet.planning.body import Body, plain, readers_in
from graphnet.planning.plan import Plan

Key = tuple[str, object, object]


def share_norms(plan: Plan) -> Plan:
    """Normalise a value once for all transitions that normalise it alike at one time, and apply the ReLU after it once.

    In training, batch norms without affine parameters differ only in their running statistics; those keep their names
    and are all updated. Outputs, gradients and statistics do not change; evaluation shares nothing.
    Statistics used at several times are excluded: autograd keeps them for the backward pass.
    """
    uses = Counter[str]()
    for body, count in plan.bodies.items():
        for name in (name for line in body.lines for name in line.tensors):
            uses[name] += 1 if "{t}" in name else count
    return plan.rewritten(lambda body: _share(body, uses))


def _share(body: Body, uses: Mapping[str, int]) -> Body:
    readers = readers_in(body)
    after = {line.arguments[0]: line for line in body.lines if line.op.kind == "relu"}
    groups: dict[Key, list[Line]] = {}
    for line in body.lines:
        if line.op.kind == "batch_norm" and len(line.tensors) == 2 and _is_used_once(line, body, uses):
            groups.setdefault((line.arguments[0], line.op["momentum"], line.op["eps"]), []).append(line)
    shared = {norms[0].name: norms for norms in groups.values() if len(norms) > 1}
    if not shared:
        return body
    lines: list[Line] = []
    items: dict[str, Line] = {}  # replacements of norms, and of the ReLUs after them
    made_of: dict[str, list[str]] = defaultdict(list)
    gone: set[str] = set()
    for line in body.lines:
        if line.name in shared:
            norms = shared[line.name]
            relus = [after.get(norm.name) for norm in norms]
            with_relu = all(
                relu is not None and readers[norm.name] == 1 for norm, relu in zip(norms, relus, strict=True)
            )
            tensors = tuple(name for norm in norms for name in norm.tensors)
            settings = {"relu": with_relu, "momentum": line.op["momentum"], "eps": line.op["eps"]}
            made = f"{plain(line.arguments[0])}_norm{len(made_of[line.arguments[0]]) or ''}_t{{t}}"
            made_of[line.arguments[0]].append(made)
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
    return body.rewritten(lines)


def _is_used_once(line: Line, body: Body, uses: Mapping[str, int]) -> bool:
    """Whether no other norm uses a norm's statistics, at any time."""
    here = Counter(name for each in body.lines for name in each.tensors)
    return all((here[name] if "{t}" in name else uses[name]) == 1 for name in line.tensors)
