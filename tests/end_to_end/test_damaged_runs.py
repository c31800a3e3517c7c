"""A run's folder is data from a stranger: whatever is damaged in it, a command ends in one sentence, and soon."""

from __future__ import annotations

import json
import os
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
from graphnet.cli.nets.view import measured
from graphnet.training.runs.checkpoint import read_checkpoint
from tests.end_to_end.test_analysis_commands import STAGED, run
from tests.old_runs import as_version_1

HOSTILE: list[Any] = [None, True, -1, 10**30, 0.5, "", "/etc/passwd", [], [1], {}, {"a": 1}, "x" * 10_000, [[[]]]]
TEXTS = ["", "null", "[1]", "{", '"/etc/passwd"', "[" * 100_000, '{"a":' * 5_000, "NaN", "\x00", "\ud800"]
FILES = ["run.json", "metrics.jsonl", "predictions.json", "last.safetensors", "spec.json"]
MOST_SECONDS = 5


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "staged.json").write_text(json.dumps(STAGED))
    done = run("train", folder / "staged.json", "--epochs", "1", "-o", folder / "run", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    (folder / "run" / "best.safetensors").hardlink_to(folder / "run" / "last.safetensors")
    for name, command in COMMANDS.items():  # what is imported is not timed below
        assert command(folder / "run").returncode == 0, name
    return folder / "run"


def _flip(path: Path, draw: random.Random) -> None:
    raw = bytearray(path.read_bytes())
    raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    path.write_bytes(raw)


def _cut(path: Path, draw: random.Random) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: draw.randrange(len(raw))])


def _swap(path: Path, draw: random.Random) -> None:
    """Something else is in place of the file: nothing, a folder, a pipe, or a link to what is no file of a run."""
    path.unlink()
    kind = draw.choice(["nothing", "folder", "pipe", "link"])
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(draw.choice(["/etc/passwd", "/dev/zero", ".", path.name, "nothing"]))


def _add(path: Path, draw: random.Random) -> None:
    """Files that no run has, or a name that is not UTF-8."""
    for name in draw.sample(["previous.safetensors", "best.safetensors", ".lock", "averaged.safetensors", "x"], 2):
        other = path.parent / name
        if not other.exists():
            draw.choice([other.mkdir, other.touch, lambda other=other: os.mkfifo(other)])()
    Path(os.fsdecode(os.fsencode(path.parent) + b"/\xff")).touch()


def _version_1(path: Path, draw: random.Random) -> None:
    """The folder is of version 1, and then damaged: without a checksum, every change of its checkpoint is read."""
    as_version_1(path.parent)
    file = path.parent / ("checkpoint.safetensors" if path.suffix == ".safetensors" else path.name)
    if file.suffix == ".safetensors" or draw.random() < 0.5:
        _header(file, draw)
    else:
        draw.choice([_cut, _retext, _change])(file, draw)


def _header(path: Path, draw: random.Random) -> None:
    """A bit of the header of a checkpoint is another one; of other files, any bit."""
    if path.suffix != ".safetensors":
        return _flip(path, draw)
    raw = bytearray(path.read_bytes())
    length = int.from_bytes(raw[:8], "little")
    at = draw.randrange(draw.choice([8, 8 + length]))
    raw[at] ^= 1 << draw.randrange(8)
    path.write_bytes(raw)
    return None


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
    if path.name == "checkpoint.safetensors":
        return save_file(tensors, path, {"graphnet_checkpoint": "1", "spec": spec})
    save_file(tensors, path, {"graphnet_checkpoint": "2", "spec": spec, CHECKSUM_KEY: BLANK})
    seal(path)
    return None


DAMAGES: list[Callable[[Path, random.Random], None]] = [
    *(_flip, _header, _cut, _swap, _swap, _retext, _change, _change, _add, _version_1, _version_1),
]


def _view(folder: Path) -> CompletedProcess[str]:
    """What `graphnet view --run` measures before it serves its page."""
    try:
        measured(folder, None, "cpu")
    except Failure as fault:
        return CompletedProcess([], 1, "", str(fault))
    return CompletedProcess([], 0, "", "")


COMMANDS: dict[str, Callable[[Path], CompletedProcess[str]]] = {
    "view": _view,
    "runs": lambda folder: run("runs", folder.parent),
    "compare": lambda folder: run("runs", "compare", folder, folder),
    "best": lambda folder: run("eval", folder, "--checkpoint", "best", "--device", "cpu"),
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
    (name,) = draw.choices(list(COMMANDS), [2, 1, 1, 1, 4, 3, 1])  # indices takes longest where nothing is wrong
    started = time.process_time()
    done = COMMANDS[name](folder)
    took = time.process_time() - started
    assert done.returncode == 0 or took < MOST_SECONDS, (name, file, damage.__name__, took)
    assert done.returncode in (0, 1), (name, file, damage.__name__, done)
    assert len(done.stderr) < 5_000
    assert "has a bug" not in done.stderr, (name, file, damage.__name__, done.stderr)
    assert "root:" not in done.stdout + done.stderr


def _cases(request: pytest.FixtureRequest) -> int:
    return 1_000 if request.config.getoption("--thorough") else 60


@pytest.mark.filterwarnings("default::graphnet.training.errors.CheckpointWarning")
def test_a_damaged_run_ends_in_a_sentence(whole: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for seed in range(_cases(request)):
        _case(whole, tmp_path / str(seed), seed)
        shutil.rmtree(tmp_path / str(seed))
