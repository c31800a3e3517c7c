"""Every rule of the plan. A broken rule is a bug of the compiler, never the user's: it raises AssertionError."""

from __future__ import annotations

from graphnet.ir.ops import KINDS, Op, Shape, shape_of
from graphnet.ir.plan import IMAGE, Line, Plan

READY = ("conv", "conv_transpose", "conv_norm", "conv_transpose_norm")
"""Ops whose weight may be a value, made ready before the first step: the argument after what is convolved."""


def verify(plan: Plan) -> Plan:
    """The plan itself, if it keeps the rules:

    - names are Python identifiers, each defined once and before it is used;
    - every op is in the table, takes tensors of its roles, and its shape is what its shape rule says;
    - every tensor is declared once and used;
    - a state has at most one value of a name, made by a `value` line of its own place;
    - every readout names a line, in ascending time.
    """
    shapes: dict[str, Shape] = {IMAGE: plan.input_shape}
    tensors = {tensor.name: tensor for tensor in plan.tensors}
    assert len(tensors) == len(plan.tensors), "a tensor is declared twice"
    used: set[str] = set()
    checked: dict[tuple[Op, tuple[Shape, ...]], Shape] = {}
    for line in plan.lines:
        assert line.name.isidentifier(), f"{line.name}: not an identifier"
        assert line.name not in shapes, f"{line.name}: defined twice"
        missing = [name for name in line.arguments if name not in shapes]
        assert not missing, f"{line.name}: uses {missing[0]} before it is defined"
        arguments = tuple(shapes[name] for name in line.arguments)
        key = (line.op, arguments)
        if key not in checked:
            assert line.op.kind in KINDS, f"{line.name}: no op is called {line.op.kind}"
            checked[key] = _shape(line, arguments)
        assert line.shape == checked[key], f"{line.name}: {line.shape} is not {checked[key]}"
        roles = tuple(tensors[name].role if name in tensors else "undeclared" for name in line.tensors)
        given = KINDS[line.op.kind].roles[: len(line.arguments) - 1] if line.op.kind in READY else ()
        assert _fits(line.op.kind, given + roles), f"{line.name}: tensors {roles}"
        used.update(line.tensors)
        _verify_value(line)
        shapes[line.name] = line.shape
    assert used == set(tensors), f"tensors that no line uses: {sorted(set(tensors) - used)[:3]}"
    times = [t for t, _ in plan.outputs]
    assert times == sorted(set(times)), "readout times are not ascending"
    assert all(name in shapes for _, name in plan.outputs), "a readout without a value"
    assert times, "a plan without a readout"
    return plan


def _shape(line: Line, arguments: tuple[Shape, ...]) -> Shape:
    try:
        return shape_of(line.op, arguments)
    except ValueError as fault:
        raise AssertionError(f"{line.name}: {line.op.kind} of {arguments}: {fault}") from None


def _fits(kind: str, roles: tuple[str, ...]) -> bool:
    """Whether an op may have tensors of these roles: its weight or statistics it must have, a bias it may."""
    if kind in ("lipschitz", "weights"):
        return bool(roles) and "undeclared" not in roles
    if kind.endswith("_norm") and kind.removesuffix("_norm") in ("conv", "conv_transpose", "linear"):
        norm = roles[roles.index("running_mean") :]
        return _fits(kind.removesuffix("_norm"), roles[: -len(norm)]) and _fits("batch_norm", norm)
    if kind == "shared_norm":
        return roles == KINDS["batch_norm"].roles[:2] * (len(roles) // 2) and len(roles) > 2
    known = KINDS[kind].roles
    least = {"conv": 1, "conv_transpose": 1, "linear": 1, "batch_norm": 2}.get(kind, 0)
    return roles == known[: len(roles)] and len(roles) >= least


def _verify_value(line: Line) -> None:
    if line.op.kind == "value":
        assert line.op["state"] == line.place, f"{line.name}: the value of another state"
        assert len(line.arguments) == 1, f"{line.name}: a value is one thing"
