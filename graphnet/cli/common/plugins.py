"""`--plugin MODULE`: user modules that register ops and data sets, imported before a spec is read."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from graphnet.cli.common.report import Failure


def _import_all(modules: list[str] | None) -> list[str] | None:
    if modules:
        sys.path.insert(0, str(Path.cwd()))
    for module in modules or ():
        _import(module)
    return modules


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as fault:
        if fault.name and (module == fault.name or module.startswith(f"{fault.name}.")):
            fix = "write it as in a Python import, such as --plugin my_ops; the current folder is searched too"
            raise Failure(f"error: --plugin {module}\n  there is no module '{fault.name}'\n  {fix}") from None
        raise _failure(module, fault) from None
    except Exception as fault:  # noqa: BLE001 - a user's module may raise anything; the message says where
        raise _failure(module, fault) from None


def _failure(module: str, fault: Exception) -> Failure:
    if isinstance(fault, SyntaxError) and fault.filename:
        place = f"{fault.filename}:{fault.lineno}"
    else:
        frames = traceback.extract_tb(fault.__traceback__)
        own = [frame for frame in frames if Path(frame.filename).is_relative_to(Path.cwd())] or frames
        place = f"{own[-1].filename}:{own[-1].lineno}"
    return Failure(f"{place}: error: --plugin {module}\n  {type(fault).__name__}: {fault}")


Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="MODULE",
        help="Import a Python module that registers ops or data sets; may be repeated.",
        is_eager=True,
        callback=_import_all,
    ),
]
"""The option. Its callback imports the modules as the command line is parsed, so commands ignore the value."""
