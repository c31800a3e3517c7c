"""Variants of a spec on the command line: `--set`, `extends`, and custom ops by `--plugin`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.end_to_end.test_cli import QUICKSTART, TINY, run

PLUGIN = """
import graphnet

def double(x):
    return 2 * x

graphnet.register_op("double", double)
"""
DOUBLED = '--set=transitions.0.V1.V1="BRC double"'


@pytest.mark.parametrize("command", [["check"], ["plan"], ["code"], ["draw", "-o", "net.svg"]], ids=lambda c: c[0])
def test_set_is_on_every_command(command: list[str], tmp_path: Path) -> None:
    plain = run(*command, QUICKSTART, cwd=tmp_path)
    svg = (tmp_path / "net.svg").read_text() if command[0] == "draw" else ""
    later = run(*command, QUICKSTART, "--set", "readout.t=5", cwd=tmp_path)
    assert (plain.returncode, later.returncode) == (0, 0)
    assert plain.stdout + svg != later.stdout + ((tmp_path / "net.svg").read_text() if svg else "")


def test_an_error_in_a_setting_names_its_option() -> None:
    done = run("check", QUICKSTART, "--set", "sharing.over_time=2", "--set", "readout.t=99999999999")
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if ": error[" in line]
    assert lines == [
        "--set sharing.over_time=2: error[GN010]: sharing.over_time",
        "--set readout.t=99999999999: error[GN604]: readout.t",
    ]


def test_training_takes_settings_and_keeps_what_was_trained(tmp_path: Path) -> None:
    (tmp_path / "tiny.json").write_text(json.dumps(TINY))
    (tmp_path / "more.toml").write_text('extends = "tiny.json"\nname = "more"\n[readout]\nt = 2\n')
    done = run("train", "more.toml", "--set", "norm.affine=shared", "--epochs", "1", "-o", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "run" / "spec.json").read_text())
    assert "extends" not in kept
    assert (kept["name"], kept["norm"], kept["readout"], kept["states"]) == (
        "more",
        {"affine": "shared"},
        {"t": 2},
        TINY["states"],
    )
    assert "450 of 450 predictions" in run("eval", "run", cwd=tmp_path).stdout


def test_a_plugin_brings_ops_that_a_spec_alone_cannot(tmp_path: Path) -> None:
    (tmp_path / "my_ops.py").write_text(PLUGIN)
    without = run("check", QUICKSTART, DOUBLED, cwd=tmp_path)
    assert without.returncode == 1
    assert "no op is called 'double'" in without.stderr
    done = run("code", QUICKSTART, DOUBLED, "--plugin", "my_ops", cwd=tmp_path)
    assert done.returncode == 0
    assert "my_ops.double(V1_from_V1_t1_conv1)" in done.stdout


def test_a_net_with_a_custom_op_is_trained_and_tested(tmp_path: Path) -> None:
    (tmp_path / "my_ops.py").write_text(PLUGIN)
    arguments = ["--plugin", "my_ops", DOUBLED, "--epochs", "1", "-o", "run"]
    assert run("train", QUICKSTART, *arguments, cwd=tmp_path).returncode == 0
    assert "no op is called 'double'" in run("eval", "run", cwd=tmp_path).stderr
    assert "450 of 450 predictions" in run("eval", "run", "--plugin", "my_ops", cwd=tmp_path).stdout


DATA = """
import graphnet

def blobs():
    import torch
    from torch.utils.data import TensorDataset
    labels = torch.arange(200) % 10
    part = TensorDataset(torch.nn.functional.one_hot(labels, 64).view(200, 1, 8, 8).float(), labels)
    return part, part

graphnet.register_data("blobs", blobs)
"""


def test_a_plugin_brings_data_to_train_on(tmp_path: Path) -> None:
    (tmp_path / "my_data.py").write_text(DATA)
    arguments = ["train", QUICKSTART, "--data", "blobs", "--epochs", "1", "-o", "run"]
    assert "no data set is called 'blobs'" in run(*arguments, cwd=tmp_path).stderr
    done = run(*arguments, "--plugin", "my_data", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "(a linear classifier on 200 images: 100.00%)" in done.stdout
    assert "200 of 200 predictions" in run("eval", "run", "--plugin", "my_data", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("name", "text", "place", "what"),
    [
        ("nosuch", None, "", "there is no module 'nosuch'"),
        ("os.nope", None, "", "there is no module 'os.nope'"),
        ("bad", "x = (\n", "bad.py:1", "SyntaxError"),
        ("bad", "\nimport nosuch\n", "bad.py:2", "ModuleNotFoundError: No module named 'nosuch'"),
        ("bad", "import json\njson.loads('{')\n", "bad.py:2", "JSONDecodeError"),
        ("bad", "import graphnet\ngraphnet.register_op('relu', abs)\n", "bad.py:2", "an op called 'relu' already"),
        ("", None, "", "ValueError"),
    ],
)
def test_an_error_in_a_plugin_has_its_place(name: str, text: str | None, place: str, what: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / f"{name}.py").write_text(text)
    done = run("check", QUICKSTART, "--plugin", name, cwd=tmp_path)
    assert done.returncode == 1
    assert f"error: --plugin {name}".strip() in done.stderr
    assert what in done.stderr
    assert place in done.stderr.splitlines()[0]
