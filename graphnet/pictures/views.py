"""The views of a net: unrolled, recurrent, matrix, plan."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from graphnet.pictures.captions import without_heading
from graphnet.pictures.elements import LEAST_DPI, MOST_DPI, Picture, PictureWarning
from graphnet.pictures.recurrent.picture import layout as draw_recurrent
from graphnet.pictures.styles import STYLES, in_style
from graphnet.pictures.tables.matrix import layout as draw_matrix
from graphnet.pictures.tables.plan import layout as draw_plan
from graphnet.pictures.unrolled.picture import layout as draw_unrolled
from graphnet.pictures.unrolled.values import Colouring, coloured
from graphnet.planning.plan import Plan

View = Literal["unrolled", "recurrent", "matrix", "plan"]
Style = Literal["light", "dark"]

MILLIMETRE = 96 / 25.4
"""One millimetre in the units of pictures."""


@dataclass(frozen=True)
class PictureOptions:
    """Options of a picture.

    Attributes:
        view: `unrolled` in time; `recurrent`, the graph without time; `matrix`, the transitions and their times;
            `plan`, what each distinct step computes and costs.
        style: `light` or `dark`.
        dead: in the unrolled view, also draw what never runs, in grey.
        width: page width in millimetres, at which text has at least 6 points. Wider pictures are broken into lines; the
            recurrent view warns instead. Two columns of a journal are about 174, one is 84; 0 breaks nothing.
        elide: in the unrolled view, leave out the middle of long runs of equal steps.
        dpi: pixels per inch of PNG and GIF; None is 300 for PNG (print) and 120 for GIF (screens).
        title: whether to show the net's name and source above the picture.
        colouring: in the unrolled view, values by which boxes are coloured.

    Raises ValueError for an unknown view or style, for pixels per inch out of range, or for values in another view.
    """

    view: str = "unrolled"
    style: str = "light"
    dead: bool = False
    width: float = 174.0
    elide: bool = False
    dpi: float | None = None
    title: bool = True
    colouring: Colouring = field(default_factory=Colouring)

    def __post_init__(self) -> None:
        if self.dpi is not None and not LEAST_DPI <= self.dpi <= MOST_DPI:
            raise ValueError(f"{self.dpi:g} pixels per inch: choose {LEAST_DPI} to {MOST_DPI}")
        for name, known in ((self.view, VIEWS), (self.style, STYLES)):
            if name not in known:
                raise ValueError(f"'{name}': choose one of {', '.join(known)}")
        if self.colouring.values and self.view != "unrolled":
            raise ValueError(f"values colour the unrolled view, not the {self.view} view")

    @property
    def room(self) -> float:
        """The width in the units of pictures."""
        return self.width * MILLIMETRE or math.inf


VIEWS: Mapping[str, Callable[[Plan, PictureOptions], Picture]] = {
    "unrolled": lambda plan, options: draw_unrolled(plan, options.dead, options.room, options.elide),
    "recurrent": lambda plan, options: draw_recurrent(plan),
    "matrix": lambda plan, options: draw_matrix(plan, options.room),
    "plan": lambda plan, options: draw_plan(plan, options.room),
}
"""The function that draws each view."""

assert tuple(VIEWS) == get_args(View)


def picture(plan: Plan, options: PictureOptions) -> Picture:
    """Draw a plan. If its text would be too small on the page, the picture is wider, with a PictureWarning.

    Raises ValueError if a state that has a value to be coloured by is not drawn at that time.
    """
    drawn = coloured(VIEWS[options.view](plan, options), plan, options.colouring)
    if drawn.width > options.room + 0.01:
        wide = f"{math.ceil(drawn.width / MILLIMETRE)} mm wide, not {options.width:g}"
        text = f"the {options.view} view is {wide}: scaled to that, its text may be under 6 points"
        warnings.warn(text, PictureWarning, stacklevel=2)
    return in_style(drawn if options.title else without_heading(drawn), options.style)


@dataclass(frozen=True)
class Rendering:
    """A net to draw; its layout is computed once, on first access to `picture`."""

    plan: Plan
    options: PictureOptions = field(default_factory=PictureOptions)

    @cached_property
    def picture(self) -> Picture:
        return picture(self.plan, self.options)
