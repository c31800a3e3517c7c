"""`graphnet compare`: do two nets compute the same?"""

from __future__ import annotations

from typing import Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure, Other, SettingsOfBoth, SpecPath, planned


def compare(
    spec: SpecPath,
    other: Other,
    settings: SettingsOfBoth = None,
    seeds: Annotated[int, typer.Option(help="How many random weights and images are tried.")] = 3,
    tolerance: Annotated[float, typer.Option(help="Largest difference over the largest value, in float64.")] = 1e-10,
    plugins: Plugins = None,
) -> None:
    """Run two nets on the same weights: outputs, gradients and statistics, in training and evaluation.

    Exit status 1 if they differ; then the state and time where they part are named.
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
