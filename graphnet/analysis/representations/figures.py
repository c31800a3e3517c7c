"""Figures of representations over time: SVG, PDF and PNG, the same bytes each time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphnet.analysis.figure_files import COLOURS, COLUMN, MARKS, PAGE, STYLE, new_figure, write_figure
from graphnet.analysis.representations.rdm import SYMBOLS, Array, NoiseCeiling, square
from graphnet.analysis.representations.responses import Key

MOST_TIMES, MOST_NAMES, MOST_LABELS, MOST_LETTERS = 10, 24, 12, 34
"""Columns of small multiples; names along a matrix; labels of a time axis; letters of an axis label before it wraps."""
DODGE = 0.06
"""Time steps between error bars at the same time."""


@dataclass(frozen=True, eq=False)
class Line:
    """Values of a state over time, with the ends of their error bars."""

    name: str
    times: Sequence[int]
    values: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


def lines_of(values: Mapping[Key, tuple[float, float]]) -> list[Line]:
    """Make a line for each state from values and their standard errors; NaN where there is no error."""
    states = list(dict.fromkeys(state for state, _ in values))
    lines = []
    for state in states:
        found = sorted((t, *pair) for (own, t), pair in values.items() if own == state)
        times, means, errors = (np.array(column) for column in zip(*found, strict=True))
        bars = np.isfinite(errors).all()
        low, high = ((means - errors).tolist(), (means + errors).tolist()) if bars else (None, None)
        lines.append(Line(state, times.tolist(), means.tolist(), low, high))
    return lines


@contextmanager
def _figure(folder: Path, name: str, width: float, height: float) -> Iterator[Any]:
    """Yield a figure, its size in millimetres; then write it as `name.svg`, `.pdf` and `.png` into the folder."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        figure = new_figure(width, height, "compressed")
        yield figure
        write_figure(figure, folder / name)


def plot_rdms(folder: Path, rdms: Mapping[Key, Array], order: NDArray[np.int64], what: str) -> None:
    """Plot matrices as small multiples, `rdms.svg` and so on: a row for each state, a column for each time.

    Entries are shown as percentiles within their matrix, as in Nili et al. 2014. If there are more than 10 times, 10 of
    them are shown.

    Args:
        order: the order in which to show the conditions, `[N]`.
        what: what the conditions are, for the axis.
    """
    from scipy.stats import rankdata  # type: ignore[import-untyped]

    states = list(dict.fromkeys(state for state, _ in rdms))
    times = thinned(sorted({t for _, t in rdms}), MOST_TIMES)
    cell = min((PAGE - 20) / len(times), 30)
    width = max(COLUMN, cell * len(times) + 20)
    with _figure(folder, "rdms", width, cell * len(states) + 11) as figure:
        axes = figure.subplots(len(states), len(times), squeeze=False)
        image = None
        for row, state in enumerate(states):
            for column, t in enumerate(times):
                axis = axes[row][column]
                axis.set(xticks=[], yticks=[])
                if row == 0:
                    axis.set_title(f"t = {t}", fontsize=7)
                if column == 0:
                    axis.set_ylabel(state)
                if (state, t) not in rdms:
                    axis.set_axis_off() if column else axis.spines[:].set_visible(False)
                    continue
                axis.spines[:].set_visible(True)
                rdm = rdms[state, t]
                ranks = square((rankdata(rdm) - 0.5) * 100 / len(rdm))[np.ix_(order, order)]
                image = axis.imshow(ranks, cmap="viridis", vmin=0, vmax=100, interpolation="nearest")
        figure.supxlabel(what, fontsize=6)
        bar = figure.colorbar(image, ax=axes, fraction=0.05, aspect=15 * len(states), pad=0.01)
        bar.set_label("percentile of dissimilarity")


