"""Upper bounds of the Lipschitz constants of transition functions (LPK, "Upper bound on the Lipschitz constant").

The 2-norm of one image's values, in evaluation mode: statistics are those that the net holds, whatever its mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from graphnet.analysis.operators import LINEAR, Norms, Operator, is_diagonal, setting
from graphnet.analysis.spectral import SpectralNorm, spectral_norm
from graphnet.ir.network import INPUT
from graphnet.ir.ops import Op, Shape
from graphnet.ir.plan import IMAGE, Fate, Firing, Line, Plan

__all__ = ["LipschitzBounds", "SpectralNorm", "bounds", "divisor", "spectral_norm"]

Value = dict[str, Operator]
"""A value as a sum of linear operators, each applied to a base: what is read, or what an activation made."""
Key = tuple[str, str, int]

SLOPES: dict[str, Callable[[Op], float]] = {
    "relu": lambda op: 1.0,
    "leaky_relu": lambda op: max(1.0, abs(setting(op, "negative_slope", 0.01))),
    "elu": lambda op: max(1.0, abs(setting(op, "alpha", 1.0))),
    "softplus": lambda op: 1.0,
    "tanh": lambda op: 1.0,
    "sigmoid": lambda op: 0.25,
}
"""The elementwise activations that there are bounds for: the largest slope of each."""


def bounds(net: nn.Module, iterations: int = 100) -> dict[Key, float]:
    """An upper bound of the Lipschitz constant of every transition at every time at which it fires.

    How a bound comes about, after LPK, for BRCx2 ‖Conv2‖ · ‖BN2 ∘ Conv1 ∘ BN1‖:

    - Linear ops that follow one another are one operator, whose norm counts; constants added do not.
    - An elementwise activation multiplies by its largest slope: 1, and 1/4 for sigmoid. Its Jacobian is diagonal, so
      where nothing but norms and gains stands before it these move behind it, into the next operator. (For any two
      inputs the mean value theorem gives such a Jacobian, so this holds for every elementwise activation.)
    - Max pooling multiplies by the square root of how many windows a pixel may be in: 1 if they do not overlap.
    - Branches add; linear branches of one value are one operator.
    - The state's first value (`I0`) is held fixed, also at the first step, where it is the value read (LPK: the
      properly convergent ResNet has the constant of its residual function).

    The merge and the update of the target are no part of a transition. Where values differ by the readout time that
    they are relative to, the largest bound counts.

    Args:
        net: what `graphnet.compile` made.
        iterations: of the power iterations that find the norms. They come from below: so does the bound, by less
            than 1 % after 100 iterations for random convolutions.

    Returns:
        Bounds by source, target and arrival time, in the order of execution; the input is `input`, the post-net's
        result `logits`.

    Raises:
        ValueError: the net was not compiled by graphnet, or a transition has an op whose bound is not known.
    """
    return {key: float(bound.detach()) for key, bound in LipschitzBounds(net)(iterations).items()}


def divisor(bound: Tensor, mu: float) -> Tensor:
    """c = max(L̂/μ, 1), by which a function is divided so that its Lipschitz bound is at most μ.

    LPK's eq. 3 prints max(μ/L̂, 1); its own text ("if L̂ ≤ μ, c will not change the function") needs this one.
    """
    return (bound / mu).clamp_min(1)


class LipschitzBounds:
    """The bounds of one net, as tensors; keeps the vectors of its power iterations from call to call.

    Called with the number of iterations it returns float64 scalars, differentiable in the net's weights.
    """

    def __init__(self, net: nn.Module) -> None:
        plan = getattr(net, "meta", {}).get("plan")
        if not isinstance(plan, Plan):
            raise ValueError("the net was not compiled by graphnet: it has no plan that says what its transitions are")
        self.net, self.plan = net, plan
        self.kept: dict[object, SpectralNorm] = {}

    def __call__(self, iterations: int = 1) -> dict[Key, Tensor]:
        norms = Norms(self.net, self.kept, iterations)
        functions = _Functions(self.plan)
        fired = [firing for firing in self.plan.firings if firing.fate is Fate.FIRES]
        return {firing[:3]: functions.bound(firing, norms) for firing in fired}


class _Functions:
    """The lines of a plan by transition and time."""

    def __init__(self, plan: Plan) -> None:
        self.places = {(cell.source, cell.target): cell.place for cell in plan.cells}
        self.values = {line.name: (line.place, line.t) for line in plan.lines if line.op.kind in ("value", "zeros")}
        self.shapes: dict[str, Shape] = {IMAGE: plan.input_shape} | {line.name: line.shape for line in plan.lines}
        self.groups: dict[str, dict[int, list[Line]]] = {}
        for line in plan.lines:
            self.groups.setdefault(line.place, {}).setdefault(line.t, []).append(line)

    def bound(self, firing: Firing, norms: Norms) -> Tensor:
        """The bound of one transition at one time; a function without lines is the identity."""
        by_time = self.groups.get(self.places[firing.source, firing.target], {})
        lines = by_time.get(firing.t, [])
        if firing.source == INPUT and not lines and by_time:  # an image that stays is looked at once (rule 3)
            lines = next(iter(by_time.values()))
        first = {"I0", "first_value"}
        if not lines:
            return norms.constant(0 if firing.ops in first else 1)
        function = _Function(firing, lines, self, norms)
        used = {name for line in lines for name in line.arguments}
        results = [function.lipschitz(function.values[line.name]) for line in lines if line.name not in used]
        if firing.ops in ("I", "identity"):  # what it is for one of several readout times
            results.append(norms.constant(1))
        return torch.stack(results).max()


class _Function:
    """One transition at one time: each of its values, followed from what it reads."""

    def __init__(self, firing: Firing, lines: list[Line], known: _Functions, norms: Norms) -> None:
        self.firing, self.known, self.norms = firing, known, norms
        self.values: dict[str, Value] = {}
        self.lipschitz_of: dict[str, Tensor] = {}  # of each base
        own = {line.name for line in lines}
        outside = [name for line in lines for name in line.arguments if name not in own]
        self.read = {name for name in outside if self._is_read(name)}
        for name in self.read:
            self.values[name] = {name: ((),)}
            self.lipschitz_of[name] = norms.constant(1)
        # At the first step the first value is the value read: as many of the branches that only pass it on are I0.
        self.fixed = _first_values(firing.ops) if set(outside) == self.read else 0
        for line in lines:
            self.values[line.name] = self._follow(line)

    def lipschitz(self, value: Value) -> Tensor:
        """The bound of a value: of each operator its norm times the constant of its base, added up."""
        total = self.norms.constant(0)
        for base, operator in value.items():
            total = total + self.norms.of(operator, self.known.shapes[base]) * self.lipschitz_of[base]
        return total

    def _is_read(self, name: str) -> bool:
        """Whether a value is the source at the time read; any of them where they differ by the readout time."""
        if self.firing.source == INPUT:
            return True
        return self.known.values.get(name) == self.known.values[self.firing.reads]

    def _follow(self, line: Line) -> Value:
        kind = line.op.kind
        if kind == "sum":
            return self._added(line)
        given = self.values.get(line.arguments[0], {})  # the first value (I0) is held fixed: nothing depends on it
        if kind in LINEAR:
            return {base: tuple((*path, line) for path in operator) for base, operator in given.items()}
        if kind in SLOPES:
            return self._activated(line, given, SLOPES[kind](line.op))
        if kind == "max_pool":
            return self._base(line, self.lipschitz(given) * math.sqrt(_overlap(line)))
        raise ValueError(_not_known(self.firing, line))

    def _added(self, line: Line) -> Value:
        total: Value = {}
        for name in line.arguments:
            if self.fixed and name in self.read:
                self.fixed -= 1
                continue
            for base, operator in self.values.get(name, {}).items():
                total[base] = total.get(base, ()) + operator
        return total

    def _activated(self, line: Line, given: Value, slope: float) -> Value:
        if len(given) == 1:
            ((base, operator),) = given.items()
            if is_diagonal(operator):
                self._base(line, slope * self.lipschitz_of[base])
                return {line.name: operator}
        return self._base(line, slope * self.lipschitz(given))

    def _base(self, line: Line, lipschitz: Tensor) -> Value:
        """Begin a new linear run at a line of that constant."""
        self.lipschitz_of[line.name] = lipschitz
        return {line.name: ((),)}


def _overlap(line: Line) -> int:
    """In how many windows of a max pool a pixel may be."""
    windows = -(-line.op.number("kernel") // line.op.number("stride"))
    return math.prod(min(windows, size) for size in line.shape[1:])


def _first_values(ops: str) -> int:
    """How often a function names the state's first value."""
    return ops.count("I0") + ops.count("first_value")


def _not_known(firing: Firing, line: Line) -> str:
    fixes = {
        "group_norm": 'norm.kind = "batch" or "none" has one',
        "layer_norm": 'norm.kind = "batch" or "none" has one',
        "gelu": f"these activations have one: {', '.join(SLOPES)}",
        "silu": f"these activations have one: {', '.join(SLOPES)}",
    }
    others = f"these ops have one: {', '.join((*LINEAR, *SLOPES, 'max_pool', 'sum'))}"
    where = f"{firing.source}->{firing.target} at t = {firing.t}"
    what = f"no Lipschitz bound is known of '{line.op.kind}' ({line.name}), which stands in {where}"
    return f"{what}\n  {fixes.get(line.op.kind, others)}"
