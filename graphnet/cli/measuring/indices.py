"""`graphnet indices`: convergence, recurrence and divergence indices of trained nets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure
from graphnet.cli.training.evaluate import DataRoot, Device, WhichCheckpoint, run_told
from graphnet.training.runs.run_folder import RunFolder

BY_COUPLING = "by-coupling.svg"

if TYPE_CHECKING:
    from graphnet.analysis.figures import Measured


def indices(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders written by `graphnet train`.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for tables and plots.", show_default="RUN/indices")
    ] = None,
    more: Annotated[int, typer.Option(min=1, help="Maximum number of extra applications of the last block.")] = 16,
    samples: Annotated[int, typer.Option(min=1, help="Bootstrap samples of the test images.")] = 1000,
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch.")] = 64,
    checkpoint: WhichCheckpoint = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    plugins: Plugins = None,
) -> None:
    """Measure the convergence, recurrence and divergence index of each stage (Lippl et al. 2024), on the test images.

    Reads out early, drops each block and repeats the last one.
    Writes indices.csv, curves.csv and a plot of each run; for several runs also a plot of indices by coupling.
    """
    from rich.console import Console
    from rich.table import Table

    from graphnet.analysis.figures import plot_curves, plot_indices, write_curves, write_indices

    folder = output or runs[0] / "indices"
    with run_told():
        folders = [RunFolder.open(run) for run in runs]
        measured = [_measure(each, more, samples, batch_size, checkpoint, data_root, device) for each in folders]
    names = _names(runs)
    measured = [replace(run, name=name) for run, name in zip(measured, names, strict=True)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise Failure(f"cannot make {folder}: {fault.strerror}") from None
    try:
        write_indices(folder / "indices.csv", measured)
        write_curves(folder / "curves.csv", measured)
        for run in measured:
            plot_curves(folder / f"{run.name}.svg", run)
        if len(measured) > 1:
            plot_indices(folder / BY_COUPLING, measured)
    except OSError as fault:
        raise Failure(f"cannot write {fault.filename or folder}: {fault.strerror}") from None
    table = Table("run", "stage", *measured[0].result.indices)
    for run in measured:
        _add_rows(table, run)
    console = Console()
    console.print(table)
    console.print(f"results in {folder}", highlight=False, soft_wrap=True)


def _names(runs: Sequence[Path]) -> list[str]:
    """Name runs after their folders; of several with one name, number all but the first."""
    names: list[str] = []
    for run in runs:
        name = run.resolve().name
        taken = {*names, Path(BY_COUPLING).stem}
        names.append(next(each for each in _numbered(name) if each not in taken))
    return names


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{k}" for k in count(2))


def _measure(
    folder: RunFolder,
    more: int,
    samples: int,
    batch_size: int,
    checkpoint: str | None,
    data_root: Path | None,
    device: str,
) -> Measured:
    from graphnet.analysis.error_curves import iterative_convergence
    from graphnet.analysis.figures import Measured
    from graphnet.training.runs.load_run import load_run

    net, dataset = load_run(folder, device, data_root, checkpoint)
    batches = dataset.test.batches(batch_size)
    try:
        result = iterative_convergence(net, batches, more=more, samples=samples)
    except ValueError as fault:
        raise Failure(f"error: {folder.path}: {fault}") from None
    return Measured(folder.path.resolve().name, net.meta["plan"], result)


def _add_rows(table: object, run: Measured) -> None:
    from rich.table import Table

    assert isinstance(table, Table)
    found = run.result.indices.values()
    for k, stage in enumerate(run.result.stages):
        table.add_row(run.name if not k else "", stage.state, *(_told(each.stages[k]) for each in found))
    table.add_row("", "average", *(_told(each.average) for each in found), end_section=True)


def _told(interval: object) -> str:
    from graphnet.analysis.indices import Interval

    assert isinstance(interval, Interval)
    return f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
