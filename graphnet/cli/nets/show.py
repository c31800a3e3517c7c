"""`graphnet show`: the net in the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Settings, SpecPath, Unlimited, planned
from graphnet.errors import clean
from graphnet.planning.plan import Plan

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from graphnet.pictures.recurrent.wiring import Wire
    from graphnet.pictures.tables.matrices import Matrix, MatrixCell

PIPED = 10_000
"""Columns when the output is not a terminal: wrap nothing."""


def show(
    spec: SpecPath,
    settings: Settings = None,
    plugins: Plugins = None,
    unlimited: Unlimited = False,
) -> None:
    """Print what each state feeds, and the transition matrix by time, in the terminal.

    Brackets mark transitions that never fire at the times shown.
    """
    from rich.console import Console

    _, compiled = planned(spec, settings, unlimited=unlimited)
    columns = os.environ.get("COLUMNS", "")
    width = None if sys.stdout.isatty() else int(columns) if columns.isdecimal() else PIPED
    show_plan(compiled, Console(width=width, highlight=False))


def show_plan(plan: Plan, console: Console) -> None:
    """Print the graph and the matrices of a net."""
    from graphnet.pictures.captions import times_text
    from graphnet.pictures.tables.matrices import matrices

    for line in _graph(plan):
        console.print(line, soft_wrap=not console.is_terminal)
    for matrix in matrices(plan):
        table = _table(plan, matrix)
        console.print(f"\nt = {times_text(matrix.times)}", style="bold")
        if console.measure(table, options=console.options.update(width=PIPED)).minimum <= console.width:
            console.print(table)
        else:
            for line in _list(plan, matrix):
                console.print(line, soft_wrap=True)


def _graph(plan: Plan) -> Iterator[Text]:
    """The recurrent graph as a list: each state, and below it the arrows that leave it."""
    from rich.text import Text

    from graphnet.pictures.recurrent.wiring import wire
    from graphnet.pictures.states import note_on_states

    wiring = wire(plan)
    yield Text.assemble((clean(plan.name), "bold"), clean(f" — {plan.cite}" if plan.cite else ""))
    yield Text()
    texts = {unit.name: clean(unit.texts[0]) for unit in wiring.units}
    widest = max(map(len, texts.values()))
    for unit in wiring.units:
        name, *others = map(clean, unit.texts)
        yield Text.assemble((name, "bold cyan"), f"  {', '.join(others)}", ("  read out" if unit.read else "", "green"))
        leaving = [each for each in wiring.wires if each.source == unit.name]
        for number, each in enumerate(leaving):
            branch = "└─▶" if number == len(leaving) - 1 else "├─▶"
            yield _arrow(f"  {branch} ", texts[each.target].ljust(widest), each)
    if note := note_on_states(plan):
        yield Text()
        yield Text(clean(note), style="dim")


def _arrow(branch: str, target: str, each: Wire) -> Text:
    from rich.text import Text

    look = "dim" if each.dead else ""
    never = "  (never fires)" if each.dead else ""
    return Text.assemble((branch, look), (target, look or "cyan"), (f"  {clean('; '.join(each.texts))}{never}", look))


def _table(plan: Plan, matrix: Matrix) -> Table:
    """The transition matrix at some times: row = from, column = to."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from graphnet.pictures.captions import row_names

    names = {name: clean(text) for name, text in row_names(plan).items()}
    states = [area.name for area in plan.areas]
    table = Table("from ↓ to →", box=box.SQUARE, show_lines=True, header_style="dim")
    for name in states:
        table.add_column(Text(names[name], style="bold cyan"), justify="center", overflow="fold")

    def cell(source: str, target: str) -> Text:
        entry = matrix.entries.get((source, target))
        return Text("·", style="dim") if entry is None else _entry(entry)

    for source in states:
        row: Sequence[Text] = [cell(source, target) for target in states]
        table.add_row(Text(names[source], style="bold cyan"), *row)
    return table


def _list(plan: Plan, matrix: Matrix) -> Iterator[Text]:
    """List the transition matrix where it is too wide for the terminal."""
    from rich.text import Text

    from graphnet.pictures.captions import row_names

    names = row_names(plan)
    for (source, target), entry in matrix.entries.items():
        yield Text.assemble(f"  {clean(names[source])} → {clean(names[target])}  ", _entry(entry))


def _entry(entry: MatrixCell) -> Text:
    """Return a cell, in brackets if it never fires at these times."""
    from rich.text import Text

    text = clean("; ".join(entry.texts))
    return Text(text) if entry.fires else Text(f"({text})", style="dim")
