"""Atomic file writes: a file has either all its old or all its new content, even after a crash or a full disk."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".tmp"
"""Suffix of temporary files; a killed process may leave one behind."""


@contextmanager
def replacing(path: Path, before_renaming: Callable[[], None] | None = None) -> Iterator[Path]:
    """Yield a temporary path to write to; it replaces `path` if the block succeeds.

    The temporary file is in the same folder. It is synchronised to the disk, then renamed, then the folder is
    synchronised, so that even a power cut leaves the old file or the new one. If the block fails or is interrupted,
    only the old file remains. Of a symbolic link, the target is replaced. Devices and pipes, such as /dev/stdout,
    cannot be replaced and are written to directly. File modes follow the umask.

    Args:
        before_renaming: called when the new content is on the disk under its temporary name.

    Raises OSError.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    target = path.resolve() if path.is_symlink() else path
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}{TEMPORARY}")
    try:
        temporary.unlink(missing_ok=True)  # of a killed process of this number
        temporary.touch(exist_ok=False)
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        temporary.chmod(mode)  # safetensors renames a file of its own, readable by its owner only, to this name
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if before_renaming is not None:
            before_renaming()
        temporary.replace(target)
        synchronise_names(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def link(source: Path, path: Path) -> None:
    """Make `path` another name of the file `source`, atomically; a copy where the system has no hard links.

    Raises OSError.
    """
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.link{TEMPORARY}")
    try:
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except (OSError, NotImplementedError, AttributeError) as fault:
            if isinstance(fault, OSError) and fault.errno in (errno.ENOENT, errno.ENOSPC, errno.EDQUOT):
                raise
            shutil.copyfile(source, temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
        synchronise_names(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically. Raises OSError."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically. Raises OSError."""
    write_bytes(path, text.encode())


def synchronise_names(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, if the system supports it."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
