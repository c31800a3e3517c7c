"""Picture formats, by file suffix."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from graphnet.pictures.animation import frames
from graphnet.pictures.elements import DPI, GIF_DPI, Picture
from graphnet.pictures.recurrent.picture import draw_recurrent
from graphnet.pictures.styles import in_style
from graphnet.pictures.unrolled.dot_text import draw_unrolled_dot
from graphnet.pictures.views import VIEWS, Rendering, picture
from graphnet.pictures.write.svg import to_svg


class NoFormatError(ValueError):
    """Raised when a view has no such format; the text lists its formats."""


class Format(NamedTuple):
    """The function that renders a file's bytes, and the views it supports."""

    made: Callable[[Rendering], bytes]
    views: tuple[str, ...] = tuple(VIEWS)


MOST_FRAMES = 200
"""Most frames of an animation; more would take minutes."""


def _svg(wanted: Rendering) -> bytes:
    return to_svg(wanted.picture).encode()


def _png(wanted: Rendering) -> bytes:
    from graphnet.pictures.write.matplotlib import png

    return png(wanted.picture, wanted.options.dpi or DPI)


def _pdf(wanted: Rendering) -> bytes:
    from graphnet.pictures.write.matplotlib import pdf

    return pdf(wanted.picture)


def _gif(wanted: Rendering) -> bytes:
    from graphnet.pictures.write.matplotlib import gif

    return gif(list(_frames(wanted)), wanted.options.dpi or GIF_DPI)


def _html(wanted: Rendering) -> bytes:
    from graphnet.pictures.page.content import content_of
    from graphnet.pictures.page.document import page

    options = wanted.options
    content = content_of(wanted.plan, first=options.view, dead=options.dead, title=options.title)
    return page(content, style="" if options.style == "light" else options.style).encode()


def _dot(wanted: Rendering) -> bytes:
    draw = draw_recurrent if wanted.options.view == "recurrent" else draw_unrolled_dot
    return draw(wanted.plan, wanted.options.title).encode()


GRAPHS = ("unrolled", "recurrent")
"""The views that are graphs and can be animated."""

FORMATS: Mapping[str, Format] = {
    ".svg": Format(_svg),
    ".png": Format(_png),
    ".pdf": Format(_pdf),
    ".gif": Format(_gif, GRAPHS),
    ".html": Format(_html),
    ".dot": Format(_dot, GRAPHS),
    ".gv": Format(_dot, GRAPHS),
}


def drawn(path: str | os.PathLike[str], wanted: Rendering) -> bytes:
    """Render a net in the format of the path's suffix. Raises NoFormatError."""
    suffix = Path(path).suffix.lower()
    made, views = FORMATS.get(suffix, Format(_svg, ()))
    if wanted.options.view not in views:
        known = ", ".join(name for name, each in FORMATS.items() if wanted.options.view in each.views)
        if wanted.options.view in GRAPHS:
            known += ", or a folder, for a PNG of each step"
        what = f"the {wanted.options.view} view cannot be drawn as" if views else "no picture format is called"
        raise NoFormatError(f"{what} '{suffix}'\n  the {wanted.options.view} view: {known}")
    return made(wanted)


def stills(wanted: Rendering) -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes of PNG files that animate activity, one per time step. Raises NoFormatError."""
    from graphnet.pictures.write.matplotlib import png

    if wanted.options.view not in GRAPHS:
        raise NoFormatError(f"only the views {' and '.join(GRAPHS)} can be animated, not '{wanted.options.view}'")
    digits = len(str(wanted.plan.last_time))
    for t, still in enumerate(_frames(wanted)):
        yield f"t{t:0{digits}d}.png", png(still, wanted.options.dpi or DPI)


def _frames(wanted: Rendering) -> Iterator[Picture]:
    plan = wanted.plan
    if plan.last_time >= MOST_FRAMES:
        what = f"{plan.last_time + 1:,} time steps are too many to draw one by one: at most {MOST_FRAMES}"
        raise NoFormatError(f"{what}\n  read out earlier: --set readout.t=10")
    for each in frames(picture(plan, replace(wanted.options, style="light")), plan):
        yield in_style(each, wanted.options.style)
