"""`graphnet indices`, `analyse` and `perturb` on run folders of `graphnet train`."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from safetensors.torch import save_file

import graphnet
from graphnet.cli.main import main
from graphnet.training.runs.checkpoint import read_checkpoint
from tests.end_to_end.test_cli import HANGS, PROGRAM
from tests.end_to_end.test_cli import run as run_apart

SIZE = [4, 4, 4]
STAGED: dict[str, Any] = {
    "graphnet": 1,
    "name": "staged",
    "input": {"shape": [1, 8, 8]},
    "states": {"h1": SIZE, "h2": SIZE},
    "transitions": [
        {"t": "1..3", "h1": {"h1": "BRC+I"}},
        {"t": 4, "h1": {"h2": "BRC"}},
        {"t": "5..6", "h2": {"h2": {"ops": "BRC+I0", "lipschitz": 0.9}}},
    ],
    "norm": {"affine": "shared"},
    "pre_net": {"ops": "PC"},
    "post_net": {"ops": "BRGL", "classes": 10},
    "readout": {"t": 6},
}
COUPLED = STAGED | {"name": "coupled", "sharing": {"sets": [{"members": ["h1->h1"], "coupling": 0.5}]}}
FLAT = {key: entry for key, entry in STAGED.items() if key != "transitions"} | {
    "name": "flat",
    "states": {"h1": SIZE},
    "transitions": [{"h1": {"h1": "BRC"}}],
    "readout": {"t": 1},
}


def run(*arguments: str | Path, cwd: Path | None = None) -> CompletedProcess[str]:
    """Run graphnet in this process, to save loading torch; uncaught errors propagate."""
    out, err, before = StringIO(), StringIO(), sys.argv
    code: Any = 0
    sys.argv = ["graphnet", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err), chdir(cwd or Path.cwd()):
            main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.argv = before
    return CompletedProcess(sys.argv, code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module", autouse=True)
def _plain() -> Iterator[None]:
    """One thread, tables at full width, no colours."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_COLOR", "1")
        patch.setenv("COLUMNS", "100")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A staged net, one whose gradients are coupled, and one without stages."""
    folder = tmp_path_factory.mktemp("runs")
    found = {}
    for spec in (STAGED, COUPLED, FLAT):
        name = str(spec["name"])
        path, found[name] = folder / f"{name}.json", folder / name
        path.write_text(json.dumps(spec))
        done = run("train", path, "-o", found[name], "--epochs", "1", "--device", "cpu", "--lr", "0.02")
        assert done.returncode == 0, done.stderr
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def refused(*arguments: str | Path, said: str = "", cwd: Path | None = None) -> str:
    """Run a command that must fail: status 1, one message, nothing on standard output."""
    done = run(*arguments, cwd=cwd)
    assert done.returncode == 1, done
    assert said in done.stderr
    assert done.stderr.strip()
    return done.stderr


# graphnet indices

QUICK = ("--more", "2", "--samples", "20", "--device", "cpu")


def test_indices_of_two_runs(runs: dict[str, Path], tmp_path: Path) -> None:
    made = []
    for name, call in (("one", run), ("two", run_apart)):
        out = tmp_path / "new" / name
        done = call("indices", runs["staged"], runs["coupled"], "-o", out, *QUICK)
        assert (done.returncode, done.stderr) == (0, "")
        made.append({path.name: path.read_bytes() for path in out.iterdir()})
        assert done.stdout.splitlines()[-1] == f"results in {out}"
    assert set(made[0]) == {"indices.csv", "curves.csv", "staged.svg", "coupled.svg", "by-coupling.svg"}
    assert made[0] == made[1]
    for name, text in made[0].items():
        if name.endswith(".svg"):
            assert ET.fromstring(text.decode()).tag.endswith("svg")
    assert b"0.5" in made[0]["by-coupling.svg"]
    found = rows(tmp_path / "new" / "one" / "indices.csv")
    assert list(found[0]) == ["run", "parameters", "coupling", "index", "stage", "estimate", "low", "high"]
    kinds = ("convergence", "recurrence", "divergence")
    assert [(row["run"], row["index"], row["stage"]) for row in found] == [
        (name, kind, stage) for name in ("staged", "coupled") for kind in kinds for stage in ("h1", "h2", "average")
    ]
    assert {row["coupling"] for row in found if row["run"] == "coupled"} == {"0.5"}
    assert {row["coupling"] for row in found if row["run"] == "staged"} == {"hard"}
    assert {row["parameters"] for row in found if row["run"] == "staged"} == {str(graphnet.plan(STAGED).parameters)}
    for row in found:
        assert float(row["low"]) <= float(row["high"])
        cell = f"{float(row['estimate']):.3f} [{float(row['low']):.3f}, {float(row['high']):.3f}]"
        assert cell in done.stdout
    points = rows(tmp_path / "new" / "one" / "curves.csv")
    assert list(points[0]) == ["run", "stage", "perturbation", "point", "error", "images"]
    assert {row["images"] for row in points} == {"450"}
    for stage, blocks in (("h1", 3), ("h2", 2)):
        wanted = {"convergence": range(blocks + 1), "recurrence": range(1, blocks + 1), "divergence": range(3)}
        for kind in kinds:
            mine = [row for row in points if (row["run"], row["stage"], row["perturbation"]) == ("staged", stage, kind)]
            assert [int(row["point"]) for row in mine] == list(wanted[kind])
            errors = [float(row["error"]) for row in mine]
            for row in found:
                if (row["run"], row["stage"], row["index"]) == ("staged", stage, "divergence") and kind == "divergence":
                    final = errors[0]
                    index = sum((e - final) / (0.9 - final) for e in errors[1:]) / 2
                    assert float(row["estimate"]) == pytest.approx(index, rel=1e-9)


def test_errors_are_those_of_eval_and_perturb(runs: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("indices", runs["staged"], "-o", out, *QUICK).returncode == 0
    found = rows(out / "curves.csv")
    points = {(row["stage"], row["perturbation"], row["point"]): float(row["error"]) for row in found}

    def said(text: str) -> float:
        found = re.search(r"^test accuracy ([\d.]+)%", text, re.M)
        assert found, text
        return 1 - float(found[1]) / 100

    final = said(run("eval", runs["staged"], "--device", "cpu").stdout)
    assert points["h1", "convergence", "3"] == points["h2", "divergence", "0"] == pytest.approx(final, abs=1e-4)
    for key, option in (
        (("h1", "recurrence", "2"), "--drop=h1:2"),
        (("h2", "convergence", "0"), "--early=h2:0"),
        (("h2", "divergence", "2"), "--repeat=h2:2"),
    ):
        done = run("perturb", runs["staged"], option, "--device", "cpu")
        assert points[key] == pytest.approx(said(done.stdout), abs=1e-4)


def test_indices_of_one_run_go_into_its_folder(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(runs["staged"], folder)
    assert run("indices", ".", *QUICK, cwd=folder).returncode == 0
    assert {path.name for path in (folder / "indices").iterdir()} == {"indices.csv", "curves.csv", "mine.svg"}


def test_runs_of_the_same_name_have_a_plot_each(runs: dict[str, Path], tmp_path: Path) -> None:
    for parent in ("a", "b"):
        shutil.copytree(runs["staged" if parent == "a" else "coupled"], tmp_path / parent / "run-1")
    out = tmp_path / "out"
    done = run("indices", tmp_path / "a" / "run-1", tmp_path / "b" / "run-1", "-o", out, *QUICK)
    assert done.returncode == 0
    assert len([path for path in out.glob("*.svg") if path.stem != "by-coupling"]) == 2
    assert len({row["run"] for row in rows(out / "indices.csv")}) == 2


def test_indices_that_are_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    refused("indices", runs["flat"], *QUICK, said="no stages")
    refused("indices", tmp_path, *QUICK, said="is not a run folder")
    refused("indices", runs["staged"], tmp_path / "none", *QUICK, said="is not a run folder")
    (tmp_path / "file").write_text("")
    refused("indices", runs["staged"], "-o", tmp_path / "file", *QUICK, said="cannot make")
    refused("indices", runs["staged"], "-o", tmp_path / "file" / "below", *QUICK, said="cannot make")


@pytest.mark.parametrize("name", ["indices.csv", "curves.csv", "staged.svg"])
def test_indices_that_cannot_be_written(name: str, runs: dict[str, Path], tmp_path: Path) -> None:
    """A folder blocks the path, which stops root too."""
    (tmp_path / name).mkdir()
    refused("indices", runs["staged"], "-o", tmp_path, *QUICK, said=f"cannot write {tmp_path / name}")


# graphnet analyse


def test_lipschitz_bounds(runs: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "bounds.csv"
    done = run("analyse", runs["staged"], "--lipschitz", "-o", out, "--device", "cpu")
    assert (done.returncode, done.stderr) == (0, "")
    found = {(row["source"], row["target"], int(row["t"])): float(row["bound"]) for row in rows(out)}
    assert list(rows(out)[0]) == ["source", "target", "t", "bound"]
    arrows = [("input", "h1", [0]), ("h1", "h1", [1, 2, 3]), ("h1", "h2", [4]), ("h2", "h2", [5, 6])]
    wanted = {(source, target, t) for source, target, times in arrows for t in times} | {("h2", "logits", 6)}
    assert set(found) == wanted
    assert all(bound > 0 for bound in found.values())
    assert all(found["h1", "h1", t] > 1 for t in (1, 2, 3))
    assert all(found["h2", "h2", t] <= 0.9 * 1.05 for t in (5, 6))
    printed = done.stdout.splitlines()
    assert [line for line in printed if "->" in line] == [f"{s}->{t}" for s, t, _ in arrows] + ["h2->logits"]
    for (_, _, t), bound in found.items():
        assert f"  t = {t:<4} {bound:10.4g}" in printed


def test_a_fixed_point(runs: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "file.csv"
    done = run("analyse", runs["staged"], "--fixed-point", "h1", "-o", out, "--steps", "7", "--device", "cpu")
    assert (done.returncode, done.stderr) == (0, "")
    found = rows(out)
    assert list(found[0]) == ["step", "median residual", "largest residual", "accuracy"]
    assert [int(row["step"]) for row in found] == list(range(1, 8))
    assert all(0 < float(row["median residual"]) <= float(row["largest residual"]) for row in found)
    assert all(0 <= float(row["accuracy"]) <= 1 for row in found)
    accuracy = re.search(r"test accuracy (\S+)", run("eval", runs["staged"], "--device", "cpu").stdout)
    assert accuracy
    lines = done.stdout.splitlines()
    assert [int(line.split()[0]) for line in lines[1:-1]] == [0, 1, 2, 3, 5, 7]
    assert lines[1].endswith(accuracy[1])
    assert re.match(r"'h1' does not settle within 7 steps: \d+% of the images are within 1e-05$", lines[-1])


def test_a_contraction_settles(runs: dict[str, Path]) -> None:
    done = run("analyse", runs["staged"], "--fixed-point", "h2", "--steps", "200", "--tolerance", "1e-3")
    assert done.returncode == 0
    said = r"'h2' is at a fixed point after \d+ steps: no image moves by more than 0.001$"
    assert re.match(said, done.stdout.splitlines()[-1])


@pytest.mark.filterwarnings("default::graphnet.training.errors.CheckpointWarning")
def test_a_state_that_grows_says_why_there_are_no_more_numbers(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs["staged"], folder)
    checkpoint = read_checkpoint(folder / "last.safetensors")
    tensors = {name: tensor * (1e6 if "h1.from_h1.conv" in name else 1) for name, tensor in checkpoint.tensors.items()}
    metadata = {"graphnet_checkpoint": "1", "spec": checkpoint.spec_text}
    save_file(tensors, folder / "last.safetensors", metadata)
    done = run("analyse", folder, "--fixed-point", "h1", "--device", "cpu")
    assert done.returncode == 0
    path = folder / "last.safetensors"
    assert done.stderr == f"warning: {path} has no checksum: it was written by version 1\n"
    assert "nan" not in done.stdout
    assert re.match(
        r"'h1' grows without bound: at step \d+ the values of \d+ images are not", done.stdout.splitlines()[-1]
    )


def test_analyses_that_are_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    staged = runs["staged"]
    refused("analyse", staged, said="choose one analysis: --lipschitz or --fixed-point STATE")
    refused("analyse", staged, "--lipschitz", "--fixed-point", "h1", said="choose one analysis")
    refused("analyse", staged, "--fixed-point", "h3", said="no state is called 'h3'\n  did you mean 'h")
    refused("analyse", tmp_path, "--lipschitz", said="is not a run folder")
    refused("analyse", staged, "--lipschitz", "-o", tmp_path, said=f"cannot write {tmp_path}")
    refused("analyse", staged, "--fixed-point", "h1", "--steps", "1", "-o", tmp_path / "x" / "y", said="cannot write")
    assert run("analyse", staged, "--fixed-point", "h1", "--steps", "0").returncode == 2


# graphnet perturb


def test_many_edits_at_once(runs: dict[str, Path], tmp_path: Path) -> None:
    for name in ("spec.toml", "spec.json"):
        out = tmp_path / name
        done = run(
            *("perturb", runs["staged"], "--drop", "h1:2", "--repeat", "h2:2", "--noise", "h1->h2@4:0.1"),
            *("--mask", "2", "--slab", 't = 1, h1 = { h1 = "I" }', "-o", out, "--device", "cpu"),
        )
        assert (done.returncode, done.stderr) == (0, "")
        first, second, third = done.stdout.splitlines()
        assert re.match(r"test accuracy \d+\.\d+%, unperturbed \d+\.\d+%$", first)
        assert re.match(r"\d+ of 450 predictions are those of the unperturbed net$", second)
        assert third == f"the edited spec is in {out}"
        checked = run("check", "--strict", out)
        assert checked.returncode == 0
        assert "fine" in checked.stdout
    one, other = graphnet.load(tmp_path / "spec.toml"), graphnet.load(tmp_path / "spec.json")
    assert one == other
    assert one.input.sequence
    plan = graphnet.plan(one)
    fired = {(each.source, each.target, each.t): each.ops for each in plan.firings if each.fate == "fires"}
    assert plan.last_time == 8
    assert [fired["h1", "h1", t] for t in (1, 2, 3)] == ["I", "I", "BRC+I"]
    assert [fired["h2", "h2", t] for t in (5, 6, 7, 8)] == ["BRC+I0, lipschitz 0.9"] * 4
    assert ("input", "h1", 2) in fired


@pytest.mark.parametrize(
    ("options", "same"),
    [
        (["--early", "h1:3"], True),
        (["--repeat", "h1:0"], True),
        (["--slab", 't = 9, h1 = { h1 = "I" }'], True),
        (["--noise", "h1->h1:1e-30"], True),
        (["--silence", "h1->h2"], False),
    ],
    ids=["early", "repeat", "slab", "noise", "silence"],
)
def test_predictions_are_compared(options: list[str], same: bool, runs: dict[str, Path]) -> None:
    done = run("perturb", runs["staged"], *options, "--device", "cpu")
    assert done.returncode == 0
    count = re.search(r"^(\d+) of 450 predictions", done.stdout, re.M)
    assert count
    assert (count[1] == "450") is same
    accuracies = re.search(r"test accuracy (\S+), unperturbed (\S+)", done.stdout)
    assert accuracies
    assert (accuracies[1] == accuracies[2]) or not same


def test_a_lesion_that_touches_nothing_is_refused(runs: dict[str, Path]) -> None:
    said = refused("perturb", runs["staged"], "--lesion", "h1->h2@7", "--device", "cpu")
    assert said == "error: 'h1->h2' selects nothing that fires at t = 7\n  it does at t = 4\n"


def test_new_statistics_are_calibrated(runs: dict[str, Path], tmp_path: Path) -> None:
    slab = ("--slab", 't = 4, h1 = { h1 = "BRC+I" }')
    more = (*slab, "--slab", 't = 5, h1 = { h2 = "BRC" }')
    said = refused("perturb", runs["staged"], *more, "--device", "cpu")
    assert "statistics" in said
    assert "calibrate" in said
    done = run("perturb", runs["staged"], *more, "--calibrate", "--device", "cpu")
    assert (done.returncode, done.stderr) == (0, "")
    masked = run("perturb", runs["staged"], *more, "--mask", "2", "--calibrate", "--device", "cpu")
    assert (masked.returncode, masked.stderr) == (0, "")


WRONG: list[tuple[list[str], str]] = [
    ([], "give at least one edit"),
    (["--drop", "h1"], "'h1' names no block\n  write STATE:NUMBER"),
    (["--drop", "h1:x"], "names no block"),
    (["--drop", "h1:-1"], "names no block"),
    (["--drop", ":1"], "names no block"),
    (["--drop", "h1:0"], "'h1' has no block 0"),
    (["--drop", "h1:9"], "'h1' has no block 9\n  there are 3"),
    (["--drop", "h3:1"], "no state is called 'h3'"),
    (["--early", "h1:4"], "'h1' has 3 blocks, not 4"),
    (["--drop", "h1:" + "9" * 5000], ""),
    (["--lesion", "h2->h1"], "no transition h2->h1"),
    (["--lesion", "h1->h2@x"], ""),
    (["--silence", "h1@"], ""),
    (["--noise", "h1->h2"], "has no standard deviation\n  write h1->h2:0.1"),
    (["--noise", "h1->h2:much"], "has no standard deviation"),
    (["--noise", "h1->h2:-1"], "a standard deviation must be above 0"),
    (["--noise", "h1->h2:nan"], ""),
    (["--noise", "h1->h2:inf"], ""),
    (["--noise", "h2@9:0.1"], "'h2' selects nothing that fires at t = 9\n  it does at t = 4..6"),
    (["--mask", "7"], "t = 7 is not between 0 and the last readout, 6"),
    (["--mask", "-1"], "t = -1 is not between"),
    (["--slab", "t = "], "--slab t = "),
    (["--slab", "h1 = 3"], ""),
    (["--slab", 't = 1\nh1 = { h1 = "I" }'], "--slab"),
    (["--slab", 'h1 = { h9 = "I" }'], "h9"),
    (["--slab", 'h1 = { h1 = "Q" }'], "h1"),
    (["--slab", 't = 2, h1 = { h1 = "C5" }'], "weights that the net does not have"),
]


@pytest.mark.parametrize(("options", "said"), WRONG, ids=[" ".join(each[0])[:40] for each in WRONG])
def test_edits_that_are_refused(options: list[str], said: str, runs: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "x.toml"
    refused("perturb", runs["staged"], *options, "-o", out, "--device", "cpu", said=said)
    assert not out.exists()


def test_a_net_that_gets_too_large_is_refused_at_once(runs: dict[str, Path]) -> None:
    """Like `graphnet check` for a readout at t = 1,000,006."""
    command = [str(PROGRAM), "perturb", str(runs["staged"]), "--repeat", "h1:1000000", "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=HANGS)
    assert done.returncode == 1
    assert "this net is too large" in done.stderr


def test_perturbations_that_cannot_be_written(runs: dict[str, Path], tmp_path: Path) -> None:
    refused("perturb", runs["staged"], "--drop", "h1:1", "-o", tmp_path, said=f"cannot write {tmp_path}")
    refused("perturb", tmp_path, "--drop", "h1:1", said="is not a run folder")


# Damaged and incomplete runs

COMMANDS: list[tuple[str, ...]] = [
    ("indices",),
    ("analyse", "--lipschitz"),
    ("analyse", "--fixed-point", "h1"),
    ("perturb", "--drop", "h1:1"),
    ("eval",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_run_without_a_checkpoint(command: tuple[str, ...], runs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs["staged"], folder, ignore=shutil.ignore_patterns("*.safetensors", "predictions*"))
    record = json.loads((folder / "run.json").read_text())
    for status in ("interrupted", "failed", "training"):
        (folder / "run.json").write_text(json.dumps(record | {"status": status, "epochs_done": 0}))
        refused(command[0], folder, *command[1:], said="no checkpoint at")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_which_checkpoint_is_read(command: tuple[str, ...], runs: dict[str, Path], tmp_path: Path) -> None:
    folder, empty = tmp_path / "run", tmp_path / "empty.safetensors"
    shutil.copytree(runs["staged"], folder)
    empty.touch()
    name, *more = command
    for which, said in (
        ("best", "has no checkpoint 'best'\n  it has: last, previous; or give the path of one"),
        (empty, f"{empty} is not a safetensors file"),
        ("../../etc/nothing", "has no checkpoint"),
    ):
        refused(name, folder, *more, "--checkpoint", which, said=said)
    (folder / "last.safetensors").rename(folder / "best.safetensors")
    refused(name, folder, *more, said="no checkpoint at")
    record = json.loads((folder / "run.json").read_text())
    for which in (["--checkpoint", "best"], ["--checkpoint", folder / "best.safetensors"], []):
        if not which:
            (folder / "run.json").write_text(json.dumps(record | {"tested": "best"}))
        small = ["--samples", "2", "--more", "1"] if name == "indices" else []
        done = run(name, folder, *more, *small, *which, "--device", "cpu")
        assert done.returncode == 0, done.stderr


def test_a_device_that_holds_no_numbers(runs: dict[str, Path]) -> None:
    refused("eval", runs["staged"], "--device", "meta", said="device 'meta' cannot be used here: its tensors hold no")


@pytest.mark.parametrize("record", ["{}", "[]", "null", '{"dataset": ', '{"dataset": {"name": "digits"}}'])
def test_a_run_whose_record_is_damaged(record: str, runs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs["staged"], folder)
    (folder / "run.json").write_text(record)
    refused("perturb", folder, "--drop", "h1:1", said="run.json")


@pytest.mark.parametrize("spec", ["{}", "{", json.dumps(FLAT)])
def test_a_checkpoint_whose_spec_is_wrong(spec: str, runs: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from graphnet.training.runs.checkpoint import SPEC_KEY, VERSION, VERSION_KEY, read_checkpoint

    folder = tmp_path / "run"
    shutil.copytree(runs["staged"], folder)
    path = folder / "last.safetensors"
    save_file(read_checkpoint(path).tensors, path, {VERSION_KEY: VERSION, SPEC_KEY: spec})
    refused("analyse", folder, "--lipschitz")
