"""`graphnet compare`, `graphnet unroll`, `graphnet diff`: are two nets the same?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure, Settings, SpecPath, planned, told, write
from graphnet.pipeline import unroll as unrolled
from graphnet.rewrite.diff import difference
from graphnet.spec.write import to_toml

Other = Annotated[str, typer.Argument(metavar="OTHER", help="The spec that it is compared with.")]


def compare(
    spec: SpecPath,
    other: Other,
    seeds: Annotated[int, typer.Option(help="How many random weights and images are tried.")] = 3,
    tolerance: Annotated[float, typer.Option(help="Largest difference over the largest value, in float64.")] = 1e-10,
    plugins: Plugins = None,
) -> None:
    """Run two nets on the same weights: outputs, gradients and statistics, in training and evaluation.

    Exit status 1 if they differ; then the state and time where they part are named.
    """
    first, _ = planned(spec)
    second, _ = planned(other)
    from graphnet.equivalence import NoTable
    from graphnet.equivalence import compare as run

    try:
        report = run(first, second, seeds=range(seeds), tolerance=tolerance)
    except NoTable as fault:
        raise Failure(f"error: {fault}") from None
    print(report)
    if not report:
        raise typer.Exit(1)


def unroll(
    spec: SpecPath,
    output: Annotated[Path, typer.Option("--output", "-o", help="The spec to write, .toml or .json.")],
    settings: Settings = None,
    plugins: Plugins = None,
) -> None:
    """Write a net unrolled in time as a spec: feed-forward, one state for each state and time, tied by sharing sets."""
    loaded, _ = planned(spec, settings)
    with told():
        data = unrolled(loaded).as_data()
    write(output, json.dumps(data, indent=1, ensure_ascii=False) + "\n" if output.suffix == ".json" else to_toml(data))
    print(output)


def diff(spec: SpecPath, other: Other, plugins: Plugins = None) -> None:
    """Say what differs between two specs in meaning: transitions and their times, sets, shapes; not in text.

    Exit status 1 if anything does.
    """
    found = difference(planned(spec)[1], planned(other)[1])
    print("\n".join(found) if found else "the specs mean the same")
    if found:
        raise typer.Exit(1)
