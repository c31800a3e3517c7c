"""Training into a run folder; an interrupt loses no whole epoch."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version

import torch
from torch import nn

from graphnet.training.data.baseline import linear_baseline
from graphnet.training.data.dataset import Dataset
from graphnet.training.events import EpochDone, Event, Report
from graphnet.training.loop.trainer import Result, train
from graphnet.training.recipe import Recipe
from graphnet.training.runs.checkpoint import save_checkpoint
from graphnet.training.runs.run_folder import RunFolder


def train_into(
    folder: RunFolder,
    net: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    spec_text: str,
    report: Report,
    notes: Mapping[str, object] | None = None,
) -> Result:
    """Train `net`; keep each epoch's metrics, the last whole epoch's checkpoint and the results in `folder`.

    `run.json` records progress: its `status` is `training`, then `finished`, `interrupted` or `failed`.

    Args:
        folder: a new one; the caller writes spec, plan and diagram.
        spec_text: the flattened spec as JSON, for the checkpoint.
        notes: more entries for `run.json`, such as the command line or the data root.

    Raises:
        TrainingError: as `train` does; an interrupt passes through.
    """
    record = opening(dataset, recipe) | dict(notes or {})
    folder.write_record(record | {"status": "training"})
    epochs_done = 0

    def keep(event: Event) -> None:
        nonlocal epochs_done
        if isinstance(event, EpochDone):
            folder.add_metrics(asdict(event))
            folder.write_summary()
            folder.save_last(net, spec_text, {"epoch": str(event.epoch)})
            epochs_done = event.epoch
        report(event)

    try:
        result = train(net, dataset, recipe, keep)
    except BaseException as stop:
        status = "interrupted" if isinstance(stop, KeyboardInterrupt) else "failed"
        folder.write_record(record | {"status": status, "epochs_done": epochs_done})
        raise
    folder.write_predictions(result.evaluation.predictions.tolist())
    folder.write_record(record | {"status": "finished"} | closing(result))
    return result


def opening(dataset: Dataset, recipe: Recipe) -> dict[str, object]:
    """Entries of `run.json` before training: recipe, data with its linear baseline, versions, device."""
    baseline = linear_baseline(dataset)
    return {
        "recipe": asdict(recipe),
        "dataset": {
            "name": dataset.name,
            "classes": dataset.classes,
            "train_images": len(dataset.train),
            "test_images": len(dataset.test),
            "held_out_seed": dataset.held_out_seed,
            "held_out_hash": dataset.held_out_hash,
            "linear_baseline": None if baseline is None else baseline.accuracy,
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "numpy", "scikit-learn", "safetensors")},
        },
        "device": str(choose_device(recipe.device)),
        "threads": torch.get_num_threads(),
    }


def closing(result: Result) -> dict[str, object]:
    """Entries of `run.json` after training: time and test results."""
    evaluation = result.evaluation
    return {
        "epochs_done": len(result.epochs),
        "seconds": result.seconds,
        "results": {
            "final_accuracy": evaluation.final_accuracy,
            "accuracy": evaluation.accuracy,
            "loss": evaluation.loss,
        },
    }
