"""A run's folder: all that training leaves behind; no torch here."""

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
    """What one training left behind.

    `run.json` has recipe, data, versions and results, `metrics.jsonl` an epoch a line, `predictions.json` the
    classes found for the test images; `checkpoint.safetensors` and the caller's texts stand beside them.
    """

    path: Path

    @classmethod
    def create(cls, path: Path | None, spec_name: str, root: Path = Path("runs")) -> RunFolder:
        """Make a new folder: `path`, or the first free `root/<spec name>-<n>`, n = 1, 2, …

        Raises:
            RunError: `path` is a file or a folder with something in it, or cannot be made.
        """
        try:
            if path is None:
                return cls(_next_free(root, spec_name))
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise RunError(f"{path} is not empty, and a run is never overwritten\n  name another folder")
        except FileExistsError as fault:
            raise RunError(f"{path or root} is a file\n  name a folder that is empty or not there yet") from fault
        except OSError as fault:
            raise RunError(f"cannot make the run's folder: {fault}") from fault
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run's folder.

        Raises:
            RunError: there is no `run.json` in it.
        """
        folder = cls(path)
        if not folder.record.is_file():
            raise RunError(f"{path} is no run's folder: there is no {folder.record}")
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
        """Write `spec.json`, `plan.txt`, `diagram.svg` or the like, whole or not at all."""
        write_text(self.path / name, text)

    def add_metrics(self, line: Mapping[str, object]) -> None:
        """Append a line to `metrics.jsonl`, flushed on return. A number that is not finite is null."""
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_plain(line), allow_nan=False, ensure_ascii=False) + "\n")

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`, oldest first; none before the first epoch is done."""
        if not self.metrics.exists():
            return []
        lines = self._read(self.metrics).splitlines()
        return [_table(_parsed(line, self.metrics), self.metrics) for line in lines]

    def write_record(self, record: Mapping[str, object]) -> None:
        """Write `run.json` anew, whole or not at all. A number not finite is null."""
        text = json.dumps(_plain(record), allow_nan=False, ensure_ascii=False, indent=2)
        write_text(self.record, text + "\n")

    def read_record(self) -> dict[str, Any]:
        """What `write_record` wrote, through JSON: keys are strings, tuples are lists."""
        return _table(_parsed(self._read(self.record), self.record), self.record)

    def write_predictions(self, classes: Sequence[int]) -> None:
        """Write the class found for each test image, in the order of the test set."""
        write_text(self.predictions, json.dumps(list(classes)) + "\n")

    def read_predictions(self) -> list[int]:
        """What `write_predictions` wrote."""
        classes = _parsed(self._read(self.predictions), self.predictions)
        if not isinstance(classes, list) or any(type(each) is not int for each in classes):
            raise RunError(f"{self.predictions} is damaged: it is no list of classes")
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
        raise RunError(f"{path} is damaged: it is no table of keys and values")
    return data


def _plain(value: object) -> object:
    """`value` in JSON's words: null for a number that is not finite, `last` for the key None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {"last" if key is None else str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value
