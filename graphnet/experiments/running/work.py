"""What an experiment has to train and to measure, and what came of it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from graphnet.experiments.running.built_in import of_plan, of_run
from graphnet.experiments.running.conditions import Condition, texts_of
from graphnet.experiments.running.measured import Points, file_of, intact_points, read_points
from graphnet.experiments.running.runs import Request, TrainingRun, is_finished, training_run
from graphnet.experiments.running.worker import Task
from graphnet.flattened import flattened
from graphnet.spec.experiment.measures import MEASURES
from graphnet.spec.experiment.model import Experiment, Measure
from graphnet.spec.recipe import resolved_data
from graphnet.training.errors import RunError, TrainingWarning
from graphnet.training.runs.run_folder import RunFolder

RUNS, MEASUREMENTS = "runs", "measured"
"""Folders below the root of all experiments."""
OF_TESTS = tuple(name for name, kind in MEASURES.items() if kind.built_in and "edit" in kind.takes)
"""Built-in measures that another net than the trained one may have."""


DataKey = tuple[Any, ...]
"""Name and parts of a data set, as a recipe says them."""


class Known(NamedTuple):
    """What is known of a data set: the hash of its test part, and the number of training images."""

    hash: str
    images: int


@dataclass(frozen=True)
class Case:
    """A condition with one seed."""

    condition: Condition
    seed: int
    run: TrainingRun


@dataclass(frozen=True, eq=False)
class Work:
    """All cases of an experiment.

    Attributes:
        root: folder of the runs and measurements of all experiments.
        data_root: folder of the data.
        data: what `data_of` returns → its data set; without those that are not here.
    """

    experiment: Experiment
    cases: tuple[Case, ...]
    root: Path
    data_root: Path | None
    data: Mapping[DataKey, Known]

    @property
    def absent(self) -> tuple[str, ...]:
        """Names of data sets that are not here."""
        lacking = (case.condition for case in self.cases if data_of(case.condition) not in self.data)
        return tuple(dict.fromkeys(condition.recipe.data for condition in lacking))

    @cached_property
    def requests(self) -> dict[str, dict[Path, Request]]:
        """Key of a run → file → what is to be measured on it."""
        found: dict[str, dict[Path, Request]] = {}
        for case in self.cases:
            wanted = found.setdefault(case.run.key, {})
            for request in self._wanted(case.condition).values():
                wanted[self._file(case.run, request)] = request
        return found

    def _wanted(self, condition: Condition) -> Mapping[str, Request]:
        """Measure → what is to be measured on the trained net."""
        found = {measure.name: _request(measure, condition) for measure in self.experiment.measure}
        if condition.edit:
            found |= {name: Request(name, dict(condition.edit)) for name in OF_TESTS}
        return found

    def _file(self, run: TrainingRun, request: Request) -> Path:
        return file_of(self.root / MEASUREMENTS, run.key, request)

    def tasks(self) -> tuple[Task, ...]:
        """A task for each run that is not trained, or on which something is not measured yet; in order of seeds.

        Warns with TrainingWarning of a damaged measurement, which is repeated.

        Raises:
            RunError: a run's record is damaged.
        """
        runs = {case.run.key: case.run for case in sorted(self.cases, key=lambda case: case.seed)}
        return tuple(
            Task(
                number,
                run.key,
                run.folder,
                {key: entry for key, entry in flattened(run.spec).items() if key != "train"},
                resolved_data(run.recipe),
                self.data_root,
                self.requests[run.key],
            )
            for number, run in enumerate(runs.values())
            if not is_finished(run.folder) or self._is_measured_in_part(run)
        )

    def _is_measured_in_part(self, run: TrainingRun) -> bool:
        lacking = False
        for path, request in self.requests[run.key].items():
            try:
                lacking |= read_points(path, run.key, request) is None
            except RunError as fault:
                warnings.warn(f"{fault}; it is measured again", TrainingWarning, stacklevel=3)
                lacking = True
        return lacking

    def values_of(self, case: Case) -> dict[str, Points]:
        """All measures of a case, as far as they are there; what was not measured is missing.

        Raises:
            RunError: the run is damaged.
        """
        found = of_plan(case.condition.spec, case.condition.plan)
        if is_finished(case.run.folder):
            found |= of_run(RunFolder(case.run.folder))
        if case.condition.edit:
            for name in OF_TESTS:
                found.pop(name, None)
        for name, request in self._wanted(case.condition).items():
            if (points := intact_points(self._file(case.run, request), case.run.key, request)) is not None:
                found[name] = points
        return found


def work_of(
    experiment: Experiment,
    made: Sequence[Condition],
    data: Mapping[DataKey, Known],
    root: Path,
    data_root: Path | None,
) -> Work:
    """Return all cases.

    Args:
        data: as for `Work`.
    """
    cases = []
    for condition in made:
        for seed in experiment.seeds:
            recipe = condition.recipe.model_copy(update={"seed": seed})
            known = data.get(data_of(condition))
            run = training_run(condition.spec, recipe, known.hash if known else "", root / RUNS)
            cases.append(Case(condition, seed, run))
    return Work(experiment, tuple(cases), root, data_root, data)


def data_of(condition: Condition) -> DataKey:
    """What says which images a condition trains on."""
    recipe = condition.recipe
    return recipe.data, recipe.train_size, recipe.validation, recipe.split_seed


def _request(measure: Measure, condition: Condition) -> Request:
    """What a measure asks of a condition: the edits of both, the readout times as a text."""
    times = None if measure.readout is None else ", ".join(map(str, measure.readout))
    edit = {**condition.edit, **texts_of(measure.edit)}
    return Request(measure.of, edit, times, measure.calibrate, measure.at or "", measure.images, measure.repeats)
