"""`graphnet check`: report the errors and warnings of specs, training recipes and experiments."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import typer

from graphnet.cli.common.bug import bug_fault
from graphnet.cli.common.checked import check_file, checked_file
from graphnet.cli.common.fault_formats import FORMATS, Format
from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Settings, Unlimited, counted, show, told
from graphnet.cli.common.watch import watch
from graphnet.errors import Fault, SpecError


def check(
    specs: Annotated[
        list[str],
        typer.Argument(metavar="SPEC", help="Files or names of specs, recipes and experiments; '-' is standard input."),
    ],
    settings: Settings = None,
    plugins: Plugins = None,
    format: Annotated[
        Format, typer.Option(help="Output for people, for programs, or as GitHub annotations.")
    ] = Format.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Treat warnings as errors.")] = False,
    unlimited: Unlimited = False,
    again: Annotated[bool, typer.Option("--watch", help="Check again when a file is saved.")] = False,
) -> None:
    """Report errors and warnings of specs, recipes and experiments; exit status 1 on errors."""
    checker = _Checker(settings or (), format, strict, unlimited)
    if again:
        if "-" in specs:
            raise typer.BadParameter("standard input cannot be watched")
        with told():
            files = [checked_file(spec) for spec in specs]
        watch(files, lambda: checker.check(files))
    elif any(fault.severity == "error" for fault in checker.check(specs)):
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Checker:
    settings: Sequence[str]
    format: Format
    strict: bool
    unlimited: bool

    def check(self, specs: Sequence[str]) -> list[Fault]:
        """Print results file by file; report a fault once if several specs extend its file."""
        found: dict[Fault, Fault] = {}
        for path in specs:
            fine, faults = self._check(path)
            new = {replace(fault, note=""): fault for fault in faults if replace(fault, note="") not in found}
            found |= new
            if self.format is Format.TEXT:
                print(fine, end="", flush=True)
                show(new.values())
        if self.format is not Format.TEXT:
            print(FORMATS[self.format](found.values()), end="", flush=True)
        elif found:
            print(counted(found.values()), file=sys.stderr)
        return list(found.values())

    def _check(self, path: str) -> tuple[str, list[Fault]]:
        """Return the line for a correct file, and the faults."""
        try:
            line, found = check_file(path, self.settings, self.unlimited)
        except SpecError as error:
            return "", [self._judged(fault) for fault in error.faults]
        except Exception as error:  # noqa: BLE001 - a graphnet bug must not stop --watch or the check of other files
            return "", [bug_fault(error, path)]
        warnings = [self._judged(fault) for fault in found]
        return "" if self.strict and warnings else f"{path}: fine: {line}\n", warnings

    def _judged(self, fault: Fault) -> Fault:
        return replace(fault, severity="error") if self.strict else fault
