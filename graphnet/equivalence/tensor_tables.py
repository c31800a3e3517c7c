"""Match the tensors of two nets: by name, by a table, or by layer, transition and time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from graphnet.errors import and_more
from graphnet.planning.plan import Plan
from graphnet.rewrite.unroll import origin

Weights = Mapping[str, str | tuple[str, Any]]
"""Tensor name in the second net → name in the first, or a name and an index into that tensor."""


class NoTable(ValueError):  # noqa: N818 - something is missing, not wrong
    """Raised when the tensors of two nets do not correspond without a table of weights."""


def corresponding(a: Plan, b: Plan) -> dict[str, str]:
    """Tensor of b → tensor of a in the same layer of the same transition at the same time.

    If b is an unrolled net, its states are those of a at their times. Raises NoTable.
    """
    if alike := _by_line(a, b):
        return alike
    known = {(flat(place), t): lines for (place, t), lines in _tensors_by_place(a).items()}
    table: dict[str, str] = {}
    ours: dict[tuple[str, int], list[tuple[str, ...]]] = {}
    for (place, t), lines in _tensors_by_place(b).items():  # one transition may have become two
        ours.setdefault((flat(place) if (flat(place), t) in known else origin(place), t), []).extend(lines)
    for (place, t), lines in ours.items():
        theirs = known.get((place, t))
        if theirs is None or [len(each) for each in theirs] != [len(each) for each in lines]:
            what = f"nothing in '{a.name}' corresponds to {place} at t = {t} of '{b.name}'"
            raise NoTable(f"{what}: give a table of weights")
        for mine, other in zip(lines, theirs, strict=True):
            for name, original in zip(mine, other, strict=True):
                if table.setdefault(name, original) != original:
                    raise NoTable(f"{name} of '{b.name}' is both {table[name]} and {original} of '{a.name}'")
    return table


def _by_line(a: Plan, b: Plan) -> dict[str, str]:
    """The table for two nets if one has all lines of the other; else empty."""
    known = {line.name: line for line in a.lines}
    lines = [line for line in b.lines if line.tensors]
    if any(line.name not in known or len(known[line.name].tensors) != len(line.tensors) for line in lines):
        return {}
    pairs = [pair for line in lines for pair in zip(line.tensors, known[line.name].tensors, strict=True)]
    table = dict(pairs)
    return table if all(table[mine] == theirs for mine, theirs in pairs) else {}


def _tensors_by_place(plan: Plan) -> dict[tuple[str, int], list[tuple[str, ...]]]:
    """Transition and time → tensors of its layers, in order."""
    found: dict[tuple[str, int], list[tuple[str, ...]]] = {}
    divisors = {line.name: line.tensors for line in plan.lines if line.op.kind == "lipschitz"}
    for line in plan.lines:
        tensors = divisors[line.arguments[1]] if line.op.kind == "divide" else line.tensors
        if tensors and line.name not in divisors:
            found.setdefault((line.place, line.t), []).append(tensors)
    return found


def flat(place: str) -> str:
    """A place as in names of values, where inner states of parts have no dots."""
    return place.replace(".", "_")


def plan_of(net: nn.Module) -> Plan | None:
    plan = getattr(net, "meta", {}).get("plan") if isinstance(getattr(net, "meta", None), dict) else None
    return plan if isinstance(plan, Plan) else None


def names_of(a: nn.Module, b: nn.Module, weights: Weights | None) -> dict[str, tuple[str, Any]]:
    """Tensor of b → name of a tensor of a, and an index into it."""
    ours, theirs = dict(floats_of(a)), dict(floats_of(b))
    if weights is None:
        plans = plan_of(a), plan_of(b)
        if ours.keys() == theirs.keys():
            weights = {name: name for name in theirs}
        elif plans[0] and plans[1]:
            weights = corresponding(plans[0], plans[1])
        else:
            raise NoTable("the names of the tensors differ: give a table of weights, second net's name to first's")
    missing = [name for name in theirs if name not in weights]
    if missing:
        raise NoTable(f"the table of weights lacks {and_more(missing)}")
    table = {name: given if isinstance(given, tuple) else (given, ...) for name, given in weights.items()}
    unknown = [f"{name}" for name, (source, _) in table.items() if name not in theirs or source not in ours]
    if unknown:
        raise NoTable(f"the table of weights names {and_more(unknown)}, which one of the nets does not have")
    return table


def floats_of(net: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and statistics, without batch counters."""
    return ((name, tensor) for name, tensor in net.state_dict().items() if tensor.is_floating_point())
