"""Trackers receive the numbers of a run; one that fails does not end the run."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from graphnet.training.errors import RunError
from graphnet.training.runs.trackers import TRACKERS, Trackers, TrackerWarning, numbers_of

RECORD = {"recipe": {"lr": 0.1}, "status": "finished"}


class Fake(ModuleType):
    """A package that notes each call."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*arguments: Any, **options: Any) -> Fake:
            self.calls.append((name, *arguments, *options.items()))
            return self

        return call


def told(name: str, module: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    fake = Fake(module)
    monkeypatch.setitem(sys.modules, module, fake)
    trackers = Trackers([name, name], run)
    trackers.start(RECORD)
    trackers.log(5, {"loss": 0.5})
    trackers.finish(RECORD)
    return fake.calls


def test_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told("tensorboard", "torch.utils.tensorboard", tmp_path, monkeypatch) == [
        ("SummaryWriter", str(tmp_path / "tensorboard")),
        ("add_text", "recipe", "    lr = 0.1"),
        ("add_scalar", "loss", 0.5, 5),
        ("close",),
    ]


def test_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, folder = tmp_path.name, str(tmp_path)
    assert told("wandb", "wandb", tmp_path, monkeypatch) == [
        ("init", ("name", name), ("dir", folder), ("config", {"lr": 0.1}), ("resume", "allow")),
        ("log", {"loss": 0.5}, ("step", 5)),
        ("finish", ("exit_code", 0)),
    ]


def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told("mlflow", "mlflow", tmp_path, monkeypatch) == [
        ("start_run", ("run_name", tmp_path.name)),
        ("log_params", {"lr": 0.1}),
        ("log_metrics", {"loss": 0.5}, ("step", 5)),
        ("end_run", "FINISHED"),
    ]


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_package_is_one_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "torch.utils.tensorboard" if name == "tensorboard" else name
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RunError, match=rf"^the tracker needs the package {name}: .*\n  pip install {name}$"):
        Trackers([name], tmp_path)


def test_unknown_trackers_and_those_that_do_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match="no tracker is called 'tensorbord'\n  did you mean 'tensorboard'"):
        Trackers(["tensorbord"], tmp_path)

    def broken(run: Path) -> Any:
        raise ValueError("no server\nat all")

    monkeypatch.setitem(TRACKERS, "broken", broken)
    with pytest.raises(RunError, match=r"^the tracker 'broken' does not start: no server$"):
        Trackers(["broken"], tmp_path)


@pytest.mark.parametrize("method", ["start", "log", "finish"])
def test_a_tracker_that_raises_is_switched_off(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Noted:
        def __init__(self, run: Path, fails: bool = False) -> None:
            self.fails = fails

        def note(self, name: str) -> None:
            if self.fails and name == method:
                raise OSError("the server\nis gone")
            seen.append(name + "!" * self.fails)

        def start(self, record: Any) -> None:
            self.note("start")

        def log(self, step: int, values: Any) -> None:
            self.note("log")

        def finish(self, record: Any) -> None:
            self.note("finish")

    monkeypatch.setitem(TRACKERS, "whole", Noted)
    monkeypatch.setitem(TRACKERS, "failing", lambda run: Noted(run, True))
    trackers = Trackers(["failing", "whole"], tmp_path)

    def whole_run() -> None:
        trackers.start(RECORD)
        trackers.log(1, {})
        trackers.log(2, {})
        trackers.finish(RECORD)

    with pytest.warns(TrackerWarning) as caught:
        whole_run()
    assert [str(each.message) for each in caught] == [
        "the tracker 'failing' is switched off, training goes on: the server"
    ]
    assert [name for name in seen if "!" not in name] == ["start", "log", "log", "finish"]
    before = ["start!", "log!", "log!", "finish!"]
    assert [name for name in seen if "!" in name] == before[: before.index(f"{method}!")]


def test_numbers_of_a_line() -> None:
    line = {"epoch": 1, "loss": {None: 0.5}, "error": {2: 0.25, 3: None}, "note": "x", "is": True}
    assert numbers_of(line) == {"epoch": 1.0, "loss": 0.5, "error@2": 0.25}
