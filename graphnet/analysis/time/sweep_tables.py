"""Tables of sweeps over readout times as CSV and JSON, and the responses to each image as NPZ."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphnet.analysis.time.milliseconds import StepLength
from graphnet.analysis.time.stopping import QUANTILES, Stopping
from graphnet.analysis.time.sweep import COMBINES, Combine, Sweep
from graphnet.atomic_files import replacing

Row = Sequence[object]
"""None is an empty cell."""


def write_points(path: Path, sweeps: Mapping[str, Sweep], step: StepLength) -> None:
    """Write a line per calibration, combination and readout time; `sweeps` are named after their calibration."""
    names = ("calibration", "combine", "time", "ms_low", "ms_high", "trained", "calibrated")
    _write(
        path,
        (*names, "error", "accuracy", "loss", "confidence", "entropy"),
        (
            (
                *(calibration, combine, point.t, *step.of(point.t)),
                *(int(point.t not in found.untrained), int(point.t in found.calibrated)),
                *(point.error, point.accuracy if found.task != "values" else None, point.loss),
                *(point.confidence, point.entropy),
            )
            for calibration, found in sweeps.items()
            for combine in COMBINES
            for point in found.points(combine)
        ),
    )


def write_stopping(path: Path, curves: Iterable[Stopping], combine: Combine, step: StepLength) -> None:
    """Write a line per stopping rule and threshold; times are in steps, and the mean also in milliseconds."""
    names = ("rule", "combine", "threshold", "error", "accuracy", "reached")
    quantiles = [f"time_q{100 * share:g}" for share in QUANTILES]
    _write(
        path,
        (*names, "time_mean", *quantiles, "ms_low", "ms_high"),
        (
            (
                *(each.rule, combine, each.threshold, each.error, each.accuracy, each.share_reached),
                *(each.mean_time, *each.quantiles, *step.of(each.mean_time)),
            )
            for each in curves
        ),
    )


def write_reaction_times(
    path: Path, found: Sweep, rules: Iterable[Stopping], combine: Combine, indices: NDArray[np.int64]
) -> None:
    """Write a line per stopping rule and image; `indices` `[N]` number the images as in their data set."""
    answers, targets = found.responses[combine].answers, found.targets
    assert answers is not None, "stopping rules need classes"
    _write(
        path,
        ("rule", "threshold", "image", "target", "time", "reached", "answer", "correct"),
        (
            (
                *(each.rule, each.threshold, int(indices[n]), int(targets[n]), int(each.reaction_times[n])),
                *(int(each.reached[n]), int(answers[each.places[n], n]), int(not each.wrong[n])),
            )
            for each in rules
            for n in range(found.images)
        ),
    )


def write_responses(path: Path, found: Sweep, indices: NDArray[np.int64]) -> None:
    """Write `times` `[T]`, `outputs` `[N, T, …]`, `targets` `[N, …]` and `images` `[N]`, their numbers in the data."""
    assert found.outputs is not None, "a sweep without keep_outputs"
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            times=np.asarray(found.times, dtype=np.int64),
            outputs=found.outputs,
            targets=found.targets,
            images=indices,
        )


def _write(path: Path, names: Row, rows: Iterable[Row]) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(names)
        table.writerows(rows)
