"""`graphnet compare`: test whether two nets compute the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure, SettingsOfBoth, planned
from graphnet.cli.training.evaluate import DataRoot, Device, run_told
from graphnet.given_specs import is_run_folder
from graphnet.training.errors import RunError
from graphnet.training.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from graphnet.equivalence import TrainedReport
    from graphnet.runtime.net import Net

SEEDS, TOLERANCE = 3, 1e-10


def compare(
    first: Annotated[
        str,
        typer.Argument(metavar="SPEC|RUN", help="A spec's file or zoo name, or a run folder; '-' is standard input."),
    ],
    second: Annotated[str, typer.Argument(metavar="SPEC|RUN", help="What to compare it with.")],
    settings: SettingsOfBoth = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Number of random draws of weights and images (specs only).", show_default=str(SEEDS)),
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of test images (runs only).", show_default="all")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="Largest difference allowed, relative to the largest value.")
    ] = TOLERANCE,
    data_root: DataRoot = None,
    device: Device = "auto",
    plugins: Plugins = None,
) -> None:
    """Test whether two nets compute the same: outputs, gradients and batch-norm statistics, in float64.

    Two specs get the same random weights and images.
    A run keeps its trained weights; a spec compared with it gets the run's weights. The images are the run's.
    The nets run in training and in evaluation mode.
    Exit status 1 if they differ; the report names the first state and time at which they differ.
    """
    if is_run_folder(first) or is_run_folder(second):
        if settings or seeds is not None:
            raise Failure("error: --set and --seeds are for two specs: a run has its own spec and weights", 2)
        with run_told():
            report: object = _compare_trained(first, second, images, tolerance, data_root, device)
    else:
        report = _compare_specs(first, second, settings, seeds or SEEDS, tolerance)
    print(report)
    if not report:
        raise typer.Exit(1)


def _compare_specs(first: str, second: str, settings: list[str] | None, seeds: int, tolerance: float) -> object:
    a, _ = planned(first, settings)
    b, _ = planned(second, settings)
    from graphnet.equivalence import NoTable
    from graphnet.equivalence import compare as run

    try:
        return run(a, b, seeds=range(seeds), tolerance=tolerance)
    except NoTable as fault:
        raise Failure(f"error: {fault}") from None


def _compare_trained(
    first: str, second: str, images: int | None, tolerance: float, data_root: Path | None, device: str
) -> TrainedReport:
    """Compare two runs, or a run with a spec that gets its weights."""
    from graphnet.equivalence import NoTable, compare_trained, transferred
    from graphnet.training.data.checks import check_fits
    from graphnet.training.runs.load_run import load_net, load_run

    runs = {each: RunFolder.open(Path(each)) for each in (first, second) if is_run_folder(each)}
    _check_same_data(*runs.values())
    net, dataset = load_run(next(iter(runs.values())), device, data_root)

    def named(given: str) -> tuple[str, Net]:
        if given in runs:
            return given, load_net(runs[given], device)
        spec, plan = planned(given)
        check_fits(dataset, plan.input_shape, plan.output_shape)
        return f"'{spec.name}'", transferred(net, spec)

    try:
        (one, a), (other, b) = named(first), named(second)
        return compare_trained(a, b, dataset, names=(one, other), tolerance=tolerance, most=images)
    except NoTable as fault:
        raise Failure(f"error: {fault}".replace(BY_TABLE, "")) from None


BY_TABLE = ": give a table of weights"
"""What only the Python interface takes."""


def _check_same_data(first: RunFolder, *others: RunFolder) -> None:
    """Raise RunError unless the runs have the same test images."""
    ours = _test_data(first)
    for other in others:
        if (theirs := _test_data(other)) != ours:
            data = f"{first.path} on {ours[0]}, {other.path} on {theirs[0]}"
            raise RunError(f"the runs have other test images: {data}\n  compare runs on the same data")


def _test_data(folder: RunFolder) -> tuple[str, str]:
    """The name of a run's data set, and the SHA-256 of its test part."""
    match folder.read_record():
        case {"dataset": {"name": str(name), "held_out_hash": str(held_out)}}:
            return name, held_out
    raise RunError(f"{folder.record} does not name the training data: it is damaged")
