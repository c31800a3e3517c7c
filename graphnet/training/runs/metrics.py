"""Metrics of a run: `metrics.jsonl`, one JSON table per line, and `summary.csv`; no torch here.

A line counts once its line break is written; what a killed process left after the last line break is ignored.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from graphnet.atomic_files import write_bytes, write_text
from graphnet.training.errors import RunError
from graphnet.training.runs.json_files import dumped, parsed, read_bytes, read_text, table

_AT_ONCE = getattr(os, "O_NONBLOCK", 0)
"""Opening a pipe in place of the file fails, and does not wait for a reader."""


def append(path: Path, line: Mapping[str, object]) -> None:
    """Append a line and wait until it is on the disk; on a fault, remove what was written of it. Raises OSError."""
    data = dumped(line).encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _AT_ONCE, 0o666)
    try:
        before = os.fstat(descriptor).st_size
        try:
            written = 0
            while written < len(data):
                written += os.write(descriptor, data[written:])
            os.fsync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)


def length(path: Path) -> int:
    """The bytes of all whole lines; 0 without a file. Raises RunError."""
    return read_bytes(path).rfind(b"\n") + 1 if path.exists() else 0


def truncate(path: Path, size: int) -> None:
    """Keep the first `size` bytes, atomically.

    Raises:
        RunError: the file is shorter, or its line does not end there.
        OSError: the file cannot be written.
    """
    data = read_bytes(path) if path.exists() else b""
    if size > len(data):
        raise RunError(f"{path} is damaged: the checkpoint was saved after {size} bytes of it, but it has {len(data)}")
    if size < 0 or (size and data[size - 1 : size] != b"\n"):
        raise RunError(f"{path} is damaged: no line of it ends at byte {size}, where the checkpoint was saved")
    if size < len(data):
        write_bytes(path, data[:size])


def read(path: Path) -> list[dict[str, Any]]:
    """Read all whole lines, oldest first; none without a file. Raises RunError."""
    if not path.exists():
        return []
    whole, _, _ = read_text(path).rpartition("\n")
    return [table(parsed(line, path), path) for line in whole.split("\n")] if whole else []


def write_summary(path: Path, lines: list[dict[str, Any]]) -> None:
    """Write the lines as CSV, atomically: a column for each number, `test_loss@3` for one by time. Raises OSError."""
    rows = [dict(_cells(line)) for line in lines]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _cells(line: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in line.items():
        if isinstance(value, Mapping):
            yield from ((name if time == "last" else f"{name}@{time}", each) for time, each in value.items())
        else:
            yield name, value
