"""Removing runs; no torch here."""

from __future__ import annotations

from pathlib import Path

from graphnet.training.errors import RunError
from graphnet.training.runs.files import remove_written
from graphnet.training.runs.json_files import reason
from graphnet.training.runs.lock import is_locked, locked
from graphnet.training.runs.run_folder import RunFolder


def check_removable(path: Path) -> None:
    """Check that a folder is a run that no process writes to. Raises RunError."""
    RunFolder.open(path)
    if path.is_symlink():
        raise RunError(f"{path} is a symbolic link\n  name the run folder itself: {path.resolve()}")
    if is_locked(path):
        raise RunError(f"{path} is being written by another process: it is not removed")


def remove_run(path: Path) -> list[str]:
    """Remove the files that training wrote, and the folder if nothing else is in it; return the names of what is left.

    Raises:
        RunError: it is no run, a process writes to it, or it cannot be removed.
    """
    check_removable(path)
    try:
        with locked(path):
            return remove_written(path)
    except OSError as fault:
        raise RunError(f"{path} cannot be removed: {reason(fault)}") from fault
