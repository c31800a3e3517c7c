import json
from pathlib import Path

import pytest

from graphnet.training.errors import RunError
from graphnet.training.runs.creation import create_run
from graphnet.training.runs.run_folder import RunFolder


def test_runs_are_numbered_by_spec(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    paths = [create_run(None, name, root).path for name in ("frnn", "frnn", "resnet", "frnn")]
    assert [path.name for path in paths] == ["frnn-1", "frnn-2", "resnet-1", "frnn-3"]
    assert all(path.is_dir() and path.parent == root for path in paths)


@pytest.mark.parametrize(
    ("name", "folder"), [("../../up", "up-1"), ("a/b c", "a-b-c-1"), ("", "run-1"), ("..", "run-1")]
)
def test_a_specs_name_stays_inside_the_root(name: str, folder: str, tmp_path: Path) -> None:
    assert create_run(None, name, tmp_path).path == tmp_path / folder


def test_a_named_folder_is_never_overwritten(tmp_path: Path) -> None:
    folder = create_run(tmp_path / "new" / "run", "x")
    assert create_run(folder.path, "x") == folder  # there, but empty
    folder.write_text("plan.txt", "V1@0\n")
    with pytest.raises(RunError, match="is not empty, and runs are never overwritten"):
        create_run(folder.path, "x")
    assert (folder.path / "plan.txt").read_text() == "V1@0\n"
    with pytest.raises(RunError, match="is a file"):
        create_run(folder.path / "plan.txt", "x")
    with pytest.raises(RunError):
        create_run(folder.path / "plan.txt" / "below", "x")


def test_only_a_run_can_be_opened(tmp_path: Path) -> None:
    folder = create_run(tmp_path / "run", "x")
    with pytest.raises(RunError, match=r"is not a run folder: no .*run\.json$"):
        RunFolder.open(folder.path)
    folder.write_record({"status": "training"})
    assert RunFolder.open(folder.path).read_record() == {"graphnet_run": 2, "status": "training"}
    folder.record.write_text('{"status": ')
    with pytest.raises(RunError, match=r"run\.json is damaged"):
        folder.read_record()
    with pytest.raises(RunError, match=r"predictions\.json cannot be read"):
        folder.read_predictions()


def test_metrics_are_json_even_where_numbers_are_not(tmp_path: Path) -> None:
    folder = create_run(tmp_path, "x")
    assert folder.read_metrics() == []
    folder.add_metrics({"loss": float("inf"), "accuracy": {None: 0.5}})
    folder.add_metrics({"loss": 0.1, "accuracy": {2: 0.5, 3: float("nan")}})
    first, second = folder.metrics.read_text().splitlines()
    assert json.loads(first) == {"loss": None, "accuracy": {"last": 0.5}}
    assert folder.read_metrics() == [json.loads(first), json.loads(second)]
    assert json.loads(second) == {"loss": 0.1, "accuracy": {"2": 0.5, "3": None}}
