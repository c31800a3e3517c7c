"""Fuse convolutions of one value into one convolution."""

from __future__ import annotations

from collections.abc import Sequence

from graphnet.network.functions.ops import Line, op
from graphnet.passes.joined_weights import CONVS, JoinedWeights, alike
from graphnet.planning.body import Body
from graphnet.planning.cost import Sizes, Target
from graphnet.planning.plan import Plan


def fuse_sources(plan: Plan, target: Target) -> Plan:
    """Convolve a value once for all transitions that start alike, with joined weights, where that is faster.

    The outputs of a shared norm are one value in training; evaluation convolves them one by one.
    """
    joined = JoinedWeights(plan)
    return joined.before(plan.rewritten(lambda body: _fuse(body, joined, target, plan)))


def _fuse(body: Body, joined: JoinedWeights, target: Target, plan: Plan) -> Body:
    made = {line.name: line for line in body.lines}
    groups: dict[object, list[Line]] = {}
    for line in body.lines:
        if line.op.kind in CONVS and line.op["groups"] == 1:
            groups.setdefault((_source(line, made), alike(line)), []).append(line)
    shapes = dict(body.shapes)
    sizes = Sizes(shapes, plan.sizes)
    first: dict[str, list[Line]] = {}
    instead: dict[str, Line] = {}
    for group in groups.values():
        if len(group) < 2 or len({line.tensors for line in group}) < len(group):
            continue
        lines = _fused(group, joined)
        shapes |= {line.name: line.shape for line in (*joined.lines.values(), *lines)}
        if target.prefers(lines, group, sizes, plan.layout):
            first[group[0].name] = lines[:1]
            instead |= {line.name: line for line in lines[1:]}
    if not instead:
        return body
    lines = [new for line in body.lines for new in (*first.get(line.name, ()), instead.get(line.name, line))]
    return joined.within(body, _in_order(lines))


def _source(line: Line, made: dict[str, Line]) -> str:
    """The value a convolution reads; for an output of a shared norm, the norm, whose outputs are equal in training."""
    source = made.get(line.arguments[0])
    is_shared = source is not None and source.op.kind == "item" and made[source.arguments[0]].op["relu"]
    return source.arguments[0] if is_shared and source is not None else line.arguments[0]


def _fused(group: Sequence[Line], joined: JoinedWeights) -> list[Line]:
    """The line that convolves for a group, and the slices of its result under the group's names."""
    first = group[0]
    axis = int(first.op.kind == "conv_transpose")
    weights = [
        joined.weights([line.tensors[role] for line in group], axis if role == 0 else 0, first.place)
        for role in range(len(first.tensors))
    ]
    sources = tuple(line.arguments[0] for line in group)
    if len(set(sources)) == 1:
        sources = sources[:1]
    parts = [line.shape[0] for line in group]
    settings = {"transposed": first.op.kind == "conv_transpose", "sources": len(sources), "parts": tuple(parts)}
    chosen = op("convs", **dict(first.op.attributes) | settings | {"channels": sum(parts)})
    arguments = (*sources, *(line.name for line in weights))
    shape = (sum(parts), *first.shape[1:])
    whole = Line(f"{first.name}_at_once", chosen, arguments, (), shape, first.t, first.place)
    return [
        whole,
        *(
            line._replace(op=op("part", index=k, channels=parts[k]), arguments=(whole.name,), tensors=())
            for k, line in enumerate(group)
        ),
    ]


def _in_order(lines: Sequence[Line]) -> list[Line]:
    """Sort lines in dependency order: move what a fused line reads before it."""
    made = {line.name: line for line in lines}
    placed: dict[str, Line] = {}

    def place(line: Line) -> None:
        for name in line.arguments:
            if name in made and name not in placed:
                place(made[name])
        placed.setdefault(line.name, line)

    for line in lines:
        place(line)
    return list(placed.values())
