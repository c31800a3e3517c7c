"""`graphnet zoo`: the specs that come with graphnet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

import graphnet.zoo as zoo_of
from graphnet.cli.common.report import Failure
from graphnet.pipeline import load
from graphnet.pipeline import plan as plan_of


def zoo(name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Name of a spec to print.")] = None) -> None:
    """List the specs that come with graphnet and their sizes, or print one."""
    if name is not None:
        with known():
            print(zoo_of.text(name), end="")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("name", no_wrap=True)
    for column in ("parameters", "depth", "steps", "MFLOPs"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("source")
    table.add_column("description", min_width=40)
    for name in zoo_of.names():
        spec = load(zoo_of.path(name))
        plan = plan_of(spec)
        figures = (f"{plan.parameters:,}", f"{plan.depth}", f"{plan.last_time}", f"{plan.flops / 1e6:,.1f}")
        table.add_row(name, *figures, spec.cite, zoo_of.summary(name))
    Console(width=None if Console().is_terminal else 220, highlight=False).print(table)


@contextmanager
def known() -> Iterator[None]:
    """Turn an unknown name into a Failure that lists the known ones."""
    try:
        yield
    except zoo_of.UnknownName as fault:
        raise Failure(f"error: {fault}") from None
