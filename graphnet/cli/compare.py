"""`graphnet compare`: test whether two nets compute the same."""

from __future__ import annotations

from typing import Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure, Other, SettingsOfBoth, SpecPath, planned


def compare(
    spec: SpecPath,
    other: Other,
    settings: SettingsOfBoth = None,
    seeds: Annotated[int, typer.Option(help="Number of random draws of weights and images.")] = 3,
    tolerance: Annotated[
        float, typer.Option(help="Largest difference allowed, relative to the largest value, in float64.")
    ] = 1e-10,
    plugins: Plugins = None,
) -> None:
    """Compare outputs, gradients and statistics of two nets on the same weights.

    The nets run in training and in evaluation mode.
    Exit status 1 if they differ; the report names the state and time where they part.
    """
    first, _ = planned(spec, settings)
    second, _ = planned(other, settings)
    from graphnet.equivalence import NoTable
    from graphnet.equivalence import compare as run

    try:
        report = run(first, second, seeds=range(seeds), tolerance=tolerance)
    except NoTable as fault:
        raise Failure(f"error: {fault}") from None
    print(report)
    if not report:
        raise typer.Exit(1)
