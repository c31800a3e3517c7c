"""`graphnet plan`: the net unrolled in time, as text."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Settings, SpecPath, Unlimited, planned
from graphnet.pipeline import uncollected


def plan(
    spec: SpecPath,
    settings: Settings = None,
    plugins: Plugins = None,
    unlimited: Unlimited = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole plan as JSON.")] = False,
    passes: Annotated[bool, typer.Option("--passes", help="Show what each optimising pass saves instead.")] = False,
    optimize: Annotated[int, typer.Option(min=0, max=3, help="Level for --passes; 3 assumes a typical CPU.")] = 2,
    infer: Annotated[bool, typer.Option("--infer", help="Show the passes for inference instead of training.")] = False,
    keep_dead: Annotated[bool, typer.Option("--keep-dead", help="Keep what no readout needs, for debugging.")] = False,
) -> None:
    """Show what fires at each time step, what is skipped and why, and the net's parameters and FLOPs."""
    from graphnet.pictures.text import passes_text, plan_data, plan_text

    with uncollected():
        _, compiled = planned(spec, settings, keep_dead=keep_dead, unlimited=unlimited)
        if passes:
            print(passes_text(compiled, optimize, "infer" if infer else "train"), end="")
        elif as_json:
            print(json.dumps(plan_data(compiled), indent=1))
        else:
            print(plan_text(compiled), end="")
