"""Upper bounds of Lipschitz constants as symbolic formulas (LPK, "Upper bound on the Lipschitz constant").

Values are traced from a function's input: consecutive linear lines form one operator, bounded by its spectral norm; an
elementwise activation multiplies by its largest slope; branches add.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from graphnet.network.functions.ops import Line, Op, Shape

Path = tuple[Line, ...]
"""Linear lines, applied one after the other."""
Operator = tuple[Path, ...]
"""Paths whose results are added: one linear operator."""
Value = dict[str, Operator]
"""A value as a sum of linear operators, each applied to a base: an input, or the output of an activation."""

DIAGONAL = ("batch_norm", "scale", "divide")
LINEAR = (*DIAGONAL, "conv", "conv_transpose", "linear", "avg_pool", "global_pool", "pad_identity", "flatten")
"""Affine ops; batch norm is in evaluation mode."""
SLOPES: dict[str, Callable[[Op], float]] = {
    "relu": lambda op: 1.0,
    "leaky_relu": lambda op: max(1.0, abs(op.real("negative_slope", 0.01))),
    "elu": lambda op: max(1.0, abs(op.real("alpha", 1.0))),
    "softplus": lambda op: 1.0,
    "tanh": lambda op: 1.0,
    "sigmoid": lambda op: 0.25,
}
"""Largest slope of each elementwise activation with a known bound."""
MATTERS = ("weight", "running_var", "gain")
"""Roles of tensors that a linear line multiplies by; the others are added."""


@dataclass(frozen=True)
class SpectralNorm:
    """Spectral norm of an operator on values of a shape."""

    operator: Operator
    shape: Shape

    @property
    def is_diagonal(self) -> bool:
        """Whether it scales each pixel separately, so that the norm is its largest factor."""
        return is_diagonal(self.operator)

    def __str__(self) -> str:
        paths = (" ".join(line.op.kind for line in path) or "identity" for path in self.operator)
        return f"‖{' + '.join(paths)}‖"


@dataclass(frozen=True)
class Product:
    """A product."""

    parts: tuple[Formula, ...]

    def __str__(self) -> str:
        return "·".join(f"({part})" if isinstance(part, Sum) else str(part) for part in self.parts)


@dataclass(frozen=True)
class Sum:
    """A sum; an empty one is 0."""

    parts: tuple[Formula, ...]

    def __str__(self) -> str:
        return " + ".join(map(str, self.parts)) or "0"


Formula = float | SpectralNorm | Product | Sum
"""A bound in terms of spectral norms."""

NOTHING = Sum(())
"""Bound of a value that does not depend on the input."""

V = TypeVar("V")


class Arithmetic(Protocol[V]):
    """Arithmetic to evaluate a formula with."""

    def number(self, value: float) -> V: ...

    def norm(self, norm: SpectralNorm) -> V: ...

    def product(self, parts: Sequence[V]) -> V: ...

    def sum(self, parts: Sequence[V]) -> V: ...


def work_out(formula: Formula, by: Arithmetic[V]) -> V:
    """Evaluate a formula."""
    if isinstance(formula, SpectralNorm):
        return by.norm(formula)
    if isinstance(formula, Product):
        return by.product([work_out(part, by) for part in formula.parts])
    if isinstance(formula, Sum):
        return by.sum([work_out(part, by) for part in formula.parts]) if formula.parts else by.number(0.0)
    return by.number(formula)


class Floats:
    """Arithmetic for formulas without norms."""

    def number(self, value: float) -> float:
        return value

    def norm(self, norm: SpectralNorm) -> float:
        raise AssertionError(f"{norm} is not a number")

    def product(self, parts: Sequence[float]) -> float:
        return math.prod(parts)

    def sum(self, parts: Sequence[float]) -> float:
        return math.fsum(parts)


def norms_in(formula: Formula) -> Iterator[SpectralNorm]:
    """Yield the spectral norms of a formula, in order."""
    if isinstance(formula, SpectralNorm):
        yield formula
    elif isinstance(formula, Product | Sum):
        for part in formula.parts:
            yield from norms_in(part)


@dataclass(frozen=True)
class Bound:
    """Formula of a function's bound; `names` are the tensors that it depends on, in order."""

    formula: Formula
    names: tuple[str, ...]

    @classmethod
    def of(cls, formula: Formula) -> Bound:
        """Collect the tensors that the operators of a formula multiply by."""
        lines = (line for norm in norms_in(formula) for path in norm.operator for line in path)
        named = (name for line in lines for name in line.tensors if name.rpartition(".")[2] in MATTERS)
        return cls(formula, tuple(dict.fromkeys(named)))

    @property
    def norms(self) -> tuple[SpectralNorm, ...]:
        return tuple(norms_in(self.formula))

    @property
    def searched(self) -> tuple[SpectralNorm, ...]:
        """Norms to find by power iteration, each with a separate vector."""
        return tuple(dict.fromkeys(norm for norm in self.norms if not norm.is_diagonal))

    def __str__(self) -> str:
        return str(self.formula)


