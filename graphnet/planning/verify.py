"""Invariants of the plan. A broken one is a bug of the compiler, never the user's: it raises AssertionError."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphnet.network.functions.ops import KINDS, Line, Op, Shape, shape_of
from graphnet.planning.body import IMAGE, Body, Call, at
from graphnet.planning.plan import Plan

READY = ("conv", "conv_transpose", "conv_norm", "conv_transpose_norm")
"""Ops whose weight may be a value prepared before the first step: the argument after the map."""


def verify(plan: Plan) -> Plan:
    """Return the plan if its invariants hold:

    - names are Python identifiers, each defined once and before it is used;
    - every op is in the table, takes tensors of its roles, and its shape follows its shape rule;
    - every tensor is declared once and used;
    - a state has at most one value of a name, made by a `value` line of its own place;
    - calls are in the order of time, and every readout names a result, in ascending time.

    Each body is checked once; each call only for its inputs and results.
    """
    _verify_names(plan.calls)
    declared = {tensor.name: tensor.role for body in plan.bodies for tensor in body.tensors}
    checker = _Bodies(declared)
    for call in {call.body: call for call in plan.calls}.values():
        if any(line.op.kind == "lipschitz" for line in call.body.lines):  # uses others' tensors, at actual times
            checker.roles = checker.roles | {tensor.name: tensor.role for tensor in plan.tensors}
        checker.verify(call.body)
    results = _verify_given(plan)
    _verify_use(plan)
    calls = [call.t for call in plan.calls]
    assert calls == sorted(calls), "calls are not in the order of time"
    times = [t for t, _ in plan.outputs]
    assert times == sorted(set(times)), "readout times are not ascending"
    assert all(name in results for _, name in plan.outputs), "a readout without a value"
    assert times, "a plan without a readout"
    return plan


def _verify_names(calls: Sequence[Call]) -> None:
    """Check that no two lines share a name; names with a time are checked across the bodies called at one time."""
    once: set[str] = set()
    by_time: dict[int, list[Body]] = {}
    for body, t in calls:
        by_time.setdefault(t, []).append(body)
    disjoint: set[tuple[Body, ...]] = set()
    for t, bodies in by_time.items():
        key = tuple(bodies)
        if key not in disjoint:
            names: set[str] = {IMAGE}
            for line in (line for body in key for line in body.lines):
                if line.name in names:
                    raise AssertionError(f"{at(line.name, t)}: defined twice")
                names.add(line.name)
            disjoint.add(key)
        for name in (name for body in bodies for name in body.timeless):
            assert name not in once, f"{name}: defined twice"
            once.add(name)


def _verify_given(plan: Plan) -> Mapping[str, Shape]:
    """Check that each call's inputs are made before it, in the shapes of its body; return the results of the calls."""
    shapes: dict[str, Shape] = {IMAGE: plan.input_shape}
    for body, t in plan.calls:
        for name, shape in body.reads:
            found = shapes.get(at(name, t))
            if found is None:
                reader = next(line.name for line in body.lines if name in line.arguments)
                raise AssertionError(f"{at(reader, t)}: uses {at(name, t)} before it is defined")
            assert found == shape, f"{at(name, t)}: given as {shape}, but is {found}"
        for name in body.results:
            shapes[at(name, t)] = body.shapes[name]
    return shapes


class _Bodies:
    """Checks bodies; `roles` maps declared tensors to their roles."""

    def __init__(self, roles: Mapping[str, str]) -> None:
        self.roles = dict(roles)
        self.checked: set[tuple[int, tuple[Shape, ...], Shape, tuple[str, ...]]] = set()

    def verify(self, body: Body) -> None:
        tensors = [tensor.name for tensor in body.tensors]
        assert len(set(tensors)) == len(tensors), "a tensor is declared twice"
        made: set[str] = {name for name, _ in body.reads}
        for line in body.lines:
            name = line.name.replace("{t}", "")
            assert name.isidentifier(), f"{line.name}: not an identifier"
            for argument in line.arguments:
                assert argument in made, f"{line.name}: uses {argument} before it is defined"
            assert line.name not in made, f"{line.name}: defined twice"
            made.add(line.name)
            shapes = body.given(line)
            roles = tuple([self.roles.get(each, "") for each in line.tensors])
            key = (id(line.op), shapes, line.shape, roles)
            if key not in self.checked:
                _verify_op(line.name, line.op, shapes, line.shape, roles)
                self.checked.add(key)
            if line.op.kind == "value":
                _verify_value(line)
        lines = {line.name for line in body.lines}
        assert lines.issuperset(body.results), f"no line makes {set(body.results) - lines}"


def _verify_use(plan: Plan) -> None:
    """Check that every tensor is declared and used, a per-time one by the step that declares it."""
    declared = {tensor.name for body in plan.bodies for tensor in body.tensors}
    used = {name for body in plan.bodies for line in body.lines for name in line.tensors}
    if declared != used:  # Lipschitz divisors name tensors at actual times
        declared = {tensor.name for tensor in plan.tensors}
        used = {at(name, t) for body, t in plan.calls for line in body.lines for name in line.tensors}
    assert declared >= used, f"tensors that no step declares: {sorted(used - declared)[:3]}"
    assert declared == used, f"tensors that no line uses: {sorted(declared - used)[:3]}"
    for body in plan.bodies:
        own = {tensor.name for tensor in body.tensors}
        for name in (name for line in body.lines for name in line.tensors):
            assert "{t}" not in name or name in own, f"{name}: declared by another step"


def _verify_op(name: str, op: Op, arguments: tuple[Shape, ...], shape: Shape, roles: tuple[str, ...]) -> None:
    assert op.kind in KINDS, f"{name}: no op is called {op.kind}"
    try:
        right = shape_of(op, arguments)
    except ValueError as fault:
        raise AssertionError(f"{name}: {op.kind} of {arguments}: {fault}") from None
    assert shape == right, f"{name}: {shape} is not {right}"
    given = KINDS[op.kind].roles[: len(arguments) - 1] if op.kind in READY else ()
    assert _fits(op.kind, given + roles), f"{name}: tensors {roles}"


def _fits(kind: str, roles: tuple[str, ...]) -> bool:
    """Whether an op may have tensors of these roles: weight or statistics are required, a bias is optional."""
    if kind in ("lipschitz", "weights"):
        return bool(roles) and all(roles)
    if kind.endswith("_norm") and kind.removesuffix("_norm") in ("conv", "conv_transpose", "linear"):
        norm = roles[roles.index("running_mean") :]
        return _fits(kind.removesuffix("_norm"), roles[: -len(norm)]) and _fits("batch_norm", norm)
    if kind == "shared_norm":
        return roles == KINDS["batch_norm"].roles[:2] * (len(roles) // 2) and len(roles) > 2
    known = KINDS[kind].roles
    least = {"conv": 1, "conv_transpose": 1, "linear": 1, "batch_norm": 2}.get(kind, 0)
    return roles == known[: len(roles)] and len(roles) >= least


def _verify_value(line: Line) -> None:
    assert line.op["state"] == line.place, f"{line.name}: the value of another state"
    assert len(line.arguments) == 1, f"{line.name}: a value is one thing"
