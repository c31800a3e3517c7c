"""One writer for a run; the kernel frees the lock of a killed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import graphnet.training.runs.lock as module
from graphnet.training.errors import RunError
from graphnet.training.runs.lock import is_locked, locked

pytest.importorskip("fcntl")

HOLDER = """
import os, sys, time
from pathlib import Path
from graphnet.training.runs.lock import locked
with locked(Path(sys.argv[1])):
    child = os.fork() if sys.argv[2] == "fork" else None
    if child != 0:
        print(child, flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(folder: Path, kind: str = "") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that holds the lock, and the number of its child, if it has one."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, folder, kind], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def take(folder: Path) -> None:
    with locked(folder):
        assert (folder / ".lock").read_text() == f"{os.getpid()}\n"


def test_a_second_writer_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    with locked(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(RunError, match=rf"is being written by another process \(pid {os.getpid()}\)$"):
            take(tmp_path)
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []
    take(tmp_path)


def test_a_killed_process_frees_its_lock(tmp_path: Path) -> None:
    with holder(tmp_path) as (process, _):
        assert is_locked(tmp_path)
        with pytest.raises(RunError, match=rf"\(pid {process.pid}\)$"):
            take(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (tmp_path / ".lock").exists()
        assert not is_locked(tmp_path)
        take(tmp_path)


def test_a_worker_that_outlives_its_killed_parent_holds_no_lock(tmp_path: Path) -> None:
    with holder(tmp_path, "fork") as (process, child):
        try:
            process.send_signal(signal.SIGKILL)
            process.wait()
            os.kill(int(child), 0)  # it lives
            take(tmp_path)
        finally:
            os.kill(int(child), signal.SIGKILL)


def test_a_look_at_the_lock_does_not_keep_a_writer_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    (tmp_path / ".lock").touch()
    looking = os.open(tmp_path / ".lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr(time, "sleep", lambda seconds: fcntl.flock(looking, fcntl.LOCK_UN))
    take(tmp_path)
    os.close(looking)


def test_a_lock_file_that_was_replaced_is_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = module._opened

    def replaced_once(path: Path) -> int:
        descriptor = opened(path)
        path.unlink()  # by a writer that ends at this moment
        monkeypatch.setattr(module, "_opened", opened)
        return descriptor

    monkeypatch.setattr(module, "_opened", replaced_once)
    with locked(tmp_path):
        assert is_locked(tmp_path)


def test_what_stands_in_place_of_the_lock_is_not_written(tmp_path: Path) -> None:
    path, other = tmp_path / ".lock", tmp_path / "other"
    other.write_text("mine")
    path.symlink_to(other)
    with pytest.raises(RunError, match="cannot lock"):
        take(tmp_path)
    assert other.read_text() == "mine"
    path.unlink()
    path.mkdir()
    with pytest.raises(RunError, match="cannot lock"):
        take(tmp_path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(RunError, match=r"cannot lock .*: it is not a regular file"):
        take(tmp_path)
    assert not is_locked(tmp_path)
    with pytest.raises(RunError, match="cannot lock"):
        take(tmp_path / "missing")


def test_without_fcntl_nothing_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fcntl", None)
    with locked(tmp_path), locked(tmp_path):
        assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []
