"""The files of a run on disks that fail, and folders that a killed process left."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import torch
from torch import nn

import graphnet.training.runs.checkpoint as checkpoint_module
from graphnet.training.errors import CheckpointError, RunError
from graphnet.training.runs.checkpoint import read_checkpoint
from graphnet.training.runs.creation import create_run, new_run, resumed_run
from graphnet.training.runs.run_folder import RunFolder
from tests.old_runs import as_version_1

SPEC = '{"graphnet": 1}'


def net_of(value: float) -> nn.Module:
    net = nn.Linear(2, 2)
    with torch.no_grad():
        for each in net.parameters():
            each.fill_(value)
    return net


def save(folder: RunFolder, epoch: int) -> None:
    folder.save_last(net_of(epoch), SPEC, {"epoch": str(epoch)}, {"step": torch.tensor(10 * epoch)})


def epoch_of(path: Path) -> int:
    """The epoch of a whole checkpoint."""
    found = read_checkpoint(path, train=True)
    epoch = int(found.metadata["epoch"])
    assert torch.equal(found.tensors["weight"], torch.full((2, 2), float(epoch)))
    assert found.train["step"] == 10 * epoch
    return epoch


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of two epochs."""
    run = create_run(tmp_path / "run", "small")
    run.write_record({"status": "training"})
    for epoch in (1, 2):
        run.add_metrics({"epoch": epoch, "train_loss": 1 / epoch})
        save(run, epoch)
    return run


