"""`graphnet new`: start a spec as a copy of a zoo spec."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

import graphnet.zoo as zoo_of
from graphnet.cli.common.report import Failure
from graphnet.cli.nets.zoo import known
from graphnet.flattened import flattened
from graphnet.pipeline import load
from graphnet.spec.write import to_toml


def new(
    name: Annotated[str, typer.Argument(help="The new spec's name; the file is NAME.toml.")],
    like: Annotated[str, typer.Option(help="The zoo spec to copy.")] = "quickstart",
) -> None:
    """Start your own spec as a copy of a zoo spec."""
    if not re.fullmatch(r"[\w.-]+", name):
        raise Failure(f"error: {name!r} is no name for a spec\n  use letters, digits, '-', '_' and '.'")
    path = Path(f"{name.removesuffix('.toml')}.toml")
    with known():
        text = _copy(like, path.stem)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Failure(f"error: {path} already exists\n  choose another name, or remove it") from None
    except OSError as fault:
        raise Failure(f"cannot write {path}: {fault.strerror}") from None
    print(f"{path}: a copy of {like}; see it with: graphnet draw {path} -o {path.stem}.svg")


def _copy(like: str, name: str) -> str:
    """Return a zoo spec under another name, flattened if it extends another one.

    File names made of the spec's name, as in commands in its comments, change with it.
    """
    text = re.sub(rf"(?<![\w/.-])([\w.-]+/)*{re.escape(like)}(?=\.(toml|svg)\b)", name, zoo_of.text(like))
    if not re.search("^extends = ", text, re.MULTILINE):
        return re.sub(r'^(name *= )".*"$', rf'\1"{name}"', text, count=1, flags=re.MULTILINE)
    header = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    return header + to_toml(flattened(load(zoo_of.path(like))) | {"name": name})
