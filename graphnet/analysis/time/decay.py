"""Fit a decay over time by an exponential function and by a power law."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graphnet.atomic_files import replacing

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """A least-squares fit.

    Attributes:
        model: a name in `MODELS`.
        parameters: name → value, in the order of the model's formula.
        r2: share of the variance that the fit explains.
        first: the time that n counts from.
        points: number of times.
    """

    model: str
    parameters: Mapping[str, float]
    r2: float
    first: int
    points: int

    @property
    def adjusted_r2(self) -> float:
        """R² corrected for the number of parameters, to compare models."""
        return 1 - (1 - self.r2) * (self.points - 1) / (self.points - len(self.parameters))

    def __call__(self, times: ArrayLike) -> Values:
        """The model's values at times."""
        return MODELS[self.model].value(np.asarray(times, float) - self.first, self.parameters)

    def __str__(self) -> str:
        given = ", ".join(f"{name} = {value:.3g}" for name, value in self.parameters.items())
        return f"{self.model}: {given}, R² = {self.r2:.3f}"


@dataclass(frozen=True)
class Model:
    """A model that is linear in its parameters but one.

    Attributes:
        formula: for n = steps since the first time.
        shape: n and the nonlinear parameter → the function that `a` multiplies.
        nonlinear: the name of that parameter.
        range: number of steps → the least and largest value to try.
        has_limit: whether a constant `c` is added.
    """

    formula: str
    shape: Callable[[Values, float], Values]
    nonlinear: str
    range: Callable[[float], tuple[float, float]]
    has_limit: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return ("a", self.nonlinear, *(("c",) if self.has_limit else ()))

    def value(self, n: Values, parameters: Mapping[str, float]) -> Values:
        """The model's values, n steps after the first time."""
        scaled = parameters["a"] * self.shape(n, parameters[self.nonlinear])
        return np.asarray(scaled + parameters.get("c", 0.0))


MODELS = {
    "exponential": Model(
        "a·exp(-n/tau) + c", lambda n, tau: np.asarray(np.exp(-n / tau)), "tau", lambda n: (0.1, 10 * n), True
    ),
    "power law": Model("a·(n+1)^b", lambda n, b: np.asarray((n + 1) ** b), "b", lambda n: (-8.0, 8.0), False),
}
"""Name → model."""


def fit_decay(times: Sequence[int], values: ArrayLike) -> dict[str, Fit | str]:
    """Fit each model to values over time, by least squares.

    Args:
        times: ascending; n = t - times[0].
        values: one for each time.

    Returns:
        Model → its fit; or, as one clause, why there is none.
    """
    n, y = np.asarray(times, float) - times[0], np.asarray(values, float)
    return {name: _fit(name, model, n, y, times[0]) for name, model in MODELS.items()}


def best(fits: Mapping[str, Fit | str]) -> Fit | None:
    """The fit with the largest adjusted R²; None if there is no fit."""
    found = [fit for fit in fits.values() if isinstance(fit, Fit)]
    return max(found, key=lambda fit: fit.adjusted_r2, default=None)


def write_fits(path: Path, fits: Mapping[str, Mapping[str, Fit | str]]) -> None:
    """Write a line per layer and model; where there is no fit, the note says why. Raises OSError."""
    names = list(dict.fromkeys(name for model in MODELS.values() for name in model.names))
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("layer", "model", "formula", *names, "r2", "first time", "times", "note"))
        for layer, found in fits.items():
            for name, fit in found.items():
                row = (layer, name, MODELS[name].formula)
                if isinstance(fit, str):
                    table.writerow((*row, *("" for _ in names), "", "", "", fit))
                else:
                    values = (fit.parameters.get(each, "") for each in names)
                    table.writerow((*row, *values, fit.r2, fit.first, fit.points, ""))


TRIED = 65
"""Values of the nonlinear parameter among which the search for the best one starts."""


def _fit(name: str, model: Model, n: Values, y: Values, first: int) -> Fit | str:
    from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]

    least = len(model.names) + 1
    if len(n) < least:
        return f"{len(n)} times; this fit needs {least}"
    spread = float(np.square(y - y.mean()).sum())
    if spread <= len(y) * (1e-6 * float(np.abs(y).max())) ** 2:
        return "the gain is constant"

    def linear(value: float) -> tuple[Values, float]:
        """The linear parameters for a nonlinear one, and the sum of squared errors."""
        columns = [model.shape(n, value), *([np.ones_like(n)] if model.has_limit else [])]
        design = np.stack(columns, axis=1)
        found: Values = np.linalg.lstsq(design, y, rcond=None)[0].astype(np.float64)
        return found, float(np.square(design @ found - y).sum())

    low, high = model.range(float(n[-1]))
    tried = np.geomspace(low, high, TRIED) if low > 0 else np.linspace(low, high, TRIED)
    start = int(np.argmin([linear(value)[1] for value in tried]))
    if start in (0, TRIED - 1):
        return f"{model.nonlinear} is not determined: the best fit has {tried[start]:g} or beyond"
    around = (float(tried[start - 1]), float(tried[start + 1]))
    value = float(minimize_scalar(lambda each: linear(each)[1], bounds=around, method="bounded").x)
    (a, *limit), error = linear(value)
    parameters = dict(zip(model.names, (float(a), value, *map(float, limit)), strict=True))
    return Fit(name, parameters, 1 - error / spread, first, len(n))
