"""Drawn images in the machine's cache: made once, by one of several processes, and checked when they are read.

A file holds the SHA-256 of its pixels, then the pixels. Its name is a hash of all that they follow from.
"""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphnet.atomic_files import replacing
from graphnet.runtime.machine_profile import cache_folder
from graphnet.training.errors import TrainingWarning

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

FOLDER, SUFFIX = "drawn", ".pixels"
DIGEST = 32
Pixels = NDArray[np.uint8]


def kept_or_made(key: str, shape: tuple[int, ...], make: Callable[[], Pixels]) -> Pixels:
    """Return the pixels of a key, uint8 of the shape, from their file, or make them and write the file.

    A second process that needs the same pixels waits for the first. A damaged file is replaced, with a warning.
    If the cache cannot be written, the pixels are only made.
    """
    try:
        path = cache_folder() / FOLDER / f"{key}{SUFFIX}"
        path.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # without a home folder
        return make()
    if (found := _read(path, shape, warn=False)) is not None:
        return found
    with _turn(path):
        if (found := _read(path, shape, warn=True)) is not None:
            return found
        pixels = make()
        with suppress(OSError):
            _write(path, pixels)
    return pixels


def _read(path: Path, shape: tuple[int, ...], warn: bool) -> Pixels | None:
    """The pixels in a file; None if it is missing or damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    pixels = memoryview(data)[DIGEST:]
    if len(pixels) == math.prod(shape) and hashlib.sha256(pixels).digest() == data[:DIGEST]:
        return np.frombuffer(pixels, dtype=np.uint8).reshape(shape)
    if warn:
        warnings.warn(f"{path} is damaged; its images are drawn again", TrainingWarning, stacklevel=4)
    return None


def _write(path: Path, pixels: Pixels) -> None:
    content = np.ascontiguousarray(pixels).data
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(hashlib.sha256(content).digest())
        file.write(content)


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Wait until no other process makes this file; go on at once where files cannot be locked."""
    lock = path.with_suffix(".lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        yield
        return
    try:
        if fcntl is not None:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
        os.close(descriptor)
