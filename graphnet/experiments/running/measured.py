"""What was measured on a run, kept in a file, so that it is measured once; no torch here."""

from __future__ import annotations

import json
import math
from pathlib import Path

from graphnet.atomic_files import write_text
from graphnet.experiments.running.runs import Request, digest
from graphnet.training.errors import RunError
from graphnet.training.runs.json_files import parsed, read_text

Points = list[tuple[dict[str, str], float]]
"""Labels of the factors that a measure adds → a number."""
VERSION = 1
"""Raised by a change after which a measurement gives other numbers."""


def file_of(folder: Path, run_key: str, request: Request) -> Path:
    """The file of a measurement."""
    return folder / f"{run_key[:16]}-{request.key}.json"


def write_points(path: Path, run_key: str, request: Request, points: Points) -> None:
    """Write what was measured, atomically. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"version": VERSION, "run": run_key, "request": request.data, "points": _plain(points)}
    write_text(path, json.dumps(data | {"sha256": digest(data)}, indent=1) + "\n")


def read_points(path: Path, run_key: str, request: Request) -> Points | None:
    """Read what was measured; None if it was not, or by another version.

    Raises:
        RunError: the file is damaged.
    """
    if not path.exists():
        return None
    data = parsed(read_text(path), path)
    if not isinstance(data, dict) or data.pop("sha256", None) != digest(data):
        raise RunError(f"{path} is damaged: its checksum is wrong")
    if data["version"] != VERSION or (data["run"], data["request"]) != (run_key, request.data):
        return None
    return [(labels, math.nan if value is None else value) for labels, value in data["points"]]


def intact_points(path: Path, run_key: str, request: Request) -> Points | None:
    """Read what was measured; None also for a damaged file."""
    try:
        return read_points(path, run_key, request)
    except RunError:
        return None


def _plain(points: Points) -> list[tuple[dict[str, str], float | None]]:
    return [(labels, value if math.isfinite(value) else None) for labels, value in points]
