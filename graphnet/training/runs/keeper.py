"""Keeps what training produces in a run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from torch import nn

from graphnet.spec.read import validated
from graphnet.spec.recipe import Recipe, RecipeFile
from graphnet.training.errors import RunError
from graphnet.training.events import EpochDone
from graphnet.training.loop.state import Progress
from graphnet.training.loop.trainer import Trainer
from graphnet.training.runs.checkpoint import Checkpoint, load_into
from graphnet.training.runs.run_folder import BEST, RunFolder
from graphnet.training.runs.trackers import Trackers, numbers_of

PROGRESS, METRICS, RECIPE, DATA, THREADS = "progress", "metrics_length", "recipe", "data_hash", "threads"
"""Entries of a checkpoint's metadata."""


class FolderKeeper:
    """Writes metrics and checkpoints of a run, in an order such that a kill at any moment loses and doubles nothing.

    A metrics line is on the disk before the checkpoint that records the length of `metrics.jsonl`; a resume truncates
    to that length.

    Args:
        facts: what a resume must find unchanged: recipe and data, as text.
        keep_every: keep also the checkpoint of every n-th epoch; 0 keeps none.
    """

    def __init__(
        self, folder: RunFolder, spec_text: str, facts: Mapping[str, str], trackers: Trackers, keep_every: int = 0
    ) -> None:
        self.folder, self.spec_text, self.facts, self.keep_every = folder, spec_text, dict(facts), keep_every
        self._trackers = trackers

    def epoch_done(self, event: EpochDone, steps: int) -> None:
        """Append the epoch's numbers to the metrics."""
        line = asdict(event)
        self.folder.add_metrics(line)
        self.folder.write_summary()
        self._trackers.log(event.epoch * steps, numbers_of(line))

    def last(self, trainer: Trainer) -> None:
        tensors, numbers = trainer.state()
        now = trainer.progress
        extra = self.facts | {
            "epoch": str(now.epoch - (now.step == 0)),
            PROGRESS: json.dumps(numbers),
            METRICS: str(self.folder.metrics_length()),
        }
        self.folder.save_last(trainer.net, self.spec_text, extra, tensors)
        if self.keep_every and now.step == 0 and now.epoch > 1 and (now.epoch - 1) % self.keep_every == 0:
            self.folder.keep_last_as(f"epoch-{now.epoch - 1:04}")

    def best(self, trainer: Trainer, net: nn.Module) -> None:
        self.folder.save_as(BEST, net, self.spec_text, {"epoch": str(trainer.progress.epoch)})

    def go_back(self, trainer: Trainer) -> bool:
        found = self.folder.newest_intact()
        resume(trainer, self.folder, found.checkpoint)
        return True


def resume(trainer: Trainer, folder: RunFolder, checkpoint: Checkpoint) -> None:
    """Load a checkpoint into a trainer and its net; remove the metrics that were written after it.

    Raises:
        RunError: the checkpoint holds no state of training, or the metrics do not fit it.
        CheckpointError: its tensors do not fit the net.
    """
    numbers = numbers_in(checkpoint, folder)
    length = checkpoint.metadata.get(METRICS, "")
    if not length.isdecimal():
        raise RunError(f"{folder.path}: the checkpoint does not say how many metrics there were")
    load_into(trainer.net, checkpoint.tensors)
    folder.truncate_metrics(int(length))
    folder.write_summary()
    trainer.restore(checkpoint.train, numbers)


def recipe_in(checkpoint: Checkpoint, folder: RunFolder) -> Recipe:
    """The resolved recipe of a run. Raises RunError."""
    try:
        data = json.loads(checkpoint.metadata[RECIPE])
        recipe, faults = validated({RecipeFile.kind: 1, "train": data}, RecipeFile)
    except (KeyError, ValueError, RecursionError):
        raise RunError(f"{folder.path}: the checkpoint holds no recipe, so it cannot be resumed") from None
    if faults or recipe is None:
        raise RunError(f"{folder.path}: the recipe in the checkpoint is damaged: {faults[0].what}")
    return recipe.train


def numbers_in(checkpoint: Checkpoint, folder: RunFolder) -> dict[str, Any]:
    """The numbers of a training state in a checkpoint. Raises RunError."""
    try:
        numbers = json.loads(checkpoint.metadata[PROGRESS])
    except (KeyError, ValueError, RecursionError):
        numbers = None
    known = {field.name for field in fields(Progress)}
    if not (isinstance(numbers, dict) and set(numbers) == known and checkpoint.train):
        raise RunError(f"{folder.path}: the checkpoint holds no state of training, so it cannot be resumed")
    fine = all(value is None or (isinstance(value, int | float) and value >= 0) for value in numbers.values())
    if not (fine and all(type(numbers[name]) is int for name in ("epoch", "step", "images", "best_epoch"))):
        raise RunError(f"{folder.path}: the state of training in the checkpoint is damaged")
    return numbers
