"""`graphnet runs`: list, compare and remove runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from graphnet.cli.common.failure import Failure
from graphnet.errors import clean, shortened
from graphnet.training.errors import RunError, TrainingError
from graphnet.training.runs.listing import COLUMNS, DAMAGED, Summary, compare_runs, list_runs
from graphnet.training.runs.removal import check_removable, remove_run

if TYPE_CHECKING:
    from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LONGEST_CELL = 40


class ListByDefault(TyperGroup):
    """`graphnet runs FOLDER --json` is `graphnet runs list FOLDER --json`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, "-h", "--help"}:
            args = ["list", *args]
        return super().parse_args(ctx, args)


runs = typer.Typer(
    cls=ListByDefault,
    help="List runs; compare or remove them.\n\n`graphnet runs [FOLDER]` lists; options are those of `list`.",
    short_help="List runs; compare or remove them.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@runs.command("list")
def list_(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="A folder of runs.")] = Path("runs"),
    sort: Annotated[
        str, typer.Option(metavar="COLUMN", help=f"Sort by {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}.")
    ] = "name",
    as_json: Json = False,
) -> None:
    """List the runs in a folder; the word `list` may be left out.

    A run is `killed` if its process ended without a word, and `damaged` if its files cannot be read.
    """
    if folder == Path("runs") and not folder.exists():
        print("[]" if as_json else "no runs: there is no folder runs here")
        return
    try:
        found = list_runs(folder, sort)
    except TrainingError as error:
        raise Failure(f"error: {error}") from None
    if as_json:
        print(json.dumps([asdict(run) for run in found], indent=2, ensure_ascii=False))
    elif not found:
        print(f"no runs in {folder}")
    else:
        _show(_listed(found))
        for run in found:
            if run.status == DAMAGED:
                print(f"{clean(run.name)} is damaged: {run.reason}")


@runs.command("compare")
def compare(
    run: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Two or more run folders.")],
    as_json: Json = False,
) -> None:
    """Show in what recipes, data and versions of runs differ, and their results side by side."""
    if len(run) < 2:
        raise typer.BadParameter("give at least two runs")
    try:
        rows = compare_runs(run)
    except TrainingError as error:
        raise Failure(f"error: {error}") from None
    if as_json:
        print(json.dumps({"runs": [str(path) for path in run], "rows": rows}, indent=2, ensure_ascii=False))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("")
    for path in run:
        table.add_column(Text(clean(str(path))))
    for key, values in rows.items():
        table.add_row(*(Text(text) for text in (clean(shortened(key)), *map(_cell, values))))
    _show(table)


@runs.command("remove")
def remove(
    run: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove the files that training wrote into run folders, and the folders if nothing else is in them.

    Asks first. A run that a process is writing is refused.
    """
    try:
        for path in run:
            check_removable(path)
        if not yes and not typer.confirm(f"remove {', '.join(clean(str(path)) for path in run)}?"):
            raise Failure("nothing is removed")
        for path in run:
            left = remove_run(path)
            kept = f", but not the folder: it also holds {clean(shortened(', '.join(left)))}" if left else ""
            print(f"removed the run {clean(str(path))}{kept}")
    except RunError as error:
        raise Failure(f"error: {error}") from None


def _listed(found: Sequence[Summary]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("run", "spec", "data", "status")
    for title in ("epochs", "test error", "validation", "minutes"):
        table.add_column(title, justify="right")
    table.add_column("date")
    for run in found:
        status = run.status if run.has_checksum is not False else f"{run.status}, no checksum"
        numbers = (_whole(run.epochs), _share(run.error), _share(run.validation), _minutes(run.minutes))
        date = (run.date or "")[:16].replace("T", " ")
        cells = (clean(run.name), run.spec or "", run.data or "", status, *numbers, date)
        table.add_row(*map(Text, cells))
    return table


def _whole(value: int | None) -> str:
    return "" if value is None else str(value)


def _share(value: float | None) -> str:
    """An error: in per cent, or a number if it is above 1, which only that of a regression can be."""
    return "" if value is None else f"{value:.2%}" if 0 <= value <= 1 else f"{value:.4g}"


def _minutes(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
    text = clean(text)
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"


def _show(table: Table) -> None:
    """Print a table; on a terminal it fits, elsewhere no cell is cut."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=1000)
    console.print(table, highlight=False)
