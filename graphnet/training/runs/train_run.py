"""Training into a run folder, from the beginning or from where a run stopped."""

from __future__ import annotations

import json
import platform
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import torch
from torch import nn

from graphnet.atomic_files import replacing
from graphnet.compile_options import Options
from graphnet.pipeline import compile_net
from graphnet.runtime.net import Net
from graphnet.spec.model import Spec
from graphnet.spec.recipe import Recipe, resolved_data
from graphnet.training.data.baseline import Baseline, linear_baseline
from graphnet.training.data.dataset import Dataset
from graphnet.training.devices import choose_device
from graphnet.training.errors import OutOfMemory, RunError, Stopped, TrainingWarning
from graphnet.training.events import EpochDone, Event, Report
from graphnet.training.loop.evaluation import Evaluation
from graphnet.training.loop.stops import StopRequest, never
from graphnet.training.loop.train import Result, load_tested
from graphnet.training.loop.trainer import SAVE_SECONDS, Trainer
from graphnet.training.out_of_memory import is_out_of_memory
from graphnet.training.runs.checkpoint import Checkpoint, read_checkpoint
from graphnet.training.runs.keeper import DATA, RECIPE, THREADS, FolderKeeper, resume
from graphnet.training.runs.run_folder import AVERAGED, BEST, SUFFIX, RunFolder
from graphnet.training.runs.trackers import Trackers
from graphnet.training.tasks import TASKS, label_errors

PACKAGES = ("graphnet-compiler", "torch", "torchvision", "numpy", "scikit-learn", "safetensors")
INTERRUPTED = 130
"""Exit status of SIGINT."""
MOST_LOGITS = 1 << 28
"""Numbers of test outputs that are kept; more would make a file of gigabytes."""
ROSE = 2.0
"""A last loss above this multiple of the first is told."""


@dataclass(frozen=True)
class Machine:
    """What a run runs on; on one CPU it does not change the results.

    Attributes:
        device: "auto" (CUDA if available), "cpu", "cuda", "cuda:1".
        workers: processes that read images that are not in memory.
        deterministic: let torch use deterministic algorithms only.
        keep_every: keep the checkpoint of every n-th epoch; 0 keeps none.
        save_seconds: between two saves within an epoch.
        trackers: names of trackers, such as `tensorboard`.
    """

    device: str = "auto"
    workers: int = 0
    deterministic: bool = False
    keep_every: int = 0
    save_seconds: float = SAVE_SECONDS
    trackers: Sequence[str] = ()


def compile_for(spec: Spec, recipe: Recipe) -> Net:
    """Compile the net of a run, with the recipe's seed and backend."""
    options = Options(seed=recipe.seed, unlimited=True, backend="inductor" if recipe.compile else "eager")
    return compile_net(spec, options)


def train_into(
    folder: RunFolder,
    net: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    spec_text: str,
    report: Report,
    *,
    machine: Machine | None = None,
    notes: Mapping[str, object] | None = None,
    stop: StopRequest = never,
    start: Checkpoint | None = None,
) -> Result:
    """Train `net`, test it once at the end, and keep everything in `folder`, whose lock the caller holds.

    `run.json` records the progress: its `status` is `training`, then `finished`, `stopped`, `interrupted` or `failed`.

    Args:
        folder: the caller writes spec, recipe, plan and diagram.
        spec_text: the flattened spec as JSON, for the checkpoints.
        recipe: resolved.
        notes: more entries for `run.json`, such as the data root.
        start: the checkpoint to continue from; None begins.

    Raises:
        Stopped: on request; the run can be resumed.
        TrainingError: training cannot start or go on.
    """
    machine = machine or Machine()
    device = choose_device(machine.device)
    trackers = Trackers(machine.trackers, folder.path)
    facts = {
        RECIPE: json.dumps(resolved_data(recipe)),
        DATA: dataset.held_out_hash,
        THREADS: str(torch.get_num_threads()),
    }
    keeper = FolderKeeper(folder, spec_text, facts, trackers, machine.keep_every)

    def keep(event: Event) -> None:
        if isinstance(event, EpochDone):
            keeper.epoch_done(event, trainer.steps)
        report(event)

    with _memory(device):
        trainer = Trainer(
            net,
            dataset,
            recipe,
            device,
            workers=machine.workers,
            deterministic=machine.deterministic,
            keeper=keeper,
            report=keep,
            stop=stop,
            save_seconds=machine.save_seconds,
        )
        if start is not None:
            _check_facts(folder, start, facts)
            resume(trainer, folder, start)
        record = _opening(folder, dataset, recipe, device) | dict(notes or {})
        folder.write_record(record | {"status": "training"})
        trackers.start(record)
        try:
            result = _trained(folder, trainer, keeper)
        except BaseException as fault:
            ended = {"status": _status(fault), "epochs_done": trainer.progress.epoch - 1, "why": _why(fault)}
            folder.write_record(record | ended)
            trackers.finish(record | ended)
            raise
    ended = {"status": "finished"} | _closing(folder, trainer, result, linear_baseline(dataset))
    folder.write_record(record | ended)
    trackers.finish(record | ended)
    return result


