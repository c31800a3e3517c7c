"""`graphnet data`: what a data set holds, and a picture of it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphnet.cli.common.failure import Failure
from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import folder_for
from graphnet.training.errors import TrainingError

if TYPE_CHECKING:
    from graphnet.training.data.dataset import Dataset
    from graphnet.training.data.summary import Summary

MOST_CLASSES = 20
"""Classes to count one by one; of more only the range is printed."""


class PartChoice(Enum):
    """Part to show."""

    train = "train"
    test = "test"


def data(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A data set, as in --data: digits, digitclutter-3@64, folder:PATH, ..."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Draw a grid of images (.png, .svg or .pdf).")
    ] = None,
    images: Annotated[int, typer.Option(min=1, max=1000, help="Images in the grid.")] = 40,
    part: Annotated[PartChoice, typer.Option(help="Part whose images to draw.")] = PartChoice.train,
    data_root: Annotated[Path | None, typer.Option(help="Folder that holds the data.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the parts, as split_seed in a recipe.")] = 0,
    plugins: Plugins = None,
) -> None:
    """Print what a data set holds, and draw some of its images with their targets."""
    from graphnet.training.data.named import load_dataset
    from graphnet.training.data.summary import summary

    try:
        dataset = load_dataset(name, data_root, seed=seed)
        print(_text(summary(dataset)))
        if output is not None:
            _draw(output, dataset, "training" if part is PartChoice.train else "test", images)
    except TrainingError as error:
        raise Failure(f"error: {error}") from None


def _draw(output: Path, dataset: Dataset, part: str, images: int) -> None:
    from graphnet.analysis.data_figure import draw_images
    from graphnet.analysis.figure_files import FORMATS

    if output.suffix.removeprefix(".") not in FORMATS:
        known = ", ".join(f".{kind}" for kind in FORMATS)
        raise Failure(f"error: cannot draw {output}: the ending of the file must be one of {known}")
    folder_for(output)
    try:
        draw_images(output, dataset, part, images)
    except OSError as fault:
        raise Failure(f"cannot write {output}: {fault.strerror}") from None
    print(f"picture in {output}")


def _text(found: Summary) -> str:
    from graphnet.errors import clean

    what = "classes of pixels" if found.task == "pixels" else found.task
    constants = f"{_numbers(found.means)}, deviation {_numbers(found.deviations)}"
    lines = [
        f"name          {clean(found.name)}",
        f"task          {found.task}, {found.classes} {what}",
        f"images        {', '.join(f'{count:,} {part}' for part, count in found.images.items())}",
        f"shape         {' x '.join(map(str, found.shape))} (channels, rows, columns)",
        *_counts(found),
        f"mean          {constants}; images are standardised by them",
        f"chance        {found.error_name} {found.chance:.4g} on the test part",
        f"test part     SHA-256 {found.held_out_hash}",
    ]
    return "\n".join(lines)


def _counts(found: Summary) -> list[str]:
    if found.counts is None:
        return []
    lines = []
    for part, counts in found.counts.items():
        told = " ".join(f"{k}: {count:,}" for k, count in enumerate(counts))
        if len(counts) > MOST_CLASSES:
            told = f"{min(counts):,} to {max(counts):,} of each of {len(counts):,}"
        lines.append(f"{part:<13} {told}")
    return lines


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)
