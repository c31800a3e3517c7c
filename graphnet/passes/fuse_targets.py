"""Fuse convolutions whose results are summed into one convolution."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from graphnet.network.functions.ops import Line, Op, Shape, op, shape_of
from graphnet.passes.joined_weights import CONVS, JoinedWeights, alike
from graphnet.planning.body import Body, readers_in
from graphnet.planning.cost import Sizes, Target
from graphnet.planning.plan import Plan


def fuse_targets(plan: Plan, target: Target) -> Plan:
    """Where arrivals of a sum or mean end in like convolutions, convolve their sources together if that is faster.

    The sources are concatenated and the weights joined, so the convolution computes the sum.
    """
    joined = JoinedWeights(plan)
    return joined.before(plan.rewritten(lambda body: _fuse(body, joined, target, plan)))


def _fuse(body: Body, joined: JoinedWeights, target: Target, plan: Plan) -> Body:
    readers = readers_in(body)
    made = {line.name: line for line in body.lines}
    shapes = dict(body.shapes)
    sizes = Sizes(shapes, plan.sizes)
    merges = [line for line in body.lines if line.op.kind in ("sum", "mean")]
    inner = {name for line in merges for name in line.arguments if _is_inner(name, made, readers)}
    gone: set[str] = set()
    instead: dict[str, list[Line]] = {}
    for line in merges:
        if line.name in inner:
            continue
        flat, sums = _flat(line, made, inner)
        for group in _groups(flat, made, readers, shapes):
            new = _fused(group, line, joined, shapes)
            shapes |= {each.name: each.shape for each in (*joined.lines.values(), *new)}
            added = line._replace(arguments=tuple(each.name for each in group))
            old = (*group, added._replace(op=op("sum")))
            if target.prefers(new, old, sizes, plan.layout):
                names = {each.name for each in group}
                flat = [new[-1].name, *(name for name in flat if name not in names)]
                gone |= {*names, *sums}
                instead[line.name] = [*instead.get(line.name, [line])[:-1], *new, _merged(line, flat)]
        if line.name in instead and len(flat) == 1 and line.op.kind == "sum":
            *others, last, _ = instead[line.name]
            instead[line.name] = [*others, last._replace(name=line.name)]
    if not instead:
        return body
    kept = [line for line in body.lines if line.name not in gone]
    return joined.within(body, [new for line in kept for new in instead.get(line.name, [line])])


def _is_inner(name: str, made: Mapping[str, Line], readers: Mapping[str, int]) -> bool:
    """Whether an argument of a merge is a sum that nothing else reads, so its terms can join the merge."""
    return name in made and made[name].op.kind == "sum" and readers[name] == 1


def _flat(line: Line, made: Mapping[str, Line], inner: Container[str]) -> tuple[list[str], list[str]]:
    """The arguments of a merge with inner sums flattened, and the names of those sums."""
    flat: list[str] = []
    sums: list[str] = []
    for name in line.arguments:
        if name in inner:
            within, deeper = _flat(made[name], made, inner)
            flat += within
            sums += [name, *deeper]
        else:
            flat.append(name)
    return flat, sums


def _groups(
    flat: Sequence[str], made: Mapping[str, Line], readers: Mapping[str, int], shapes: Mapping[str, Shape]
) -> list[list[Line]]:
    """Groups of convolutions among a merge's arguments that nothing else reads and that can be fused."""
    groups: dict[object, list[Line]] = {}
    for line in (made[name] for name in flat if name in made and readers[name] == 1):
        if line.op.kind in CONVS and len(line.tensors) == 1 and line.op["groups"] == 1:
            groups.setdefault((alike(line), shapes[line.arguments[0]][1:]), []).append(line)
    return [group for group in groups.values() if len(group) > 1]


def _fused(group: Sequence[Line], merge: Line, joined: JoinedWeights, shapes: Mapping[str, Shape]) -> list[Line]:
    """The lines that concatenate a group's sources, and convolve them."""
    first = group[0]
    weights = joined.weights([line.tensors[0] for line in group], int(first.op.kind == "conv"), first.place)
    sources = tuple(line.arguments[0] for line in group)
    shape = shape_of(Op("concat"), tuple(shapes[name] for name in sources))
    maps = Line(f"{first.name}_sources", Op("concat"), sources, (), shape, first.t, merge.place)
    return [maps, first._replace(name=f"{first.name}_at_once", arguments=(maps.name, weights.name), tensors=())]


def _merged(line: Line, flat: Sequence[str]) -> Line:
    """The merge of the remaining terms; a mean still divides by the original number of arrivals."""
    settings = {"of": line.op["of"] if "of" in dict(line.op.attributes) else len(line.arguments)}
    return line._replace(op=op(line.op.kind, **settings if line.op.kind == "mean" else {}), arguments=tuple(flat))
