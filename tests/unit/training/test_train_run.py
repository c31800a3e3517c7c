"""Training into a run folder: what it holds, and when."""

import errno
import json
import math
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from graphnet.spec.recipe import Recipe
from graphnet.training.data.baseline import linear_baseline
from graphnet.training.data.dataset import Dataset
from graphnet.training.errors import DivergenceError, OutOfMemory, RunError, Stopped, TrainingWarning
from graphnet.training.events import EpochDone, Event, ignore
from graphnet.training.loop.evaluation import EVALUATION_BATCH, evaluate
from graphnet.training.loop.train import Result
from graphnet.training.runs.checkpoint import load_into, read_checkpoint
from graphnet.training.runs.creation import create_run, new_run
from graphnet.training.runs.keeper import recipe_in
from graphnet.training.runs.run_folder import RunFolder
from graphnet.training.runs.train_run import Machine, train_into
from tests.unit.training.nets import TwoReadouts, few_digits

SPEC = '{"graphnet": 1}'
CPU = Machine("cpu")


@pytest.fixture(scope="module")
def few() -> Dataset:
    return few_digits(130, 50, 40)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create_run(tmp_path / "run", "small")


def small_net() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 10))


def trained(folder: RunFolder, data: Dataset, net: nn.Module | None = None, **more: Any) -> Result:
    recipe = more.pop("recipe", None) or Recipe(**more.pop("settings", {"epochs": 3}))
    report, machine = more.pop("report", ignore), more.pop("machine", CPU)
    return train_into(folder, net or small_net(), data, recipe, SPEC, report, machine=machine, **more)


def test_a_finished_run_holds_everything(folder: RunFolder, few: Dataset) -> None:
    result = trained(folder, few, settings={"epochs": 3, "seed": 5, "validation": 0.1}, notes={"data_root": None})
    record = folder.read_record()
    assert record["status"] == "finished"
    assert record["recipe"]["seed"] == 5
    assert record["recipe"]["momentum"] == 0.9  # not said, but resolved
    assert record["dataset"]["held_out_hash"] == few.held_out_hash
    counts = [record["dataset"][f"{part}_images"] for part in ("training", "validation", "test")]
    assert counts == [130, 40, 50]
    assert record["results"]["linear_baseline"]["accuracy"] == linear_baseline(few).accuracy  # type: ignore[union-attr]
    assert record["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert record["versions"]["python"] == platform.python_version()
    assert record["versions"]["graphnet-compiler"]
    assert (record["device"], record["data_root"], record["epochs_done"]) == ("cpu", None, 3)
    assert record["seconds"] == result.seconds == pytest.approx(sum(epoch.seconds for epoch in result.epochs))
    assert record["results"]["final_accuracy"] == result.evaluation.final_accuracy
    assert record["results"]["error"] == result.evaluation.final_error
    assert record["tested"] == result.tested == "best"
    metrics = folder.read_metrics()
    assert [line["epoch"] for line in metrics] == [1, 2, 3]
    assert [line["train_loss"] for line in metrics] == [epoch.train_loss for epoch in result.epochs]
    assert folder.summary.read_text().count("\n") == 4


def test_the_test_part_is_looked_at_once(folder: RunFolder, few: Dataset) -> None:
    seen = []
    net = small_net()
    net.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])) if not module.training else None)
    trained(folder, replace(few, validation=None), net)
    assert seen == [50]
    assert all(line["monitored_error"] is None for line in folder.read_metrics())


def test_a_monitored_error_selects_nothing(folder: RunFolder, few: Dataset) -> None:
    result = trained(folder, replace(few, validation=None), settings={"epochs": 2, "monitor": True})
    assert result.tested == "last"
    assert folder.read_metrics()[1]["monitored_error"] == {"last": result.evaluation.final_error}
    assert not (folder.path / "best.safetensors").exists()


