"""Runs in a folder, listed and compared; no torch here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from graphnet.errors import clean, did_you_mean, shortened
from graphnet.training.errors import RunError
from graphnet.training.runs.checksum import CHECKSUM_KEY, metadata_of
from graphnet.training.runs.files import written_by_training
from graphnet.training.runs.json_files import MOST_BYTES, parsed, read_text, reason
from graphnet.training.runs.lock import is_locked
from graphnet.training.runs.run_folder import RunFolder

DAMAGED, KILLED = "damaged", "killed"
"""Statuses that `run.json` never has: it cannot be read; it says `training`, but no process trains."""
PARTS = ("recipe", "dataset", "versions", "device", "threads", "results")
"""Entries of `run.json` that are compared."""
ALWAYS = ("results",)
"""Those that are shown even where they are equal."""


@dataclass(frozen=True)
class Summary:
    """What is listed of a run; None is unknown.

    Attributes:
        name: of the folder, below the folder that is listed.
        status: of `run.json`, or `killed` or `damaged`.
        epochs: done.
        error: of the test, at the last readout; from 0 to 1, or the mean squared error of a regression.
        validation: the best error on the validation part.
        minutes: of training.
        date: when it began, in ISO 8601; by default when `run.json` was last written.
        has_checksum: whether its checkpoint holds a checksum; None without a checkpoint.
        reason: why it is damaged.
    """

    name: str
    spec: str | None = None
    data: str | None = None
    status: str = DAMAGED
    epochs: int | None = None
    error: float | None = None
    validation: float | None = None
    minutes: float | None = None
    date: str | None = None
    has_checksum: bool | None = None
    reason: str = ""


COLUMNS = tuple(name for name in Summary.__dataclass_fields__ if name not in ("has_checksum", "reason"))
"""What runs can be sorted by."""


def list_runs(root: Path, sort: str = "name") -> list[Summary]:
    """Summarise all runs directly below a folder, or the folder itself if it is a run; damaged ones too.

    Args:
        sort: one of COLUMNS; runs that lack it come last.

    Raises:
        RunError: the folder is missing or cannot be read, or there is no such column.
    """
    if sort not in COLUMNS:
        raise RunError(f"runs have no column '{sort}'\n  {did_you_mean(sort, COLUMNS)}")
    try:
        if (root / "run.json").exists():
            found = [_summary(root, root.resolve().name)]
        else:
            folders = [path for path in root.iterdir() if path.is_dir()]
            found = [_summary(path, path.name) for path in folders if _is_run(path)]
    except NotADirectoryError:
        raise RunError(f"{root} is a file, not a folder of runs") from None
    except FileNotFoundError:
        raise RunError(f"there is no folder {root}") from None
    except (OSError, ValueError) as fault:
        raise RunError(f"{root} cannot be read: {reason(fault)}") from fault
    found.sort(key=lambda run: _natural(run.name))
    if sort != "name":
        found.sort(key=lambda run: (getattr(run, sort) is None, getattr(run, sort) or 0))
    return found


def compare_runs(paths: Sequence[Path]) -> dict[str, list[Any]]:
    """The entries of recipe, data and versions in which runs differ, and all results: key → a value for each run.

    Raises RunError.
    """
    records = [RunFolder.open(path).read_record() for path in paths]
    flat = [dict(_flat({part: record.get(part) for part in PARTS}, "")) for record in records]
    rows = {"status": [record.get("status") for record in records]}
    for key in dict.fromkeys(key for each in flat for key in each):
        values = [each.get(key) for each in flat]
        if key.partition(".")[0] in ALWAYS or any(value != values[0] for value in values):
            rows[key] = values
    return rows


def _is_run(path: Path) -> bool:
    """Whether training wrote into a folder."""
    try:
        return any(True for _ in written_by_training(path))
    except OSError:
        return True  # listed as damaged, with the reason


def _summary(path: Path, name: str) -> Summary:
    folder = RunFolder(path)
    try:
        return _read(folder, name)
    except RunError as fault:
        return Summary(name, reason=clean(shortened(str(fault).splitlines()[0])))
    except (OSError, ValueError) as fault:
        return Summary(name, reason=clean(reason(fault)))


def _read(folder: RunFolder, name: str) -> Summary:
    record = RunFolder.open(folder.path).read_record()
    status = record.get("status")
    if not isinstance(status, str):
        raise RunError(f"{folder.record} is damaged: it has no status")
    if status == "training" and "graphnet_run" in record and not is_locked(folder.path):
        status = KILLED
    metrics = folder.read_metrics()
    seconds, done = _number(record, "seconds"), _number(record, "epochs_done")
    accuracy, error = _number(record, "results", "final_accuracy"), _number(record, "results", "error")
    seconds = sum(_number(line, "seconds") or 0 for line in metrics) if seconds is None else seconds
    validated = [each for line in metrics if (each := _number(line, "validation_error")) is not None]
    last = folder.checkpoint
    return Summary(
        name,
        spec=_spec_name(folder.path / "spec.json"),
        data=_text(record, "dataset", "name"),
        status=clean(shortened(status)),
        epochs=len(metrics) if done is None else int(done),
        error=1 - accuracy if error is None and accuracy is not None else error,
        validation=min(validated, default=None),
        minutes=seconds / 60,
        date=_text(record, "started") or _date(folder.record),
        has_checksum=CHECKSUM_KEY in metadata_of(last) if last.exists() else None,
    )


def _spec_name(path: Path) -> str | None:
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        return None
    try:
        data = parsed(read_text(path), path)
    except RunError:
        return None
    return _text(data, "name") if isinstance(data, dict) else None


def _entry(tree: Any, *keys: str) -> Any:
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _text(tree: Any, *keys: str) -> str | None:
    found = _entry(tree, *keys)
    return clean(shortened(found)) if isinstance(found, str) and found else None


def _number(tree: Any, *keys: str) -> float | None:
    """A finite number; the last one of numbers by time."""
    found = _entry(tree, *keys)
    if isinstance(found, dict) and found:
        found = list(found.values())[-1]
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if is_number and -MOST < found < MOST else None


MOST = 1e15
"""Numbers beyond it are nobody's seconds, epochs or errors."""


def _date(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime).astimezone().isoformat(timespec="seconds")


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts `run-2` before `run-10`."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d{1,18})", name)]


def _flat(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
