"""The `graphnet` command line: one file per command. Only the called command is loaded."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Iterable
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any

import typer

from graphnet.cli.common.bug import bug_fault
from graphnet.cli.common.failure import Failure

COMMANDS = {
    "check": "nets.check.check",
    "explain": "nets.explain.explain",
    "plan": "nets.plan.plan",
    "code": "nets.code.code",
    "draw": "nets.draw.draw",
    "show": "nets.show.show",
    "view": "nets.view.view",
    "data": "training.data.data",
    "train": "training.train.train",
    "runs": "training.runs.runs",
    "run": "training.run.run",
    "report": "training.report.report",
    "sweep": "measuring.sweep.sweep",
    "calibrate": "training.calibrate.calibrate",
    "indices": "measuring.indices.indices",
    "analyse": "measuring.analyse.analyse",
    "stats": "measuring.stats.stats",
    "activations": "measuring.activations.activations",
    "rsa": "measuring.rsa.rsa",
    "probe": "measuring.probe.probe",
    "consistency": "measuring.consistency.consistency",
    "perturb": "measuring.perturb.perturb",
    "bench": "nets.bench.bench",
    "compare": "measuring.compare.compare",
    "diff": "nets.diff.diff",
    "unroll": "nets.unroll.unroll",
    "zoo": "nets.zoo.zoo",
    "new": "nets.new.new",
    "schema": "nets.schema.schema",
    "eval": "training.evaluate.evaluate",
}
"""The commands in help order: name → room.module.function, or room.module.group of commands."""


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"graphnet {version('graphnet-compiler')}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Write a brain-like network down as a spec, see it, and train it."""


def program(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the command line with the named commands."""
    app = typer.Typer(
        name="graphnet",
        help="Write a brain-like network down as a spec, see it, and train it.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(root)
    for name in names:
        module, _, function = COMMANDS[name].rpartition(".")
        command = getattr(import_module(f"graphnet.cli.{module}"), function)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, cls=getattr(command, "command_class", None))(command)
    return app


def _tell(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    """Print graphnet's own warnings in one line; their place in the code means nothing to a command's user."""
    if category.__module__.startswith("graphnet."):
        from graphnet.errors import clean

        print(f"warning: {clean(str(message))}", file=sys.stderr)
    else:
        _PLAIN(message, category, *place, **more)


_PLAIN = warnings.showwarning


def main() -> None:
    """Run the command line. Exit status: 0 success, 1 a wrong spec or run, 2 wrong usage; more in `graphnet train`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and "utf" not in stream.encoding.lower():
            stream.reconfigure(errors="replace")  # arrows and boxes become question marks, not tracebacks
    warnings.showwarning = _tell
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        try:
            program([first] if first in COMMANDS else () if first == "--version" else COMMANDS)()
        finally:
            sys.stdout.flush()  # here, as a fault at the interpreter's end would be a traceback
    except Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(failure.status)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - any unexpected exception is our bug
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            print(f"error: cannot write {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)
            _drop_output()
        else:
            print(bug_fault(error), file=sys.stderr)
        sys.exit(1)


def _drop_output() -> None:
    """Send what standard output still holds to nowhere, or the interpreter's end would try again to write it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
