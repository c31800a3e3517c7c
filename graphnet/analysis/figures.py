"""Plots of error curves and indices, after LPK's Figures 2, 3 a and 4 a, and tables of them as CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np

from graphnet.analysis.error_curves import KINDS, IterativeConvergence
from graphnet.analysis.figure_files import COLOURS, MARKS
from graphnet.analysis.indices import Interval
from graphnet.atomic_files import replacing
from graphnet.planning.plan import Plan

P = ParamSpec("P")

TITLES = {
    "convergence": ("early readout", "blocks before the readout", "convergence index"),
    "recurrence": ("a block dropped", "block that is dropped", "recurrence index"),
    "divergence": ("last block repeated", "further applications", "divergence index"),
}
"""Kind → titles of the perturbation, of its axis, of the index."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A run and its measurements."""

    name: str
    plan: Plan
    result: IterativeConvergence

    @property
    def coupling(self) -> str:
        """LPK's axis label: the coupling of the stages' weights, or their separate start."""
        strengths = sorted({coupling.strength for coupling in self.plan.couplings})
        if strengths:
            return "/".join(f"{strength:g}" for strength in strengths)
        return "hard" if self.plan.system.shared_weights else "non-rec."

    @property
    def group(self) -> tuple[int, str]:
        """LPK's other grouping: the number of parameters, and the bound of the Lipschitz constants."""
        bounds = sorted({line.op.real("mu", 0) for line in self.plan.lines if line.op.kind == "lipschitz"})
        return self.plan.parameters, f"μ = {'/'.join(f'{mu:g}' for mu in bounds)}" if bounds else ""


def write_indices(path: Path, runs: Sequence[Measured]) -> None:
    """Write a line per run, index and stage, and one per average over stages."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("run", "parameters", "coupling", "index", "stage", "estimate", "low", "high"))
        for run in runs:
            for kind, found in run.result.indices.items():
                names = [stage.state for stage in run.result.stages]
                for stage, interval in zip([*names, "average"], [*found.stages, found.average], strict=True):
                    figures = (interval.estimate, interval.low, interval.high)
                    table.writerow((run.name, run.plan.parameters, run.coupling, kind, stage, *figures))


def write_curves(path: Path, runs: Sequence[Measured]) -> None:
    """Write a line per run, stage, perturbation and point of its curve."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("run", "stage", "perturbation", "point", "error", "images"))
        for run in runs:
            for stage in run.result.stages:
                for kind in KINDS:
                    for point, error in enumerate(stage.errors(kind), start=int(kind == "recurrence")):
                        table.writerow((run.name, stage.state, kind, point, error, len(run.result.final)))


STYLE: Any = {
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "graphnet",
}


def _styled(plot: Callable[P, None]) -> Callable[P, None]:
    @wraps(plot)
    def styled(*given: P.args, **named: P.kwargs) -> None:
        import matplotlib as mpl

        with mpl.rc_context(STYLE):
            plot(*given, **named)

    return styled


@_styled
def plot_curves(path: Path, run: Measured) -> None:
    """Plot one net: error curves above, indices by stage below (LPK Figure 2 a and b)."""
    result = run.result
    figure, axes = _panels(2, 6.3, 4.2)
    for column, (kind, (title, axis, name)) in enumerate(TITLES.items()):
        above, below = axes[0][column], axes[1][column]
        above.axhline(100 * result.chance, color="0.6", linestyle=":", linewidth=1)
        above.axhline(100 * result.final_error, color="0.6", linewidth=1)
        for number, stage in enumerate(result.stages):
            errors = 100 * stage.errors(kind)
            first = int(kind == "recurrence")
            style = {"color": COLOURS[number % 6], "marker": MARKS[number % 6], "markersize": 3, "linewidth": 1}
            above.plot(range(first, first + len(errors)), errors, label=stage.state, **style)
        above.set(title=title, xlabel=axis)
        found = result.indices[kind]
        names = [*(stage.state for stage in result.stages), "average"]
        for number, interval in enumerate([*found.stages, found.average]):
            _interval(below, number, interval, COLOURS[number % 6] if number < len(found.stages) else "black")
        below.set_xticks(range(len(names)), names)
        below.set(ylabel=name, xlim=(-0.5, len(names) - 0.5))
        _zero_to_one(below)
    axes[0][0].set_ylabel("error (%)")
    axes[0][0].legend(title="stage", frameon=False)
    _save(figure, path)


@_styled
def plot_indices(path: Path, runs: Sequence[Measured]) -> None:
    """Plot several nets: each index, averaged over stages, by the coupling of the weights (LPK Figures 3 a and 4 a)."""
    places = list(dict.fromkeys(run.coupling for run in sorted(runs, key=_order)))
    groups = sorted({run.group for run in runs})
    figure, axes = _panels(1, 6.3, 2.4)
    for axis, (kind, (_, _, name)) in zip(axes[0], TITLES.items(), strict=True):
        for number, group in enumerate(groups):
            shift = 0.08 * (number - (len(groups) - 1) / 2)
            found: dict[int, list[Interval]] = {}
            for run in sorted(runs, key=_order):
                if run.group == group:
                    found.setdefault(places.index(run.coupling), []).append(run.result.indices[kind].average)
            means = [float(np.mean([each.estimate for each in intervals])) for intervals in found.values()]
            label = f"{group[0]:,}{f', {group[1]}' if group[1] else ''}"
            axis.plot([x + shift for x in found], means, color=COLOURS[number % 6], linewidth=0.8, label=label)
            for x, interval in ((x, each) for x, intervals in found.items() for each in intervals):
                _interval(axis, x + shift, interval, COLOURS[number % 6])
        axis.set_xticks(range(len(places)), places)
        axis.set(xlabel="coupling", ylabel=name)
        _zero_to_one(axis)
    axes[0][0].legend(title="parameters", frameon=False)
    _save(figure, path)


def _order(run: Measured) -> tuple[bool, float]:
    coupled = run.coupling not in ("non-rec.", "hard")
    return coupled, float(run.coupling.split("/")[0]) if coupled else 0.0


def _panels(rows: int, width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, 3, squeeze=False)


def _interval(axis: Any, x: float, interval: Interval, colour: str) -> None:
    axis.plot([x, x], [interval.low, interval.high], color=colour, linewidth=1)
    axis.plot([x], [interval.estimate], marker="o", markersize=3.5, color=colour)


def _zero_to_one(axis: Any) -> None:
    """Extend the axis to at least 0 to 1, the indices' anchors."""
    low, high = axis.get_ylim()
    axis.set_ylim(min(low, -0.05), max(high, 1.05))


def _save(figure: Any, path: Path) -> None:
    kind = path.suffix.removeprefix(".")
    with replacing(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=200, metadata={"Date": None} if kind == "svg" else None)
