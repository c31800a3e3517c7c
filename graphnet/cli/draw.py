"""`graphnet draw`: a picture of the net."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from graphnet.cli.plugins import Plugins
from graphnet.cli.report import Settings, SpecPath, Unlimited, planned, write


class View(StrEnum):
    """What a picture shows."""

    UNROLLED = "unrolled"
    RECURRENT = "recurrent"


def draw(
    spec: SpecPath,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    settings: Settings = None,
    plugins: Plugins = None,
    unlimited: Unlimited = False,
    view: Annotated[View, typer.Option(help="Unrolled in time, or the recurrent graph.")] = View.UNROLLED,
) -> None:
    """Draw the net as SVG: unrolled in time, or as the recurrent graph (which wants Graphviz)."""
    from graphnet.backends.recurrent import draw_recurrent, recurrent_svg
    from graphnet.backends.unrolled import draw_unrolled

    _, compiled = planned(spec, settings, unlimited=unlimited)
    if view is View.UNROLLED:
        write(output, draw_unrolled(compiled))
    elif output.suffix in (".dot", ".gv"):
        write(output, draw_recurrent(compiled))
    elif svg := recurrent_svg(compiled):
        write(output, svg)
    else:
        output = output.with_suffix(".dot")
        write(output, draw_recurrent(compiled))
        print("no 'dot' on the PATH: wrote DOT text; install Graphviz to get a picture", file=sys.stderr)
    print(output)
