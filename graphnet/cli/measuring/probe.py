"""`graphnet probe`: linear probes of a trained net's states."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure
from graphnet.cli.common.responses import (
    At,
    RunOrFile,
    Source,
    analysis_told,
    draw_values,
    folder_of_results,
    responses_of,
    writing,
)
from graphnet.cli.training.evaluate import DataRoot, Device, WhichCheckpoint

if TYPE_CHECKING:
    from graphnet.analysis.representations.probes import Probed
    from graphnet.analysis.representations.responses import Key


def probe(
    source: RunOrFile,
    at: At = None,
    images: Annotated[
        int, typer.Option(min=4, help="Number of test images: a stratified selection, always the same.")
    ] = 1000,
    features: Annotated[
        int,
        typer.Option(
            min=1,
            help="Maximum number of features of a probe. Larger maps are averaged over patches; if the channels alone "
            "are more, a random projection follows.",
        ),
    ] = 1000,
    folds: Annotated[int, typer.Option(min=2, help="Folds of the cross-validation.")] = 5,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of folds and projections.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for table and figures.", show_default="RUN/probe")
    ] = None,
    checkpoint: WhichCheckpoint = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    plugins: Plugins = None,
) -> None:
    """Train linear decoders of the targets on each state at each time, cross-validated over test images.

    Features are standardised. Classes: logistic regression, scored by accuracy. Values: ridge regression, scored by R².
    Writes probes.csv and a figure over time as SVG, PDF and PNG; for a run also the unrolled net,
    coloured by score.
    """
    from graphnet.analysis.representations.probes import probe_all

    found = responses_of(source, at, images, checkpoint, data_root, device)
    if found.responses.targets is None:
        raise Failure(f"error: {source} holds no targets to probe for")
    if found.task not in ("classes", "values"):
        raise Failure(f"error: {source}: the targets are {found.task}; probes take classes or values")
    with analysis_told(source):
        probed = probe_all(found.responses, most=features, folds=folds, seed=seed)
    folder = folder_of_results(source, output, "probe")
    with writing(folder):
        _write(folder, found, probed)
    _tell(probed, found, folds)
    print(f"results in {folder}")


def _write(folder: Path, source: Source, probed: dict[Key, Probed]) -> None:
    from graphnet.analysis.representations.figures import lines_of, plot_over_time
    from graphnet.analysis.representations.rdm_files import write_table

    rows = [
        (*key, each.score.mean, each.score.standard_error, each.score.chance, each.features, each.how)
        for key, each in probed.items()
    ]
    quantity = f"{source.score} of a linear probe"
    header = ("state", "t", source.score, "standard error", "chance", "features", "how")
    write_table(folder / "probes.csv", header, rows)
    lines = lines_of({key: (each.score.mean, each.score.standard_error) for key, each in probed.items()})
    chance = next(iter(probed.values())).score.chance
    plot_over_time(folder, "probes", lines, quantity, milliseconds=source.milliseconds, chance=chance)
    if source.plan is not None:
        draw_values(folder, source.plan, {f"{s}@{t}": each.score.mean for (s, t), each in probed.items()}, quantity)


def _tell(probed: dict[Key, Probed], source: Source, folds: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("state", "t", source.score, "features")
    for (state, t), each in probed.items():
        score = f"{each.score.mean:.3f} ± {each.score.standard_error:.3f}"
        table.add_row(state, str(t), score, f"{each.features:,} ({each.how})")
    Console().print(table)
    chance = next(iter(probed.values())).score.chance
    print(f"{len(source.responses.images):,} images, {folds} folds, ± one standard error; chance {chance:.3f}")
    if slow := [f"{state}@{t}" for (state, t), each in probed.items() if not each.score.converged]:
        print(f"warning: the probes of {', '.join(slow)} have not converged", file=sys.stderr)
