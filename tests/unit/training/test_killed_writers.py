"""A process that writes a run is killed at any moment: the folder is readable, and a resume finds a whole file."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graphnet.training.runs.creation import create_run, resumed_run
from graphnet.training.runs.listing import list_runs

pytest.importorskip("fcntl")

WRITER = """
import sys
from pathlib import Path
import torch
from torch import nn
from graphnet.training.runs.creation import resumed_run
net = nn.Linear(100, 100)
with resumed_run(Path(sys.argv[1])) as run:
    epoch = len(run.read_metrics())
    if epoch:
        found = run.newest_intact().checkpoint
        run.truncate_metrics(int(found.metadata["metrics_length"]))
        epoch = int(found.metadata["epoch"])
    print("ready", flush=True)
    while True:
        epoch += 1
        run.add_metrics({"epoch": epoch})
        run.save_last(net, "{}", {"epoch": str(epoch), "metrics_length": str(run.metrics_length())}, {"x": net.weight})
        run.write_summary()
        run.write_record({"status": "training", "epochs_done": epoch})
"""


def test_a_killed_writer_leaves_a_run_that_another_resumes(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    run, draw = create_run(tmp_path / "run", "x"), random.Random(0)
    run.write_record({"status": "training"})
    last = 0
    for _ in range(20 if request.config.getoption("--thorough") else 2):
        process = subprocess.Popen([sys.executable, "-c", WRITER, run.path], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        until = time.monotonic() + 0.05 + draw.random() / 5
        while time.monotonic() < until or not run.checkpoint.exists():
            assert process.poll() is None
            assert run.read_record()["status"] == "training"  # readable at every moment
            epochs = [line["epoch"] for line in run.read_metrics()]
            assert epochs == list(range(1, len(epochs) + 1))
            if run.checkpoint.exists():
                assert run.newest_intact().warnings == ()
        process.kill()
        process.communicate()
        assert [found.status for found in list_runs(tmp_path)] == ["killed"]
        path, checkpoint, warnings = run.newest_intact()
        assert (path, warnings) == (run.checkpoint, ())
        assert int(checkpoint.metadata["epoch"]) >= last
        last = int(checkpoint.metadata["epoch"])
        assert len(run.read_metrics()) in (last, last + 1)
    with resumed_run(run.path):
        assert not any(path.name.startswith(".") and path.name != ".lock" for path in run.path.iterdir())
