"""The views of a net: what a picture shows of its plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, get_args

from graphnet.backends import matrices, panels, recurrent, unrolled
from graphnet.backends.picture import Picture
from graphnet.backends.styles import STYLES, in_style
from graphnet.ir.plan import Plan

View = Literal["unrolled", "recurrent", "matrix", "plan"]
Style = Literal["light", "dark"]

VIEWS: Mapping[str, Callable[[Plan, bool], Picture]] = {
    "unrolled": unrolled.layout,
    "recurrent": lambda plan, dead: recurrent.layout(plan),
    "matrix": lambda plan, dead: matrices.layout(plan),
    "plan": lambda plan, dead: panels.layout(plan),
}
"""What draws each view; the unrolled one also the arrows that never run, where that is asked for."""

assert tuple(VIEWS) == get_args(View)


def picture(plan: Plan, view: str = "unrolled", style: str = "light", dead: bool = False) -> Picture:
    """The picture of a plan. Raises ValueError where there is no such view or style."""
    for name, known in ((view, VIEWS), (style, STYLES)):
        if name not in known:
            raise ValueError(f"'{name}': there are {', '.join(known)}")
    return in_style(VIEWS[view](plan, dead), style)
