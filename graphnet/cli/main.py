"""The `graphnet` command: one file a command, joined here."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from graphnet.cli.analyse import analyse
from graphnet.cli.bench import bench
from graphnet.cli.check import check
from graphnet.cli.code import code
from graphnet.cli.compare import compare, diff, unroll
from graphnet.cli.draw import draw
from graphnet.cli.evaluate import evaluate
from graphnet.cli.explain import explain
from graphnet.cli.indices import indices
from graphnet.cli.perturb import perturb
from graphnet.cli.plan import plan
from graphnet.cli.report import Failure
from graphnet.cli.schema import schema
from graphnet.cli.show import show
from graphnet.cli.train import train
from graphnet.cli.view import view
from graphnet.cli.zoo import new, zoo

app = typer.Typer(
    name="graphnet",
    help="Write a brain-like network down as a spec, see it, and train it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"graphnet {version('graphnet-compiler')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Write a brain-like network down as a spec, see it, and train it."""


for command in (
    check,
    explain,
    plan,
    code,
    draw,
    show,
    view,
    train,
    indices,
    analyse,
    perturb,
    bench,
    compare,
    diff,
    unroll,
    zoo,
    new,
    schema,
):
    app.command()(command)
app.command("eval")(evaluate)


def main() -> None:
    """Run the command line. Exit status: 0 fine, 1 the spec or the run is wrong, 2 wrong usage."""
    try:
        app()
    except Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
