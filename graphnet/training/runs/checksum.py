"""SHA-256 of a safetensors file, in its own header.

A safetensors file begins with the length of its header, then the header as JSON. The hash of the file, with 64 zeros
as a placeholder in the metadata, replaces these zeros.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import BinaryIO

CHECKSUM_KEY = "sha256"
BLANK = "0" * 64
_ENTRY = re.compile(rf'"{CHECKSUM_KEY}":"([0-9a-f]{{64}})"'.encode())
_LENGTH = 8
MOST_HEADER = 100_000_000
"""Largest header, in bytes, that safetensors reads."""


def seal(path: Path) -> None:
    """Replace the zeros in a file's metadata by its hash."""
    with path.open("rb+") as file:
        at, found = _entry(file) or (0, "")
        if found != BLANK:
            raise ValueError(f"the metadata of {path} hold no {CHECKSUM_KEY} = {BLANK}")
        digest = _digest(file, at)
        file.seek(at)
        file.write(digest.encode())


def metadata_of(path: Path) -> dict[str, str]:
    """The metadata in the header of a safetensors file, unchecked; empty if they cannot be read."""
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH), "little")
            header = json.loads(file.read(length)) if length <= MOST_HEADER else {}
    except (OSError, ValueError, RecursionError):
        return {}
    entries = header.get("__metadata__") if isinstance(header, dict) else None
    entries = entries if isinstance(entries, dict) else {}
    return {key: value for key, value in entries.items() if isinstance(value, str)}


def is_intact(path: Path) -> bool | None:
    """Whether a file is unchanged since it was sealed; None if it never was.

    Raises OSError.
    """
    with path.open("rb") as file:
        entry = _entry(file)
        return None if entry is None else _digest(file, entry[0]) == entry[1]


def _entry(file: BinaryIO) -> tuple[int, str] | None:
    """The position of the hash in a file, and the hash. (The spec is JSON inside JSON, so its quotes are escaped.)"""
    file.seek(0)
    length = int.from_bytes(file.read(_LENGTH), "little")
    match = _ENTRY.search(file.read(length)) if length <= MOST_HEADER else None
    return (_LENGTH + match.start(1), match[1].decode()) if match else None


def _digest(file: BinaryIO, at: int) -> str:
    """The hash of a file with zeros in place of its hash."""
    file.seek(0)
    found = hashlib.sha256(file.read(at) + BLANK.encode())
    file.seek(at + len(BLANK))
    while chunk := file.read(1 << 20):
        found.update(chunk)
    return found.hexdigest()
