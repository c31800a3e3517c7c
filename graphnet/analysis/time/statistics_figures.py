"""Figures of normalisation statistics over time, after Liao & Poggio 2016, Figure 5 B."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphnet.analysis.figure_files import COLUMN, PAGE, STYLE, new_figure, write_figure
from graphnet.analysis.time.decay import Fit, best
from graphnet.analysis.time.norm_statistics import NormStatistics

COLUMNS = 4
PANEL = 38
"""Height of a row of panels in millimetres."""
CHANNEL, MEDIAN, FITTED = "#56b4e9", "#000000", "#d55e00"
"""Of Okabe and Ito's colour-blind-safe palette."""
DASHES = (0, (3, 1.5))

Fits = Mapping[str, Fit | str]


def plot_gains(
    stem: Path, norms: Sequence[NormStatistics], fits: Mapping[str, Fits], *, clock: bool
) -> tuple[Path, ...]:
    """Plot the gain of norms over time, a panel each: thin lines are channels, the thick one their median.

    Args:
        stem: path of the figure without its suffix; written as SVG, PDF and PNG.
        norms: those that vary over time.
        fits: layer → fits of the median; the best is drawn.
        clock: whether a step is 20 to 50 ms of biological time (Liao & Poggio 2016, section 3).

    Raises OSError.
    """
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        columns = min(COLUMNS, len(norms))
        rows = math.ceil(len(norms) / columns)
        figure = new_figure(COLUMN if columns < 3 else PAGE, PANEL * rows + 14)
        panels = figure.subplots(rows, columns, squeeze=False)
        times = [t for norm in norms for t in norm.times]
        for number, axes in enumerate(panels.flat):
            if number >= len(norms):
                axes.remove()
                continue
            _panel(axes, norms[number], best(fits[norms[number].layer]))
            axes.set_xlim(min(times) - 0.4, max(times) + 0.4)
            axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True, nbins=6))
        figure.legend(*_key(), loc="outside upper center", ncols=3)
        figure.supxlabel("time step (20 to 50 ms each)" if clock else "time step", fontsize=7)
        figure.supylabel("gain 1/σ", fontsize=7)
        return write_figure(figure, stem)


def _panel(axes: Any, norm: NormStatistics, fit: Fit | None) -> None:
    channels = norm.gain.shape[1]
    axes.plot(norm.times, norm.gain, color=CHANNEL, linewidth=0.4, alpha=max(0.25, min(0.8, 12 / channels)))
    axes.plot(norm.times, norm.median_gain, color=MEDIAN, linewidth=1.6, marker="o", markersize=2.5)
    axes.set_title(title(norm.layer))
    axes.set_ylim(0, 1.2 * float(norm.gain.max()))  # room for the formula above the lines
    if fit is not None:
        times = np.linspace(norm.times[0], norm.times[-1], 200)
        axes.plot(times, fit(times), color=FITTED, linewidth=1, linestyle=DASHES)
        axes.text(1, 1, short(fit), transform=axes.transAxes, ha="right", va="top", color=FITTED)


def _key() -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=CHANNEL, linewidth=0.8),
        Line2D([], [], color=MEDIAN, linewidth=1.6, marker="o", markersize=2.5),
        Line2D([], [], color=FITTED, linewidth=1, linestyle=DASHES),
    ]
    return lines, ["channel", "median", "fit; n counts steps after the first time"]


def title(layer: str) -> str:
    """A layer's name for a title: `h1.from_h2.norm1` is `h2 → h1, norm1`."""
    target, _, rest = layer.partition(".from_")
    source, _, norm = rest.partition(".")
    return f"{source} → {target}, {norm}" if rest else layer.replace(".", ", ", 1)


def short(fit: Fit) -> str:
    """The fit's formula with its rounded parameters, for a panel; n counts steps from the first time."""
    a, b = fit.parameters["a"], list(fit.parameters.values())[1]
    if fit.model == "power law":
        text = f"{a:.2g}·(n+1)^{b:.2f}"
    else:
        c = fit.parameters["c"]
        text = f"{a:.2g}·exp(-n/{b:.2g}) {'-' if c < 0 else '+'} {abs(c):.2g}"
    return text.replace("-", "−")
