"""Figures of experiments at the width of a column: means with 95 % intervals, and each seed as a thin line or a dot."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np

from graphnet.analysis.figure_files import COLOURS, COLUMN, MARKS, STYLE, new_figure, write_figure
from graphnet.experiments.results import Results
from graphnet.experiments.shown.curves import Chart, Curve, chart, spaced
from graphnet.experiments.shown.figure_labels import GREY, cut, name_levels, wrapped
from graphnet.spec.experiment.model import Experiment

DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1.2, 1, 1.2)))
"""Line styles of the expressions of y, in order. Where colours tell lines apart, only marks of the first are filled."""
LONGEST_LABEL = {"x": 46, "y": 26}
"""Of a line of an axis label, in characters."""
MOST_TICKS = 9
MOST_LINES = len(COLOURS)
"""More lines, such as those of channels, are a scale of colours, without seeds and intervals."""
MOST_POINTS = 12
"""Of a curve whose marks and intervals are large."""
LOGARITHMIC = 30
"""Ratio of the largest to the smallest x from which the axis is logarithmic."""


def write_figures(folder: Path, experiment: Experiment, results: Results) -> tuple[Path, ...]:
    """Write each figure as `NAME.svg`, `.pdf` and `.png` into a folder.

    Raises:
        EffectError: the results do not hold what a figure needs.
        OSError: a file cannot be written.
    """
    paths: list[Path] = []
    for each in experiment.figure:
        found = chart(each, experiment, results)
        with style():
            paths += write_figure(drawn(found), folder / each.name)
    return tuple(paths)


def figure_svg(found: Chart) -> str:
    """Return a figure as SVG text, the same bytes each time."""
    out = io.StringIO()
    with style():
        drawn(found).savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    return out.getvalue()


@contextmanager
def style() -> Iterator[None]:
    """Draw text literally: `$` begins no formula, and letters that the font lacks become boxes."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE | {"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def drawn(found: Chart) -> Any:
    """Return a matplotlib figure; call it inside `style`."""
    columns = min(len(found.panels), 2)
    rows = -(-len(found.panels) // columns)
    keys = _keys(found)
    height = (52 if rows == 1 else 40 * rows) + 3.2 * _legend_rows(keys) + (4 if found.title else 0)
    figure = new_figure(COLUMN, height)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axis in axes.flat[len(found.panels) :]:
        axis.set_axis_off()
    for place, (title, curves) in enumerate(found.panels.items()):
        axis = axes.flat[place]
        for curve in curves:
            _draw(axis, curve, found)
        if title:
            axis.set_title(cut(title))
        for level in found.levels:
            axis.axhline(level.value, color=GREY, linewidth=0.7, linestyle=(0, (5, 2)), zorder=1)
        if place + columns >= len(found.panels):
            axis.set_xlabel(wrapped(found.x_label, LONGEST_LABEL["x"] // columns))
            axis.tick_params(labelbottom=True)
        _x_axis(axis, found, columns)
    _y_label(figure, axes, found)
    title = wrapped(found.title, 60)
    if keys:
        above: dict[str, Any] = {"loc": "outside upper left", "ncols": _columns(keys), "borderpad": 0}
        figure.legend(*_handles(keys), title=title or None, title_fontsize=7, alignment="left", fontsize=6, **above)
    elif title:
        figure.suptitle(title, fontsize=7)
    if found.levels:
        name_levels(figure, axes[0][columns - 1], found.levels)
    return figure


# ---- curves


def _draw(axis: Any, curve: Curve, found: Chart) -> None:
    colour, mark = _look(curve.line, curve.y, found)
    x = _dodged(curve, found)
    joined = not found.categories and len(x) > 1
    dash = DASHES[curve.y % len(DASHES)]
    if len(found.lines) > MOST_LINES:
        look = {"linewidth": 0.6} if joined else {"linestyle": "", "marker": ".", "markersize": 3}
        axis.plot(x, curve.mean, color=colour, **look)
        return
    if joined:
        axis.plot(x, curve.seeds, color=colour, linewidth=0.4, alpha=0.4, linestyle=dash, zorder=2)
    else:
        spread = np.linspace(-1, 1, curve.seeds.shape[1]) * 0.35 * _gap(found) if curve.seeds.shape[1] > 1 else 0
        axis.plot(x[:, None] + spread, curve.seeds, color=colour, alpha=0.45, zorder=2, **_dots())
    few = len(x) <= MOST_POINTS
    line = {"color": colour, "linestyle": dash, "linewidth": 1.1 if joined else 0}
    face = "white" if found.line and curve.y else colour
    marks = {"marker": mark, "markersize": 2.5 if few else 1.5, "markerfacecolor": face, "markeredgewidth": 0.8}
    bars = {"elinewidth": 0.8, "capsize": 1.5 if few else 0}
    axis.errorbar(x, curve.mean, np.nan_to_num(curve.half_width), zorder=3, **line, **marks, **bars)


def _dots() -> dict[str, Any]:
    return {"linestyle": "", "marker": "o", "markersize": 1.6, "markeredgewidth": 0}


def _look(line: int, y: int, found: Chart) -> tuple[str, str]:
    """Colour and mark: by the factor of lines, or else by expression."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    number = line if found.line else y
    if len(found.lines) > MOST_LINES:
        return to_hex(colormaps["viridis"](0.9 * line / (len(found.lines) - 1))), ""
    return COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]


def _dodged(curve: Curve, found: Chart) -> Any:
    """Move the curves of a panel apart, so that intervals at one x do not cover each other."""
    many = max(len(found.lines), 1) * len(found.y)
    if len(found.lines) > MOST_LINES:
        return curve.x
    shift = (curve.line * len(found.y) + curve.y - (many - 1) / 2) * _gap(found)
    if _is_logarithmic(found):
        return curve.x * (1 + shift)
    return curve.x + shift


def _gap(found: Chart) -> float:
    """The distance between curves at one x, in the unit of x."""
    many = max(len(found.lines), 1) * len(found.y)
    if found.categories:
        return min(0.6 / many, 0.22)
    if _is_logarithmic(found):
        return 0.02
    x = np.concatenate([curve.x for curves in found.panels.values() for curve in curves])
    spread = float(np.nanmax(x) - np.nanmin(x))
    return 0.008 * (spread or 1.0)


# ---- axes


def _is_logarithmic(found: Chart) -> bool:
    x = np.concatenate([curve.x for curves in found.panels.values() for curve in curves])
    x = x[np.isfinite(x)]
    return not found.categories and bool(x.min() > 0 and x.max() / x.min() >= LOGARITHMIC)


def _x_axis(axis: Any, found: Chart, columns: int) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator, NullFormatter

    if found.categories:
        _name_categories(axis, found.categories, (36 if found.levels else 46) // columns)
        return
    if _is_logarithmic(found):
        axis.set_xscale("log")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    elif not found.ticks:
        axis.xaxis.set_major_locator(MaxNLocator(6 // columns))
        if max(axis.get_xlim()) >= 1e4:
            axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    if found.ticks:
        ticks = _thinned(sorted(found.ticks), MOST_TICKS // columns + 1)
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()


def _name_categories(axis: Any, labels: Sequence[str], letters: int) -> None:
    """Write names below an axis as wide as so many letters: in lines if each fits its place, or else turned."""
    room = max(letters // len(labels), 1)
    names = [cut(label) for label in labels]
    fits = all(len(word) <= room for name in names for word in name.split())
    if fits:
        axis.set_xticks(range(len(names)), ["\n".join(wrap(name, room)) or name for name in names])
    else:
        names = [cut(label, 20) for label in labels]
        axis.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
    axis.set_xlim(-0.6, len(names) - 0.4)


def _thinned(ticks: Sequence[float], most: int) -> Sequence[float]:
    """Every second, third … tick, so that there are at most so many."""
    return ticks[:: -(-len(ticks) // most)]


def _y_label(figure: Any, axes: Any, found: Chart) -> None:
    text = wrapped(found.y_label, LONGEST_LABEL["y"])
    if axes.shape[0] > 1:
        figure.supylabel(text, fontsize=7)
    else:
        axes[0][0].set_ylabel(text)


# ---- names of curves and levels

Key = tuple[str, dict[str, Any]]
"""A name in the legend, and the style of its line."""


def _keys(found: Chart) -> list[Key]:
    keys: list[Key] = []
    for number in _named_lines(found):
        label = found.lines[number]
        colour, mark = _look(number, 0, found)
        style = {"color": colour, "marker": mark, "linestyle": "" if found.categories else "-"}
        keys.append((f"{found.line} = {label}", style))
    for number, text in enumerate(found.y if len(found.y) > 1 else ()):
        colour, mark = (GREY, "o") if found.line else _look(0, number, found)
        face = "white" if found.line and number else colour
        dash = "" if found.categories else DASHES[number % len(DASHES)]
        keys.append((spaced(text), {"color": colour, "marker": mark, "markerfacecolor": face, "linestyle": dash}))
    return keys


def _named_lines(found: Chart) -> Sequence[int]:
    """All lines; of many, the first, the middle and the last."""
    many = len(found.lines)
    return (0, many // 2, many - 1) if many > MOST_LINES else range(many)


def _handles(keys: Sequence[Key]) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], linewidth=1.1, markersize=3, markeredgewidth=0.8, **style) for _, style in keys]
    return lines, [cut(name) for name, _ in keys]


def _columns(keys: Sequence[Key]) -> int:
    """As many columns as fit beside each other."""
    longest = max((len(cut(name)) for name, _ in keys), default=1)
    return max(1, min(len(keys), 66 // (longest + 7)))


def _legend_rows(keys: Sequence[Key]) -> int:
    return -(-len(keys) // _columns(keys)) if keys else 0
