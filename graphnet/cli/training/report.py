"""`graphnet report`: one HTML page of experiments, their claims and verdicts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphnet.cli.common.failure import Failure
from graphnet.cli.common.looks import Looks, looks_of
from graphnet.cli.common.report import folder_for, told, write

if TYPE_CHECKING:
    from graphnet.experiments.shown.report.content import Reported


def report(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILES]...",
            help="Experiment files, or names of shipped experiments.",
            show_default="all shipped experiments",
        ),
    ] = None,
    results: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of the results, FOLDER/NAME.csv.", file_okay=False)
    ] = Path("results"),
    output: Annotated[Path, typer.Option("--output", "-o", help="The page to write.")] = Path("report.html"),
    looks: Looks = "",
) -> None:
    """Judge the claims of experiments by their results, and write one self-contained HTML page.

    Results are those of `graphnet run`, in FOLDER or else in the folder `results` beside the experiment's file.
    Experiments without results are listed as not run; nothing is trained.
    Exit status 1 if results are damaged; the page is written all the same.
    """
    from graphnet.experiments.shown.report.content import gather
    from graphnet.experiments.shown.report.page import chance_text, page
    from graphnet.given_experiments import experiment_files

    count = looks_of(looks)
    with told():
        reported = [gather(each, results, count) for each in files or map(str, experiment_files().values())]
    if not reported:
        raise Failure("error: there are no experiments to report")
    folder_for(output)
    write(output, page(reported, count))
    _show(reported)
    print(chance_text([verdict for each in reported for verdict in each.verdicts]))
    print(output)
    if faults := [each.fault for each in reported if each.fault]:
        raise Failure("\n".join(f"error: {fault}" for fault in faults))


def _show(reported: Sequence[Reported]) -> None:
    """Print a line for each verdict, and the experiments that were not run."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from graphnet.errors import clean
    from graphnet.experiments.shown.tables import numbers, verdict_header, where

    verdicts = [verdict for each in reported for verdict in each.verdicts]
    table = Table("experiment", "claim", "at", "effect", verdict_header(verdicts), "seeds", "verdict")
    for each in reported:
        for judged in each.judged:
            for verdict in judged.verdicts:
                cells = (each.experiment.name, judged.claim.says, where(verdict), *numbers(verdict), verdict.word)
                table.add_row(*(Text(clean(cell)) for cell in cells))
    console = Console() if sys.stdout.isatty() else Console(width=1000)
    if verdicts:
        console.print(table, highlight=False)
    if absent := [clean(each.experiment.name) for each in reported if each.results is None and not each.fault]:
        print(f"not run: {', '.join(absent)}")
