"""Starting and resuming a run: its folder, and the lock on it; no torch here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from graphnet.training.errors import RunError
from graphnet.training.runs.files import remove_temporary, remove_written
from graphnet.training.runs.json_files import reason
from graphnet.training.runs.lock import locked
from graphnet.training.runs.run_folder import RunFolder

ROOT = Path("runs")
REMEDY = "name an empty or new folder"


@contextmanager
def new_run(path: Path | None, spec_name: str, root: Path = ROOT) -> Iterator[RunFolder]:
    """Create a run folder and hold its lock: `path`, or the first free `root/<spec name>-<n>`, n = 1, 2, …

    If the block fails before it has written a checkpoint or metrics, all that it has written and created is removed.

    Raises:
        RunError: `path` is a file or a non-empty folder, or cannot be created.
    """
    there = _there(path or root)
    folder = create_run(path, spec_name, root)
    try:
        with locked(folder.path):
            yield folder
    except BaseException:
        if not folder.checkpoints() and not folder.metrics.exists():
            _discard(folder.path, there)
        raise


@contextmanager
def resumed_run(path: Path) -> Iterator[RunFolder]:
    """Open a run folder, hold its lock, and remove temporary files that a killed process left.

    Raises:
        RunError: it is no run folder, is of version 1, or another process writes to it.
    """
    folder = RunFolder.open(path)
    with locked(path):
        if folder.read_record().get("graphnet_run", 1) == 1:
            raise RunError(f"{path} is a run of version 1, which kept no state of training: it cannot be resumed")
        try:
            remove_temporary(path)
        except OSError as fault:
            raise RunError(f"{path} cannot be written: {reason(fault)}") from fault
        yield folder


def create_run(path: Path | None, spec_name: str, root: Path = ROOT) -> RunFolder:
    """Create a run folder as `new_run` does, without its lock. Raises RunError."""
    try:
        if path is None:
            return RunFolder(_next_free(root, spec_name))
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise RunError(f"{path} is not empty, and runs are never overwritten\n  name another folder")
    except (FileExistsError, NotADirectoryError) as fault:
        raise RunError(f"{_file_above(path or root)} is a file\n  {REMEDY}") from fault
    except (OSError, ValueError) as fault:
        raise RunError(f"cannot create the run folder {path or root}: {reason(fault)}\n  {REMEDY}") from fault
    return RunFolder(path)


def _next_free(root: Path, spec_name: str) -> Path:
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", spec_name).strip("-.")[:100] or "run"
    root.mkdir(parents=True, exist_ok=True)
    for n in count(1):
        path = root / f"{stem}-{n}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise AssertionError("count() has no end")


def _there(path: Path) -> Path:
    """The deepest folder above `path`, or itself, that exists."""
    return next(each for each in (path, *path.parents) if os.path.exists(each) or each == each.parent)


def _file_above(path: Path) -> Path:
    """What stands in the way of a folder."""
    return next((each for each in (path, *path.parents) if os.path.exists(each) and not os.path.isdir(each)), path)


def _discard(folder: Path, there: Path) -> None:
    """Remove a run's files and the folders that were created for it, up to `there`."""
    was_there = folder == there
    with suppress(OSError):
        remove_written(folder)
        if was_there:
            folder.mkdir(exist_ok=True)
        for each in folder.parents:
            if each == there or each in there.parents:
                break
            each.rmdir()
