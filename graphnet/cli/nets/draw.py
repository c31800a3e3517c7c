"""`graphnet draw`: a picture of the net."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import (
    Failure,
    Settings,
    SpecPath,
    Unlimited,
    folder_for,
    pictures_told,
    planned,
    written,
)
from graphnet.pictures.elements import LEAST_DPI, MOST_DPI


class View(StrEnum):
    """The views of a net."""

    UNROLLED = "unrolled"
    RECURRENT = "recurrent"
    MATRIX = "matrix"
    PLAN = "plan"


class Style(StrEnum):
    """The colour schemes."""

    LIGHT = "light"
    DARK = "dark"


NO_DOT = "no 'dot' on the PATH: laid out in a column; install Graphviz (graphviz.org/download) for a better layout"


def draw(
    spec: SpecPath,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The file to write; its suffix sets the format: .svg, .png, .pdf, or .html for an interactive page. "
            "The unrolled and recurrent views also have .dot, and .gif or a folder of PNG files to animate activity "
            "step by step.",
        ),
    ],
    settings: Settings = None,
    plugins: Plugins = None,
    unlimited: Unlimited = False,
    view: Annotated[
        View,
        typer.Option(
            help="What to draw: the net unrolled in time, its recurrent graph, its transition matrix, or its plan."
        ),
    ] = View.UNROLLED,
    style: Annotated[Style, typer.Option(help="Colours for a light or dark page.")] = Style.LIGHT,
    dead: Annotated[bool, typer.Option("--dead", help="Unrolled view: also draw what never runs, in grey.")] = False,
    width: Annotated[
        float,
        typer.Option(
            metavar="MM",
            min=0,
            help="Page width in millimetres; wider pictures are broken into lines. A journal column is about 84, "
            "two are 174; 0 breaks nothing.",
        ),
    ] = 174,
    elide: Annotated[
        bool, typer.Option("--elide", help="Unrolled view: leave out the middle of long runs of equal steps.")
    ] = False,
    dpi: Annotated[
        float | None,
        typer.Option(
            metavar="N", min=LEAST_DPI, max=MOST_DPI, help="Pixels per inch; by default 300 for PNG, 120 for GIF."
        ),
    ] = None,
    no_title: Annotated[
        bool, typer.Option("--no-title", help="Leave out the net's name and source; a caption can give them.")
    ] = False,
) -> None:
    """Draw the net unrolled in time, or its recurrent graph, transition matrix or plan."""
    from graphnet.pictures.formats import NoFormatError, drawn, stills
    from graphnet.pictures.recurrent.dot_layout import find_dot
    from graphnet.pictures.views import PictureOptions, Rendering

    _, compiled = planned(spec, settings, unlimited=unlimited)
    wanted = Rendering(compiled, PictureOptions(view, style, dead, width, elide, dpi, not no_title))
    with pictures_told():
        try:
            if output.suffix:
                written(output, drawn(output, wanted))
            else:
                for name, still in stills(wanted):
                    folder_for(output / name)
                    written(output / name, still)
        except NoFormatError as fault:
            raise Failure(f"error: {fault}") from None
    if view is View.RECURRENT and output.suffix not in (".dot", ".gv") and find_dot() is None:
        print(NO_DOT, file=sys.stderr)
    print(output)
