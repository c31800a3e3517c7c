"""`graphnet analyse`: Lipschitz bounds and fixed points of a trained net."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure, write
from graphnet.cli.training.evaluate import DataRoot, Device, RunPath, WhichCheckpoint, run_told
from graphnet.training.runs.run_folder import RunFolder

SHOWN = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Steps of a fixed-point iteration to print; the CSV file has all."""


def analyse(
    run: RunPath,
    lipschitz: Annotated[
        bool, typer.Option("--lipschitz", help="Bound each transition's Lipschitz constant at each time.")
    ] = False,
    fixed_point: Annotated[
        str | None, typer.Option(metavar="STATE", help="Repeat a state's last block until its value settles.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Number of repetitions.")] = 100,
    tolerance: Annotated[float, typer.Option(help="Largest relative change that counts as settled.")] = 1e-5,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write all results to this CSV file.")
    ] = None,
    checkpoint: WhichCheckpoint = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    plugins: Plugins = None,
) -> None:
    """Bound the Lipschitz constants of a trained net's transitions, or find a state's fixed point."""
    if lipschitz == (fixed_point is not None):
        raise Failure("error: choose one analysis: --lipschitz or --fixed-point STATE")
    with run_told():
        folder = RunFolder.open(run)
        if fixed_point is None:
            rows = _bounds(folder, checkpoint, device)
        else:
            rows = _fixed_point(folder, fixed_point, steps, tolerance, checkpoint, data_root, device)
    if output is not None:
        table = StringIO()
        csv.writer(table, lineterminator="\n").writerows(rows)
        write(output, table.getvalue())


def _bounds(folder: RunFolder, checkpoint: str | None, device: str) -> list[tuple[object, ...]]:
    from graphnet.analysis.lipschitz_bounds import bounds
    from graphnet.training.runs.load_run import load_net

    try:
        found = bounds(load_net(folder, device, checkpoint))
    except ValueError as fault:
        raise Failure(f"error: {fault}") from None
    for source, target in dict.fromkeys(key[:2] for key in found):
        at = {t: bound for (*pair, t), bound in found.items() if pair == [source, target]}
        print(f"{source}->{target}")
        for t, bound in at.items():
            print(f"  t = {t:<4} {bound:10.4g}")
    return [("source", "target", "t", "bound"), *((*key, bound) for key, bound in found.items())]


def _fixed_point(
    folder: RunFolder,
    state: str,
    steps: int,
    tolerance: float,
    checkpoint: str | None,
    data_root: Path | None,
    device: str,
) -> list[tuple[object, ...]]:
    import numpy as np

    from graphnet.analysis.fixed_point import fixed_point
    from graphnet.training.runs.load_run import load_run

    net, dataset = load_run(folder, device, data_root, checkpoint)
    batches = dataset.test.batches(256)
    found = fixed_point(net, batches, state, steps=steps, tolerance=tolerance)
    median, largest = np.median(found.residuals, axis=1), found.residuals.max(axis=1)
    print(f"step   residual (median, largest of {found.residuals.shape[1]} images)   accuracy")
    print(f"{0:4}   {'as trained':>39}   {1 - found.errors[0]:8.2%}")
    last = steps if found.overflow is None else max(found.overflow - 1, 0)
    for k in sorted({*(step for step in SHOWN if step <= last), last} - {0}):
        print(f"{k:4}   {median[k - 1]:19.2e} {largest[k - 1]:19.2e}   {1 - found.errors[k]:8.2%}")
    if found.overflow is not None:
        print(found.why_not_finite())
    elif found.converged:
        print(f"'{state}' is at a fixed point after {found.converged} steps: no image moves by more than {tolerance:g}")
    else:
        still = (found.residuals[-1] <= tolerance).mean()
        print(f"'{state}' does not settle within {steps} steps: {still:.0%} of the images are within {tolerance:g}")
    rows = zip(range(1, steps + 1), median, largest, 1 - found.errors[1:], strict=True)
    return [("step", "median residual", "largest residual", "accuracy"), *rows]
