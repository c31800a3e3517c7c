"""Figures of analyses: one style, sizes of a page in millimetres, and files with the same bytes each time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphnet.atomic_files import replacing

COLUMN, PAGE = 84, 174
"""Widths in millimetres: one column, and two."""
FORMATS = ("svg", "pdf", "png")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's colour-blind-safe palette."""
MARKS = "osD^vP"
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 6,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "graphnet",
    "pdf.fonttype": 42,
}
"""Settings of matplotlib; use them in `matplotlib.rc_context`, for drawing and for writing."""


def new_figure(width: float, height: float, layout: str = "constrained") -> Any:
    """Return an empty matplotlib figure; width and height in millimetres."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 25.4, height / 25.4), layout=layout)  # type: ignore[arg-type]


def write_figure(figure: Any, stem: Path) -> tuple[Path, ...]:
    """Write `stem.svg`, `.pdf` and `.png` (300 dots per inch). Raises OSError."""
    paths = tuple(stem.with_name(f"{stem.name}.{kind}") for kind in FORMATS)
    for path in paths:
        write_figure_as(figure, path)
    return paths


def write_figure_as(figure: Any, path: Path) -> None:
    """Write one file in the format of its ending, one of `FORMATS`. Raises OSError."""
    kind = path.suffix.removeprefix(".")
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": None}
    with replacing(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=300, metadata=dates[kind])