class Disk:
    """Records each step of a write, and fails at one of them; `look` is called before each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails_at: int = -1, look: object = None) -> None:
        self.steps: list[str] = []
        self.fails_at, self.look = fails_at, look
        fsync, rename, link = os.fsync, Path.replace, os.link
        save_file, seal = checkpoint_module.save_file, checkpoint_module.seal

        def synchronise(descriptor: int) -> None:
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            self.note("fsync of the folder" if is_folder else "fsync of the file")
            fsync(descriptor)

        def replace(source: Path, target: Path) -> Path:
            self.note(f"rename to {target.name}")
            return rename(source, target)

        def linked(source: Path, target: Path) -> None:
            self.note(f"link to {Path(source).name}")
            link(source, target)

        def written(*arguments: object) -> None:
            self.note("write")
            save_file(*arguments)

        def sealed(path: Path) -> None:
            self.note("seal")
            seal(path)

        monkeypatch.setattr(os, "fsync", synchronise)
        monkeypatch.setattr(os, "link", linked)
        monkeypatch.setattr(Path, "replace", replace)
        monkeypatch.setattr(checkpoint_module, "save_file", written)
        monkeypatch.setattr(checkpoint_module, "seal", sealed)

    def note(self, step: str) -> None:
        if callable(self.look):
            self.look()
        if len(self.steps) == self.fails_at:
            raise OSError(28, "No space left on device")
        self.steps.append(step)


ORDER = [
    *("write", "seal", "fsync of the file"),
    *("link to last.safetensors", "rename to previous.safetensors", "fsync of the folder"),
    *("rename to last.safetensors", "fsync of the folder"),
]


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    disk = Disk(monkeypatch, look=lambda: seen.append(epoch_of(folder.checkpoint)))
    save(folder, 3)
    assert disk.steps == ORDER
    assert seen == [2] * 7 + [3]  # `last` is whole at each moment
    monkeypatch.undo()
    assert (epoch_of(folder.checkpoint), epoch_of(folder.path / "previous.safetensors")) == (3, 2)


@pytest.mark.parametrize("step", range(len(ORDER)), ids=[f"{at}-{step}" for at, step in enumerate(ORDER)])
def test_a_full_disk_at_any_point_leaves_two_whole_checkpoints(
    step: int, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = sorted(path.name for path in folder.path.iterdir())
    Disk(monkeypatch, fails_at=step)
    kept = 3 if step == len(ORDER) - 1 else 2
    with pytest.raises(RunError, match=rf"^the disk is full: \S*run keeps the checkpoint of epoch {kept}$"):
        save(folder, 3)
    monkeypatch.undo()
    assert epoch_of(folder.checkpoint) == kept
    assert epoch_of(folder.path / "previous.safetensors") == (1 if step <= 4 else 2)
    assert sorted(path.name for path in folder.path.iterdir()) == names
    assert folder.newest_intact().path == folder.checkpoint
    save(folder, 4)
    assert epoch_of(folder.checkpoint) == 4


def test_without_hard_links_the_checkpoint_before_is_a_copy(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    save(folder, 3)
    assert (epoch_of(folder.checkpoint), epoch_of(folder.path / "previous.safetensors")) == (3, 2)


def test_a_fault_that_is_no_full_disk_is_told(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checkpoint_module, "save_file", refused)
    with pytest.raises(
        RunError, match=r"^cannot write \S*last\.safetensors: Permission denied: \S* keeps the checkpoint"
    ):
        save(folder, 3)


def spoil(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.unlink()  # another file, where a link has two names
    path.write_bytes(raw)


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_taken(folder: RunFolder) -> None:
    last, previous = folder.checkpoint, folder.path / "previous.safetensors"
    assert folder.newest_intact()[::2] == (last, ())
    spoil(last)
    path, found, warnings = folder.newest_intact()
    assert (path, found.metadata) == (previous, {"epoch": "1"})
    assert found.train["step"] == 10
    assert [str(last) in each and "is damaged" in each and f"{previous} is used" in each for each in warnings] == [True]
    save(folder, 2)
    assert epoch_of(previous) == 1  # the damaged file has not replaced it
    spoil(last)
    spoil(previous)
    with pytest.raises(RunError, match=r"no checkpoint that can be used: .*last\.safetensors.*; .*previous\.safeten"):
        folder.newest_intact()


def test_a_run_without_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no checkpoint$"):
        create_run(tmp_path / "run", "x").newest_intact()


def test_checkpoints_have_names(folder: RunFolder, tmp_path: Path) -> None:
    folder.keep_last_as("best")
    folder.save_as("averaged", net_of(7), SPEC, {"epoch": "2"})
    folder.keep_last_as("epoch-0002")
    save(folder, 3)
    assert folder.checkpoints() == ["averaged", "best", "epoch-0002", "last", "previous"]
    assert epoch_of(folder.checkpoint_called("best")) == epoch_of(folder.checkpoint_called("epoch-0002")) == 2
    assert folder.checkpoint_called(str(folder.path / "best.safetensors")) == folder.path / "best.safetensors"
    assert folder.tested == folder.checkpoint_called("last") == folder.checkpoint
    folder.write_record({"status": "finished", "tested": "averaged"})
    assert folder.tested.name == "averaged.safetensors"
    with pytest.raises(RunError, match=r"no checkpoint 'epoch-0009'\n  it has: averaged, best, epoch-0002, last, prev"):
        folder.checkpoint_called("epoch-0009")
    for name in ("", "../../etc/nothing", str(tmp_path), "\0", "x" * 10_000):
        with pytest.raises(RunError, match="no checkpoint"):
            folder.checkpoint_called(name)
    for name in ("x", "../last"):
        with pytest.raises(ValueError, match="no name of a checkpoint"):
            folder.keep_last_as(name)


@pytest.mark.parametrize("name", ["../last", "/etc/passwd", 3, None, ["last"], "nothing"])
def test_the_tested_checkpoint_is_one_of_the_runs(name: object, folder: RunFolder) -> None:
    folder.write_record({"status": "finished", "tested": name})
    with pytest.raises(RunError, match="does not name the tested checkpoint: it is damaged"):
        _ = folder.tested


def test_metrics_are_cut_at_a_line(folder: RunFolder) -> None:
    first = folder.metrics.read_bytes().index(b"\n") + 1
    whole = folder.metrics_length()
    assert whole == folder.metrics.stat().st_size
    with folder.metrics.open("a") as file:
        file.write('{"epoch": 3, "train_')
    assert folder.metrics_length() == whole
    assert [line["epoch"] for line in folder.read_metrics()] == [1, 2]
    folder.truncate_metrics(whole)
    assert folder.metrics.stat().st_size == whole
    folder.truncate_metrics(first)
    assert [line["epoch"] for line in folder.read_metrics()] == [1]
    with pytest.raises(RunError, match=rf"was saved after {whole} bytes of it, but it has {first}$"):
        folder.truncate_metrics(whole)
    for size in (first - 1, -1):
        with pytest.raises(RunError, match=f"no line of it ends at byte {size}"):
            folder.truncate_metrics(size)
    folder.truncate_metrics(0)
    assert folder.read_metrics() == []
    folder.metrics.unlink()
    folder.truncate_metrics(0)
    assert folder.metrics_length() == 0


def test_a_line_that_does_not_fit_the_disk_leaves_no_half(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    before, write = folder.metrics.read_bytes(), os.write

    def short(descriptor: int, data: bytes) -> int:
        if len(data) < 10:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:10])

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(RunError, match="the disk is full"):
        folder.add_metrics({"epoch": 3})
    assert folder.metrics.read_bytes() == before
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    folder.add_metrics({"epoch": 3})
    assert folder.read_metrics()[-1] == {"epoch": 3}


def test_the_summary_is_a_table(folder: RunFolder) -> None:
    folder.add_metrics({"epoch": 3, "test_loss": {2: 0.5, 3: 0.25}, "test_accuracy": {None: 1.0}, "note": None})
    folder.write_summary()
    assert folder.summary.read_text().splitlines() == [
        "epoch,train_loss,test_loss@2,test_loss@3,test_accuracy,note",
        "1,1.0,,,,",
        "2,0.5,,,,",
        "3,,0.5,0.25,1.0,",
    ]


def start(path: Path | None, root: Path, fault: BaseException | None, keep: bool) -> RunFolder:
    with new_run(path, "small", root) as run:
        run.write_record({"status": "training"})
        run.write_text("plan.txt", "V1@0\n")
        if keep:
            save(run, 1)
        if fault is not None:
            raise fault
    return run


@pytest.mark.parametrize("fault", [RunError("no"), KeyboardInterrupt(), RuntimeError("out of memory")])
@pytest.mark.parametrize("named", ["", "a/b", "there"])
def test_a_failed_start_leaves_nothing(fault: BaseException, named: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    path = tmp_path / named if named else None
    with pytest.raises(type(fault)):
        start(path, tmp_path / "runs", fault, keep=False)
    assert [each.name for each in tmp_path.rglob("*")] == ["there"]
    run = start(path, tmp_path / "runs", None, keep=False)  # the corrected command
    assert sorted(each.name for each in run.path.iterdir()) == ["plan.txt", "run.json"]


def test_a_failed_run_keeps_its_checkpoint_and_other_files(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        start(None, tmp_path / "runs", KeyboardInterrupt(), keep=True)
    assert epoch_of(tmp_path / "runs" / "small-1" / "last.safetensors") == 1

    def with_notes() -> None:
        with new_run(tmp_path / "noted", "small"):
            (tmp_path / "noted" / "notes.txt").write_text("mine")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with_notes()
    assert [path.name for path in (tmp_path / "noted").iterdir()] == ["notes.txt"]


def test_runs_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    for path in (None, tmp_path / "runs", tmp_path / "runs" / "x" / "y"):
        with pytest.raises(RunError, match=r"^\S*/runs is a file\n  name an empty or new folder$"):
            start(path, tmp_path / "runs", None, keep=False)
    with pytest.raises(RunError, match="cannot create the run folder"):
        start(tmp_path / ("x" * 300), tmp_path, None, keep=False)


@pytest.fixture
def old(folder: RunFolder) -> RunFolder:
    as_version_1(folder.path)
    return folder


def test_a_run_of_version_1_loads_but_is_not_resumed(old: RunFolder) -> None:
    assert "graphnet_run" not in json.loads(old.record.read_text())
    assert RunFolder.open(old.path).read_record()["status"] == "training"
    assert old.checkpoint == old.tested == old.checkpoint_called("last") == old.path / "checkpoint.safetensors"
    found = read_checkpoint(old.checkpoint)
    assert (found.has_checksum, found.metadata) == (False, {"epoch": "2"})

    def resume() -> None:
        with resumed_run(old.path):
            pass

    with pytest.raises(RunError, match="is a run of version 1, which kept no state of training: it cannot be resumed"):
        resume()


def test_a_resume_removes_what_a_killed_process_left(folder: RunFolder) -> None:
    left = [".last.safetensors.12.tmp", ".previous.safetensors.12.link.tmp", ".tmpAb12xY"]
    for name in left:
        (folder.path / name).write_text("half")
    (folder.path / ".mine").write_text("")
    with resumed_run(folder.path) as run:
        assert not any((run.path / name).exists() for name in left)
    assert (folder.path / ".mine").exists()
    assert not (folder.path / ".lock").exists()


@pytest.mark.parametrize("version", [0, 3, 10**30, "2", True, None])
def test_a_run_of_another_version_is_refused(version: object, folder: RunFolder) -> None:
    folder.record.write_text(json.dumps({"graphnet_run": version, "status": "finished"}))
    with pytest.raises(RunError, match=r"is a run folder of version|its version is not a number"):
        folder.read_record()


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl", "predictions.json", "last.safetensors"])
def test_a_pipe_in_a_run_is_not_waited_for(name: str, folder: RunFolder) -> None:
    folder.write_predictions([1])
    (folder.path / name).unlink()
    os.mkfifo(folder.path / name)
    with pytest.raises((RunError, CheckpointError), match="regular file"):
        (folder.read_record(), folder.read_metrics(), folder.read_predictions(), read_checkpoint(folder.checkpoint))
