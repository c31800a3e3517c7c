"""`graphnet unroll`: a net unrolled in time, as a spec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Settings, SpecPath, planned, told, write
from graphnet.pipeline import unroll as unrolled
from graphnet.spec.write import to_json, to_toml


def unroll(
    spec: SpecPath,
    output: Annotated[Path, typer.Option("--output", "-o", help="The spec to write, .toml or .json.")],
    settings: Settings = None,
    plugins: Plugins = None,
) -> None:
    """Write the net unrolled in time as a feed-forward spec, tied by sharing sets.

    The new spec has one state for each state and time.
    """
    loaded, _ = planned(spec, settings)
    with told():
        data = unrolled(loaded).as_data()
    write(output, to_json(data) if output.suffix == ".json" else to_toml(data))
    print(output)
