"""What all pictures of a net say in the same words: title, names of states, shapes; and the sizes of their text."""

from __future__ import annotations

from collections.abc import Iterator

from graphnet.network.functions.ops import Shape
from graphnet.network.network import LOGITS
from graphnet.pictures.elements import PALE, Label, label, wrapped
from graphnet.planning.plan import Plan

MARGIN = 8.0
TITLE, TEXT, SMALL, TINY = 13.0, 11.0, 9.5, 8.0
"""Sizes of text: the net's name; names of states; shapes, functions and letters; what is too long otherwise."""


def heading(plan: Plan, width: float) -> Iterator[Label]:
    """The net's name and whom it is from, at the upper left, wrapped to the width."""
    y = MARGIN
    for text in wrapped(plan.name, TITLE, width, bold=True) or ["net"]:
        yield label(text, TITLE, MARGIN, y + 0.6 * TITLE, bold=True)
        y += 1.25 * TITLE
    for text in wrapped(plan.cite, SMALL, width):
        yield label(text, SMALL, MARGIN, y + 0.6 * SMALL, colour=PALE)
        y += 1.25 * SMALL


def row_names(plan: Plan) -> dict[str, str]:
    """What the states are called in pictures: their labels."""
    return {area.name: area.label for area in plan.areas} | {LOGITS: LOGITS}


def shape_text(shape: Shape) -> str:
    """As in `64×32×32`."""
    return "×".join(map(str, shape))


def times_text(times: list[int]) -> str:
    """Whole numbers in ascending order, as in `1–4, 7`."""
    runs: list[list[int]] = []
    for t in times:
        if runs and t == runs[-1][1] + 1:
            runs[-1][1] = t
        else:
            runs.append([t, t])
    return ", ".join(str(a) if a == b else f"{a}, {b}" if b == a + 1 else f"{a}–{b}" for a, b in runs)


def unbroken(text: str) -> str:
    """The text of a transition, not to be broken within `at t = 3` and `delay 2`."""
    return text.replace("at t = ", "at\u00a0t\u00a0=\u00a0").replace("delay ", "delay\u00a0")
