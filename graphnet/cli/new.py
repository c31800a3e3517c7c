"""`graphnet new`: a spec of one's own, as a copy of one that comes along."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

import graphnet.zoo as zoo_of
from graphnet.cli.common.flattened import flattened
from graphnet.cli.common.report import Failure
from graphnet.cli.zoo import known
from graphnet.pipeline import load
from graphnet.spec.write import to_toml


def new(
    name: Annotated[str, typer.Argument(help="The new spec's name; NAME.toml is written.")],
    like: Annotated[str, typer.Option(help="The spec of the zoo to start from.")] = "quickstart",
) -> None:
    """Start a spec of your own as a copy of one that comes along."""
    if not re.fullmatch(r"[\w.-]+", name):
        raise Failure(f"error: {name!r} is no name for a spec\n  use letters, digits, '-', '_' and '.'")
    path = Path(f"{name.removesuffix('.toml')}.toml")
    with known():
        text = _copy(like, path.stem)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Failure(f"error: {path} exists already\n  choose another name, or remove it") from None
    except OSError as fault:
        raise Failure(f"cannot write {path}: {fault.strerror}") from None
    print(f"{path}: a copy of {like}; see it with: graphnet draw {path} -o {path.stem}.svg")


def _copy(like: str, name: str) -> str:
    """A spec of the zoo under another name; written out flat where it extends another one.

    Where its comments name files made of its own name, as in commands to try, they name those of the copy.
    """
    text = re.sub(rf"(?<![\w/.-])([\w.-]+/)*{re.escape(like)}(?=\.(toml|svg)\b)", name, zoo_of.text(like))
    if not re.search("^extends = ", text, re.MULTILINE):
        return re.sub(r'^(name *= )".*"$', rf'\1"{name}"', text, count=1, flags=re.MULTILINE)
    header = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    return header + to_toml(flattened(load(zoo_of.path(like))) | {"name": name})
