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
    """What a picture shows."""

    UNROLLED = "unrolled"
    RECURRENT = "recurrent"
    MATRIX = "matrix"
    PLAN = "plan"


class Style(StrEnum):
    """The colours of a picture."""

    LIGHT = "light"
    DARK = "dark"


NO_DOT = "no 'dot' on the PATH: laid out in a column; Graphviz (graphviz.org/download) lays recurrent nets out better"


def draw(
    spec: SpecPath,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The file to write, in the format of its suffix: .svg, .png, .pdf; .html, a page to explore; of the "
            "unrolled and the recurrent view also .dot, and .gif, or a folder of PNG files, of activity spreading "
            "step by step.",
        ),
    ],
    settings: Settings = None,
    plugins: Plugins = None,
    unlimited: Unlimited = False,
    view: Annotated[
        View,
        typer.Option(
            help="Unrolled in time; the recurrent graph; the transition matrix by time; the plan, step by step."
        ),
    ] = View.UNROLLED,
    style: Annotated[Style, typer.Option(help="Colours for a light or a dark page.")] = Style.LIGHT,
    dead: Annotated[bool, typer.Option("--dead", help="Unrolled: draw what never runs too, in grey.")] = False,
    width: Annotated[
        float,
        typer.Option(
            metavar="MM",
            min=0,
            help="How wide a page is, in millimetres: what is wider is broken into lines. A column of a journal has "
            "about 84, two have 174; 0 breaks nothing.",
        ),
    ] = 174,
    elide: Annotated[
        bool, typer.Option("--elide", help="Unrolled: of many steps that are alike leave out the inner ones.")
    ] = False,
    dpi: Annotated[
        float | None,
        typer.Option(
            metavar="N", min=LEAST_DPI, max=MOST_DPI, help="Pixels an inch: 300 for PNG, 120 for GIF if not given."
        ),
    ] = None,
    no_title: Annotated[
        bool, typer.Option("--no-title", help="Leave out the net's name and source, which a caption gives.")
    ] = False,
) -> None:
    """Draw the net: unrolled in time, as the recurrent graph, its transition matrix, or its plan."""
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
