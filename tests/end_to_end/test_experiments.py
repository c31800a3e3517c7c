"""`graphnet run`: what is there is not trained again, and a killed experiment goes on to the same table."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest

from graphnet.cli.main import main
from graphnet.experiments.results import read_results
from graphnet.training.errors import TrainingWarning
from tests.unit.experiments.experiments import DATA, SPEC

RUN = "from graphnet.cli.main import main; main()"
SLOWER = {"epochs": 20, "train_size": 256}
LONGER = {"epochs": 150, "train_size": 256}
"""Long enough to be killed once, or several times, while it trains."""


def written(folder: Path, **changes: object) -> None:
    (folder / "tiny-spec.json").write_text(json.dumps(SPEC))
    (folder / "tiny.json").write_text(json.dumps(DATA | {"spec": "tiny-spec.json"} | changes))


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`graphnet run` in a process group of its own."""
    command = [sys.executable, "-c", RUN, "run", *(arguments or ("tiny.json", "--jobs", "2"))]
    return subprocess.Popen(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def finished(folder: Path, *arguments: str, status: int = 0) -> str:
    """What `graphnet run` prints, in this process."""
    out, given = io.StringIO(), ["graphnet", "run", *(arguments or ("tiny.json", "--jobs", "2"))]
    ended = 0
    with chdir(folder), redirect_stdout(out), redirect_stderr(out), patch.object(sys, "argv", given):
        try:
            main()
        except SystemExit as fault:
            ended = int(fault.code or 0)
    assert ended == status, out.getvalue()
    return out.getvalue()


def table(folder: Path) -> list[str]:
    """The table without its date, which may change between two runs of a test."""
    lines = (folder / "results" / "tiny.csv").read_text().splitlines()
    return [line for line in lines if not line.startswith(("# date", "# sha256"))]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    written(folder)
    assert "[6/6]" in finished(folder)
    return folder


def test_the_table_holds_every_measure(undisturbed: Path) -> None:
    results = read_results(undisturbed / "results" / "tiny.csv")
    assert results.seeds == (0, 1, 2)
    assert results.measures["later"].factors == {"sharing": ("shared", "unshared"), "t": ("2", "3", "4")}
    assert results.measures["test_error"].array.shape == (2, 3)
    assert results.measures["parameters"].array.tolist() == [[230.0] * 3, [518.0] * 3]
    assert not results.failed
    text = (undisturbed / "results" / "tiny.md").read_text()
    assert "sharing costs little" in text


def test_a_second_call_trains_nothing_and_writes_the_same(undisturbed: Path) -> None:
    before = table(undisturbed)
    assert "[1/" not in finished(undisturbed)
    assert table(undisturbed) == before


def test_another_experiment_takes_runs_that_are_there(undisturbed: Path) -> None:
    more = json.loads((undisturbed / "tiny.json").read_text())
    (undisturbed / "more.json").write_text(json.dumps(more | {"name": "more", "seeds": "0..3", "claims": []}))
    assert "[2/2]" in finished(undisturbed, "more.json")


def test_a_dry_run_estimates_and_writes_nothing(undisturbed: Path, tmp_path: Path) -> None:
    assert "0 of 6 runs are missing" in finished(undisturbed, "tiny.json", "--dry-run")
    written(
        tmp_path, train=DATA["train"] | {"data": "cifar10"}, set={"input.shape": [3, 32, 32], "states.h1": [4, 32, 32]}
    )
    before = sorted(tmp_path.iterdir())
    said = finished(tmp_path, "tiny.json", "--dry-run", "--tflops", "10")
    assert "6 of 6 runs are missing" in said
    assert "sustains 10 TFLOP/s" in said
    assert "cifar10 is not here" in said
    assert sorted(tmp_path.iterdir()) == before


def test_a_damaged_measurement_is_made_again(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(undisturbed, folder)
    for path in (folder / "runs/experiments/measured").iterdir():
        path.write_bytes(path.read_bytes()[:-20])
    before = table(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("always", TrainingWarning)  # the command prints it
        said = finished(folder)
    assert said.count("it is measured again") == 6
    assert "[6/6]" in said
    assert table(folder) == before


def test_a_measure_that_a_net_lacks_leaves_the_others(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(undisturbed, folder)
    gain = {"name": "gain_9", "of": "gain", "at": "h1.from_h1.norm9"}
    written(folder, measure=[gain, *DATA["measure"]])
    assert "gain is not measured: no batch norm is called 'h1.from_h1.norm9'" in finished(folder, status=1)
    results = read_results(folder / "results" / "tiny.csv")
    assert "gain_9" not in results.measures
    assert "later" in results.measures
    assert len(results.failed) == 6


@pytest.mark.thorough
def test_the_number_of_jobs_changes_nothing(undisturbed: Path, tmp_path: Path) -> None:
    written(tmp_path)
    finished(tmp_path, "tiny.json", "--jobs", "1")
    assert table(tmp_path) == table(undisturbed)


def test_a_run_that_fails_is_said_and_leaves_the_others(tmp_path: Path) -> None:
    vary = {"lr": {"good": {}, "bad": {"train": {"lr": 3e38}}}}
    written(tmp_path, vary=vary, claims=[], measure=[], table={"rows": "lr", "columns": ["test_error"]})
    said = finished(tmp_path, status=1)
    assert "lr = bad, seed 0: the loss is" in said
    assert "3 runs failed" in said
    results = read_results(tmp_path / "results" / "tiny.csv")
    assert len(results.failed) == 3


@pytest.mark.thorough
@pytest.mark.parametrize(("number", "times"), [(signal.SIGTERM, 1), (signal.SIGKILL, 3), (signal.SIGINT, 3)])
def test_a_stopped_experiment_goes_on_to_the_same_table(tmp_path: Path, number: signal.Signals, times: int) -> None:
    _stop_and_go_on(tmp_path, number, times)


def _stop_and_go_on(folder: Path, number: signal.Signals, times: int) -> None:
    """Stop an experiment at random moments, go on each time, and compare with one that was not stopped."""
    whole, broken = folder / "whole", folder / "broken"
    longer = {"vary": DATA["vary"], "train": DATA["train"] | LONGER} if times > 1 else {"vary": {}}
    for each in (whole, broken):
        each.mkdir()
        written(each, **({"train": DATA["train"] | SLOWER, "claims": []} | longer))
    finished(whole)
    draws = random.Random(0)
    for _ in range(times):
        before = epochs_done(broken)
        process = start(broken)
        until = time.monotonic() + 120
        while time.monotonic() < until and epochs_done(broken) <= before:
            time.sleep(0.05)
        time.sleep(draws.uniform(0, 3 if times > 1 else 1))
        if number == signal.SIGTERM:
            process.send_signal(number)
        else:
            os.killpg(process.pid, number)
        _, err = process.communicate(timeout=120)
        assert process.returncode != 0, "it was done before the stop"
        assert "Traceback" not in err
    finished(broken)
    assert table(broken) == table(whole)


def epochs_done(folder: Path) -> int:
    """The epochs of all runs that are on the disk."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("runs/experiments/runs/*/metrics.jsonl"))
