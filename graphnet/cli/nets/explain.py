"""`graphnet explain`: an error code's meaning, a wrong example with its report, and a right one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent
from typing import Annotated

import typer

from graphnet.cli.common.checked import check_file
from graphnet.cli.common.report import Failure
from graphnet.error_codes import FAMILIES, Code, base, codes, spelt
from graphnet.errors import Fault, SpecError, did_you_mean
from graphnet.pipeline import unroll

BASE = "base.toml"
COMMAND = "graphnet check "


def explain(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="An error code such as GN102; without it, list all.")
    ] = None,
) -> None:
    """Explain an error code, with a wrong and a right example."""
    if code is None:
        print(_list(), end="")
        return
    known = codes()
    name = spelt(code)
    if name not in known:
        hint = did_you_mean(name, tuple(known)) or "graphnet explain lists them"
        raise Failure(f"error: no code is called {code!r}\n  {hint}")
    print("\n".join(_explained(known[name])))


def _list() -> str:
    """All codes and their titles, by family."""
    lines: list[str] = []
    for family, subject in FAMILIES.items():
        lines += ["", f"{family}xx  {subject}"]
        lines += [f"  {code}  {each.title}" for code, each in codes().items() if code.startswith(family)]
    return "\n".join(lines[1:]) + "\n"


def _explained(code: Code) -> Iterator[str]:
    said = "\n\n".join(map(str, try_out(code.written_out, unrolled=code.unroll)))
    shown = code.wrong if code.lines == 1 else f"{code.wrong}\n... and so on for {code.lines:,} lines"
    yield f"{code.code}: {code.title}\n\n{indent(code.text, '  ')}\n"
    yield f"Wrong:\n\n{indent(shown, '  ')}\n"
    yield f"The report:\n\n{indent(said, '  ')}\n"
    yield f"Right:\n\n{indent(code.right, '  ')}"
    if BASE in code.right:
        yield f"\n{BASE} is this spec:\n\n{indent(base().rstrip(), '  ')}"


def try_out(example: str, name: str = "wrong", unrolled: bool = False) -> list[Fault]:
    """Return the faults of an example, a spec or a `graphnet check` command, in a folder with base.toml."""
    if example.startswith(COMMAND):
        path, *options = shlex.split(example.removeprefix(COMMAND))
        settings = [option for option in options if option != "--set"]
    else:
        path, settings = f"{name}.{'json' if example.startswith('{') else 'toml'}", []
    with TemporaryDirectory() as folder, chdir(folder):
        Path(BASE).write_text(base(), encoding="utf-8")
        if not example.startswith(COMMAND):
            Path(path).write_text(example, encoding="utf-8")
        try:
            _, warnings = check_file(path, settings)
            if unrolled:
                unroll(path)
            return warnings
        except SpecError as error:
            return list(error.faults)
