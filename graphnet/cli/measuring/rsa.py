"""`graphnet rsa`: representational similarity analysis of a trained net."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
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
    from graphnet.analysis.representations.similarity import Analysis


class Distance(StrEnum):
    """The dissimilarities of two responses."""

    CORRELATION = "correlation"
    EUCLIDEAN = "euclidean"
    COSINE = "cosine"


class Comparison(StrEnum):
    """The correlations of two matrices."""

    SPEARMAN = "spearman"
    KENDALL = "kendall"
    PEARSON = "pearson"


class Condition(StrEnum):
    """What a row of a matrix stands for."""

    IMAGE = "image"
    CLASS = "class"


def rsa(
    source: RunOrFile,
    at: At = None,
    images: Annotated[
        int, typer.Option(min=3, help="Number of test images: a stratified selection, always the same.")
    ] = 200,
    by: Annotated[
        Condition, typer.Option(help="One condition per image, or per class: responses averaged over its images.")
    ] = Condition.IMAGE,
    distance: Annotated[
        Distance, typer.Option(help="Dissimilarity of two responses: 1 - Pearson's r, Euclidean, or 1 - cosine.")
    ] = Distance.CORRELATION,
    compare: Annotated[
        Comparison, typer.Option(help="Correlation of two matrices; Kendall's is tau-a.")
    ] = Comparison.SPEARMAN,
    references: Annotated[
        list[Path] | None,
        typer.Option(
            "--with",
            metavar="FILE",
            help="Compare with a dissimilarity matrix in a .csv or .npy file; its rows and columns follow "
            "conditions.csv, which a first run without it writes. Several subjects, by repeating it, give a noise "
            "ceiling.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for tables and figures.", show_default="RUN/rsa")
    ] = None,
    checkpoint: WhichCheckpoint = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    plugins: Plugins = None,
) -> None:
    """Compare representations by their dissimilarity matrices (RDMs), for each state and time.

    Writes the matrices (rdms.npz square, rdms.csv by pairs) and their conditions (conditions.csv).
    Compares all matrices (comparison.csv), and each with those of --with (similarity.csv).
    Draws figures as SVG, PDF and PNG; for a run also the unrolled net, coloured by similarity with
    the matrices of --with, or else with the last matrix.
    """
    from graphnet.analysis.representations.rdm_files import read_matrix
    from graphnet.analysis.representations.similarity import analyse

    found = responses_of(source, at, images, checkpoint, data_root, device)
    with analysis_told(source):
        matrices = [read_matrix(path) for path in references or ()]
        analysis = analyse(
            found.responses,
            by_class=by is Condition.CLASS,
            distance=distance,
            comparison=compare,
            references=dict(zip(_names(references or ()), matrices, strict=True)),
        )
    folder = folder_of_results(source, output, "rsa")
    with writing(folder):
        _write(folder, found, analysis, by)
    _tell(analysis)
    print(f"results in {folder}")


def _names(paths: Sequence[Path]) -> list[str]:
    """Names of files, for tables: without their folders if they still differ."""
    short = [path.stem for path in paths]
    names = short if len(set(short)) == len(short) else [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise Failure("error: --with names a file twice")
    return names


def _write(folder: Path, source: Source, analysis: Analysis, by: Condition) -> None:
    from graphnet.analysis.representations import figures, rdm_files
    from graphnet.analysis.representations.rdm import SYMBOLS

    rdm_files.write_matrices(folder / "rdms.npz", analysis.rdms)
    rdm_files.write_pairs(folder / "rdms.csv", analysis.rdms, len(analysis.conditions))
    rdm_files.write_conditions(folder / "conditions.csv", analysis.conditions, analysis.classes)
    rdm_files.write_table(folder / "comparison.csv", *analysis.comparison_table())
    figures.plot_rdms(folder, analysis.rdms, analysis.order, _axis(analysis, by))
    figures.plot_comparison(folder, list(analysis.rdms), analysis.between, analysis.comparison)
    quantity = f"{SYMBOLS[analysis.comparison]} of RDMs with {analysis.summarised}"
    if analysis.with_references:
        rdm_files.write_table(folder / "similarity.csv", *analysis.similarity_table())
        figures.plot_over_time(
            folder,
            "similarity",
            figures.lines_of(analysis.over_time()),
            quantity,
            milliseconds=source.milliseconds,
            ceiling=analysis.ceiling,
        )
    if source.plan is not None:
        values = {f"{state}@{t}": value for (state, t), value in analysis.summary().items()}
        draw_values(folder, source.plan, values, quantity)


def _axis(analysis: Analysis, by: Condition) -> str:
    count = len(analysis.conditions)
    if by is Condition.CLASS:
        return f"{count} classes"
    return f"{count} images, sorted by class" if analysis.classes is not None else f"{count} images"


def _tell(analysis: Analysis) -> None:
    from rich.console import Console
    from rich.table import Table

    header, rows = analysis.summary_table()
    table = Table(*header)
    for row in rows:
        table.add_row(*(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row))
    Console().print(table)
    if analysis.ceiling is not None:
        print(f"noise ceiling: {analysis.ceiling.lower:.3f} to {analysis.ceiling.upper:.3f}")
