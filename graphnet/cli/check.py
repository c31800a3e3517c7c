"""`graphnet check`: say all that is wrong with specs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from graphnet.cli.plugins import Plugins
from graphnet.cli.report import Settings, counted, show
from graphnet.errors import Fault, SpecError
from graphnet.pipeline import load, plan
from graphnet.spec.read import placed


def check(
    specs: Annotated[list[str], typer.Argument(metavar="SPEC", help="Spec files; '-' is standard input.")],
    settings: Settings = None,
    plugins: Plugins = None,
) -> None:
    """Say all that is wrong with specs, with places and hints; exit status 1 if anything is."""
    found: list[Fault] = []
    for path in specs:
        faults = _check(path, settings)
        show(faults)
        found += faults
    if found:
        print(counted(found), file=sys.stderr)
    if any(fault.severity == "error" for fault in found):
        raise typer.Exit(1)


def _check(path: str, settings: list[str] | None) -> list[Fault]:
    try:
        spec = load(path, settings=settings or ())
        compiled = plan(spec)
    except SpecError as error:
        return list(error.faults)
    print(
        f"{path}: fine: {len(compiled.areas)} states, {compiled.parameters:,} parameters, "
        f"depth {compiled.depth} at t = {compiled.last_time}"
    )
    return placed(compiled.warnings, spec.source)
