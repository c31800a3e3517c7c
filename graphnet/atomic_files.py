"""Atomic file writes: a file has either all its old or all its new content, even after a crash or a full disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; it replaces `path` if the block succeeds.

    The temporary file is in the same folder. It is synchronised to the disk, then renamed, then the folder is
    synchronised, so that even a power cut leaves the old file or the new one. If the block fails or is interrupted,
    only the old file remains. Of a symbolic link, the target is replaced. Devices and pipes, such as /dev/stdout,
    cannot be replaced and are written to directly.

    Raises OSError.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    target = path.resolve() if path.is_symlink() else path
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
        _synchronise_names(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically. Raises OSError."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically. Raises OSError."""
    write_bytes(path, text.encode())


def _synchronise_names(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, if the system supports it."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
