"""Observers whose answers to test images are compared: trained nets by readout time, and people; N test images."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from graphnet.analysis.representations.error_consistency import ErrorConsistency, error_consistency
from graphnet.pipeline import load, plan
from graphnet.training.errors import RunError
from graphnet.training.runs.load_run import load_data
from graphnet.training.runs.run_folder import RunFolder

TRUTH = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, eq=False)
class Observer:
    """Who answered, and which answers were right.

    Attributes:
        images: places of the images in the test part, ascending, int64 `[n]`; a person may have seen only some of them.
        right: readout time (None for a person) → whether each answer is right, bool `[n]`.
    """

    name: str
    images: NDArray[np.int64]
    right: Mapping[int | None, NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class TestSet:
    """The test part that a run was tested on: its identity, and the class of each image, int64 `[N]`."""

    hash: str
    classes: NDArray[np.int64]

    __test__ = False
    """No test class, although pytest would collect one of this name."""


def of_run(folder: RunFolder, name: str, data_root: Path | None = None) -> tuple[Observer, TestSet]:
    """What a run's net answered after training at each readout time, from `logits.npz`.

    Without that file only the last readout is known, from `predictions.json`; the classes are then read with the data.

    Raises:
        RunError: the run has no such answers, a file is damaged, or the task is not classes.
        TrainingError: the data cannot be read.
        SpecError: the run's spec is damaged.
    """
    match folder.read_record():
        case {"dataset": {"task": str(task), "held_out_hash": str(held_out)}}:
            pass
        case _:
            raise RunError(f"{folder.record} does not name the test images: it is damaged")
    if task != "classes":
        raise RunError(f"{folder.path}: error consistency needs one class for each image; its targets are {task}")
    last = plan(load(folder.path / "spec.json")).last_time
    answers, classes = _logits(folder, last) if (folder.path / "logits.npz").exists() else ({}, None)
    if classes is None:
        if not folder.predictions.exists():
            raise RunError(f"{folder.path} holds no answers: its training did not finish")
        answers = {last: np.array(folder.read_predictions())}
        classes = load_data(folder, data_root).test.targets.numpy()
    if any(each.shape != classes.shape for each in answers.values()):
        raise RunError(f"{folder.path} is damaged: its answers are not as many as its test images, {len(classes)}")
    right = {t: each == classes for t, each in answers.items()}
    return Observer(name, np.arange(len(classes)), right), TestSet(held_out, classes)


def _logits(folder: RunFolder, last: int) -> tuple[dict[int | None, NDArray[np.int64]], NDArray[np.int64]]:
    """The answers by readout time, and the classes."""
    path = folder.path / "logits.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        classes = arrays.pop("targets").astype(np.int64)
        times = {last if name == "last" else int(name.removeprefix("t")): name for name in arrays}
        answers: dict[int | None, NDArray[np.int64]] = {t: arrays[times[t]].argmax(1) for t in sorted(times)}
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, AttributeError) as fault:
        why = fault.strerror if isinstance(fault, OSError) and fault.strerror else "it is damaged"
        raise RunError(f"{path} cannot be read: {why}") from None
    return answers, classes


def of_table(path: Path, test: TestSet) -> list[Observer]:
    """People's answers to test images, from a CSV table; one observer for each name in its column `observer`.

    Columns: `image`, its place in the test part from 0; `answer`, a class from 0, or `correct`, 0 or 1; perhaps
    `observer`.

    Raises:
        RunError: the table cannot be read, lacks a column, or a line is wrong.
    """
    found: dict[str, dict[int, bool]] = {}
    for place, row in _rows(path):
        image = _whole(row["image"], place, "image")
        if not 0 <= image < len(test.classes):
            raise RunError(f"{place}: image {image}: the test images are 0 to {len(test.classes) - 1}")
        own = found.setdefault(row.get("observer", "").strip(), {})
        if image in own:
            raise RunError(f"{place}: image {image} occurs twice; a column `observer` tells several people apart")
        own[image] = _is_right(row, place, int(test.classes[image]))
    if not found:
        raise RunError(f"{path} has no lines")
    observers = []
    for name, answers in found.items():
        images = np.array(sorted(answers))
        label = f"{path.stem}: {name}" if name else path.stem
        observers.append(Observer(label, images, {None: np.array([answers[image] for image in sorted(answers)])}))
    return observers


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each line's place and its cells by column."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, restval="")
            columns = table.fieldnames or []
            if "image" not in columns or not {"answer", "correct"} & set(columns):
                has = ", ".join(columns) or "none"
                raise RunError(f"{path} needs the columns `image`, and `answer` or `correct`; it has: {has}")
            for row in table:
                yield f"{path}:{table.line_num}", row
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        why = fault.strerror if isinstance(fault, OSError) else "it is not a CSV table"
        raise RunError(f"{path} cannot be read: {why}") from None


def _is_right(row: Mapping[str, str], place: str, wanted: int) -> bool:
    if "correct" in row:
        known = TRUTH.get(row["correct"].strip().lower())
        if known is None:
            raise RunError(f"{place}: correct is '{row['correct']}'; it must be 0 or 1")
        return known
    return _whole(row["answer"], place, "answer") == wanted


def _whole(text: str, place: str, column: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise RunError(f"{place}: {column} is '{text}'; it must be a whole number") from None


@dataclass(frozen=True)
class Compared:
    """The error consistency of a net at a readout time with another observer, at its readout time if it is a net."""

    t: int | None
    other: str
    other_t: int | None
    found: ErrorConsistency


def compared(net: Observer, other: Observer, *, samples: int = 1000, seed: int = 0) -> list[Compared]:
    """Compare a net with another observer on the images that both saw.

    Nets that both read out several times are compared at equal times; else each time of one with each of the other.

    Raises:
        ValueError: they saw no image in common.
    """
    both, own, others = np.intersect1d(net.images, other.images, assume_unique=True, return_indices=True)
    if not both.size:
        raise ValueError(f"{net.name} and {other.name} saw no image in common")
    return [
        Compared(
            t,
            other.name,
            other_t,
            error_consistency(net.right[t][own], other.right[other_t][others], samples=samples, seed=seed),
        )
        for t, other_t in _pairs(list(net.right), list(other.right))
    ]


def _pairs(first: Sequence[int | None], second: Sequence[int | None]) -> list[tuple[int | None, int | None]]:
    if len(first) > 1 and len(second) > 1 and (common := [(t, t) for t in first if t in second]):
        return common
    return [(t, other) for other in second for t in first]
