"""Shared parts of commands: reading a spec, reporting faults, writing a file."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from graphnet.atomic_files import write_bytes
from graphnet.cli.common.failure import Failure as Failure
from graphnet.cli.common.fault_formats import painter
from graphnet.errors import Fault, SpecError, clean
from graphnet.pipeline import load
from graphnet.pipeline import plan as plan_of
from graphnet.planning.plan import Plan
from graphnet.spec.model import Spec
from graphnet.spec.read import placed

SpecPath = Annotated[
    str,
    typer.Argument(
        metavar="SPEC", help="A spec file (TOML or JSON), a zoo spec's name or a run folder; '-' is standard input."
    ),
]
Other = Annotated[str, typer.Argument(metavar="OTHER", help="The spec to compare it with.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set a value in the spec, as in readout.t=3; may be repeated."),
]
SettingsOfBoth = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set a value in both specs, as in readout.t=3; may be repeated."),
]


Unlimited = Annotated[bool, typer.Option("--unlimited", help="Compile even nets above the size budget.")]


@contextmanager
def told() -> Iterator[None]:
    """Turn compiler errors into a Failure."""
    try:
        yield
    except SpecError as error:
        paint = painter(sys.stderr)
        told = "\n\n".join(fault.told(paint) for fault in error.faults)
        raise Failure(f"{told}\n\n{counted(error.faults)}") from None


def planned(
    path: str, settings: Sequence[str] | None = None, *, keep_dead: bool = False, unlimited: bool = False
) -> tuple[Spec, Plan]:
    """Return a spec with its settings applied, and its plan; print warnings to standard error."""
    with told():
        spec = load(path, settings=settings or ())
        plan = plan_of(spec, keep_dead=keep_dead, unlimited=unlimited)
    show(placed(plan.warnings, spec.source))
    return spec, plan


@contextmanager
def pictures_told() -> Iterator[None]:
    """Print picture warnings to standard error, one line each."""
    from graphnet.pictures.elements import PictureWarning

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", PictureWarning)
        yield
    for text in dict.fromkeys(str(each.message) for each in found):
        print(f"warning: {clean(text)}", file=sys.stderr)


def show(faults: Iterable[Fault]) -> None:
    """Print faults to standard error, a blank line after each."""
    paint = painter(sys.stderr)
    for fault in faults:
        print(fault.told(paint), end="\n\n", file=sys.stderr)


def counted(faults: Iterable[Fault]) -> str:
    """`2 errors, 1 warning; more on the first: graphnet explain GN102`."""
    faults = list(faults)
    severities = [fault.severity for fault in faults]
    counts = ", ".join(
        f"{number} {kind}{'' if number == 1 else 's'}"
        for kind in ("error", "warning")
        if (number := severities.count(kind))
    )
    first = next((fault.code for fault in faults if fault.code), "")
    whose = "it" if len(faults) == 1 else "the first"
    return f"{counts}; more on {whose}: graphnet explain {first}" if first else counts


def write(path: Path, text: str) -> None:
    """Write a text file. Raises Failure if it cannot be written."""
    written(path, text.encode())


def written(path: Path, data: bytes) -> None:
    """Write a file. Raises Failure if it cannot be written."""
    try:
        write_bytes(path, data)
    except OSError as fault:
        raise Failure(f"cannot write {path}: {fault.strerror}") from None


def folder_for(path: Path) -> None:
    """Create the folder of a file. Raises Failure if it cannot be created."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise Failure(f"cannot write {path}: {fault.strerror}") from None