def test_outputs_for_the_test_images_are_kept_at_each_readout_time(folder: RunFolder, few: Dataset) -> None:
    net = TwoReadouts()
    trained(folder, few, net)
    with np.load(folder.path / "logits.npz") as kept:
        assert sorted(kept) == ["t2", "t3", "targets"]
        assert kept["targets"].tolist() == few.test.targets.tolist()
        with torch.no_grad():
            wanted = net(few.test.first(50)[0])
        assert np.allclose(kept["t3"], wanted[3].numpy(), atol=1e-5)
        assert kept["t3"].argmax(1).tolist() == folder.read_predictions()


def test_a_run_can_be_evaluated_again_to_the_same_predictions(folder: RunFolder, few: Dataset) -> None:
    trained(folder, few)
    again = RunFolder.open(folder.path)
    checkpoint = read_checkpoint(again.tested)
    assert checkpoint.spec_text == SPEC
    net = small_net()
    assert evaluate(net, few.test.batches(EVALUATION_BATCH)).predictions.tolist() != again.read_predictions()
    load_into(net, checkpoint.tensors)
    evaluation = evaluate(net, few.test.batches(EVALUATION_BATCH))
    assert evaluation.predictions.tolist() == again.read_predictions()
    assert evaluation.final_accuracy == again.read_record()["results"]["final_accuracy"]


def test_an_averaged_net_has_a_checkpoint_of_its_own(folder: RunFolder, few: Dataset) -> None:
    net = small_net()
    trained(folder, replace(few, validation=None), net, settings={"epochs": 2, "ema": 0.9})
    assert folder.read_record()["tested"] == "averaged"
    kept = read_checkpoint(folder.tested).tensors
    assert all(torch.equal(kept[name], tensor) for name, tensor in net.state_dict().items())
    assert not torch.equal(kept["0.weight"], read_checkpoint(folder.checkpoint).tensors["0.weight"])


def test_every_nth_epoch_is_kept(folder: RunFolder, few: Dataset) -> None:
    trained(folder, few, settings={"epochs": 5}, machine=replace(CPU, keep_every=2))
    assert [name for name in folder.checkpoints() if name.startswith("epoch")] == ["epoch-0002", "epoch-0004"]
    assert read_checkpoint(folder.checkpoint_called("epoch-0004")).metadata["epoch"] == "4"


class StopAt:
    """Raises or returns something at one of the polls."""

    def __init__(self, at: int, act: Callable[[], Any]) -> None:
        self.left, self.act = at, act

    def __call__(self) -> Stopped | None:
        self.left -= 1
        return self.act() if self.left == 0 else None


def interrupt() -> None:
    raise KeyboardInterrupt


def out_of_memory() -> None:
    raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes.")


@pytest.mark.parametrize(
    ("act", "raised", "status"),
    [
        (interrupt, KeyboardInterrupt, "interrupted"),
        (lambda: Stopped("stopped by SIGTERM", 143), Stopped, "stopped"),
        (lambda: Stopped("stopped by SIGINT", 130), Stopped, "interrupted"),
        (out_of_memory, OutOfMemory, "failed"),
    ],
)
def test_a_run_that_ends_early_says_why_and_goes_on(
    act: Callable[[], Any], raised: type[BaseException], status: str, folder: RunFolder, few: Dataset, tmp_path: Path
) -> None:
    """After the first step of the third epoch: 2 epochs of 2 steps and a validation."""
    with pytest.raises(raised):
        trained(folder, few, stop=StopAt(2 * 3 + 2, act))
    record = folder.read_record()
    assert (record["status"], record["epochs_done"]) == (status, 2)
    assert [line["epoch"] for line in folder.read_metrics()] == [1, 2]
    found = folder.newest_intact()
    saved = json.loads(found.checkpoint.metadata["progress"])
    assert (saved["epoch"], saved["step"]) == ((3, 1) if raised is Stopped else (3, 0))
    net = small_net()
    trained(folder, few, net, recipe=recipe_in(found.checkpoint, folder), start=found.checkpoint)
    whole, other = small_net(), create_run(tmp_path / "whole", "small")
    trained(other, few, whole)
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in whole.state_dict().items())
    assert [line["train_loss"] for line in folder.read_metrics()] == [
        line["train_loss"] for line in other.read_metrics()
    ]
    assert folder.read_record()["started"] == record["started"]


