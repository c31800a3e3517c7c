"""`graphnet sweep` and `graphnet calibrate` on a run folder of `graphnet train`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.end_to_end.test_analysis_commands import _plain, refused, rows, run
from tests.small import small

__all__ = ["_plain"]
NET: dict[str, Any] = small(post_net={"ops": "BRGL", "classes": 10}, name="two areas")
FILES = [
    *("error.pdf", "error.png", "error.svg", "reaction_times.csv", "responses.npz"),
    *("speed_accuracy.pdf", "speed_accuracy.png", "speed_accuracy.svg", "stopping.csv", "sweep.csv"),
]
CPU = ("--device", "cpu", "--calibration-images", "256")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "net.json").write_text(json.dumps(NET))
    done = run("train", folder / "net.json", "-o", folder / "run", "--epochs", "2", "--device", "cpu", "--lr", "0.05")
    assert done.returncode == 0, done.stderr
    return folder / "run"


def test_a_sweep_writes_tables_responses_and_figures(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("sweep", trained, "--readout", "0..5", "--compare", "-o", out, *CPU)
    assert done.returncode == 0, done.stderr
    assert "t = 0 is left out: 'h2' is empty" in done.stdout
    assert "measured on 450 test images of digits" in done.stdout
    assert sorted(path.name for path in out.iterdir()) == FILES
    table = rows(out / "sweep.csv")
    assert len(table) == 2 * 3 * 5
    single = {int(row["time"]): row for row in table if (row["calibration"], row["combine"]) == ("missing", "none")}
    assert [(t, row["trained"], row["calibrated"]) for t, row in single.items()] == [
        *((1, "0", "1"), (2, "0", "1"), (3, "1", "0"), (4, "0", "1"), (5, "0", "1")),
    ]
    assert (single[3]["ms_low"], single[3]["ms_high"]) == ("60.0", "150.0")
    said = re.search(r"test accuracy (\S+)%", run("eval", trained, "--device", "cpu").stdout)
    assert said
    assert float(single[3]["accuracy"]) == pytest.approx(float(said[1]) / 100, abs=5e-5)
    plain = {int(row["time"]): row for row in table if (row["calibration"], row["combine"]) == ("none", "none")}
    assert plain[3]["error"] == single[3]["error"]
    assert plain[5]["loss"] != single[5]["loss"]
    with np.load(out / "responses.npz") as kept:
        outputs, times, targets = kept["outputs"], kept["times"], kept["targets"]
        assert outputs.shape == (450, 5, 10)
        assert kept["images"].shape == (450,)
    assert times.tolist() == [1, 2, 3, 4, 5]
    errors = (outputs.argmax(2) != targets[:, None]).mean(0)
    assert errors == pytest.approx([float(row["error"]) for row in single.values()])


def test_reaction_times_by_image_are_those_of_the_responses(trained: Path, tmp_path: Path) -> None:
    more = ("--threshold", "0.4", "--entropy", "1.2", "--images", "30", "--step", "10")
    done = run("sweep", trained, "--readout", "2..5", "-o", tmp_path, *more, *CPU)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "responses.npz") as kept:
        shares = np.exp(kept["outputs"] - kept["outputs"].max(2, keepdims=True))
        shares /= shares.sum(2, keepdims=True)
    found = rows(tmp_path / "reaction_times.csv")
    assert [row["rule"] for row in found] == ["threshold"] * 30 + ["entropy"] * 30 + ["max-confidence"] * 30
    for n, row in enumerate(found[:30]):
        met = [k for k in range(4) if shares[n, k].max() >= 0.4]
        assert (int(row["time"]), row["reached"]) == ((2 + met[0], "1") if met else (5, "0"))
        assert int(row["answer"]) == shares[n, int(row["time"]) - 2].argmax()
        assert row["correct"] == str(int(row["answer"] == row["target"]))
    curve = rows(tmp_path / "stopping.csv")
    chosen = next(row for row in curve if row["rule"] == "threshold" and float(row["threshold"]) == 0.4)
    mean = np.mean([int(row["time"]) for row in found[:30]])
    assert float(chosen["time_mean"]) == pytest.approx(mean)
    assert float(chosen["ms_low"]) == float(chosen["ms_high"]) == pytest.approx(10 * mean)
    assert re.search(rf"stop at a largest softmax of 0.4: .*mean reaction time {mean:.2f} steps", done.stdout)
    at_once = [row for row in curve if row["rule"] == "entropy"][-1]
    assert float(at_once["time_mean"]) == 2


def test_the_same_sweep_gives_the_same_bytes(trained: Path, tmp_path: Path) -> None:
    for name in "ab":
        done = run("sweep", trained, "--readout", "2..4", "--images", "20", "-o", tmp_path / name, *CPU)
        assert done.returncode == 0, done.stderr
    for file in FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_a_calibrated_checkpoint_is_tested_like_any_other(trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "later.safetensors"
    done = run("calibrate", trained, "--readout", "T+2", "-o", file, *CPU)
    assert done.returncode == 0, done.stderr
    assert re.search(rf"\d+ running statistics calibrated for t = 5; the checkpoint is in {file}", done.stdout)
    tested = run("eval", trained, "--checkpoint", file, "--device", "cpu")
    assert tested.returncode == 0, tested.stderr
    assert run("sweep", trained, "--readout", "5", "-o", tmp_path / "out", *CPU).returncode == 0
    accuracy = float(rows(tmp_path / "out" / "sweep.csv")[0]["accuracy"])
    assert f"test accuracy {accuracy:.2%}" in tested.stdout
    again = run("sweep", trained, "--checkpoint", file, "--readout", "T", "-o", tmp_path / "again", *CPU)
    assert again.returncode == 0, again.stderr
    assert rows(tmp_path / "again" / "sweep.csv")[0]["trained"] == "1"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("sweep", "--readout", "5.."), "readout '5..': "),
        (("sweep", "--readout", "0"), "the net cannot be read out at any of these times\n  t = 0: 'h2' is empty"),
        (("sweep", "--readout", "1..inf"), "has no end"),
        (("calibrate", "--readout", "0"), "'h2' is empty at t = 0"),
        (("calibrate", "--readout", "5", "-o", "out.pt"), "out.pt: error: a checkpoint is a .safetensors file"),
        (("calibrate", "--readout", "5", "-o", "."), ".: error: a checkpoint is a .safetensors file"),
    ],
)
def test_what_is_refused(command: tuple[str, ...], said: str, trained: Path) -> None:
    name, *options = command
    assert "Traceback" not in refused(name, trained, *options, *CPU, said=said)


def test_steps_have_a_length(trained: Path) -> None:
    assert run("sweep", trained, "--readout", "3", "--step", "0").returncode == 2
