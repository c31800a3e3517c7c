"""JSON in run folders: written without non-finite numbers, read as untrusted data; no torch here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphnet.errors import shortened
from graphnet.training.errors import RunError

MOST_BYTES = 1 << 27
"""Largest JSON file, in bytes, that is read: 128 MiB."""


def regular(path: Path) -> Path:
    """Return a path that is a regular file or a link to one. Raises RunError: opening a pipe would wait for ever."""
    if not path.exists():
        raise RunError(f"{path} cannot be read: there is no such file")
    if not path.is_file():
        raise RunError(f"{path} cannot be read: it is {'a folder' if path.is_dir() else 'not a regular file'}")
    return path


def read_bytes(path: Path) -> bytes:
    """Read a regular file of at most `MOST_BYTES`. Raises RunError."""
    try:
        if (size := regular(path).stat().st_size) > MOST_BYTES:
            raise RunError(f"{path} is damaged: it has {size} bytes, more than {MOST_BYTES}")
        return path.read_bytes()
    except (OSError, ValueError) as fault:
        raise RunError(f"{path} cannot be read: {reason(fault)}") from fault


def read_text(path: Path) -> str:
    """Read a regular file of UTF-8 text. Raises RunError."""
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as fault:
        raise RunError(f"{path} is damaged: it is not UTF-8 text ({fault.reason} at byte {fault.start})") from fault


def parsed(text: str, path: Path) -> Any:
    """Parse the JSON of a file. Raises RunError."""
    try:
        return json.loads(text)
    except RecursionError:
        raise RunError(f"{path} is damaged: it is nested too deeply") from None
    except ValueError as fault:
        raise RunError(f"{path} is damaged: {shortened(str(fault))}") from fault


def table(data: object, path: Path) -> dict[str, Any]:
    """Return `data` if it is a table of keys and values. Raises RunError."""
    if not isinstance(data, dict):
        raise RunError(f"{path} is damaged: it is not a table of keys and values")
    return data


def plain(value: object) -> object:
    """`value` for JSON: null for a non-finite number, `last` for the key None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {"last" if key is None else str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value


def dumped(value: object, indent: int | None = None) -> str:
    """Format `value` as JSON, in one line unless indented. Non-finite numbers become null."""
    return json.dumps(plain(value), allow_nan=False, ensure_ascii=False, indent=indent) + "\n"


def reason(fault: OSError | ValueError) -> str:
    """What the system says about a fault, without numbers and paths."""
    return (fault.strerror if isinstance(fault, OSError) else None) or shortened(str(fault))
