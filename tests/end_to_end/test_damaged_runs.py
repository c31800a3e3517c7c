"""A run's folder is data from a stranger: whatever is damaged in it, a command ends in one sentence, and soon."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch

from graphnet.cli.common.failure import Failure
from graphnet.cli.view import measured
from graphnet.training.runs.checkpoint import read_checkpoint
from tests.end_to_end.test_analysis_commands import STAGED, run

HOSTILE: list[Any] = [None, True, -1, 10**30, 0.5, "", "/etc/passwd", [], [1], {}, {"a": 1}, "x" * 10_000, [[[]]]]
TEXTS = ["", "null", "[1]", "{", '"/etc/passwd"', "[" * 100_000, '{"a":' * 5_000, "NaN", "\x00", "\ud800"]
FILES = ["run.json", "metrics.jsonl", "predictions.json", "checkpoint.safetensors", "spec.json"]
MOST_SECONDS = 5


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "staged.json").write_text(json.dumps(STAGED))
    done = run("train", folder / "staged.json", "--epochs", "1", "-o", folder / "run", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    for command in COMMANDS.values():  # what is imported is not timed below
        assert command(folder / "run").returncode == 0
    return folder / "run"


def _flip(path: Path, draw: random.Random) -> None:
    raw = bytearray(path.read_bytes())
    raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    path.write_bytes(raw)


def _cut(path: Path, draw: random.Random) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: draw.randrange(len(raw))])


def _drop(path: Path, draw: random.Random) -> None:
    path.unlink()
    if draw.random() < 0.3:
        path.mkdir()


def _retext(path: Path, draw: random.Random) -> None:
    path.write_bytes(draw.choice(TEXTS).encode("utf-8", "surrogatepass"))


def _change(path: Path, draw: random.Random) -> None:
    """An entry of a JSON file, however deep, is another value."""
    if path.suffix == ".safetensors":
        return _forge(path, draw)
    data = [json.loads(line) for line in path.read_text().splitlines()] if path.suffix == ".jsonl" else None
    tree: Any = data if data is not None else json.loads(path.read_text())
    places = list(_places(tree))
    holder, key = draw.choice(places)
    holder[key] = draw.choice(HOSTILE)
    lines = tree if data is not None else [tree]
    path.write_text("\n".join(map(json.dumps, lines)))
    return None


def _places(tree: Any) -> Any:
    for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _forge(path: Path, draw: random.Random) -> None:
    """A sealed checkpoint whose spec or weights are wrong."""
    from safetensors.torch import save_file

    from graphnet.training.runs.checksum import BLANK, CHECKSUM_KEY, seal

    found = read_checkpoint(path)
    tensors, spec = dict(found.tensors), found.spec_text
    name = draw.choice(list(tensors))
    kind = draw.choice(["spec", "entry", "nan", "type", "shape", "missing"])
    if kind == "spec":
        spec = draw.choice(TEXTS[:-1])
    elif kind == "entry":
        tree = json.loads(spec)
        holder, key = draw.choice(list(_places(tree)))
        holder[key] = draw.choice(HOSTILE)
        spec = json.dumps(tree)
    elif kind == "nan":
        tensors[name] = tensors[name] * torch.nan
    elif kind == "type":
        tensors[name] = torch.zeros(tensors[name].shape, dtype=draw.choice([torch.int8, torch.bool, torch.complex64]))
    elif kind == "shape":
        tensors[name] = torch.zeros(draw.choice([(), (1,), (0, 3)]))
    else:
        del tensors[name]
    save_file(tensors, path, {"graphnet_checkpoint": "2", "spec": spec, CHECKSUM_KEY: BLANK})
    seal(path)


DAMAGES: list[Callable[[Path, random.Random], None]] = [_flip, _cut, _drop, _retext, _change, _change]


def _view(folder: Path) -> CompletedProcess[str]:
    """What `graphnet view --run` measures before it serves its page."""
    try:
        measured(folder, None, "cpu")
    except Failure as fault:
        return CompletedProcess([], 1, "", str(fault))
    return CompletedProcess([], 0, "", "")


COMMANDS: dict[str, Callable[[Path], CompletedProcess[str]]] = {
    "view": _view,
    "eval": lambda folder: run("eval", folder, "--device", "cpu"),
    "perturb": lambda folder: run("perturb", folder, "--drop", "h1:2", "--device", "cpu"),
    "indices": lambda folder: run("indices", folder, "--samples", "2", "--device", "cpu", cwd=folder.parent),
}


def _case(whole: Path, folder: Path, seed: int) -> None:
    draw = random.Random(seed)
    shutil.copytree(whole, folder)
    file = draw.choice(FILES)
    damage = draw.choice(DAMAGES)
    damage(folder / file, draw)
    (name,) = draw.choices(list(COMMANDS), [2, 4, 3, 1])  # indices takes longest where nothing is wrong
    started = time.process_time()
    done = COMMANDS[name](folder)
    took = time.process_time() - started
    assert done.returncode == 0 or took < MOST_SECONDS, (name, file, damage.__name__, took)
    assert done.returncode in (0, 1), (name, file, damage.__name__, done)
    assert len(done.stderr) < 5_000
    assert "has a bug" not in done.stderr, (name, file, damage.__name__, done.stderr)
    assert "root:" not in done.stdout + done.stderr


def _cases(request: pytest.FixtureRequest) -> int:
    return 1_000 if request.config.getoption("--thorough") else 12


def test_a_damaged_run_ends_in_a_sentence(whole: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for seed in range(_cases(request)):
        _case(whole, tmp_path / str(seed), seed)
        shutil.rmtree(tmp_path / str(seed))
