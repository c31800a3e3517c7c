"""One writer for a run folder: the kernel's lock on its file `.lock`, which ends with the process that holds it.

Without `fcntl`, as on Windows, nothing is locked.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from graphnet.training.errors import RunError

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
TRIES, PAUSE = 5, 0.05
"""`is_locked` of another process holds the lock for a moment; a writer tries again after seconds."""

_held: set[int] = set()
"""Descriptors of locks. Forked children must close them, or a child that outlives its killed parent holds the lock."""


def _close_in_child() -> None:
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder.

    Raises:
        RunError: another process, or this one, holds it, or the folder cannot be written.
    """
    if fcntl is None:
        yield
        return
    path, owner = folder / LOCK, os.getpid()
    descriptor = _acquired(path)
    _held.add(descriptor)
    try:
        yield
    finally:
        if os.getpid() == owner:
            _held.discard(descriptor)
            with suppress(OSError):  # the lock is freed even if the folder is gone or read-only by now
                path.unlink()  # before it is freed: `_acquired` sees that a file was replaced
            os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Whether a process writes to a run folder."""
    if fcntl is None or not (folder / LOCK).is_file():
        return False
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _acquired(path: Path) -> int:
    """Open and lock a file; return its descriptor."""
    for left in reversed(range(TRIES)):
        descriptor = _opened(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
                return descriptor
            os.close(descriptor)
        except BlockingIOError:
            owner = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            os.close(descriptor)
            if not left:
                process = f"(pid {owner})" if owner.isdecimal() else "or being read by it"
                raise RunError(f"{path.parent} is being written by another process {process}") from None
            time.sleep(PAUSE)
        except OSError as fault:
            os.close(descriptor)
            raise RunError(f"cannot lock {path}: {fault.strerror}") from fault
    raise RunError(f"cannot lock {path}: other processes keep replacing it")


def _opened(path: Path) -> int:
    """Open the lock file for writing; a link or a pipe in its place is refused."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as fault:
        raise RunError(f"cannot lock {path}: {fault.strerror}") from fault
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RunError(f"cannot lock {path}: it is not a regular file")
    return descriptor


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
