"""Figures of sweeps over readout times, one column (84 mm) wide, as SVG, PDF and PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graphnet.analysis.figure_files import COLOURS, COLUMN, STYLE, new_figure, write_figure
from graphnet.analysis.time.milliseconds import StepLength
from graphnet.analysis.time.stopping import Stopping
from graphnet.analysis.time.sweep import Combine, Sweep
from graphnet.training.tasks import TASKS

HEIGHT = 62
"""Of a figure, in millimetres."""
MOST_TICKS = 7
RULES = {
    "threshold": ("largest softmax ≥ θ", COLOURS[0], "-"),
    "entropy": ("entropy ≤ θ", COLOURS[1], "--"),
    "max-confidence": ("most confident time", COLOURS[2], ""),
}
"""Rule → label, colour, line style."""


def plot_error(stem: Path, sweeps: Mapping[str, Sweep], step: StepLength | None) -> None:
    """Plot the error over readout time; a curve of the mean output so far, and one without calibration if given.

    Args:
        stem: path without suffix.
        sweeps: by their calibration.
        step: for an axis in milliseconds; None leaves it out.
    """
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        figure, axis = _panel()
        main, *others = sweeps.values()
        percent = 1.0 if main.task == "values" else 100.0
        _curve(axis, main, "none", percent, COLOURS[0], "-", "output at t")
        if len(main.times) > 1:
            _curve(axis, main, "cumulative", percent, COLOURS[1], "--", "mean of outputs up to t")
        for found in others:
            _curve(axis, found, "none", percent, COLOURS[3], ":", "output at t, not calibrated")
        axis.axhline(percent * main.chance, color="0.5", linewidth=0.8, linestyle=(0, (1, 2)))
        for k, t in enumerate(each for each in main.times if each in main.trained):
            axis.axvline(t, color="0.88", linewidth=2.5, zorder=0, label="readout of training" if not k else None)
        unit = "" if percent == 1 else " (%)"
        axis.set(xlabel="readout time (steps)", ylabel=f"{TASKS[main.task].error_name}{unit}")
        axis.set_ylim(0, 1.1 * axis.get_ylim()[1])  # room for a word above the line of chance
        axis.annotate(
            "chance",
            (0.995, percent * main.chance),
            xycoords=("axes fraction", "data"),
            xytext=(0, 1.5),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=6,
        )
        if any(found.untrained for found in sweeps.values()):
            axis.plot([], [], **_marks("0.3", open_=True), linestyle="", label="statistics not trained")
        _legend(figure, axis)
        _times(axis, main.times, step)
        write_figure(figure, stem)


def plot_speed_accuracy(
    stem: Path, found: Sweep, curves: Mapping[str, Sequence[Stopping]], combine: Combine, step: StepLength | None
) -> None:
    """Plot accuracy by mean reaction time: stopping rules, and readouts at a fixed time.

    Args:
        stem: path without suffix.
        curves: by the name of their rule.
        combine: what the rules see.
        step: for an axis in milliseconds; None leaves it out.
    """
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        figure, axis = _panel()
        points = found.points(combine)
        fixed = {"color": "0.55", "linewidth": 0.8, "marker": "o", "markersize": 2}
        axis.plot(
            [point.t for point in points], [100 * point.accuracy for point in points], label="fixed time", **fixed
        )
        for rule, curve in curves.items():
            label, colour, line = RULES[rule]
            x, y = [each.mean_time for each in curve], [100 * each.accuracy for each in curve]
            marker = "D" if len(curve) == 1 else "."
            axis.plot(x, y, color=colour, linestyle=line, linewidth=1, marker=marker, markersize=4, label=label)
        axis.set(xlabel="mean reaction time (steps)", ylabel="accuracy (%)")
        _legend(figure, axis)
        _times(axis, found.times, step)
        write_figure(figure, stem)


def _curve(axis: Any, found: Sweep, combine: Combine, scale: float, colour: str, line: str, label: str) -> None:
    points = found.points(combine)
    axis.plot(
        [point.t for point in points],
        [scale * point.error for point in points],
        color=colour,
        linestyle=line,
        linewidth=1,
        label=label,
    )
    for open_ in (False, True):
        chosen = [point for point in points if (point.t in found.untrained) == open_]
        x, y = [point.t for point in chosen], [scale * point.error for point in chosen]
        axis.plot(x, y, linestyle="", **_marks(colour, open_))


def _marks(colour: str, open_: bool) -> dict[str, object]:
    face = "white" if open_ else colour
    return {"marker": "o", "markersize": 2.8, "color": colour, "markerfacecolor": face, "markeredgewidth": 0.8}


def _panel() -> tuple[Any, Any]:
    figure = new_figure(COLUMN, HEIGHT)
    return figure, figure.subplots()


def _legend(figure: Any, axis: Any) -> None:
    """A legend above the panel, where it covers no curve."""
    columns = 2
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper left", ncols=columns, frameon=False, fontsize=6)


def _times(axis: Any, times: Sequence[int], step: StepLength | None) -> None:
    """Whole steps below; above, the same ticks in milliseconds."""
    every = -(-(times[-1] - times[0]) // (MOST_TICKS - 1)) or 1
    ticks = [t for t in range(times[0], times[-1] + 1) if (t - times[0]) % every == 0]
    low, high = axis.get_xlim()
    axis.set_xticks(ticks)
    axis.set_xlim(min(low, times[0] - 0.3), max(high, times[-1] + 0.3))
    if step is not None:
        above = axis.secondary_xaxis("top")
        above.set_xticks(ticks, [step.text(t) for t in ticks])
        above.tick_params(labelsize=6)
        above.set_xlabel("biological time (ms)")
