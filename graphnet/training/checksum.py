"""The SHA-256 of a safetensors file, kept in its own header.

A safetensors file begins with the length of its header, then the header as JSON. Its metadata holds 64 zeros, over
which the hash of the whole file is written; the hash is that of the file with the zeros in place.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import BinaryIO

CHECKSUM_KEY = "sha256"
BLANK = "0" * 64
_ENTRY = re.compile(rf'"{CHECKSUM_KEY}":"([0-9a-f]{{64}})"'.encode())
_LENGTH = 8
_MOST_HEADER = 100_000_000
"""Bytes of a header that safetensors reads."""


def seal(path: Path) -> None:
    """Write a file's hash over the zeros in its metadata."""
    with path.open("rb+") as file:
        at, found = _entry(file) or (0, "")
        if found != BLANK:
            raise ValueError(f"the metadata of {path} hold no {CHECKSUM_KEY} = {BLANK}")
        digest = _digest(file, at)
        file.seek(at)
        file.write(digest.encode())


def is_intact(path: Path) -> bool | None:
    """Whether a file has the bytes that it was sealed with; None if it was never sealed.

    Raises OSError.
    """
    with path.open("rb") as file:
        entry = _entry(file)
        return None if entry is None else _digest(file, entry[0]) == entry[1]


def _entry(file: BinaryIO) -> tuple[int, str] | None:
    """Where in a file the hash stands, and what it is. In the spec, which is JSON inside JSON, quotes are escaped."""
    file.seek(0)
    length = int.from_bytes(file.read(_LENGTH), "little")
    match = _ENTRY.search(file.read(length)) if length <= _MOST_HEADER else None
    return (_LENGTH + match.start(1), match[1].decode()) if match else None


def _digest(file: BinaryIO, at: int) -> str:
    """The hash of a file with zeros where its hash stands."""
    file.seek(0)
    found = hashlib.sha256(file.read(at) + BLANK.encode())
    file.seek(at + len(BLANK))
    while chunk := file.read(1 << 20):
        found.update(chunk)
    return found.hexdigest()
