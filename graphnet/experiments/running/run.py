"""Run an experiment: train what is missing, measure, and gather the numbers. Read this first."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from graphnet.experiments.definition import definition_of
from graphnet.experiments.results import Results
from graphnet.experiments.running.assemble import assembled
from graphnet.experiments.running.conditions import Condition, conditions
from graphnet.experiments.running.measured import Points
from graphnet.experiments.running.pool import Machine, carry_out
from graphnet.experiments.running.work import Case, DataKey, Known, Work, data_of, work_of
from graphnet.experiments.running.worker import Outcome
from graphnet.spec.experiment.model import Experiment
from graphnet.training.errors import DataError
from graphnet.training.loop.stops import StopRequest
from graphnet.training.runs.run_folder import RunFolder
from graphnet.training.version import TRAINER_VERSION


@dataclass(frozen=True)
class Progress:
    """One task is done.

    Attributes:
        done, of: tasks.
        case: the first case that the run serves.
        values: its measures, if it is done.
    """

    outcome: Outcome
    done: int
    of: int
    case: Case
    values: Mapping[str, Points]


def prepared(experiment: Experiment, root: Path, data_root: Path | None, *, needs_data: bool = True) -> Work:
    """Return all that an experiment has to train and to measure; nothing is trained.

    Args:
        needs_data: whether data that are not here are a fault; without them, no run counts as trained.

    Raises:
        SpecError: a condition is no valid net or recipe.
        DataError: data are missing, or do not fit a net.
    """
    made = conditions(experiment)
    return work_of(experiment, made, _known(made, data_root, needs_data), root, data_root)


def run_experiment(
    work: Work,
    machine: Machine,
    told: Callable[[Progress], None],
    stop: StopRequest,
) -> Results:
    """Train what is missing, measure, and return the numbers.

    Args:
        told: called after each task.

    Raises:
        Stopped: on request; the runs are saved, and the next call goes on.
        RunError: a run is damaged.
    """
    tasks = work.tasks()
    first = {case.run.key: case for case in reversed(work.cases)}
    by_number = {task.number: task for task in tasks}
    failed: dict[str, str] = {}
    done = 0

    def note(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        case = first[by_number[outcome.number].key]
        if outcome.kind == "failed":
            failed[case.run.key] = f"{case.condition}, seed {case.seed}: {outcome.what.splitlines()[0]}"
        values = work.values_of(case) if outcome.kind == "done" else {}
        told(Progress(outcome, done, len(tasks), case, values))

    if tasks:
        carry_out(tasks, machine, note, stop)
    return gathered(work, tuple(failed.values()))


def gathered(work: Work, failed: tuple[str, ...] = ()) -> Results:
    """Return the numbers that are there. Raises RunError if a run is damaged."""
    values = [(case, work.values_of(case)) for case in work.cases]
    names = dict.fromkeys(name for _, each in values for name in each)
    factors = {name: tuple(variants) for name, variants in work.experiment.factors.items()}
    seeds = work.experiment.seeds
    measures = {
        name: assembled(
            ((case.condition.labels, case.seed, each[name]) for case, each in values if name in each), factors, seeds
        )
        for name in names
    }
    return Results(work.experiment.name, seeds, work.experiment.is_smoke, measures, _facts(work), failed)


def _facts(work: Work) -> dict[str, str]:
    """What the numbers depend on, for the head of the table."""
    records = [RunFolder(case.run.folder).read_record() for case in work.cases if case.run.folder.exists()]
    devices = dict.fromkeys(str(record.get("device")) for record in records)
    data = {record["dataset"]["name"]: record["dataset"]["test_images"] for record in records if "dataset" in record}
    return {
        "graphnet": version("graphnet-compiler"),
        "torch": version("torch"),
        "trainer_version": str(TRAINER_VERSION),
        "definition": definition_of(work.experiment),
        "date": datetime.now(UTC).date().isoformat(),
        "device": ", ".join(devices),
        "data": ", ".join(data),
        "test_images": ", ".join(map(str, data.values())),
    }


def _known(made: Sequence[Condition], data_root: Path | None, needs_data: bool) -> dict[DataKey, Known]:
    """Load each data set once, and check that the nets fit it."""
    from graphnet.training.data.checks import check_data, check_fits
    from graphnet.training.data.named import load_recipe_data

    found: dict[DataKey, Known] = {}
    for sort in dict.fromkeys(map(data_of, made)):
        users = [condition for condition in made if data_of(condition) == sort]
        try:
            dataset = load_recipe_data(users[0].recipe, data_root)
        except DataError:
            if needs_data:
                raise
            continue
        check_data(dataset)
        if needs_data:
            for part in dataset.parts.values():
                part.images.loaded()  # drawn images, by all cores: workers have one each
        for condition in users:
            check_fits(dataset, condition.plan.input_shape, condition.plan.output_shape)
        found[sort] = Known(dataset.held_out_hash, len(dataset.train))
    return found


def machine_of(device: str, jobs: int | None, plugins: Sequence[str] = ()) -> Machine:
    """Return what runs are trained on.

    On CPUs there is a process for each core, with one thread, so that the number of processes changes no result; on
    CUDA one for each GPU.

    Raises:
        TrainingError: no such device here.
    """
    import torch

    from graphnet.training.devices import choose_device

    chosen = choose_device(device)
    if chosen.type == "cpu":
        devices = ("cpu",) * (jobs or os.cpu_count() or 1)
    elif chosen.type == "cuda" and chosen.index is None:
        count = torch.cuda.device_count()
        devices = tuple(f"cuda:{k % count}" for k in range(jobs or count))
    else:
        devices = (str(chosen),) * (jobs or 1)
    return Machine(devices, 1, tuple(plugins))
