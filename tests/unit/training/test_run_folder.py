import json
import platform
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from graphnet.training.data.dataset import Dataset, linear_baseline, load_dataset
from graphnet.training.errors import DivergenceError, RunError
from graphnet.training.events import EpochDone, Event, Report, StepDone, ignore
from graphnet.training.loop.trainer import evaluate
from graphnet.training.recipe import Recipe
from graphnet.training.runs.checkpoint import load_into, read_checkpoint
from graphnet.training.runs.run_folder import RunFolder
from graphnet.training.runs.train_run import train_into

SPEC = '{"graphnet": 1}'


@pytest.fixture(scope="module")
def few() -> Dataset:
    digits = load_dataset("digits")
    return replace(digits, train_images=digits.train_images[:130], train_labels=digits.train_labels[:130])


def small_net() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 10))


def test_runs_are_numbered_by_spec(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    paths = [RunFolder.create(None, name, root).path for name in ("frnn", "frnn", "resnet", "frnn")]
    assert [path.name for path in paths] == ["frnn-1", "frnn-2", "resnet-1", "frnn-3"]
    assert all(path.is_dir() and path.parent == root for path in paths)


@pytest.mark.parametrize(
    ("name", "folder"), [("../../up", "up-1"), ("a/b c", "a-b-c-1"), ("", "run-1"), ("..", "run-1")]
)
def test_a_specs_name_stays_inside_the_root(name: str, folder: str, tmp_path: Path) -> None:
    assert RunFolder.create(None, name, tmp_path).path == tmp_path / folder


def test_a_named_folder_is_never_overwritten(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "new" / "run", "x")
    assert RunFolder.create(folder.path, "x") == folder  # there, but empty
    folder.write_text("plan.txt", "V1@0\n")
    with pytest.raises(RunError, match="is not empty, and runs are never overwritten"):
        RunFolder.create(folder.path, "x")
    assert (folder.path / "plan.txt").read_text() == "V1@0\n"
    with pytest.raises(RunError, match="is a file"):
        RunFolder.create(folder.path / "plan.txt", "x")
    with pytest.raises(RunError):
        RunFolder.create(folder.path / "plan.txt" / "below", "x")


def test_only_a_run_can_be_opened(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", "x")
    with pytest.raises(RunError, match=r"is not a run folder: no .*run\.json$"):
        RunFolder.open(folder.path)
    folder.write_record({"status": "training"})
    assert RunFolder.open(folder.path).read_record() == {"status": "training"}
    folder.record.write_text('{"status": ')
    with pytest.raises(RunError, match=r"run\.json is damaged"):
        folder.read_record()
    with pytest.raises(RunError, match=r"predictions\.json cannot be read"):
        folder.read_predictions()


def test_metrics_are_json_even_where_numbers_are_not(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "x")
    assert folder.read_metrics() == []
    folder.add_metrics({"loss": float("inf"), "accuracy": {None: 0.5}})
    folder.add_metrics({"loss": 0.1, "accuracy": {2: 0.5, 3: float("nan")}})
    first, second = folder.metrics.read_text().splitlines()
    assert json.loads(first) == {"loss": None, "accuracy": {"last": 0.5}}
    assert folder.read_metrics() == [json.loads(first), json.loads(second)]
    assert json.loads(second) == {"loss": 0.1, "accuracy": {"2": 0.5, "3": None}}


def test_a_finished_run_holds_everything(tmp_path: Path, few: Dataset) -> None:
    folder, net = RunFolder.create(None, "small", tmp_path), small_net()
    recipe = Recipe(epochs=3, seed=5, device="cpu")
    result = train_into(folder, net, few, recipe, SPEC, ignore, {"data_root": None})
    record = folder.read_record()
    assert record["status"] == "finished"
    assert record["recipe"]["seed"] == 5
    assert record["dataset"]["held_out_hash"] == few.held_out_hash
    assert record["dataset"]["linear_baseline"] == linear_baseline(few)
    assert record["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert record["versions"]["python"] == platform.python_version()
    assert (record["device"], record["data_root"], record["epochs_done"]) == ("cpu", None, 3)
    assert record["seconds"] == result.seconds > sum(epoch.seconds for epoch in result.epochs)
    assert record["results"]["final_accuracy"] == result.evaluation.final_accuracy
    assert record["results"]["accuracy"] == {"last": result.evaluation.final_accuracy}
    metrics = folder.read_metrics()
    assert [line["epoch"] for line in metrics] == [1, 2, 3]
    assert [line["train_loss"] for line in metrics] == [epoch.train_loss for epoch in result.epochs]
    assert metrics[2]["monitored_error"] == {"last": 1 - result.evaluation.final_accuracy}


def test_a_run_can_be_evaluated_again_to_the_same_predictions(tmp_path: Path, few: Dataset) -> None:
    folder = RunFolder.create(tmp_path / "run", "small")
    train_into(folder, small_net(), few, Recipe(epochs=2, device="cpu"), SPEC, ignore)
    again = RunFolder.open(folder.path)
    checkpoint = read_checkpoint(again.checkpoint)
    assert (checkpoint.spec_text, checkpoint.metadata) == (SPEC, {"epoch": "2"})
    net = small_net()
    assert evaluate(net, few.test_images, few.test_labels).predictions.tolist() != again.read_predictions()
    load_into(net, checkpoint.tensors)
    evaluation = evaluate(net, few.test_images, few.test_labels)
    assert evaluation.predictions.tolist() == again.read_predictions()
    assert evaluation.final_accuracy == again.read_record()["results"]["final_accuracy"]


def stop_at(net: nn.Module, states: list[dict[str, torch.Tensor]], fault: BaseException | None) -> Report:
    """A report that keeps the net's state at the end of each epoch and stops, or spoils the net, in epoch 3."""

    def report(event: Event) -> None:
        if isinstance(event, EpochDone):
            states.append({name: tensor.clone() for name, tensor in net.state_dict().items()})
        if isinstance(event, StepDone) and (event.epoch, event.step) == (3, 2):
            if fault is not None:
                raise fault
            net[3].bias.data[0] = torch.nan  # type: ignore[index]

    return report


@pytest.mark.parametrize(
    ("fault", "raised", "status"),
    [(KeyboardInterrupt(), KeyboardInterrupt, "interrupted"), (None, DivergenceError, "failed")],
)
def test_a_stopped_run_keeps_its_whole_epochs(
    fault: BaseException | None, raised: type[BaseException], status: str, tmp_path: Path, few: Dataset
) -> None:
    folder, net = RunFolder.create(tmp_path / "run", "small"), small_net()
    states: list[dict[str, torch.Tensor]] = []
    with pytest.raises(raised):
        train_into(folder, net, few, Recipe(epochs=5, device="cpu"), SPEC, stop_at(net, states, fault))
    record = RunFolder.open(folder.path).read_record()
    assert (record["status"], record["epochs_done"]) == (status, 2)
    assert record["dataset"]["linear_baseline"] > 0.5
    assert [line["epoch"] for line in folder.read_metrics()] == [1, 2]
    checkpoint = read_checkpoint(folder.checkpoint)
    assert checkpoint.metadata == {"epoch": "2"}
    assert all(torch.equal(checkpoint.tensors[name], tensor) for name, tensor in states[1].items())
    assert not torch.equal(checkpoint.tensors["0.weight"], net.state_dict()["0.weight"])
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "checkpoint.safetensors",
        "metrics.jsonl",
        "run.json",
    ]


def test_run_json_says_training_before_the_first_step(tmp_path: Path, few: Dataset) -> None:
    folder, seen = RunFolder.create(tmp_path / "run", "small"), []
    recipe = Recipe(epochs=1, device="cpu")
    train_into(folder, small_net(), few, recipe, SPEC, lambda _: seen.append(folder.read_record()["status"]))
    assert set(seen) == {"training"}
    assert folder.read_record()["status"] == "finished"
