"""Every rule of the plan. A broken rule is a bug of the compiler, never the user's: it raises AssertionError."""

from __future__ import annotations

from collections.abc import Sequence

from graphnet.network.functions.ops import KINDS, Op, Shape, shape_of
from graphnet.planning.lines import IMAGE, UNDECLARED, Pattern, Template, Turn
from graphnet.planning.plan import Plan

READY = ("conv", "conv_transpose", "conv_norm", "conv_transpose_norm")
"""Ops whose weight may be a value, made ready before the first step: the argument after what is convolved."""


def verify(plan: Plan) -> Plan:
    """The plan itself, if it keeps the rules:

    - names are Python identifiers, each defined once and before it is used;
    - every op is in the table, takes tensors of its roles, and its shape is what its shape rule says;
    - every tensor is declared once and used;
    - a state has at most one value of a name, made by a `value` line of its own place;
    - every readout names a line, in ascending time.

    Names are looked at line by line; all else once for each pattern, and what it is given at each of its turns.
    """
    shapes: dict[str, Shape] = {IMAGE: plan.input_shape}
    names = {IMAGE}
    patterns = _Patterns()
    for turn in plan.turns:
        mine = turn.names
        _verify_names(mine, names)
        _verify_given(turn, shapes)
        patterns.verify(turn.pattern, mine)
        for number in turn.pattern.results:
            shapes[mine[number]] = turn.pattern.lines[number].shape
    if patterns.unused:
        _verify_use(plan)
    times = [t for t, _ in plan.outputs]
    assert times == sorted(set(times)), "readout times are not ascending"
    assert all(name in shapes for _, name in plan.outputs), "a readout without a value"
    assert times, "a plan without a readout"
    return plan


def _verify_names(mine: Sequence[str], names: set[str]) -> None:
    """Of the lines of a turn; `names` are those before, and then these too."""
    if not all(map(str.isidentifier, mine)):
        raise AssertionError(f"{next(name for name in mine if not name.isidentifier())}: not an identifier")
    if len(set(mine)) < len(mine) or not names.isdisjoint(mine):
        twice = next(name for number, name in enumerate(mine) if name in names or name in mine[:number])
        raise AssertionError(f"{twice}: defined twice")
    names.update(mine)


def _verify_given(turn: Turn, shapes: dict[str, Shape]) -> None:
    """A turn is given what was made before it, of the shapes that its pattern is of."""
    found = tuple([shapes.get(name) for name in turn.given])
    if found != turn.pattern.given:
        names = turn.names
        for number, (name, shape) in enumerate(zip(turn.given, found, strict=True), start=1):
            if shape is None:
                reader = next(k for k, line in enumerate(turn.pattern.lines) if -number in line.arguments)
                raise AssertionError(f"{names[reader]}: uses {name} before it is defined")
        raise AssertionError(f"{names[-1]}: given {found}, not {turn.pattern.given}")


class _Patterns:
    """Looks at each pattern once; `unused` if a tensor of one is used in no line of it."""

    def __init__(self) -> None:
        self.seen: set[Pattern] = set()
        self.checked: set[tuple[int, tuple[Shape, ...], Shape, tuple[str, ...]]] = set()
        self.unused = False

    def verify(self, pattern: Pattern, names: Sequence[str]) -> None:
        """`names` are those of its first turn, for what is said of a broken rule."""
        if pattern in self.seen:
            return
        self.seen.add(pattern)
        assert len({tensor.name for tensor in pattern.tensors}) == len(pattern.tensors), "a tensor is declared twice"
        used: set[int] = set()
        all_roles = [tensor.role for tensor in pattern.tensors]
        for number, (line, name) in enumerate(zip(pattern.lines, names, strict=True)):
            _, _, op, arguments, tensors, shape, _ = line
            assert max(arguments, default=-1) < number, f"{name}: uses what is defined after it"
            shapes = pattern.shapes(arguments)
            roles = tuple([all_roles[at] for at in tensors])
            key = (id(op), shapes, shape, roles)
            if key not in self.checked:
                _verify_op(name, op, shapes, shape, roles)
                self.checked.add(key)
            used.update(tensors)
            if op.kind == "value":
                _verify_value(line, name)
        self.unused |= len(used) < len(pattern.tensors)


def _verify_use(plan: Plan) -> None:
    """What a function is divided by has tensors that are declared with the function."""
    declared = {tensor.name for tensor in plan.tensors}
    used = {
        turn.pattern.tensors[at].at(turn.t).name
        for turn in plan.turns
        for line in turn.pattern.lines
        for at in line.tensors
    }
    assert declared == used, f"tensors that no line uses: {sorted(declared - used)[:3]}"


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
    """Whether an op may have tensors of these roles: its weight or statistics it must have, a bias it may."""
    if kind in ("lipschitz", "weights"):
        return bool(roles) and UNDECLARED not in roles
    if kind.endswith("_norm") and kind.removesuffix("_norm") in ("conv", "conv_transpose", "linear"):
        norm = roles[roles.index("running_mean") :]
        return _fits(kind.removesuffix("_norm"), roles[: -len(norm)]) and _fits("batch_norm", norm)
    if kind == "shared_norm":
        return roles == KINDS["batch_norm"].roles[:2] * (len(roles) // 2) and len(roles) > 2
    known = KINDS[kind].roles
    least = {"conv": 1, "conv_transpose": 1, "linear": 1, "batch_norm": 2}.get(kind, 0)
    return roles == known[: len(roles)] and len(roles) >= least


def _verify_value(line: Template, name: str) -> None:
    assert line.op["state"] == line.place, f"{name}: the value of another state"
    assert len(line.arguments) == 1, f"{name}: a value is one thing"
