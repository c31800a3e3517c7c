"""`graphnet zoo` and `graphnet new`: the specs that come along, and a start from one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

import graphnet.zoo as zoo_of
from graphnet.cli.common.report import Failure
from graphnet.pipeline import load
from graphnet.pipeline import plan as plan_of
from graphnet.spec.write import to_toml


def zoo(name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print this spec.")] = None) -> None:
    """List the specs that come along, with their figures; or print one of them."""
    if name is not None:
        with _known():
            print(zoo_of.text(name), end="")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("name", no_wrap=True)
    for column in ("parameters", "depth", "steps", "MFLOPs"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("source")
    table.add_column("what it is", min_width=40)
    for name in zoo_of.names():
        spec = load(zoo_of.path(name))
        plan = plan_of(spec)
        figures = (f"{plan.parameters:,}", f"{plan.depth}", f"{plan.last_time}", f"{plan.flops / 1e6:,.1f}")
        table.add_row(name, *figures, spec.cite, zoo_of.summary(name))
    Console(width=None if Console().is_terminal else 220, highlight=False).print(table)


def new(
    name: Annotated[str, typer.Argument(help="The new spec's name; NAME.toml is written.")],
    like: Annotated[str, typer.Option(help="The spec of the zoo to start from.")] = "quickstart",
) -> None:
    """Start a spec of your own as a copy of one that comes along."""
    if not re.fullmatch(r"[\w.-]+", name):
        raise Failure(f"error: {name!r} is no name for a spec\n  use letters, digits, '-', '_' and '.'")
    path = Path(f"{name.removesuffix('.toml')}.toml")
    with _known():
        text = _copy(like, path.stem)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Failure(f"error: {path} exists already\n  choose another name, or remove it") from None
    except OSError as fault:
        raise Failure(f"cannot write {path}: {fault.strerror}") from None
    print(f"{path}: a copy of {like}; see it with: graphnet draw {path} -o {path.stem}.svg")


@contextmanager
def _known() -> Iterator[None]:
    try:
        yield
    except zoo_of.UnknownName as fault:
        raise Failure(f"error: {fault}") from None


def _copy(like: str, name: str) -> str:
    """A spec of the zoo under another name; written out flat where it extends another one."""
    text = zoo_of.text(like)
    if not re.search("^extends = ", text, re.MULTILINE):
        return re.sub(r'^(name *= )".*"$', rf'\1"{name}"', text, count=1, flags=re.MULTILINE)
    header = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    return header + to_toml(load(zoo_of.path(like)).as_data() | {"name": name})
