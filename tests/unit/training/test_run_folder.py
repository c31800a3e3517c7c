import json
import platform
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn

from graphnet.training.data.baseline import linear_baseline
from graphnet.training.data.dataset import Dataset
from graphnet.training.data.named import load_dataset
from graphnet.training.errors import DivergenceError, RunError
from graphnet.training.events import EpochDone, Event, Report, Started, StepDone, ignore
from graphnet.training.loop.trainer import EVALUATION_BATCH, evaluate
from graphnet.training.progress import progress
from graphnet.training.recipe import Recipe
from graphnet.training.runs.checkpoint import load_into, read_checkpoint
from graphnet.training.runs.creation import create_run
from graphnet.training.runs.run_folder import RunFolder
from graphnet.training.runs.train_run import train_into

SPEC = '{"graphnet": 1}'


@pytest.fixture(scope="module")
def few() -> Dataset:
    digits = load_dataset("digits")
    return replace(digits, train=digits.train.subset(range(130)))


def small_net() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 10))


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


def test_a_finished_run_holds_everything(tmp_path: Path, few: Dataset) -> None:
    folder, net = create_run(None, "small", tmp_path), small_net()
    recipe = Recipe(epochs=3, seed=5, device="cpu")
    result = train_into(folder, net, few, recipe, SPEC, ignore, {"data_root": None})
    record = folder.read_record()
    assert record["status"] == "finished"
    assert record["recipe"]["seed"] == 5
    assert record["dataset"]["held_out_hash"] == few.held_out_hash
    assert record["dataset"]["linear_baseline"] == linear_baseline(few).accuracy  # type: ignore[union-attr]
    assert record["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert record["versions"]["python"] == platform.python_version()
    assert (record["device"], record["data_root"], record["epochs_done"]) == ("cpu", None, 3)
    assert record["seconds"] == result.seconds > sum(epoch.seconds for epoch in result.epochs)
    assert record["results"]["final_accuracy"] == result.evaluation.final_accuracy
    assert record["results"]["accuracy"] == {"last": result.evaluation.final_accuracy}
    metrics = folder.read_metrics()
    assert [line["epoch"] for line in metrics] == [1, 2, 3]
    assert [line["train_loss"] for line in metrics] == [epoch.train_loss for epoch in result.epochs]
    assert metrics[2]["test_loss"] == record["results"]["loss"]


def test_a_run_can_be_evaluated_again_to_the_same_predictions(tmp_path: Path, few: Dataset) -> None:
    folder = create_run(tmp_path / "run", "small")
    train_into(folder, small_net(), few, Recipe(epochs=2, device="cpu"), SPEC, ignore)
    again = RunFolder.open(folder.path)
    checkpoint = read_checkpoint(again.checkpoint)
    assert (checkpoint.spec_text, checkpoint.metadata) == (SPEC, {"epoch": "2"})
    net = small_net()
    assert evaluate(net, few.test.batches(EVALUATION_BATCH)).predictions.tolist() != again.read_predictions()
    load_into(net, checkpoint.tensors)
    evaluation = evaluate(net, few.test.batches(EVALUATION_BATCH))
    assert evaluation.predictions.tolist() == again.read_predictions()
    assert evaluation.final_accuracy == again.read_record()["results"]["final_accuracy"]


def stop_at(net: nn.Module, states: list[dict[str, torch.Tensor]], fault: BaseException | None) -> Report:
    """A report that keeps the net's state at the end of each epoch and stops, or spoils the net, in epoch 3."""

    def report(event: Event) -> None:
        if isinstance(event, EpochDone):
            states.append({name: tensor.clone() for name, tensor in net.state_dict().items()})
        if isinstance(event, StepDone) and (event.epoch, event.step) == (3, 1):
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
    folder, net = create_run(tmp_path / "run", "small"), small_net()
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
        "last.safetensors",
        "metrics.jsonl",
        "previous.safetensors",
        "run.json",
        "summary.csv",
    ]


def test_run_json_says_training_before_the_first_step(tmp_path: Path, few: Dataset) -> None:
    folder, seen = create_run(tmp_path / "run", "small"), []
    recipe = Recipe(epochs=1, device="cpu")
    train_into(folder, small_net(), few, recipe, SPEC, lambda _: seen.append(folder.read_record()["status"]))
    assert set(seen) == {"training"}
    assert folder.read_record()["status"] == "finished"


def tell(report: Report) -> None:
    report(Started(Recipe(epochs=10), "digits", 22, "cpu"))
    report(StepDone(1, 1, 2.5))
    report(EpochDone(1, 0.01, 0.53124, 0.842, {None: 0.4}, {None: 0.9733333}, 1.26))
    report(StepDone(3, 5, 1.25))
    report(EpochDone(10, 0.0001, 0.5, 1.0, {2: 0.4, 3: 0.3}, {2: 0.5, 3: 0.75}, 1.0))
    report(EpochDone(10, 0.0001, 0.5, 1.0, None, None, 1.0))


LINES = [
    "training on digits: 10 epochs of 22 steps of 64 images, on cpu",
    "epoch  1/10  lr 0.01  loss 0.5312  train 84.20%  test 97.33%  1.3 s",
    "epoch 10/10  lr 0.0001  loss 0.5000  train 100.00%  test 50.00% (t = 2), 75.00% (t = 3)  1.0 s",
    "epoch 10/10  lr 0.0001  loss 0.5000  train 100.00%  1.0 s",
]


def test_without_a_terminal_training_prints_plain_lines() -> None:
    out = StringIO()
    with progress(Console(file=out, width=40)) as report:
        tell(report)
    assert out.getvalue().splitlines() == LINES


def test_on_a_terminal_training_draws_a_bar_under_the_same_lines() -> None:
    out = StringIO()
    with progress(Console(file=out, width=120, force_terminal=True, color_system=None)) as report:
        tell(report)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue()).replace("\r", "\n")
    assert [line for line in map(str.rstrip, text.splitlines()) if line in LINES] == LINES
    assert "\x1b[" in out.getvalue()
    assert re.search(r"epoch 3/10 .*step 49/220  loss 1\.2500", text)  # 2 epochs of 22 steps, and 5


def test_the_bar_is_ended_by_an_interrupt() -> None:
    out = StringIO()
    console = Console(file=out, width=120, force_terminal=True)

    def interrupted() -> None:
        with progress(console) as report:
            tell(report)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h") > 0  # the cursor is back
