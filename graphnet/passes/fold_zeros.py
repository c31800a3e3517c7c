"""Constant folding of zeros: what depends only on zeros is zeros, and drops out of sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphnet.network.functions.ops import Line, Shape, op
from graphnet.planning.body import IMAGE, Body, Call, at
from graphnet.planning.plan import Plan

LINEAR = ("conv", "conv_transpose", "linear")
KEEPING = (
    *("relu", "elu", "gelu", "leaky_relu", "silu", "tanh", "scale", "divide", "pad_identity"),
    *("max_pool", "avg_pool", "global_pool", "flatten"),
)
"""Ops that map zeros to zeros."""


Followed = tuple[Body, frozenset[str], frozenset[str]]
"""A body, the names of its inputs that are zeros, and of its tensors used only on zeros."""


def fold_zeros(plan: Plan) -> Plan:
    """Replace values computed from zeros by zeros, and drop them from sums. Outputs and statistics do not change.

    A weight used only on zeros keeps its uses, so its gradient stays zero rather than None.
    """
    if not any(line.op.kind == "zeros" for body in plan.bodies for line in body.lines):
        return plan
    followed = _follow(plan, _used_on_zeros_alone(plan))
    folded = {key: _folded(*key, plan.input_shape) for key in dict.fromkeys(followed)}
    calls = [Call(folded[key], t) for key, (_, t) in zip(followed, plan.calls, strict=True)]
    return replace(plan, calls=_read(calls, plan))


def _follow(plan: Plan, alone: frozenset[str]) -> list[Followed]:
    """Each call's body and what is known of it; the outputs of weights used only on zeros do not count as zeros."""
    zeros: set[str] = set()
    found: list[Followed] = []
    known: dict[Followed, set[str]] = {}
    for body, t in plan.calls:
        given = frozenset([name for name, _ in body.reads if at(name, t) in zeros]) if zeros else frozenset()
        mine = [name for line in body.lines for name in line.tensors if at(name, t) in alone] if alone else ()
        key = (body, given, frozenset(mine))
        if key not in known:
            known[key] = _zeros_in(*key)
        found.append(key)
        zeros.update([at(name, t) for name in body.results if name in known[key]])
    return found


def _used_on_zeros_alone(plan: Plan) -> frozenset[str]:
    """The names of tensors used only on zeros, at all times."""
    blind: set[str] = set()
    seeing: set[str] = set()
    looked_at: dict[Followed, set[str]] = {}
    for key, (body, t) in zip(_follow(plan, frozenset()), plan.calls, strict=True):
        if key not in looked_at:
            looked_at[key] = _zeros_in(*key)
            sees = [line for line in body.lines if line.name not in looked_at[key] and line.op.kind != "lipschitz"]
            seeing.update(name for line in sees for name in line.tensors)
        if looked_at[key]:
            blind.update(at(name, t) for line in body.lines if line.name in looked_at[key] for name in line.tensors)
    return frozenset(blind - seeing)


def _zeros_in(body: Body, given: frozenset[str], alone: frozenset[str]) -> set[str]:
    """The names of a body's values that are zeros for every image and all weights."""
    zeros = set(given)
    for line in body.lines:
        if _is_zero(line, zeros) and alone.isdisjoint(line.tensors):
            zeros.add(line.name)
    return zeros


def _folded(body: Body, given: frozenset[str], alone: frozenset[str], image: Shape) -> Body:
    zeros = _zeros_in(body, given, alone)
    if not zeros:
        return body
    known: dict[str, str] = {}
    lines: list[Line] = []
    for line in body.lines:
        line = line._replace(arguments=tuple(known.get(name, name) for name in line.arguments))
        if line.name in zeros and line.op.kind != "zeros":
            line = line._replace(op=op("zeros", shape=line.shape), arguments=(IMAGE,), tensors=())
        elif line.op.kind in ("sum", "mean") and not zeros.isdisjoint(line.arguments):
            line = _without(line, zeros)
            if line.op.kind == "sum" and len(line.arguments) == 1 and line.name not in body.results:
                known[line.name] = line.arguments[0]
                continue
        lines.append(line)
    return body.rewritten(lines, {IMAGE: image})


def _read(calls: Sequence[Call], plan: Plan) -> tuple[Call, ...]:
    """Calls without the zeros from before the first step that have become unread."""
    read = {name for _, name in plan.outputs}.union(*[call.reads for call in calls])
    return tuple(
        Call(body.rewritten(body.lines, less_results=set(body.timeless) - read), t) if body.timeless else Call(body, t)
        for body, t in calls
    )


def _is_zero(line: Line, zeros: set[str]) -> bool:
    """Whether a line's value is zeros for every image and all weights."""
    kind, given = line.op.kind, [name in zeros for name in line.arguments]
    if kind in LINEAR:
        return given[0] and len(line.tensors) == 1
    if kind in KEEPING:
        return given[0]
    if kind in ("sum", "mean", "max", "concat"):
        return all(given)
    return kind == "zeros" or (kind == "product" and any(given))


def _without(line: Line, zeros: set[str]) -> Line:
    """A merge without its zero arguments; a mean keeps its divisor."""
    settings = {"of": len(line.arguments)} if line.op.kind == "mean" else {}
    left = tuple(name for name in line.arguments if name not in zeros)
    return line._replace(op=op(line.op.kind, **settings), arguments=left)