def _trained(folder: RunFolder, trainer: Trainer, keeper: FolderKeeper) -> Result:
    epochs = trainer.run()
    _warn_if_it_rose(trainer.progress.first_loss, epochs)
    best = folder.path / f"{BEST}{SUFFIX}"
    has_best = trainer.dataset.validation is not None and trainer.progress.best_error is not None
    tested = load_tested(trainer, read_checkpoint(best).tensors if has_best else None)
    if tested == AVERAGED:
        folder.save_as(AVERAGED, trainer.net, keeper.spec_text, {"epoch": str(trainer.progress.epoch - 1)})
    evaluation = trainer.test(trainer.net, "test", keep_outputs=True)
    keep_outputs(folder, trainer.dataset, evaluation)
    seconds = sum(float(line.get("seconds") or 0) for line in folder.read_metrics())
    return Result(evaluation, tested, epochs, seconds, str(trainer.device))


def keep_outputs(folder: RunFolder, dataset: Dataset, evaluation: Evaluation) -> None:
    """Write the outputs for the test images at each readout time to `logits.npz`, and classes to `predictions.json`.

    `logits.npz` holds an array for each readout time, `t3` (or `last` for a single readout), and `targets`.
    """
    if dataset.task == "classes":
        folder.write_predictions(evaluation.predictions.tolist())
    if sum(output.numel() for output in evaluation.outputs.values()) > MOST_LOGITS:
        return
    arrays = {"last" if t is None else f"t{t}": output.numpy() for t, output in evaluation.outputs.items()}
    try:
        with replacing(folder.path / "logits.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, **(arrays | {"targets": dataset.test.targets.numpy()}))  # type: ignore[arg-type]
    except OSError as fault:
        raise RunError(f"cannot write {folder.path / 'logits.npz'}: {fault.strerror}") from fault


def _check_facts(folder: RunFolder, start: Checkpoint, facts: Mapping[str, str]) -> None:
    """Refuse to resume with other data; warn where the same bits cannot be expected."""
    before = start.metadata
    if before.get(DATA) != facts[DATA]:
        raise RunError(f"{folder.path}: the data are not those of the run: its test part has another SHA-256")
    if before.get(RECIPE) != facts[RECIPE]:
        raise RunError(f"{folder.path}: the recipe is not that of the run\n  start a new run with --start-from")
    if before.get(THREADS) != facts[THREADS]:
        counts = f"{before.get(THREADS)} threads before, {facts[THREADS]} now"
        warnings.warn(f"{counts}: the results will agree, but not in every bit", TrainingWarning, stacklevel=3)


@contextmanager
def _memory(device: torch.device) -> Iterator[None]:
    """Turn a lack of memory into an OutOfMemory."""
    try:
        yield
    except Exception as fault:
        if is_out_of_memory(fault):
            raise OutOfMemory(f"{device} is out of memory") from None
        raise


def _status(fault: BaseException) -> str:
    if isinstance(fault, KeyboardInterrupt) or (isinstance(fault, Stopped) and fault.status == INTERRUPTED):
        return "interrupted"
    return "stopped" if isinstance(fault, Stopped) else "failed"


def _why(fault: BaseException) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0]


def _opening(folder: RunFolder, dataset: Dataset, recipe: Recipe, device: torch.device) -> dict[str, object]:
    """Entries of `run.json` before training; a resumed run keeps when it started."""
    before = folder.read_record() if folder.record.exists() else {}
    started = before.get("started") or datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "started": started,
        "recipe": resolved_data(recipe),
        "dataset": {
            "name": dataset.name,
            "task": dataset.task,
            "classes": dataset.classes,
            **{f"{name}_images": len(part) for name, part in dataset.parts.items()},
            "held_out_seed": dataset.held_out_seed,
            "held_out_hash": dataset.held_out_hash,
            "chance_error": TASKS[dataset.task].chance(dataset.test.targets),
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "device": str(device),
        "threads": torch.get_num_threads(),
    }


def _closing(folder: RunFolder, trainer: Trainer, result: Result, baseline: Baseline | None) -> dict[str, object]:
    """Entries of `run.json` after training: time and test results."""
    evaluation = result.evaluation
    results: dict[str, object] = {
        "error": evaluation.final_error,
        "errors": evaluation.error,
        "loss": evaluation.loss,
    }
    if trainer.dataset.task == "classes":
        results |= {"final_accuracy": evaluation.final_accuracy, "accuracy": evaluation.accuracy}
    if trainer.dataset.task == "labels":
        last = list(evaluation.outputs.values())[-1]
        results["label_error"] = float(label_errors(last, trainer.dataset.test.targets).double().mean())
    if baseline is not None:
        results["linear_baseline"] = {"accuracy": baseline.accuracy, "images": baseline.images}
    return {
        "epochs_done": trainer.progress.epoch - 1,
        "seconds": result.seconds,
        "tested": result.tested,
        "results": results,
    }


def _warn_if_it_rose(first: float | None, epochs: Sequence[EpochDone]) -> None:
    """Tell that the loss ended far above where it began."""
    if first is None or not epochs or epochs[-1].train_loss <= ROSE * max(first, 1e-3):
        return
    ended = f"the training loss ended at {epochs[-1].train_loss:.3g}, far above its start at {first:.3g}"
    warnings.warn(f"{ended}: the learning rate may be too high", TrainingWarning, stacklevel=3)
