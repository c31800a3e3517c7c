"""Lines that do the same to the same become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from graphnet.network.functions.ops import KINDS, Line
from graphnet.planning.body import ACTING, Body, Call, at, earlier, steps_back
from graphnet.planning.plan import Plan

Key = tuple[object, ...]


class Expression(NamedTuple):
    """What a line computes: the same key for the same, whatever its time; `back` is the newest thing it is made of.

    `back` is None where nothing that it is made of has a time: then it is the same at every step.
    """

    key: Key
    back: int | None


def share_equal(plan: Plan) -> Plan:
    """Compute once what is made of the same values by the same op with the same weights, at whatever times.

    So what is read again later, by a longer delay or from a source that weights are shared with, is not made again.
    Batch norms are left alone, as each brings its statistics up to date. Outputs and gradients do not change.
    """
    plan = plan.rewritten(_within)
    known = {body: _expressions(body) for body in plan.bodies}
    again = _made_again(known)
    if not again:
        return plan
    first: dict[
        tuple[Key, int | None], tuple[int, int, str]
    ] = {}  # where something is computed first: call, time, name
    exported: list[dict[str, str]] = []  # of each call, what others may read of it, by the names that it has for them
    instead: list[Instead] = []
    for number, (body, t) in enumerate(plan.calls):
        exported.append({})
        instead.append(())
        for name, (key, back) in known[body].items():
            if key in again:
                when = None if back is None else t - back
                maker, then, theirs = first.setdefault((key, when), (number, t, name))
                if maker != number:
                    exported[maker][at(theirs, then)] = theirs
                    instead[number] += ((name, at(theirs, then) if back is None else earlier(theirs, t - then)),)
    keys = list(zip((body for body, _ in plan.calls), instead, strict=True))
    without = {key: _without(*key) for key in dict.fromkeys(keys)}
    read = set[str]().union(*[Call(without[key], t).reads for key, (_, t) in zip(keys, plan.calls, strict=True)])
    more = [tuple(theirs for name, theirs in mine.items() if name in read) for mine in exported]
    made = {
        (key, results): without[key].rewritten(without[key].lines, more_results=results)
        for key, results in dict.fromkeys(zip(keys, more, strict=True))
    }
    bodies = (made[each] for each in zip(keys, more, strict=True))
    return replace(plan, calls=tuple([Call(body, t) for body, (_, t) in zip(bodies, plan.calls, strict=True)]))


Instead = tuple[tuple[str, str], ...]
"""Of the lines of a body that are not made again, their names and what is read in their place."""


def _is_shared(line: Line, body: Body) -> bool:
    return line.op.kind not in ACTING and KINDS[line.op.kind].function is None and line.name not in body.results


def _within(body: Body) -> Body:
    """Share within a step."""
    same: dict[Key, str] = {}
    known: dict[str, str] = {}
    lines: list[Line] = []
    for line in body.lines:
        line = line._replace(arguments=tuple(known.get(name, name) for name in line.arguments))
        if _is_shared(line, body):
            first = same.setdefault((line.op, line.arguments, line.tensors), line.name)
            if first != line.name:
                known[line.name] = first
                continue
        lines.append(line)
    return body.rewritten(lines) if known else body


def _expressions(body: Body) -> dict[str, Expression]:
    """What lines compute that may be shared between steps: of values of other steps, with weights of all times."""
    found: dict[str, Expression] = {}
    for name, _ in body.reads:
        back = steps_back(name)
        found[name] = Expression((name if back is None else earlier(name, -back),), back)
    for line in body.lines:
        read = [found[name] for name in line.arguments if name in found]
        steady = line.op.kind != "slice" and not any("{t" in name for name in line.tensors)
        if steady and line.arguments and len(read) == len(line.arguments) and _is_shared(line, body):
            newest = min((each.back for each in read if each.back is not None), default=None)
            parts = [(each.key, None if each.back is None else each.back - (newest or 0)) for each in read]
            found[line.name] = Expression((line.op, tuple(parts), line.tensors), newest)
    return {line.name: found[line.name] for line in body.lines if line.name in found}


def _made_again(known: Mapping[Body, Mapping[str, Expression]]) -> frozenset[Key]:
    """What is computed of things that are so many steps old and again when they are older, or is always the same."""
    backs: dict[Key, set[int | None]] = {}
    for expressions in known.values():
        for key, back in expressions.values():
            backs.setdefault(key, set()).add(back)
    return frozenset(key for key, found in backs.items() if len(found) > 1 or None in found)


def _without(body: Body, instead: Instead) -> Body:
    known = dict(instead)
    lines = [
        line._replace(arguments=tuple(known.get(name, name) for name in line.arguments))
        for line in body.lines
        if line.name not in known
    ]
    return body.rewritten(lines, {new: body.shapes[old] for old, new in instead}) if instead else body
