"""`graphnet run`: all runs, tables, figures and verdicts of an experiment."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphnet.cli.common.looks import Looks, looks_of
from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure, folder_for, told, write
from graphnet.cli.training.evaluate import run_told
from graphnet.cli.training.train import INTERRUPTED, seconds_of
from graphnet.errors import clean
from graphnet.given_experiments import load_experiment
from graphnet.spec.experiment.model import Experiment
from graphnet.training.errors import Stopped

if TYPE_CHECKING:
    from graphnet.experiments.results import Results
    from graphnet.experiments.running.pool import Machine
    from graphnet.experiments.running.run import Progress
    from graphnet.experiments.running.work import Work

ExperimentPath = Annotated[
    str, typer.Argument(metavar="EXPERIMENT", help="An experiment file, or the name of one that comes with graphnet.")
]


def run(
    experiment: ExperimentPath,
    smoke: Annotated[bool, typer.Option("--smoke", help="Run the small form of the experiment.")] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Runs at once.", show_default="one for each core, or for each GPU")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Estimate runs, time and memory; train nothing.")] = False,
    tflops: Annotated[
        float | None,
        typer.Option(min=0.001, help="With --dry-run: also the time on a device that sustains so many TFLOP/s."),
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="With --dry-run: training images of data that are not here.")
    ] = None,
    looks: Looks = "",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for tables and figures.", show_default="results or results/smoke"),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the runs of all experiments.")] = Path("runs/experiments"),
    data_root: Annotated[Path | None, typer.Option(help="Folder that holds the data.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    max_time: Annotated[
        str | None, typer.Option(metavar="TIME", help="Save and stop after a time such as 90m or 11h30m.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdicts only.")] = False,
    plugins: Plugins = None,
) -> None:
    """Train what is missing of an experiment, measure, and write table, figures and verdicts.

    A run is found again by the hash of its spec, recipe, data and seed, also by other experiments; a stopped run goes
    on where it was.
    """
    from graphnet.experiments.running.estimate import costs, costs_text
    from graphnet.experiments.running.run import machine_of, prepared

    with told():
        loaded = load_experiment(experiment, smoke)
    seconds = None if max_time is None else seconds_of("--max-time", max_time)
    try:
        with run_told():
            work = prepared(loaded, runs, data_root, needs_data=not dry_run)
            machine = machine_of(device, jobs, plugins or ())
            if dry_run:
                print(costs_text(costs(work, images, machine), len(machine.devices), tflops, work.absent))
            else:
                folder = output or Path("results/smoke" if smoke else "results")
                _run(work, machine, looks_of(looks, len(loaded.seeds)), folder, seconds, quiet)
    except Stopped as stopped:
        raise Failure(f"{stopped}\n  the same command goes on", stopped.status) from None
    except KeyboardInterrupt:
        raise Failure("interrupted", INTERRUPTED) from None


def _run(work: Work, machine: Machine, looks: int, folder: Path, max_seconds: float | None, quiet: bool) -> None:
    from graphnet.experiments.running.run import run_experiment
    from graphnet.training.loop.stops import stop_requests

    with stop_requests(max_seconds) as stop:
        results = run_experiment(work, machine, _Lines(quiet), stop)
    _write(work.experiment, results, folder, looks)


class _Lines:
    """Prints a line for each run that is done."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.started = quiet, time.monotonic()

    def __call__(self, progress: Progress) -> None:
        outcome, case = progress.outcome, progress.case
        where = f"[{progress.done}/{progress.of}] {case.condition}, seed {case.seed}"
        if outcome.kind == "failed":
            print(f"{where}: {clean(outcome.what)}", file=sys.stderr, flush=True)
        elif not self.quiet:
            left = (time.monotonic() - self.started) / progress.done * (progress.of - progress.done)
            more = f"; about {left / 60:.0f} min left" if progress.done < progress.of else ""
            print(f"{where}: {_errors(progress.values)}{outcome.seconds:.0f} s{more}", flush=True)


def _errors(values: Mapping[str, Any]) -> str:
    found = [f"{value:.2%}" for _, value in values.get("test_error", ())]
    return f"test error {found[-1]}, " if found else ""


def _write(experiment: Experiment, results: Results, folder: Path, looks: int) -> None:
    """Write numbers, tables and figures, and print the verdicts."""
    from graphnet.experiments.results import write_results
    from graphnet.experiments.shown.figures import write_figures
    from graphnet.experiments.shown.tables import result_table, table_markdown, verdict_markdown

    table = result_table(experiment, results)
    parts = [f"# {experiment.name}", "" if table is None else table_markdown(table)]
    verdicts = verdict_markdown(experiment, results, looks)
    csv, markdown = folder / f"{experiment.name}.csv", folder / f"{experiment.name}.md"
    folder_for(csv)
    try:
        write_results(csv, results)
        write(markdown, "\n\n".join(filter(None, (*parts, verdicts))).rstrip() + "\n")
        (folder / experiment.name).mkdir(exist_ok=True)
        figures = write_figures(folder / experiment.name, experiment, results)
    except OSError as fault:
        raise Failure(f"cannot write {fault.filename or folder}: {fault.strerror}") from None
    print(verdicts)
    print("results in", ", ".join(map(str, (csv, markdown, *(path for path in figures if path.suffix == ".svg")))))
    if results.failed:
        raise Failure(f"error: {len(results.failed)} runs failed; the table has no numbers there")