class NoBound(ValueError):  # noqa: N818 - turned into a fault by the caller, who knows the place
    """Raised for an op without a known bound; `line` is its line, `fix` names alternatives."""

    def __init__(self, line: Line) -> None:
        super().__init__(f"no Lipschitz bound is known for '{line.op.kind}'")
        self.line = line
        kinds = (*LINEAR, *SLOPES, "max_pool", "sum")
        self.fix = FIXES.get(line.op.kind, f"these ops have one: {', '.join(kinds)}")


_NORMS = 'norm.kind = "batch" or "none" has one'
_ACTIVATIONS = f"these activations have one: {', '.join(SLOPES)}"
FIXES = {"group_norm": _NORMS, "layer_norm": _NORMS, "gelu": _ACTIVATIONS, "silu": _ACTIVATIONS}


class Bounds:
    """Formulas of a function's values, derived line by line.

    `shapes` holds the shapes of the inputs and of each line's value. `fixed` counts the arguments of sums that read an
    input as the state's first value (I0), which is constant here.
    """

    def __init__(self, lines: Iterable[Line], read: Mapping[str, Shape], fixed: int = 0) -> None:
        self.read, self.fixed = read, fixed
        self.values: dict[str, Value] = {name: {name: ((),)} for name in read}
        self.bases: dict[str, Formula] = dict.fromkeys(read, 1.0)
        self.shapes: dict[str, Shape] = dict(read)
        for line in lines:
            self.shapes[line.name] = line.shape
            self.values[line.name] = self._follow(line)

    def of(self, name: str) -> Formula:
        """Return the bound of a value."""
        return self._bound(self.values[name])

    def _bound(self, value: Value) -> Formula:
        """Sum each operator's norm times the bound of its base."""
        parts = [
            _times(1.0 if operator == ((),) else SpectralNorm(operator, self.shapes[base]), self.bases[base])
            for base, operator in value.items()
        ]
        parts = [part for part in parts if part != NOTHING]
        return parts[0] if len(parts) == 1 else Sum(tuple(parts))

    def _follow(self, line: Line) -> Value:
        kind = line.op.kind
        if kind == "sum":
            return self._added(line)
        given = self.values.get(line.arguments[0], {})  # the first value (I0) is constant
        if kind in LINEAR:
            return {base: tuple((*path, line) for path in operator) for base, operator in given.items()}
        if kind in SLOPES:
            return self._activated(line, given, SLOPES[kind](line.op))
        if kind == "max_pool":
            return self._base(line, _times(self._bound(given), math.sqrt(_overlap(line))))
        raise NoBound(line)

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
            if is_diagonal(operator):  # its Jacobian is diagonal too: the operator moves behind the activation
                self._base(line, _times(self.bases[base], slope))
                return {line.name: operator}
        return self._base(line, _times(self._bound(given), slope))

    def _base(self, line: Line, bound: Formula) -> Value:
        """Start a new base at a line with this bound."""
        self.bases[line.name] = bound
        return {line.name: ((),)}


def is_diagonal(operator: Operator) -> bool:
    return all(line.op.kind in DIAGONAL for path in operator for line in path)


def _times(*factors: Formula) -> Formula:
    """Return a product without factors of 1; 0 if a factor is 0."""
    if NOTHING in factors:
        return NOTHING
    parts = tuple(factor for factor in factors if factor != 1.0)
    return Product(parts) if len(parts) > 1 else parts[0] if parts else 1.0


def _overlap(line: Line) -> int:
    """Return the maximal number of windows of a max pool that contain a pixel."""
    windows = -(-line.op.number("kernel") // line.op.number("stride"))
    return math.prod(min(windows, size) for size in line.shape[1:])
