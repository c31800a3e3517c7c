"""`graphnet consistency`: do a net and another net, or people, err on the same images?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.responses import analysis_told, folder_of_results, writing
from graphnet.cli.training.evaluate import DataRoot, RunPath
from graphnet.pictures.states import takes_time
from graphnet.pipeline import load, plan
from graphnet.training.errors import RunError
from graphnet.training.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from graphnet.analysis.representations.observers import Compared


def consistency(
    run: RunPath,
    others: Annotated[
        list[Path],
        typer.Argument(
            metavar="OTHER...",
            help="Run folders tested on the same images, or CSV tables of human responses: columns `image` (index "
            "in the test part, from 0), `answer` (class, from 0) or `correct` (0 or 1); optional: `observer`.",
        ),
    ],
    samples: Annotated[int, typer.Option(min=1, help="Bootstrap samples of the images.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for table and figure.", show_default="RUN/consistency"),
    ] = None,
    data_root: DataRoot = None,
    plugins: Plugins = None,
) -> None:
    """Measure error consistency with other nets or people: Cohen's kappa of being right or wrong, image by image.

    Kappa is 0 if errors are independent, given both accuracies, and 1 if both err on the same images.
    It is computed at each readout time of RUN, from the predictions saved after training, with a 95% bootstrap
    interval (Geirhos, Meding & Wichmann 2020).
    Writes consistency.csv and a figure over time as SVG, PDF and PNG.
    """
    with analysis_told(run):
        found = _compared(run, others, data_root, samples, seed)
        clock = takes_time(plan(load(run / "spec.json")))
    folder = folder_of_results(run, output, "consistency")
    with writing(folder):
        _write(folder, found, clock)
    _tell(found)
    print(f"results in {folder}")


def _compared(run: Path, others: Sequence[Path], data_root: Path | None, samples: int, seed: int) -> list[Compared]:
    from graphnet.analysis.representations.observers import compared, of_run, of_table

    net, test = of_run(RunFolder.open(run), run.name, data_root)
    observers = []
    for path in others:
        if path.is_dir():
            other, its_test = of_run(RunFolder.open(path), path.name, data_root)
            if its_test.hash != test.hash or its_test.classes.tolist() != test.classes.tolist():
                raise RunError(f"{path} was tested on other images than {run}; error consistency needs the same images")
            observers.append(other)
        else:
            observers += of_table(path, test)
    return [each for other in observers for each in compared(net, other, samples=samples, seed=seed)]


def _write(folder: Path, found: Sequence[Compared], clock: bool) -> None:
    from graphnet.analysis.representations.figures import Line, plot_over_time
    from graphnet.analysis.representations.rdm_files import write_table

    header = ("t", "other", "other_t", "images", "accuracy", "other accuracy")
    rows = [
        (
            each.t,
            each.other,
            "" if each.other_t is None else each.other_t,
            each.found.images,
            *each.found.accuracies,
            each.found.observed,
            each.found.expected,
            *(each.found.kappa.estimate, each.found.kappa.low, each.found.kappa.high),
        )
        for each in found
    ]
    write_table(folder / "consistency.csv", (*header, "observed", "expected", "kappa", "low", "high"), rows)
    lines: dict[str, list[Compared]] = {}
    for each in found:
        at_own_time = each.other_t is None or each.other_t == each.t
        lines.setdefault(each.other if at_own_time else f"{each.other}, t = {each.other_t}", []).append(each)
    drawn = [
        Line(
            name,
            [each.t or 0 for each in group],
            [each.found.kappa.estimate for each in group],
            [each.found.kappa.low for each in group],
            [each.found.kappa.high for each in group],
        )
        for name, group in lines.items()
    ]
    plot_over_time(folder, "consistency", drawn, "error consistency κ", legend="with", milliseconds=clock)


def _tell(found: Sequence[Compared]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("t", "with", "images", "accuracies", "c_obs", "c_exp", "kappa")
    for each in found:
        first, second = each.found.accuracies
        kappa = each.found.kappa
        told = f"{kappa.estimate:.3f} [{kappa.low:.3f}, {kappa.high:.3f}]"
        table.add_row(
            str(each.t),
            each.other if each.other_t is None else f"{each.other} @{each.other_t}",
            f"{each.found.images:,}",
            f"{first:.3f} {second:.3f}",
            f"{each.found.observed:.3f}",
            f"{each.found.expected:.3f}",
            "undefined" if math.isnan(kappa.estimate) else told,
        )
    Console().print(table)
