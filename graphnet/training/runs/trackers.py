"""Trackers: the numbers of a run, sent to TensorBoard, W&B or MLflow; their packages are loaded only when asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from graphnet.errors import did_you_mean
from graphnet.training.errors import RunError
from graphnet.training.runs.files import TENSORBOARD

Values = Mapping[str, float]


class TrackerWarning(UserWarning):
    """A tracker failed and is switched off."""


class Tracker(Protocol):
    """What receives the numbers of a run."""

    def start(self, record: Mapping[str, Any]) -> None:
        """The run begins; `record` is what `run.json` holds then."""

    def log(self, step: int, values: Values) -> None:
        """Numbers after `step` steps of the optimiser."""

    def finish(self, record: Mapping[str, Any]) -> None:
        """The run ends; `record` is what `run.json` holds then, its status and results included."""


class TensorBoard:
    """Writes event files into `RUN/tensorboard`."""

    def __init__(self, run: Path) -> None:
        self._writer = _package("torch.utils.tensorboard", "tensorboard").SummaryWriter(str(run / TENSORBOARD))

    def start(self, record: Mapping[str, Any]) -> None:
        self._writer.add_text("recipe", "\n".join(f"    {key} = {value}" for key, value in _settings(record).items()))

    def log(self, step: int, values: Values) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def finish(self, record: Mapping[str, Any]) -> None:
        self._writer.close()


class WeightsAndBiases:
    """Logs to the project `graphnet` of Weights & Biases; its environment variables choose another."""

    def __init__(self, run: Path) -> None:
        self._wandb, self._run = _package("wandb", "wandb"), run

    def start(self, record: Mapping[str, Any]) -> None:
        self._wandb.init(name=self._run.resolve().name, dir=str(self._run), config=_settings(record), resume="allow")

    def log(self, step: int, values: Values) -> None:
        self._wandb.log(dict(values), step=step)

    def finish(self, record: Mapping[str, Any]) -> None:
        self._wandb.finish(exit_code=0 if record.get("status") == "finished" else 1)


class MLflow:
    """Logs to MLflow's tracking server; its environment variables choose it."""

    def __init__(self, run: Path) -> None:
        self._mlflow, self._run = _package("mlflow", "mlflow"), run

    def start(self, record: Mapping[str, Any]) -> None:
        self._mlflow.start_run(run_name=self._run.resolve().name)
        self._mlflow.log_params(_settings(record))

    def log(self, step: int, values: Values) -> None:
        self._mlflow.log_metrics(dict(values), step=step)

    def finish(self, record: Mapping[str, Any]) -> None:
        self._mlflow.end_run("FINISHED" if record.get("status") == "finished" else "FAILED")


TRACKERS: dict[str, Callable[[Path], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
}
"""Name → a tracker for a run folder. Plugins may add entries."""


class Trackers:
    """Trackers of a run; one that raises is warned of once and switched off, and training goes on."""

    def __init__(self, names: Sequence[str], run: Path) -> None:
        """Raises RunError: a name is unknown, or its package is missing or refuses to start."""
        self._running: dict[str, Tracker] = {}
        for name in dict.fromkeys(names):
            check_known(name)
            try:
                self._running[name] = TRACKERS[name](run)
            except RunError:
                raise
            except Exception as fault:
                raise RunError(f"the tracker '{name}' does not start: {_said(fault)}") from fault

    def start(self, record: Mapping[str, Any]) -> None:
        self._call("start", record)

    def log(self, step: int, values: Values) -> None:
        self._call("log", step, values)

    def finish(self, record: Mapping[str, Any]) -> None:
        self._call("finish", record)

    def _call(self, method: str, *arguments: object) -> None:
        for name, tracker in list(self._running.items()):
            try:
                getattr(tracker, method)(*arguments)
            except Exception as fault:  # noqa: BLE001 - a tracker must not end a run
                del self._running[name]
                text = f"the tracker '{name}' is switched off, training goes on: {_said(fault)}"
                warnings.warn(text, TrackerWarning, stacklevel=3)


def check_known(name: str) -> None:
    """Check the name of a tracker. Raises RunError."""
    if name not in TRACKERS:
        raise RunError(f"no tracker is called '{name}'\n  {did_you_mean(name, tuple(TRACKERS))}")


def numbers_of(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a line of metrics, for `log`: `test_loss@3` for one by time."""
    return dict(_numbers(line))


def _numbers(line: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in line.items():
        if isinstance(value, Mapping):
            yield from _numbers({name if t in (None, "last") else f"{name}@{t}": each for t, each in value.items()})
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)


def _package(module: str, package: str) -> Any:
    try:
        return import_module(module)
    except ImportError as fault:
        raise RunError(f"the tracker needs the package {package}: {fault}\n  pip install {package}") from fault


def _settings(record: Mapping[str, Any]) -> dict[str, Any]:
    recipe = record.get("recipe")
    return dict(recipe) if isinstance(recipe, Mapping) else {}


def _said(fault: Exception) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0]
