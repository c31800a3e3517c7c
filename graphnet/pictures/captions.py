"""Texts shared by all pictures of a net (title, states, times) and their sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from graphnet.network.functions.ops import Shape
from graphnet.network.network import LOGITS
from graphnet.pictures.elements import PALE, Label, Picture, Point, label, wrapped
from graphnet.planning.plan import Plan
from graphnet.spec.notation.times import times_at

MARGIN = 8.0
TITLE, TEXT, SMALL, TINY = 13.0, 11.0, 9.5, 8.0
"""Text sizes: the net's name; names of states; shapes, functions and letters; texts that would not fit."""

MOST_LINES, MOST_LETTERS = 4, 60
"""Most lines of the net's name and source, most letters of a state's name; longer ones end in `…`."""


def heading(plan: Plan, width: float) -> Iterator[Label]:
    """The net's name and source at the upper left, wrapped to the width."""
    y = MARGIN
    for text in wrapped(plan.name, TITLE, width, bold=True, most=MOST_LINES) or ["net"]:
        yield label(text, TITLE, MARGIN, y + 0.6 * TITLE, bold=True, heads=True)
        y += 1.25 * TITLE
    for text in wrapped(plan.cite, SMALL, width, most=MOST_LINES):
        yield label(text, SMALL, MARGIN, y + 0.6 * SMALL, colour=PALE, heads=True)
        y += 1.25 * SMALL


def without_heading(picture: Picture) -> Picture:
    """Remove a picture's heading and move the rest up. The SVG keeps its title for screen readers."""
    labels = [each for each in picture.labels if not each.heads]
    tops = [each.box.y for each in labels] + [each.box.y for each in picture.nodes]
    tops += [y for curve in picture.curves for _, points in curve.path for _, y in points]
    by = min(tops, default=MARGIN) - MARGIN

    def up(points: tuple[Point, ...]) -> tuple[Point, ...]:
        return tuple((x, y - by) for x, y in points)

    return replace(
        picture,
        height=picture.height - by,
        curves=tuple(
            replace(each, path=tuple((code, up(points)) for code, points in each.path)) for each in picture.curves
        ),
        nodes=tuple(replace(each, box=each.box._replace(y=each.box.y - by)) for each in picture.nodes),
        labels=tuple(replace(each, box=each.box._replace(y=each.box.y - by)) for each in labels),
    )


def row_names(plan: Plan) -> dict[str, str]:
    """The names of states in pictures: their labels, shortened if long."""
    return {area.name: _cut(area.label) for area in plan.areas} | {LOGITS: LOGITS}


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"


def shape_text(shape: Shape) -> str:
    """Format a shape, as in `64×32×32`."""
    return "×".join(map(str, shape))


def times_text(times: Iterable[int]) -> str:
    """Format times as in a spec: `1..4, 7`."""
    return str(times_at(times))


def unbroken(text: str) -> str:
    """Keep `at t = 3` and `delay 2` on one line in the text of a transition."""
    for words in ("at t = ", "delay ", "gain ", "gain learned from ", "noise ", "lipschitz "):
        text = text.replace(words, words.replace(" ", "\u00a0"))
    return text
