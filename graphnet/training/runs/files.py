"""The files that training writes into a run folder, and their removal; no torch here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from graphnet.atomic_files import TEMPORARY
from graphnet.training.runs.lock import LOCK
from graphnet.training.runs.run_folder import NAMES, SUFFIX

FILES = (
    *("run.json", "metrics.jsonl", "summary.csv", "predictions.json", "logits.npz"),
    *("spec.json", "recipe.json", "recipe.toml", "plan.txt", "diagram.svg", LOCK),
)
TENSORBOARD = "tensorboard"
"""A folder of TensorBoard's event files."""
_LEFT = re.compile(rf"\..*{re.escape(TEMPORARY)}|\.tmp\w{{6}}")
"""Temporary files that a killed process left: ours, and those of safetensors."""


def written_by_training(folder: Path) -> Iterator[Path]:
    """The files in a run folder that training wrote, not those that others put there."""
    for path in sorted(folder.iterdir()):
        if path.name == TENSORBOARD and path.is_dir() and not path.is_symlink():
            yield from sorted(path.glob("events.out.tfevents.*"))
        elif path.is_dir() and not path.is_symlink():
            continue
        elif path.name in FILES or _LEFT.fullmatch(path.name) or (path.suffix == SUFFIX and NAMES.fullmatch(path.stem)):
            yield path


def remove_written(folder: Path) -> list[str]:
    """Remove what training wrote, then the folder if it is empty; return the names of what is left. Raises OSError."""
    for path in written_by_training(folder):
        path.unlink(missing_ok=True)
    for each in (folder / TENSORBOARD, folder):
        with suppress(OSError):  # it is not empty, or not there
            each.rmdir()
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def remove_temporary(folder: Path) -> None:
    """Remove temporary files that a killed process left. Only the holder of the lock may do this. Raises OSError."""
    for path in written_by_training(folder):
        if _LEFT.fullmatch(path.name):
            path.unlink(missing_ok=True)
