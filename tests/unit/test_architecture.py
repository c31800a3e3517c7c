"""Rules of the code base: imports, public names, length of files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import graphnet
from graphnet.pictures.views import VIEWS
from tests.conftest import ROOT

HEAVY = ["torch", "torchvision", "sklearn", "safetensors", "numpy"]
"""Modules that take seconds to load, needed only for compiling and training."""

WATCH = """
import contextlib, io, json, sys
loaded = {}
def watch(name):
    loaded[name] = [module for module in HEAVY if module in sys.modules]
import graphnet
watch("import graphnet")
spec = graphnet.load("specs/quickstart.toml")
graphnet.plan(spec)
graphnet.draw(spec)
watch("load, plan, draw")
from graphnet.cli.main import main
for command in COMMANDS:
    sys.argv = ["graphnet", *command]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main()
    watch(" ".join(command))
json.dump(loaded, sys.stdout)
"""


def test_only_compiling_and_training_load_torch(tmp_path: Path) -> None:
    spec = "specs/quickstart.toml"
    commands = [
        ["--help"],
        ["--version"],
        ["check", spec, "tests/golden/errors/many.toml"],
        ["check", "--format", "json", spec],
        ["explain"],
        ["explain", "GN102"],
        ["plan", spec],
        ["plan", "--json", spec],
        ["code", spec],
        ["schema"],
        ["draw", "-o", str(tmp_path / "out.svg"), spec],
        ["draw", "-o", str(tmp_path / "out.html"), spec],
        ["draw", "-o", str(tmp_path / "out.dot"), "--view", "recurrent", spec],
        *(["draw", "--view", view, "-o", str(tmp_path / f"{view}.svg"), spec] for view in VIEWS),
        ["show", spec],
        ["runs"],
        *(
            [name, "--help"]
            for name in ("check", "plan", "code", "draw", "show", "view", "train", "eval", "sweep", "calibrate")
        ),
    ]
    script = f"HEAVY, COMMANDS = {HEAVY!r}, {commands!r}\n{WATCH}"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True)
    loaded = json.loads(done.stdout)
    assert len(loaded) == len(commands) + 2
    assert loaded == {name: [] for name in loaded}
    assert (tmp_path / "out.svg").exists()


VIEW = """
import sys
from graphnet.cli.common.page_server import Board, Server
from graphnet.cli.nets.view import Look
board = Board()
board.put(Look("specs/quickstart.toml", (), False, None)())
assert len(board.page()) > 10_000
Server(board).server_close()
print(*(module for module in HEAVY if module in sys.modules))
"""


def test_viewing_loads_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"HEAVY = {HEAVY!r}\n{VIEW}"], cwd=ROOT, capture_output=True, check=True
    )
    assert done.stdout.strip() == b""


def test_the_watch_would_see_torch() -> None:
    script = f"HEAVY, COMMANDS = {HEAVY!r}, []\n{WATCH.replace('import graphnet', 'import graphnet, numpy', 1)}"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True)
    assert json.loads(done.stdout)["import graphnet"] == ["numpy"]


LOADED = """
import sys
from graphnet.cli.main import main
sys.argv = ["graphnet", *COMMAND]
try:
    main()
except SystemExit:
    print(*(name for name in NAMES if name in sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("command", "loaded"),
    [
        (["--version"], []),
        (["plan", "specs/quickstart.toml"], ["pydantic", "graphnet.pipeline"]),
        (["diff", "--help"], ["pydantic", "graphnet.pipeline"]),
        (["--help"], ["pydantic", "graphnet.pipeline", "graphnet.cli.training.train"]),
    ],
    ids=lambda value: value[0] if value else "nothing",
)
def test_a_command_loads_what_it_uses(command: list[str], loaded: list[str]) -> None:
    names = ["pydantic", "graphnet.pipeline", "graphnet.edits", "graphnet.cli.training.train", "networkx"]
    script = f"COMMAND, NAMES = {command!r}, {names!r}\n{LOADED}"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True)
    assert done.stderr.split() == loaded


@pytest.mark.parametrize("name", graphnet.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(graphnet, name).__doc__


def test_the_public_names_are_sorted_and_no_module_hides_one() -> None:
    assert graphnet.__all__ == sorted(graphnet.__all__)
    modules = {path.stem for path in (ROOT / "graphnet").iterdir()}
    assert not modules & {"compile", "plan", "draw", "load"}


LONGEST = 320


def test_no_file_is_long() -> None:
    lines = {
        path.relative_to(ROOT / "graphnet").as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "graphnet").rglob("*.py")
    }
    assert len(lines) > 20
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}


def test_every_module_has_a_docstring() -> None:
    files = [path for path in (ROOT / "graphnet").rglob("*.py") if path.name != "__init__.py"]
    assert [path for path in files if not path.read_text(encoding="utf-8").startswith('"""')] == []
