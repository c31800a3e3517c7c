"""Run folders: the files of one training; no torch here."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from graphnet.atomic_files import write_text
from graphnet.training.errors import RunError


@dataclass(frozen=True)
class RunFolder:
    """The files of one training.

    `run.json` has recipe, data, versions and results, `metrics.jsonl` a line per epoch, `predictions.json` the classes
    predicted for the test images; `checkpoint.safetensors` and the caller's texts are beside them.
    """

    path: Path

    @classmethod
    def create(cls, path: Path | None, spec_name: str, root: Path = Path("runs")) -> RunFolder:
        """Create a folder: `path`, or the first free `root/<spec name>-<n>`, n = 1, 2, …

        Raises:
            RunError: `path` is a file or a non-empty folder, or cannot be created.
        """
        try:
            if path is None:
                return cls(_next_free(root, spec_name))
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise RunError(f"{path} is not empty, and runs are never overwritten\n  name another folder")
        except FileExistsError as fault:
            raise RunError(f"{path or root} is a file\n  name an empty or new folder") from fault
        except OSError as fault:
            raise RunError(f"cannot create the run folder: {fault}") from fault
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run folder.

        Raises:
            RunError: it has no `run.json`.
        """
        folder = cls(path)
        if not folder.record.is_file():
            raise RunError(f"{path} is not a run folder: no {folder.record}")
        return folder

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.safetensors"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.json"

    def write_text(self, name: str, text: str) -> None:
        """Write `spec.json`, `plan.txt`, `diagram.svg` or the like, atomically."""
        write_text(self.path / name, text)

    def add_metrics(self, line: Mapping[str, object]) -> None:
        """Append a line to `metrics.jsonl`, flushed on return. Non-finite numbers become null."""
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_plain(line), allow_nan=False, ensure_ascii=False) + "\n")

    def read_metrics(self) -> list[dict[str, Any]]:
        """Read the lines of `metrics.jsonl`, oldest first; none before the end of the first epoch."""
        if not self.metrics.exists():
            return []
        lines = self._read(self.metrics).splitlines()
        return [_table(_parsed(line, self.metrics), self.metrics) for line in lines]

    def write_record(self, record: Mapping[str, object]) -> None:
        """Replace `run.json` atomically. Non-finite numbers become null."""
        text = json.dumps(_plain(record), allow_nan=False, ensure_ascii=False, indent=2)
        write_text(self.record, text + "\n")

    def read_record(self) -> dict[str, Any]:
        """Read what `write_record` wrote, through JSON: keys are strings, tuples are lists."""
        return _table(_parsed(self._read(self.record), self.record), self.record)

    def write_predictions(self, classes: Sequence[int]) -> None:
        """Write the class predicted for each test image, in the order of the test set."""
        write_text(self.predictions, json.dumps(list(classes)) + "\n")

    def read_predictions(self) -> list[int]:
        """Read what `write_predictions` wrote."""
        classes = _parsed(self._read(self.predictions), self.predictions)
        if not isinstance(classes, list) or any(type(each) is not int for each in classes):
            raise RunError(f"{self.predictions} is damaged: it is not a list of classes")
        return classes

    def _read(self, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as fault:
            raise RunError(f"{path} cannot be read: {fault}") from fault


def _next_free(root: Path, spec_name: str) -> Path:
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", spec_name).strip("-.") or "run"
    root.mkdir(parents=True, exist_ok=True)
    for n in count(1):
        path = root / f"{stem}-{n}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise AssertionError("count() has no end")


def _parsed(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise RunError(f"{path} is damaged: {fault}") from fault


def _table(data: object, path: Path) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise RunError(f"{path} is damaged: it is not a table of keys and values")
    return data


def _plain(value: object) -> object:
    """`value` for JSON: null for a non-finite number, `last` for the key None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {"last" if key is None else str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value
