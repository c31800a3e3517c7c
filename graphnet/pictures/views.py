"""The views of a net: what a picture shows of its plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, get_args

from graphnet.pictures.elements import Picture
from graphnet.pictures.recurrent.picture import layout as draw_recurrent
from graphnet.pictures.styles import STYLES, in_style
from graphnet.pictures.tables.matrix import layout as draw_matrix
from graphnet.pictures.tables.plan import layout as draw_plan
from graphnet.pictures.unrolled.picture import layout as draw_unrolled
from graphnet.planning.plan import Plan

View = Literal["unrolled", "recurrent", "matrix", "plan"]
Style = Literal["light", "dark"]

MILLIMETRE = 96 / 25.4
"""In the units of pictures."""


class Wish(NamedTuple):
    """How a view is to be drawn: no wider than `width` where it can be broken, and what the unrolled view shows."""

    width: float = math.inf
    dead: bool = False
    elide: bool = False


VIEWS: Mapping[str, Callable[[Plan, Wish], Picture]] = {
    "unrolled": lambda plan, wish: draw_unrolled(plan, wish.dead, wish.width, wish.elide),
    "recurrent": lambda plan, wish: draw_recurrent(plan),
    "matrix": lambda plan, wish: draw_matrix(plan, wish.width),
    "plan": lambda plan, wish: draw_plan(plan, wish.width),
}
"""What draws each view."""

assert tuple(VIEWS) == get_args(View)


def picture(
    plan: Plan,
    view: str = "unrolled",
    style: str = "light",
    dead: bool = False,
    width: float = 0.0,
    elide: bool = False,
) -> Picture:
    """The picture of a plan, no wider than so many millimetres where that can be; 0 is any width.

    Raises ValueError where there is no such view or style.
    """
    for name, known in ((view, VIEWS), (style, STYLES)):
        if name not in known:
            raise ValueError(f"'{name}': there are {', '.join(known)}")
    return in_style(VIEWS[view](plan, Wish(width * MILLIMETRE or math.inf, dead, elide)), style)