def test_a_divergence_names_the_step_and_keeps_the_last_epoch(folder: RunFolder, few: Dataset) -> None:
    net = small_net()

    def spoil() -> None:
        with torch.no_grad():
            net[3].bias[0] = torch.nan

    with pytest.raises(DivergenceError, match=r"epoch 3, step 2 of 2, .*: weights are not finite: 3\.bias"):
        trained(folder, few, net, stop=StopAt(2 * 3 + 2, spoil))
    assert folder.read_record()["status"] == "failed"
    assert folder.read_record()["why"].startswith("the loss is nan in epoch 3")
    assert read_checkpoint(folder.checkpoint).metadata["epoch"] == "2"


def test_a_loss_that_rose_is_told(folder: RunFolder, few: Dataset) -> None:
    with pytest.warns(TrainingWarning, match=r"the training loss ended at .*, far above its start at 2\.\d+: the lea"):
        trained(folder, few, settings={"epochs": 1, "lr": 100.0, "schedule": "constant", "batch_size": 16})


def test_resuming_with_other_data_or_another_recipe_is_refused(folder: RunFolder, few: Dataset) -> None:
    with pytest.raises(Stopped):
        trained(folder, few, stop=StopAt(3, lambda: Stopped("enough", 1)))
    start = folder.newest_intact().checkpoint
    with pytest.raises(RunError, match="the data are not those of the run"):
        trained(folder, replace(few, held_out_hash="other"), start=start)
    with pytest.raises(RunError, match="the recipe is not that of the run"):
        trained(folder, few, settings={"epochs": 4}, start=start)


def test_another_number_of_threads_is_told(folder: RunFolder, few: Dataset) -> None:
    with pytest.raises(Stopped):
        trained(folder, few, stop=StopAt(3, lambda: Stopped("enough", 1)))
    start = folder.newest_intact().checkpoint
    start.metadata["threads"] = "77"
    with pytest.warns(TrainingWarning, match="77 threads before, .* not in every bit"):
        trained(folder, few, start=start)


def test_the_first_step_is_preceded_by_a_checkpoint(folder: RunFolder, few: Dataset) -> None:
    seen = []

    def look() -> None:
        seen.append((folder.read_record()["status"], folder.checkpoints()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(folder, few, stop=look)
    assert seen == [("training", ["last"])]


def test_a_start_that_fails_leaves_nothing_behind(tmp_path: Path, few: Dataset) -> None:
    def start() -> None:
        with new_run(tmp_path / "runs" / "new", "small") as folder:
            folder.write_text("plan.txt", "")
            trained(folder, few, settings={"optimizer": "muon"}, net=nn.Conv2d(1, 1, 3))

    with pytest.raises(Exception, match="only convolutions, biases and norms"):
        start()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_last_good_checkpoint(
    folder: RunFolder, few: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    import graphnet.training.runs.checkpoint as module

    def fill(event: Event) -> None:
        if isinstance(event, EpochDone) and event.epoch == 2:
            monkeypatch.setattr(module, "save_file", full)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RunError, match=r"the disk is full: .* keeps the checkpoint of epoch 1"):
        trained(folder, few, report=fill)
    assert folder.newest_intact().checkpoint.metadata["epoch"] == "1"


def test_trackers_receive_start_epochs_and_end(
    folder: RunFolder, few: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graphnet.training.runs import trackers

    calls: list[tuple[str, Any]] = []

    class Spy:
        def __init__(self, run: Path) -> None: ...

        def start(self, record: Any) -> None:
            calls.append(("start", record["recipe"]["epochs"]))

        def log(self, step: int, values: Any) -> None:
            calls.append(("log", (step, values["epoch"], math.isfinite(values["train_loss"]))))

        def finish(self, record: Any) -> None:
            calls.append(("finish", record["status"]))

    monkeypatch.setitem(trackers.TRACKERS, "spy", Spy)
    trained(folder, few, settings={"epochs": 2}, machine=replace(CPU, trackers=("spy",)))
    assert calls == [("start", 2), ("log", (2, 1, True)), ("log", (4, 2, True)), ("finish", "finished")]
