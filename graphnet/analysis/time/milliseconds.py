"""Biological time: the length of a step in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StepLength:
    """The shortest and the longest a step may take, in milliseconds; 20 to 50 by default (LP section 3)."""

    low: float = 20.0
    high: float = 50.0

    def of(self, t: float) -> tuple[float, float]:
        """The time in milliseconds of a time in steps."""
        return self.low * t, self.high * t

    def text(self, t: float) -> str:
        """`60–150`, or `99` if the length of a step is known."""
        low, high = self.of(t)
        return f"{low:g}" if low == high else f"{low:g}–{high:g}"
