"""`graphnet runs`: runs are listed, compared and removed; damaged ones are told, others' files stay."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from graphnet.training.errors import RunError
from graphnet.training.runs.creation import create_run
from graphnet.training.runs.listing import COLUMNS, Summary, compare_runs, list_runs
from graphnet.training.runs.lock import locked
from graphnet.training.runs.removal import remove_run
from graphnet.training.runs.run_folder import RunFolder
from tests.end_to_end.test_analysis_commands import run as graphnet
from tests.old_runs import as_version_1

RECIPE = {"epochs": 2, "lr": 0.1, "schedule": {"kind": "steps"}}
RESULTS = {"final_accuracy": 0.9, "accuracy": {"2": 0.8, "3": 0.9}}


def make(root: Path, name: str, record: dict[str, Any] | None = None) -> RunFolder:
    """A run of two epochs."""
    run = create_run(root / name, name)
    run.write_text("spec.json", '{"name": "small"}')
    run.add_metrics({"epoch": 1, "seconds": 30.0, "validation_error": 0.25})
    run.add_metrics({"epoch": 2, "seconds": 60.0, "validation_error": 0.2})
    run.save_last(nn.Linear(2, 2), "{}", {"epoch": "2"})
    data = {"name": "digits", "train_images": 10}
    start = {"status": "finished", "recipe": RECIPE, "dataset": data, "started": "2026-01-02T03:04:05+00:00"}
    run.write_record(start | {"results": RESULTS, "seconds": 120.0, "epochs_done": 2} | (record or {}))
    return run


def test_a_run_is_summarised(tmp_path: Path) -> None:
    make(tmp_path, "a")
    (found,) = list_runs(tmp_path)
    assert found == Summary(
        *("a", "small", "digits", "finished", 2, pytest.approx(0.1), 0.2, 2.0, "2026-01-02T03:04:05+00:00", True)
    )
    assert list_runs(tmp_path / "a") == [found]


def test_an_unfinished_run_is_read_from_its_metrics(tmp_path: Path) -> None:
    record = {"status": "training", "results": None, "seconds": None, "epochs_done": None, "started": None}
    run = make(tmp_path, "a", record)
    (found,) = list_runs(tmp_path)
    assert (found.status, found.epochs, found.error, found.minutes) == ("killed", 2, None, 1.5)
    assert found.date is not None
    with locked(run.path):
        assert list_runs(tmp_path)[0].status == "training"


def test_a_run_of_version_1_has_no_checksum(tmp_path: Path) -> None:
    as_version_1(make(tmp_path, "a").path)
    (found,) = list_runs(tmp_path)
    assert (found.status, found.has_checksum) == ("finished", False)
    done = graphnet("runs", tmp_path)
    assert "finished, no checksum" in done.stdout


def test_runs_are_sorted(tmp_path: Path) -> None:
    for name, accuracy in (("run-10", 0.7), ("run-2", 0.8), ("run-1", None)):
        make(tmp_path, name, {"results": {"final_accuracy": accuracy}})
    assert [run.name for run in list_runs(tmp_path)] == ["run-1", "run-2", "run-10"]
    assert [run.name for run in list_runs(tmp_path, "error")] == ["run-2", "run-10", "run-1"]
    for column in COLUMNS:
        assert len(list_runs(tmp_path, column)) == 3
    with pytest.raises(RunError, match="runs have no column 'errors'\n  did you mean 'error'"):
        list_runs(tmp_path, "errors")


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("run.json", "{", "run.json is damaged"),
        ("run.json", "[1]", "it is not a table"),
        ("run.json", "[" * 100_000, "nested too deeply"),
        ("run.json", '{"graphnet_run": 2}', "it has no status"),
        ("run.json", None, "is not a run folder: no "),
        ("metrics.jsonl", "null\n", "it is not a table"),
        ("metrics.jsonl", "\udcff\n", "it is not UTF-8 text"),
    ],
)
def test_a_damaged_run_is_listed_with_the_reason(file: str, text: str | None, reason: str, tmp_path: Path) -> None:
    run = make(tmp_path, "a")
    make(tmp_path, "b")
    (run.path / file).unlink()
    if text is not None:
        (run.path / file).write_bytes(text.encode(errors="surrogateescape"))
    damaged, whole = list_runs(tmp_path)
    assert (damaged.name, damaged.status, whole.status) == ("a", "damaged", "finished")
    assert reason in damaged.reason
    done = graphnet("runs", tmp_path)
    assert done.returncode == 0
    assert f"a is damaged: {damaged.reason}" in done.stdout


HOSTILE: list[Any] = [None, True, -1, 10**30, 1e300, "x\x1b[31m" * 1000, [], [1], {}, {"name": {}}, "/etc/passwd"]


@pytest.mark.parametrize("key", ["status", "recipe", "dataset", "results", "seconds", "epochs_done", "started"])
def test_any_entry_may_be_anything(key: str, tmp_path: Path) -> None:
    for number, value in enumerate(HOSTILE):
        make(tmp_path, str(number), {key: value})
    paths = [tmp_path / str(number) for number in range(len(HOSTILE))]
    for words in ((tmp_path,), (tmp_path, "--sort", "date"), ("compare", *paths)):
        done = graphnet("runs", *words)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout
        assert len(json.loads(graphnet("runs", *words, "--json").stdout)) > 1


def test_folders_that_are_no_runs_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("")
    (tmp_path / "file").write_text("")
    assert list_runs(tmp_path) == []
    assert graphnet("runs", tmp_path).stdout == f"no runs in {tmp_path}\n"
    for path, said in ((tmp_path / "file", "is a file, not a folder of runs"), (tmp_path / "none", "no folder")):
        done = graphnet("runs", path)
        assert done.returncode == 1
        assert said in done.stderr
    assert graphnet("runs", cwd=tmp_path).stdout == "no runs: there is no folder runs here\n"


def test_runs_are_listed_as_a_table_and_as_json(tmp_path: Path) -> None:
    make(tmp_path / "runs", "a")
    shown = graphnet("runs", cwd=tmp_path).stdout.splitlines()[3]
    assert [cell.strip() for cell in shown.strip("│").split("│")] == [
        *("a", "small", "digits", "finished", "2", "10.00%", "20.00%", "2.0", "2026-01-02 03:04")
    ]
    (row,) = json.loads(graphnet("runs", "--json", cwd=tmp_path).stdout)
    assert (row["name"], row["validation"], row["has_checksum"]) == ("a", 0.2, True)
    assert graphnet("runs", "list", "runs", "--json", cwd=tmp_path).stdout == json.dumps([row], indent=2) + "\n"


def test_a_comparison_shows_what_differs_and_all_results(tmp_path: Path) -> None:
    one = make(tmp_path, "a").path
    other = make(tmp_path, "b", {"recipe": RECIPE | {"lr": 0.2, "ema": 0.9}}).path
    assert compare_runs([one, other]) == {
        "status": ["finished", "finished"],
        "recipe.lr": [0.1, 0.2],
        "results.final_accuracy": [0.9, 0.9],
        "results.accuracy.2": [0.8, 0.8],
        "results.accuracy.3": [0.9, 0.9],
        "recipe.ema": [None, 0.9],
    }
    done = graphnet("runs", "compare", "a", "b", cwd=tmp_path)
    (line,) = [line for line in done.stdout.splitlines() if "recipe.lr" in line]
    assert [cell.strip() for cell in line.strip("│").split("│")] == ["recipe.lr", "0.1", "0.2"]
    assert graphnet("runs", "compare", "a", cwd=tmp_path).returncode == 2
    assert "is not a run folder" in graphnet("runs", "compare", "a", "c", cwd=tmp_path).stderr


def test_removing_takes_only_what_training_wrote(tmp_path: Path) -> None:
    run = make(tmp_path, "a")
    run.keep_last_as("epoch-0002")
    (run.path / ".last.safetensors.77.tmp").write_text("half")
    (run.path / "tensorboard").mkdir()
    (run.path / "tensorboard" / "events.out.tfevents.1.x").write_text("")
    assert remove_run(run.path) == []
    assert list(tmp_path.iterdir()) == []
    run = make(tmp_path, "a")
    for name in ("notes.txt", "mine.safetensors"):
        (run.path / name).write_text("mine")
    (run.path / "indices").mkdir()
    (run.path / "best.safetensors").mkdir()
    outside = tmp_path / "outside.svg"
    outside.write_text("mine")
    (run.path / "diagram.svg").symlink_to(outside)
    done = graphnet("runs", "remove", run.path, "--yes")
    assert done.returncode == 0, done.stderr
    assert "but not the folder: it also holds best.safetensors, indices, mine.safetensors, notes.txt" in done.stdout
    left = ["best.safetensors", "indices", "mine.safetensors", "notes.txt"]
    assert sorted(path.name for path in run.path.iterdir()) == left
    assert outside.read_text() == "mine"


def test_what_cannot_be_removed_is_told_before_anything_is_removed(tmp_path: Path) -> None:
    run = make(tmp_path, "a")
    other = make(tmp_path, "b")
    (tmp_path / "link").symlink_to(run.path)
    (tmp_path / "no-run").mkdir()
    for name, said in (("no-run", "is not a run folder"), ("link", "is a symbolic link")):
        done = graphnet("runs", "remove", run.path, tmp_path / name, "--yes")
        assert (done.returncode, said in done.stderr) == (1, True)
    with locked(other.path):
        done = graphnet("runs", "remove", run.path, other.path, "--yes")
    assert (done.returncode, "is being written by another process" in done.stderr) == (1, True)
    assert run.record.exists()
    assert other.record.exists()


def test_removing_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    run = make(tmp_path, "a")
    monkeypatch.setattr(typer, "confirm", lambda question: False)
    done = graphnet("runs", "remove", run.path)
    assert (done.returncode, done.stderr) == (1, "nothing is removed\n")
    assert run.record.exists()
    monkeypatch.setattr(typer, "confirm", lambda question: str(run.path) in question)
    assert graphnet("runs", "remove", run.path).returncode == 0
    assert not os.path.exists(run.path)
