"""`graphnet sweep`: a trained net at every readout time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphnet.cli.common.calibration import MOST_IMAGES, CalibrationImages, calibration_batches
from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure
from graphnet.cli.training.evaluate import DataRoot, Device, WhichCheckpoint, run_told
from graphnet.pictures.states import takes_time
from graphnet.training.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from graphnet.analysis.time.milliseconds import StepLength
    from graphnet.analysis.time.stopping import Stopping
    from graphnet.analysis.time.sweep import Sweep
    from graphnet.runtime.net import Net
    from graphnet.training.data.dataset import Dataset

ReadoutTimes = Annotated[
    str,
    typer.Option(
        "--readout",
        metavar="TIMES",
        help="Readout times in steps, as in a spec: 1..30, or 3,6 and 9 to T+4: 3,6,9..T+4; T is the last trained one.",
    ),
]


class Calibrate(StrEnum):
    """Which running statistics to calibrate."""

    MISSING = "missing"
    ALL = "all"
    NONE = "none"


class Combined(StrEnum):
    """What stopping rules see, in the words of `readout.combine`."""

    NONE = "none"
    CUMULATIVE = "cumulative"
    CUMULATIVE_SUM = "cumulative-sum"


def sweep(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder written by `graphnet train`.")],
    readout: ReadoutTimes,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for tables and figures.", show_default="RUN/sweep")
    ] = None,
    calibrate: Annotated[
        Calibrate,
        typer.Option(
            help="Batch-norm statistics to estimate on training images: the missing ones, all, or none; "
            "with none, missing means are 0 and missing variances 1."
        ),
    ] = Calibrate.MISSING,
    compare: Annotated[bool, typer.Option("--compare", help="Also plot the error without calibration.")] = False,
    combine: Annotated[
        Combined,
        typer.Option(
            metavar="WORD",
            help="What stopping rules see: the logits at each time (none), or the mean (cumulative) "
            "or sum (cumulative-sum) of the logits so far.",
        ),
    ] = Combined.NONE,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Softmax probability at which the net stops, for reaction_times.csv.")
    ] = 0.9,
    entropy: Annotated[
        float, typer.Option(min=0, help="Entropy in nats at which the net stops, for reaction_times.csv.")
    ] = 0.3,
    step: Annotated[
        float | None,
        typer.Option(
            metavar="MS",
            help="Milliseconds per time step, for tables and axes; by default a range.",
            show_default="20 to 50",
        ),
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of test images.", show_default="all")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Test images per batch.")] = 256,
    calibration_images: CalibrationImages = MOST_IMAGES,
    checkpoint: WhichCheckpoint = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    plugins: Plugins = None,
) -> None:
    """Evaluate a trained net at a range of readout times: error, loss, confidence, reaction times.

    The weights stay the same. Batch-norm statistics of times that were not trained are estimated on training images.
    Stopping rules define the reaction time: the first time at which the maximum softmax probability is high enough,
    or its entropy is low enough; or the time of maximum confidence.

    Writes sweep.csv (a line per time), stopping.csv (per stopping rule and threshold),
    reaction_times.csv (per image), responses.npz (the outputs at all times), sweep.json (which
    times were calibrated or left out, and why), and the figures error and speed_accuracy.
    """
    if step is not None and not 0 < step < float("inf"):
        raise typer.BadParameter("a step takes more than 0 ms", param_hint="--step")
    from graphnet.analysis.time.milliseconds import StepLength
    from graphnet.analysis.time.sweep_tables import write_summary
    from graphnet.training.runs.load_run import load_run

    folder = output or run / "sweep"
    with run_told():
        opened = RunFolder.open(run)
        net, dataset = load_run(opened, device, data_root, checkpoint)
        sweeps = {
            str(how): _swept(net, dataset, readout, how, images, batch_size, opened, calibration_images)
            for how in dict.fromkeys([calibrate, Calibrate.NONE] if compare else [calibrate])
        }
    found = sweeps[str(calibrate)]
    rules = _rules(found, combine, threshold, entropy)
    length = StepLength() if step is None else StepLength(step, step)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "run": str(run),
            "checkpoint": checkpoint or "the tested one",
            "data": dataset.name,
            "readout": readout,
            "calibrate": str(calibrate),
            "calibration_images": calibration_images,
        }
        write_summary(folder / "sweep.json", found, settings)
        _write(folder, sweeps, rules, combine, dataset, length, takes_time(net.meta["plan"]))
    except OSError as fault:
        raise Failure(f"cannot write {fault.filename or folder}: {fault.strerror}") from None
    _show(sweeps, rules, length, dataset, folder)


def _swept(
    net: Net,
    dataset: Dataset,
    times: str,
    how: Calibrate,
    images: int | None,
    batch_size: int,
    folder: RunFolder,
    calibration_images: int,
) -> Sweep:
    from graphnet.analysis.time.sweep import sweep as swept
    from graphnet.training.tasks import TASKS

    try:
        return swept(
            net,
            dataset.test.batches(batch_size, most=images),
            times,
            calibration_batches(folder, dataset, calibration_images),
            calibrate=how.value,
            task=TASKS[dataset.task],
            keep_outputs=True,
        )
    except ValueError as fault:
        raise Failure(f"error: {folder.path}: {fault}") from None


def _rules(found: Sweep, combine: Combined, threshold: float, entropy: float) -> list[Stopping]:
    """The stopping rules at the chosen thresholds; none unless the task is classes."""
    if found.responses["none"].confidence is None:
        return []
    return [
        found.stopping("threshold", threshold, combine.value),
        found.stopping("entropy", entropy, combine.value),
        found.stopping("max-confidence", None, combine.value),
    ]


def _write(
    folder: Path,
    sweeps: Mapping[str, Sweep],
    rules: Sequence[Stopping],
    combine: Combined,
    dataset: Dataset,
    length: StepLength,
    biological: bool,
) -> None:
    from graphnet.analysis.time.sweep_figures import plot_error, plot_speed_accuracy
    from graphnet.analysis.time.sweep_tables import (
        write_points,
        write_reaction_times,
        write_responses,
        write_stopping,
    )

    found = next(iter(sweeps.values()))
    indices = dataset.test.indices[: found.images].numpy()
    shown = length if biological else None
    write_points(folder / "sweep.csv", sweeps, length)
    write_responses(folder / "responses.npz", found, indices)
    plot_error(folder / "error", sweeps, shown)
    if rules:
        curves = {str(each.rule): found.speed_accuracy(each.rule, combine.value) for each in rules}
        every = [point for each in rules for point in _with(curves[each.rule], each)]
        write_stopping(folder / "stopping.csv", every, combine.value, length)
        write_reaction_times(folder / "reaction_times.csv", found, rules, combine.value, indices)
        plot_speed_accuracy(folder / "speed_accuracy", found, curves, combine.value, shown)


def _with(curve: Sequence[Stopping], chosen: Stopping) -> list[Stopping]:
    """A speed-accuracy curve with a further threshold, in order of the thresholds."""
    others = [point for point in curve if point.threshold != chosen.threshold]
    return sorted([*others, chosen], key=lambda point: point.threshold or 0.0)


def _show(
    sweeps: Mapping[str, Sweep], rules: Sequence[Stopping], length: StepLength, dataset: Dataset, folder: Path
) -> None:
    from rich.console import Console
    from rich.table import Table

    from graphnet.training.tasks import TASKS

    found, *others = sweeps.values()
    task = TASKS[found.task]
    form = "{:.4g}" if found.task == "values" else "{:.2%}"
    last = "uncalibrated" if others else "confidence"  # all columns together would be wider than a terminal
    table = Table("t", "ms", task.error_name, "loss", "mean so far", last, "statistics")
    for column in table.columns[:-1]:
        column.justify = "right"
    for k, (point, mean) in enumerate(zip(found.points(), found.points("cumulative"), strict=True)):
        kind = "initial" if point.t in found.untrained else "trained"
        confidence = "" if point.confidence is None else f"{point.confidence:.3f}"
        table.add_row(
            str(point.t),
            length.text(point.t),
            form.format(point.error),
            f"{point.loss:.4f}",
            form.format(mean.error),
            form.format(others[0].points()[k].error) if others else confidence,
            "calibrated" if point.t in found.calibrated else kind,
        )
    console = Console()
    console.print(table)
    lines = [f"t = {t} is left out: {why}" for t, why in found.left_out.items()]
    lines += [
        f"{WORDS[each.rule].format(each.threshold)}: {task.error_name} {form.format(each.error)}, "
        f"mean reaction time {each.mean_time:.2f} steps ({each.share_reached:.0%} stop)"
        for each in rules
    ]
    lines += [f"measured on {found.images:,} test images of {dataset.name} (chance {form.format(found.chance)})"]
    console.print("\n".join([*lines, f"results in {folder}"]), highlight=False, soft_wrap=True, markup=False)


WORDS = {
    "threshold": "stop at a largest softmax of {:g}",
    "entropy": "stop at an entropy of {:g} nats",
    "max-confidence": "answer of the most confident time",
}
"""Stopping rule → what it does, with its threshold."""
