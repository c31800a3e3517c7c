"""Common subexpression elimination, within a step and across steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from graphnet.network.functions.ops import KINDS, Line
from graphnet.planning.body import ACTING, Body, Call, at, earlier, steps_back
from graphnet.planning.plan import Plan

Key = tuple[object, ...]


class Expression(NamedTuple):
    """A line's computation: equal keys compute the same, at any time; `back` is the age of its newest dependency.

    `back` is None if no dependency has a time: then it is the same at every step.
    """

    key: Key
    back: int | None


def share_equal(plan: Plan) -> Plan:
    """Compute once what applies the same op with the same weights to the same values, at any time.

    So a value that is read again later, by a longer delay or with shared weights, is not recomputed.
    Batch norms are kept, as each updates its statistics. Outputs and gradients do not change.
    """
    plan = plan.rewritten(_within)
    known = {body: _expressions(body) for body in plan.bodies}
    again = _made_again(known)
    if not again:
        return plan
    first: dict[tuple[Key, int | None], tuple[int, int, str]] = {}  # key → where it is first computed: call, time, name
    exported: list[dict[str, str]] = []  # of each call: the name others read → its name in the body
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
"""Name of a dropped line → name of the value read in its place."""


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
    """Line → expression, where steps may share it: on values of other steps, with weights that are not per-time."""
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
    """Keys computed at more than one age of their dependencies, or independent of time."""
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
