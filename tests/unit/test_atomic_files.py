"""Atomic writes: at every point at which one can stop, the old file or the new one is there, and nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

import graphnet
from graphnet.atomic_files import replacing, write_bytes, write_text
from tests.small import small

STEPS = ["fsync of the file", "rename", "fsync of the folder"]


class Disk:
    """Records what is synchronised and renamed, and fails at one of these."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails_at: str = "") -> None:
        self.done: list[str] = []
        self.fails_at = fails_at
        fsync, rename = os.fsync, Path.replace

        def synchronise(descriptor: int) -> None:
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            self.note("fsync of the folder" if is_folder else "fsync of the file")
            fsync(descriptor)

        def replace(source: Path, target: Path) -> Path:
            self.note("rename")
            return rename(source, target)

        monkeypatch.setattr(os, "fsync", synchronise)
        monkeypatch.setattr(Path, "replace", replace)

    def note(self, step: str) -> None:
        if step == self.fails_at:
            raise OSError(28, "No space left on device")
        self.done.append(step)


def test_the_file_is_on_the_disk_before_its_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    write_text(tmp_path / "a", "new")
    assert disk.done == STEPS
    assert (tmp_path / "a").read_text() == "new"


@pytest.mark.parametrize("step", STEPS)
def test_a_fault_at_any_point_leaves_one_whole_file(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    Disk(monkeypatch, fails_at=step)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "new")
    assert path.read_text() == ("new" if step == STEPS[-1] else "old")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_a_block_that_stops_leaves_the_old_file(stop: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("ne")
            raise stop

    with pytest.raises(stop):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link_and_modes_follow_the_umask(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "link", "new")
        write_text(tmp_path / "fresh", "new")
    finally:
        os.umask(before)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o640


def test_a_long_name_leaves_room_for_the_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250)
    write_text(path, "new")
    assert path.read_text() == "new"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
def test_what_is_no_regular_file_is_written_to(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        write_bytes(Path("/dev/full"), b"x" * 10_000)
    assert Path("/dev/full").is_char_device()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_bytes(pipe, b"through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)


def test_a_picture_on_a_full_disk_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.svg"
    spec: dict[str, Any] = small()
    graphnet.draw(spec, path)
    before = path.read_bytes()
    Disk(monkeypatch, fails_at=STEPS[0])
    with pytest.raises(OSError, match="No space"):
        graphnet.draw(spec | {"name": "other"}, path)
    assert path.read_bytes() == before