def plot_comparison(folder: Path, keys: Sequence[Key], found: Array, comparison: str) -> None:
    """Plot the correlations between the matrices of all states and times, `[M, M]`, as `comparison.svg` and so on."""
    with _figure(folder, "comparison", COLUMN, COLUMN * 0.86) as figure:
        axis = figure.subplots()
        low = min(0.0, float(np.nanmin(found)))
        image = axis.imshow(found, cmap="viridis", vmin=low, vmax=1, interpolation="nearest")
        groups: dict[str, list[int]] = {}
        for place, (state, _) in enumerate(keys):
            groups.setdefault(state, []).append(place)
        if len(keys) <= MOST_NAMES:
            names = [f"{state}@{t}" for state, t in keys]
            axis.set_xticks(range(len(keys)), names, rotation=90)
            axis.set_yticks(range(len(keys)), names)
        else:
            middles = [float(np.mean(places)) for places in groups.values()]
            axis.set_xticks(middles, list(groups), rotation=90)
            axis.set_yticks(middles, list(groups))
            axis.set(xlabel="state, in order of time")
        axis.tick_params(length=1.5)
        axis.spines[:].set_visible(False)
        for places in list(groups.values())[1:]:
            axis.axhline(places[0] - 0.5, color="white", linewidth=0.8)
            axis.axvline(places[0] - 0.5, color="white", linewidth=0.8)
        figure.colorbar(image, ax=axis, fraction=0.05, pad=0.02).set_label(f"{SYMBOLS[comparison]} of RDMs")


def plot_over_time(
    folder: Path,
    name: str,
    lines: Sequence[Line],
    quantity: str,
    *,
    legend: str = "state",
    milliseconds: bool = True,
    chance: float | None = None,
    ceiling: NoiseCeiling | None = None,
) -> None:
    """Plot values over time, a line for each state, as `name.svg` and so on.

    Args:
        quantity: label of the vertical axis.
        legend: title of the legend.
        milliseconds: whether a step is 20 to 50 ms of biological time, for the label of the time axis.
        chance: drawn as a dotted line if the values are near it.
        ceiling: drawn as a grey band.
    """
    with _figure(folder, name, COLUMN, COLUMN * 0.7) as figure:
        axis = figure.subplots()
        if ceiling is not None:
            axis.axhspan(*ceiling, color="0.85", linewidth=0, label="noise ceiling")
        for number, line in enumerate(lines):
            style: Any = {"color": COLOURS[number % 6], "marker": MARKS[number % 6], "markersize": 3, "linewidth": 1}
            style["linestyle"] = "-" if number < 6 else "--"
            has_bars = line.low is not None and line.high is not None
            times = np.array(line.times) + has_bars * DODGE * (number - (len(lines) - 1) / 2)
            axis.plot(times, line.values, label=fill(line.name, MOST_LETTERS // 2), **style)
            if has_bars:
                axis.vlines(times, line.low, line.high, color=style["color"], linewidth=0.8)
        if chance is not None:
            _chance(axis, chance, [value for line in lines for value in line.values])
        steps = sorted({t for line in lines for t in line.times})
        axis.set_xticks(thinned(steps, MOST_LABELS))
        axis.set_xlabel("time step t (20t to 50t ms)" if milliseconds else "time step t")
        axis.set_ylabel(fill(quantity, MOST_LETTERS))
        figure.legend(title=legend, frameon=False, loc="outside right upper", title_fontsize=6)


def _chance(axis: Any, chance: float, values: Sequence[float]) -> None:
    """Draw chance as a line; if it is so far below the values that they would look equal, name it in the legend."""
    style: Any = {"color": "0.4", "linestyle": ":", "linewidth": 0.8}
    if min(values) - chance <= max(max(values) - min(values), 0.05):
        axis.axhline(chance, label="chance", **style)
    else:
        axis.plot([], [], label=f"chance {chance:.2g},\nbelow", **style)


def thinned(times: Sequence[int], most: int) -> list[int]:
    """At most so many of the times, evenly spaced, with the first and the last."""
    if len(times) <= most:
        return list(times)
    return [times[round(k * (len(times) - 1) / (most - 1))] for k in range(most)]
