"""Labels of figures: names that fit, and names of horizontal lines that do not cover each other."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from graphnet.errors import clean
from graphnet.experiments.shown.curves import Level

GREY = "0.35"
"""Of published numbers and their names."""
LONGEST_NAME = 26
"""Of a name in a legend, in characters."""


def name_levels(figure: Any, axis: Any, levels: Sequence[Level]) -> None:
    """Name published numbers on the right of a panel, moved apart where they are close."""
    figure.draw_without_rendering()
    size = 5.5
    gap = 1.2 * size / 72 / (axis.get_position().height * figure.get_figheight())
    low, high = axis.get_ylim()
    ordered = sorted(levels, key=lambda level: level.value)
    wanted = [(level.value - low) / (high - low) for level in ordered]
    for level, start, place in zip(ordered, wanted, apart(wanted, gap), strict=True):
        leader = {"transform": axis.transAxes, "clip_on": False, "color": GREY, "linewidth": 0.4}
        axis.plot([1, 1.03, 1.04], [start, place, place], **leader)
        axis.annotate(
            f"{cut(level.label, 18)} {level.value:.4g}", (1.05, place), xycoords="axes fraction", fontsize=size,
            va="center", ha="left", color=GREY, annotation_clip=False,
        )  # fmt: skip


def apart(places: Sequence[float], gap: float) -> list[float]:
    """Move ascending places apart to at least `gap`, as little as can be, each group about its own middle."""
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1 and _first(groups[-1], gap) - _last(groups[-2], gap) < gap:
            groups[-2:] = [[*groups[-2], *groups[-1]]]
    return [_first(group, gap) + k * gap for group in groups for k in range(len(group))]


def _first(group: Sequence[float], gap: float) -> float:
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def _last(group: Sequence[float], gap: float) -> float:
    return _first(group, gap) + gap * (len(group) - 1)


def cut(text: str, most: int = LONGEST_NAME) -> str:
    """A name in one line; matplotlib would leave out one that begins with `_`."""
    text = clean(text)
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    return f" {text}" if text.startswith("_") else text


def wrapped(text: str, most: int) -> str:
    return "\n".join(wrap(clean(text), most, max_lines=3, placeholder=" …"))
