"""One process of an experiment: it trains runs and measures them, one after the other, as its parent asks."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from graphnet.errors import SpecError
from graphnet.experiments.running.measured import intact_points, write_points
from graphnet.experiments.running.runs import Request, is_finished
from graphnet.pipeline import load
from graphnet.pipeline import plan as plan_of
from graphnet.rewrite.spec_editor import EditError
from graphnet.spec.model import Spec
from graphnet.spec.recipe import Recipe, RecipeFile
from graphnet.training.errors import RunError, Stopped, TrainingError
from graphnet.training.loop.stops import StopRequest, stop_requests
from graphnet.training.runs.lock import LOCK, is_locked, locked
from graphnet.training.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from graphnet.training.data.dataset import Dataset
    from graphnet.training.runs.checkpoint import Checkpoint


@dataclass(frozen=True)
class Task:
    """A run to train, if it is not finished, and what to measure on it.

    Attributes:
        spec: plain data.
        recipe: resolved, plain data.
        requests: file of a measurement → what to measure.
    """

    number: int
    key: str
    folder: Path
    spec: Mapping[str, Any]
    recipe: Mapping[str, Any]
    data_root: Path | None
    requests: Mapping[Path, Request] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        kind: `busy` if another process trains this run now.
        what: the fault, if it failed.
        seconds: of training and measuring.
    """

    number: int
    kind: Literal["done", "failed", "stopped", "busy"]
    what: str = ""
    seconds: float = 0.0


def work(connection: Connection, device: str, threads: int, plugins: Sequence[str]) -> None:
    """Carry out tasks until the parent sends None or is gone. A stop by signal saves the run that is being trained.

    Args:
        plugins: modules that register ops and data sets.
    """
    import torch

    for module in plugins:
        import_module(module)
    torch.set_num_threads(threads)
    parent, data = os.getppid(), dict[Any, Any]()
    with stop_requests() as asked:

        def stop() -> Stopped | None:
            return asked() or (Stopped("the command is gone", 143) if os.getppid() != parent else None)

        while True:
            try:
                task = connection.recv()
            except (EOFError, OSError):
                return
            if task is None:
                return
            outcome = _outcome(task, device, stop, data)
            try:
                connection.send(outcome)
            except OSError:
                return
            if outcome.kind == "stopped":
                return


def _outcome(task: Task, device: str, stop: StopRequest, data: dict[Any, Any]) -> Outcome:
    started = time.perf_counter()
    try:
        _carry_out(task, device, stop, data)
    except (Stopped, KeyboardInterrupt) as stopped:
        return Outcome(task.number, "stopped", str(stopped))
    except RunError as fault:
        kind: Literal["busy", "failed"] = "busy" if is_locked(task.folder) else "failed"
        return Outcome(task.number, kind, str(fault), time.perf_counter() - started)
    except (TrainingError, EditError, SpecError, OSError, ValueError) as fault:
        return Outcome(task.number, "failed", str(fault), time.perf_counter() - started)
    return Outcome(task.number, "done", "", time.perf_counter() - started)


def _carry_out(task: Task, device: str, stop: StopRequest, data: dict[Any, Any]) -> None:
    from graphnet.experiments.running.measuring import measure
    from graphnet.experiments.running.trained import Trained
    from graphnet.training.data.named import load_recipe_data
    from graphnet.training.runs.load_run import load_net

    recipe = RecipeFile.model_validate({RecipeFile.kind: 1, "train": task.recipe}).train
    sort = (recipe.data, recipe.train_size, recipe.validation, recipe.split_seed)
    if sort not in data:
        data.clear()
        data[sort] = load_recipe_data(recipe, task.data_root)
    if not is_finished(task.folder):
        _train(task, recipe, data[sort], device, stop)
    missing = {
        path: request for path, request in task.requests.items() if intact_points(path, task.key, request) is None
    }
    if not missing:
        return
    trained = Trained(
        load_net(RunFolder.open(task.folder), device), data[sort], recipe.batch_size, tuple(missing.values())
    )
    faults: dict[str, None] = {}
    for path, request in missing.items():
        if (why := stop()) is not None:
            raise why
        try:
            write_points(path, task.key, request, measure(trained, request))
        except (EditError, SpecError, ValueError) as fault:  # the net has no such measure; it may have the others
            faults[f"{request.of} is not measured: {fault}"] = None
    if faults:
        raise EditError("\n".join(faults))


def _train(task: Task, recipe: Recipe, dataset: Dataset, device: str, stop: StopRequest) -> None:
    """Train a run from its last checkpoint, or from the beginning if it has none."""
    from graphnet.training.events import ignore
    from graphnet.training.runs.train_run import Machine, compile_for, train_into

    task.folder.mkdir(parents=True, exist_ok=True)
    with locked(task.folder):
        if is_finished(task.folder):
            return
        folder = RunFolder(task.folder)
        text, start = _begun(folder, load(task.spec), recipe)
        notes = {"data_root": str(task.data_root.resolve()) if task.data_root else "", "experiment_key": task.key}
        train_into(
            folder,
            compile_for(load(start.spec_data if start else task.spec), recipe),
            dataset,
            recipe,
            text,
            ignore,
            machine=Machine(device),
            notes=notes,
            stop=stop,
            start=start,
        )


def _begun(folder: RunFolder, spec: Spec, recipe: Recipe) -> tuple[str, Checkpoint | None]:
    """The spec's text and the checkpoint to go on from; without one, clear the folder. The caller holds its lock."""
    from graphnet.training.runs.files import remove_temporary, written_by_training
    from graphnet.training.runs.texts import write_texts

    if folder.checkpoints():
        remove_temporary(folder.path)
        found = folder.newest_intact()
        return found.checkpoint.spec_text, found.checkpoint
    for path in written_by_training(folder.path):
        if path.name != LOCK:
            path.unlink(missing_ok=True)
    return write_texts(folder, spec, plan_of(spec, unlimited=True), recipe), None
