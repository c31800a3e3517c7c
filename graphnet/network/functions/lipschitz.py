"""Upper bounds of Lipschitz constants, as formulas (LPK, "Upper bound on the Lipschitz constant"); no numbers here.

A value is followed from what a function reads: linear lines that follow one another are one operator, whose spectral
norm counts; an elementwise activation multiplies by its largest slope; branches add.
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
"""A value as a sum of linear operators, each applied to a base: what is read, or what an activation made."""

DIAGONAL = ("batch_norm", "scale", "divide")
LINEAR = (*DIAGONAL, "conv", "conv_transpose", "linear", "avg_pool", "global_pool", "pad_identity", "flatten")
"""The ops that are linear, but for what they add: batch norm is in evaluation mode."""
SLOPES: dict[str, Callable[[Op], float]] = {
    "relu": lambda op: 1.0,
    "leaky_relu": lambda op: max(1.0, abs(op.real("negative_slope", 0.01))),
    "elu": lambda op: max(1.0, abs(op.real("alpha", 1.0))),
    "softplus": lambda op: 1.0,
    "tanh": lambda op: 1.0,
    "sigmoid": lambda op: 0.25,
}
"""The elementwise activations that there are bounds for: the largest slope of each."""
MATTERS = ("weight", "running_var", "gain")
"""Roles of the tensors that a linear line multiplies by; the others are added."""


@dataclass(frozen=True)
class SpectralNorm:
    """The spectral norm of an operator on values of a shape."""

    operator: Operator
    shape: Shape

    @property
    def is_diagonal(self) -> bool:
        """Whether it multiplies each pixel by itself: then the norm is its largest factor."""
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
"""A bound, made of spectral norms."""

NOTHING = Sum(())
"""The bound of what does not depend on what is read."""

V = TypeVar("V")


class Arithmetic(Protocol[V]):
    """What a formula is worked out with."""

    def number(self, value: float) -> V: ...

    def norm(self, norm: SpectralNorm) -> V: ...

    def product(self, parts: Sequence[V]) -> V: ...

    def sum(self, parts: Sequence[V]) -> V: ...


def work_out(formula: Formula, by: Arithmetic[V]) -> V:
    """The value of a formula."""
    if isinstance(formula, SpectralNorm):
        return by.norm(formula)
    if isinstance(formula, Product):
        return by.product([work_out(part, by) for part in formula.parts])
    if isinstance(formula, Sum):
        return by.sum([work_out(part, by) for part in formula.parts]) if formula.parts else by.number(0.0)
    return by.number(formula)


class Floats:
    """Works out a formula without norms."""

    def number(self, value: float) -> float:
        return value

    def norm(self, norm: SpectralNorm) -> float:
        raise AssertionError(f"{norm} is no number")

    def product(self, parts: Sequence[float]) -> float:
        return math.prod(parts)

    def sum(self, parts: Sequence[float]) -> float:
        return math.fsum(parts)


def norms_in(formula: Formula) -> Iterator[SpectralNorm]:
    """The spectral norms of a formula, in order."""
    if isinstance(formula, SpectralNorm):
        yield formula
    elif isinstance(formula, Product | Sum):
        for part in formula.parts:
            yield from norms_in(part)


@dataclass(frozen=True)
class Bound:
    """The formula of a function's bound; `names` are the tensors that it is made of, in order."""

    formula: Formula
    names: tuple[str, ...]

    @classmethod
    def of(cls, formula: Formula) -> Bound:
        """A formula with the tensors that its operators multiply by."""
        lines = (line for norm in norms_in(formula) for path in norm.operator for line in path)
        named = (name for line in lines for name in line.tensors if name.rpartition(".")[2] in MATTERS)
        return cls(formula, tuple(dict.fromkeys(named)))

    @property
    def norms(self) -> tuple[SpectralNorm, ...]:
        return tuple(norms_in(self.formula))

    @property
    def searched(self) -> tuple[SpectralNorm, ...]:
        """The norms that power iteration has to find, each with a vector of its own."""
        return tuple(dict.fromkeys(norm for norm in self.norms if not norm.is_diagonal))

    def __str__(self) -> str:
        return str(self.formula)


class NoBound(ValueError):  # noqa: N818 - turned into a fault by the caller, who knows where the function stands
    """An op has no known bound; `line` is where, `fix` what would do."""

    def __init__(self, line: Line) -> None:
        super().__init__(f"no Lipschitz bound is known of '{line.op.kind}'")
        self.line = line
        kinds = (*LINEAR, *SLOPES, "max_pool", "sum")
        self.fix = FIXES.get(line.op.kind, f"these ops have one: {', '.join(kinds)}")


_NORMS = 'norm.kind = "batch" or "none" has one'
_ACTIVATIONS = f"these activations have one: {', '.join(SLOPES)}"
FIXES = {"group_norm": _NORMS, "layer_norm": _NORMS, "gelu": _ACTIVATIONS, "silu": _ACTIVATIONS}


class Bounds:
    """The formulas of the values of a function, which are followed line by line.

    `shapes` are those of what is read and of each line's value; `fixed` says how often a sum has one of the values
    read as an argument that stands for the state's first value (I0), on which nothing depends.
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
        """The bound of a value."""
        return self._bound(self.values[name])

    def _bound(self, value: Value) -> Formula:
        """Of each operator its norm times the constant of its base, added up."""
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
        given = self.values.get(line.arguments[0], {})  # the first value (I0) is held fixed: nothing depends on it
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
            if is_diagonal(operator):  # its Jacobian is diagonal too: the norms and gains move behind it
                self._base(line, _times(self.bases[base], slope))
                return {line.name: operator}
        return self._base(line, _times(self._bound(given), slope))

    def _base(self, line: Line, bound: Formula) -> Value:
        """Begin a new linear run at a line of that constant."""
        self.bases[line.name] = bound
        return {line.name: ((),)}


def is_diagonal(operator: Operator) -> bool:
    return all(line.op.kind in DIAGONAL for path in operator for line in path)


def _times(*factors: Formula) -> Formula:
    """A product without its ones; 0 if a factor is."""
    if NOTHING in factors:
        return NOTHING
    parts = tuple(factor for factor in factors if factor != 1.0)
    return Product(parts) if len(parts) > 1 else parts[0] if parts else 1.0


def _overlap(line: Line) -> int:
    """In how many windows of a max pool a pixel may be."""
    windows = -(-line.op.number("kernel") // line.op.number("stride"))
    return math.prod(min(windows, size) for size in line.shape[1:])
