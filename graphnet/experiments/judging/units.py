"""Units of measures and expressions, and numbers as people read them: fractions in per cent, differences in points."""

from __future__ import annotations

import math
from typing import Literal

from graphnet.spec.experiment.expressions import Apply, Binary, Expression, Name, Number
from graphnet.spec.experiment.model import Experiment

Unit = Literal["fraction", "count", "number"]
MINUS = "−"
MISSING = "–"
"""Shown where there is no number."""


def unit_of(expression: Expression, experiment: Experiment) -> Unit:
    """Return the unit of an expression; a quotient of two fractions, a product and a rank correlation are numbers."""
    match expression:
        case Number():
            return "number"
        case Name():
            kind = experiment.kind_of(expression.name)
            return kind.unit if kind else "number"
        case Apply():
            inner = unit_of(expression.argument, experiment)
            return "number" if expression.function == "spearman" or inner == "count" else inner
        case Binary():
            units = unit_of(expression.left, experiment), unit_of(expression.right, experiment)
            plain = isinstance(expression.left, Number), isinstance(expression.right, Number)
            return _combined(expression.operator, units, plain)


def _combined(operator: str, units: tuple[Unit, Unit], plain: tuple[bool, bool]) -> Unit:
    left, right = units
    if operator in "+-":
        return right if plain[0] else left if plain[1] or left == right else "number"
    if operator == "*":
        return "fraction" if sorted(units) == ["fraction", "number"] and any(plain) else "number"
    return "fraction" if left == "fraction" and plain[1] else "number"


def is_difference(expression: Expression) -> bool:
    """Whether an expression has a sign that means something: a slope, a correlation, a difference of measures."""
    match expression:
        case Binary():
            sides = expression.left, expression.right
            signed_side = any(map(is_difference, sides))
            plain = any(isinstance(side, Number) for side in sides)
            return signed_side or (expression.operator in "+-" and not plain)
        case Apply():
            return expression.function in ("slope", "spearman") or is_difference(expression.argument)
        case _:
            return False


# ---- numbers as text


def measured_text(mean: float, half_width: float, unit: Unit) -> str:
    """A mean with the half width of its interval, `5.31 ± 0.42`; a fraction in per cent, without its sign."""
    if not math.isfinite(mean):
        return MISSING
    if unit == "count":
        return f"{mean:,.0f}" if mean == round(mean) else f"{mean:,.1f}"
    scale = 100 if unit == "fraction" else 1
    if not math.isfinite(half_width) or half_width == 0:
        return signed(_plain(scale * mean, unit))
    digits = _digits(scale * half_width, unit)
    return f"{signed(f'{scale * mean:.{digits}f}')} ± {scale * half_width:.{digits}f}"


def effect_text(value: float, *, fraction: bool, difference: bool = True, unit: bool = True) -> str:
    """An effect; a difference with its sign: `+2.31 points` of fractions, `+0.4` of others, `9.10 %`, `3e-15`."""
    if not math.isfinite(value):
        return MISSING
    if value == 0:
        text = "0"
    elif fraction and abs(value) < ROUNDING:
        text = "0.00"
    elif fraction and abs(value) >= SMALLEST:
        text = f"{100 * value:+.2f}"
    else:
        text = f"{100 * value if fraction else value:+.3g}"
    text = signed(text if difference else text.removeprefix("+"))
    return f"{text} {'points' if difference else '%'}" if fraction and unit else text


ROUNDING = 1e-12
"""Of a fraction: a mean over seeds below this is 0 but for rounding; one image of a million is 1e-6."""
SMALLEST = 0.0001
"""Of the fractions that have two decimals as per cent."""


def interval_text(low: float, high: float, *, fraction: bool, difference: bool = True) -> str:
    """An interval, `[+0.52, +4.10]`, in the unit of the effect."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return MISSING
    ends = (effect_text(end, fraction=fraction, difference=difference, unit=False) for end in (low, high))
    return f"[{', '.join(ends)}]"


def value_text(value: float, unit: Unit) -> str:
    """One value of a measure: `98.2 %` for a fraction."""
    if not math.isfinite(value):
        return MISSING
    return f"{signed(f'{100 * value:.2f}')} %" if unit == "fraction" else signed(_plain(value, unit))


def signed(text: str) -> str:
    """Write a minus sign as such, but not in an exponent."""
    return MINUS + text[1:] if text.startswith("-") else text


def _plain(value: float, unit: Unit) -> str:
    if unit == "fraction":
        return f"{value:.2f}"
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e15 and unit == "count" else f"{value:.4g}"


def _digits(half_width: float, unit: Unit) -> int:
    """Decimals that show two digits of the half width."""
    return min(max(1 - math.floor(math.log10(half_width)), 0), 2 if unit == "fraction" else 6)
