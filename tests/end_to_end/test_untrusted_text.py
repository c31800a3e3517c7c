"""Untrusted specs: no output may move the cursor, change colours or hide text."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from graphnet.spec.write import to_toml
from tests.end_to_end.test_cli import TINY, run

STRANGE = "a\x1b[31mred\rover\x07\x9b2J\u202eleft\u2066\u2028\nnew \"quoted\" '''"
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
OPS = "B\x1cR\x0bC\u2028+\x85I"  # every kind of white space

COMMANDS = [
    ["plan"],
    ["plan", "--json"],
    ["plan", "--passes"],
    ["code"],
    ["show"],
    ["check", "--strict"],
    ["check", "--format", "json"],
    ["check", "--format", "github"],
    ["bench", "--rounds", "3", "--batch-size", "2"],
]


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """A spec with strange text in every field; the dead state U adds a warning."""
    spec = TINY | {
        "name": STRANGE,
        "cite": STRANGE,
        "states": {"V1": {"shape": [4, 4, 4], "label": STRANGE}, "U": [4, 4, 4], "V2": [4, 4, 4]},
        "transitions": [{"V1": {"V1": "BRC", "V2": OPS, "U": OPS}}],
    }
    path = tmp_path / "strange.json"
    path.write_text(json.dumps(spec))
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_control_character_is_printed(command: list[str], strange: Path) -> None:
    done = run(command[0], strange, *command[1:])
    assert "V1" in done.stdout + done.stderr or command[0] == "bench"
    assert not CONTROLS.findall(done.stdout + done.stderr)


def test_a_wrong_value_is_quoted_without_control_characters(strange: Path) -> None:
    wrong = json.loads(strange.read_text()) | {STRANGE: 1, "merge": STRANGE}
    strange.write_text(json.dumps(wrong))
    done = run("check", strange)
    assert done.stderr.count("error") >= 2
    assert not CONTROLS.findall(done.stdout + done.stderr)


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_written_files_mean_the_same_without_control_characters(suffix: str, strange: Path) -> None:
    unrolled = strange.with_name(f"unrolled.{suffix}")
    assert run("unroll", strange, "-o", unrolled).returncode == 0
    text = unrolled.read_text()
    read = tomllib.loads(text) if suffix == "toml" else json.loads(text)
    assert read["cite"] == STRANGE
    assert not CONTROLS.findall(text)
    assert not CONTROLS.findall(to_toml({"name": STRANGE}))
