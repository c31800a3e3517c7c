"""Runs that are killed or stopped at any moment end as an undisturbed one does, bit for bit."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from graphnet.cli.main import main
from graphnet.training.runs.checkpoint import read_checkpoint
from graphnet.training.runs.listing import list_runs
from graphnet.training.runs.run_folder import RunFolder

DIGITS = ["quickstart", "--train-size", "256", "--batch-size", "16", "--validation", "0.1"]
MEASURED = ("seconds", "images_per_second", "memory_bytes")
"""Entries of a metrics line that differ from run to run."""
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    ["graphnet.cli.training.train", "graphnet.cli.common.training", "graphnet.training.runs.train_run"]
)
"""Processes begin with all modules imported, which takes ten seconds otherwise."""


def train(output: Path, arguments: list[str]) -> None:
    """Run `graphnet train` in this process, which ends with its status."""
    import torch

    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(1)
    sys.argv = ["graphnet", "train", *arguments]
    main()


class Training:
    """`graphnet train` in a process of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._output = folder / f"output-{time.monotonic_ns()}"
        self._process = SERVER.Process(target=train, args=(self._output, list(arguments)))
        self._process.start()

    def is_running(self) -> bool:
        return self._process.is_alive()

    def send(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def end(self) -> tuple[int | None, str]:
        """Wait for the end; return the exit status and what was printed."""
        self._process.join(300)
        assert not self.is_running()
        return self._process.exitcode, self._output.read_text()


def wait_until_training(run: Path, process: Training) -> None:
    """Wait until the process has begun, or gone on, to train."""
    before = (run / "run.json").stat().st_mtime_ns if (run / "run.json").exists() else 0
    until = time.monotonic() + 120
    while time.monotonic() < until and process.is_running():
        if (run / "run.json").exists() and (run / "run.json").stat().st_mtime_ns != before:
            return
        time.sleep(0.01)


def metrics(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in MEASURED} for line in lines]


def assert_readable(run: Path) -> None:
    folder = RunFolder.open(run)
    folder.read_metrics()
    folder.newest_intact()
    assert [each.reason for each in list_runs(run)] == [""]


def assert_same(run: Path, other: Path) -> None:
    """Weights, statistics, training state and metrics are equal."""
    for name in ("last", "best"):
        mine, theirs = (read_checkpoint(each / f"{name}.safetensors", train=True) for each in (run, other))
        for a, b in ((mine.tensors, theirs.tensors), (mine.train, theirs.train)):
            assert a.keys() == b.keys()
            assert [key for key in a if not torch.equal(a[key], b[key])] == []
    assert metrics(run) == metrics(other)
    results = [RunFolder.open(each).read_record()["results"] for each in (run, other)]
    assert results[0] == results[1]


def jpegs(folder: Path) -> list[str]:
    """A folder of small images of two classes, read by workers; arguments to train on it."""
    shades = random.Random(0)
    for part, images in (("train", 40), ("val", 10)):
        for kind in ("dark", "light"):
            (folder / part / kind).mkdir(parents=True)
            for n in range(images):
                grey = shades.randrange(0, 128) + 127 * (kind == "light")
                Image.new("RGB", (40, 48), (grey, n, 255 - grey)).save(folder / part / kind / f"{n}.jpg")
    spec = ["cifar-resnet", "--set", "post_net.classes=2", "--data", f"folder:{folder}@32", "--batch-size", "8"]
    sizes = ["--set", "states.h1=[4,32,32]", "--set", "states.h2=[8,16,16]", "--set", "states.h3=[8,8,8]"]
    return [*spec, *sizes, "--validation", "0.2"]


@pytest.mark.thorough
@pytest.mark.parametrize("workers", [0, 2])
def test_kills_lose_nothing(workers: int, tmp_path: Path) -> None:
    """SIGKILL at random moments, each followed by a resume."""
    kills = 20
    moments = random.Random(time.time())
    common = ["--epochs", str(max(kills, 4))]
    given = [*common, *(jpegs(tmp_path / "images") if workers else DIGITS), "--device", "cpu"]
    always = ["--save-every", "0.3s", "--device", "cpu", "--workers", str(workers)]
    assert Training(tmp_path, *given, *always, "-o", str(tmp_path / "whole")).end()[0] == 0
    done = 0
    for number in count():
        if done == kills:
            break
        run = tmp_path / f"killed{number}"
        process = Training(tmp_path, *given, *always, "-o", str(run))
        while True:
            wait_until_training(run, process)
            time.sleep(moments.uniform(0, 2.5))
            if done == kills or not process.is_running():
                break
            process.send(signal.SIGKILL)
            process.end()
            done += 1
            assert_readable(run)
            process = Training(tmp_path, "--resume", str(run), *always)
        status, text = process.end()
        assert status == 0, text
        assert_same(run, tmp_path / "whole")


@pytest.mark.parametrize(
    ("stop", "status"),
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.thorough),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.thorough),
        pytest.param(None, 124, marks=pytest.mark.thorough),
    ],
)
def test_a_stopped_run_says_so_and_goes_on(stop: signal.Signals | None, status: int, tmp_path: Path) -> None:
    run, given = tmp_path / "run", [*DIGITS, "--epochs", "8", "--device", "cpu"]
    process = Training(tmp_path, *given, "-o", str(run), *(["--max-time", "0.3s"] if stop is None else []))
    if stop is not None:
        wait_until_training(run, process)
        process.send(stop)
    code, text = process.end()
    assert code == status, text
    assert f"go on with: graphnet train --resume {run}" in text
    assert RunFolder.open(run).read_record()["status"] == ("interrupted" if stop == signal.SIGINT else "stopped")
    code, text = Training(tmp_path, "--resume", str(run), "--device", "cpu").end()
    assert code == 0, text
    assert "resumed in epoch" in text
    assert Training(tmp_path, *given, "-o", str(tmp_path / "whole")).end()[0] == 0
    assert_same(run, tmp_path / "whole")
    code, text = Training(tmp_path, "--resume", str(run)).end()
    assert (code, text) == (0, f"{run} is finished: there is nothing to go on with\n")
