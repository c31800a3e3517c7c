"""Golden files of everything graphnet generates: read the diff after `pytest --rewrite-golden`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import graphnet
from graphnet import zoo
from graphnet.given_experiments import load_experiment
from graphnet.given_recipes import resolve_recipe
from graphnet.pictures.recurrent.picture import draw_recurrent, layout
from graphnet.pictures.text import plan_text
from graphnet.pictures.views import PictureOptions, picture
from graphnet.pictures.write.svg import to_svg
from graphnet.runtime.python_source import write_source
from tests.conftest import ROOT

HERE = Path(__file__).parent
MOST_LINES = 200
"""Longer plans have only the recurrent graph as a golden file: nobody reads a diff of thousands of lines."""
SPECS = sorted(map(zoo.path, zoo.names()))
ERRORS = sorted(path.name for path in (HERE / "errors").iterdir() if path.suffix in (".toml", ".json"))

PICTURED = ("quickstart", "liao-poggio/frnn-3-state", "vision/cornet-s", "small/two-streams")
"""Specs with golden pictures."""

PICTURES = {"unrolled": ".svg", "recurrent": ".recurrent.svg", "matrix": ".matrix.svg", "plan": ".plan.svg"}

PLACES = {
    "comma.json": "4:32",
    "descending-time.toml": "11:6",
    "duplicate-state.toml": "9:1",
    "empty-readout.toml": "23:5",
    "key-typo.toml": "5:1",
    "many.toml": "5:9 6:1 11:1 12:6 15:6 16:20 16:35 17:30 27:13 30:17 30:23 33:5",
    "negative-time.toml": "11:5",
    "not-toml.toml": "3:5 8:6 11:13 15:1",
    "sharing-shapes.toml": "23:22 23:22",
    "size.toml": "13:44",
    "two-sets.toml": "26:12",
    "unknown-letter.toml": "12:32",
    "unknown-state.toml": "12:38",
    "wrong.json": "5:44 6:24",
}
"""Place of each fault of the wrong specs, line:column; kept here so that rewriting cannot move them."""


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Any:
    """`golden(path, text)`: compare a text with the file, which --rewrite-golden rewrites."""

    def check(name: str, text: str) -> None:
        path = HERE / name
        if request.config.getoption("--rewrite-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} does not exist: pytest --rewrite-golden writes it"
        assert text == path.read_text(encoding="utf-8"), "pytest --rewrite-golden rewrites it; read the diff"

    return check


def _id(path: Path) -> str:
    return path.relative_to(ROOT / "specs").with_suffix("").as_posix()


@pytest.mark.parametrize("path", SPECS, ids=_id)
def test_plans_code_and_graphs_of_the_specs(path: Path, golden: Any) -> None:
    plan = graphnet.plan(path)
    golden(f"specs/{_id(path)}.dot", draw_recurrent(plan))
    if len(plan.lines) > MOST_LINES:
        return
    golden(f"specs/{_id(path)}.plan.txt", plan_text(plan))
    golden(f"specs/{_id(path)}.code.txt", write_source(plan))


@pytest.mark.parametrize("name", PICTURED)
def test_pictures_of_the_specs(name: str, golden: Any) -> None:
    plan = graphnet.plan(ROOT / "specs" / f"{name}.toml")
    for view, suffix in PICTURES.items():
        shown = layout(plan, with_dot=False) if view == "recurrent" else picture(plan, PictureOptions(view, width=0))
        golden(f"specs/{name}{suffix}", to_svg(shown))


SHOWN = {
    "quickstart.svg": ("quickstart", "unrolled", False),
    "pictures/frnn-3-state-unrolled.svg": ("liao-poggio/frnn-3-state", "unrolled", True),
    "pictures/resnet-3-state-unrolled.svg": ("liao-poggio/resnet-3-state", "unrolled", False),
    "pictures/ventral-stream-recurrent.svg": ("liao-poggio/ventral-stream", "recurrent", False),
    "pictures/resnet-3-state-matrix.svg": ("liao-poggio/resnet-3-state", "matrix", False),
    "pictures/quickstart-plan.svg": ("quickstart", "plan", False),
}
"""The README's pictures: spec, view, and whether to draw dead transitions."""


@pytest.mark.parametrize("file", SHOWN)
def test_the_pictures_of_the_readme(file: str, golden: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # the same layout with or without Graphviz
    name, view, dead = SHOWN[file]
    plan = graphnet.plan(ROOT / "specs" / f"{name}.toml")
    golden(f"../../examples/{file}", to_svg(picture(plan, PictureOptions(view, dead=dead))))
    assert f"](examples/{file})" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ERRORS)
def test_errors_of_wrong_specs(name: str, golden: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE / "errors")
    with pytest.raises(graphnet.SpecError) as caught:
        graphnet.plan(name)
    faults = caught.value.faults
    assert " ".join(f"{fault.line}:{fault.column}" for fault in faults) == PLACES[name]
    assert {fault.file for fault in faults} == {name}
    golden(f"errors/{Path(name).stem}.txt", f"{caught.value}\n")


def test_every_wrong_spec_has_places() -> None:
    assert sorted(PLACES) == ERRORS


HELP = """
import contextlib, io, json, sys
from graphnet.cli.main import COMMANDS, program
texts = {}
for command in [(), *((name,) for name in COMMANDS)]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        program()([*command, "--help"], prog_name="graphnet")
    texts[" ".join(command)] = "\\n".join(line.rstrip() for line in out.getvalue().strip().splitlines()) + "\\n"
json.dump(texts, sys.stdout)
"""


@pytest.fixture(scope="module")
def help_texts() -> dict[str, str]:
    """`--help` texts of graphnet and each command, 100 columns wide."""
    plain = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}
    unset = ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TERMINAL_WIDTH")
    env = {name: value for name, value in os.environ.items() if name not in unset} | plain
    done = subprocess.run([sys.executable, "-c", HELP], env=env, cwd=ROOT, capture_output=True, check=True)
    texts: dict[str, str] = json.loads(done.stdout)
    return texts


def test_help_texts(golden: Any, help_texts: dict[str, str]) -> None:
    for command, text in help_texts.items():
        assert "Usage: graphnet" in text
        golden(f"help/{command or 'graphnet'}.txt", text)


NEWCOMER = sorted((HERE / "newcomer").glob("*.toml"))


@pytest.mark.parametrize("path", NEWCOMER, ids=lambda path: path.stem)
def test_errors_for_newcomers(path: Path, golden: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typical mistakes of new users: each error must suggest a fix."""
    monkeypatch.chdir(HERE / "newcomer")
    with pytest.raises(graphnet.SpecError) as error:
        graphnet.plan(path.name)
    assert all(fault.fix for fault in error.value.faults)
    golden(f"newcomer/{path.stem}.txt", f"{error.value}\n")


RECIPES = sorted((HERE / "recipes").glob("*.toml"))
MISSING = "GN009"
SAYING_IT_ALREADY = ("GN010", "GN012")
"""Codes whose messages already contain the fix."""


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_errors_of_wrong_recipes(path: Path, golden: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typical mistakes in recipes: each error has a place and suggests a fix."""
    monkeypatch.chdir(HERE / "recipes")
    with pytest.raises(graphnet.SpecError) as error:
        resolve_recipe(recipe=path.name)
    for fault in error.value.faults:
        assert fault.fix or fault.code in SAYING_IT_ALREADY
        assert fault.file == path.name
        assert fault.line
        assert fault.excerpt or fault.code == MISSING
    golden(f"recipes/{path.stem}.txt", f"{error.value}\n")


EXPERIMENTS = sorted(path.stem for path in (HERE / "experiments").glob("*.toml"))
EXPERIMENT_PLACES = {
    "cycle": "2:8",
    "edits": "6:24 7:25 7:40 8:17 12:17 16:17 16:22 16:45",
    "expect": "12:11 17:20 22:11 27:18 31:10",
    "factor-names": "4:7 7:7 9:7 11:7",
    "functions": "15:11 20:38 25:33 30:32",
    "guard": "17:10 29:10 35:45 41:10",
    "keys": "2:1 3:1 4:1 6:11 6:35 7:3 9:1 11:1 12:1 14:1",
    "measures": "11:6 14:1 14:6 15:1 17:8 22:1 23:1 25:8 27:1 27:11 31:12 31:21 32:13",
    "no-file": "2:8 4:14 5:14",
    "no-spec": "1:1",
    "not-an-experiment": "1:1",
    "open-factors": "15:6 17:8 18:5 24:10 27:12",
    "ranges": "15:29 20:29 25:35 30:43",
    "seed-range": "3:9",
    "seeds": "3:9 5:1 7:30",
    "settings": "4:9 6:19 7:35 9:7",
    "short-form": "5:1 7:1 8:7 11:17 15:1",
    "skip-all": "4:1",
    "smoke": "14:1 15:9 16:11 21:40",
    "syntax": "15:39 20:11 25:26 30:27 35:26 40:23 45:11",
    "tables": "4:10 5:8 6:8 7:1 9:1 12:6 13:21 16:14 17:1",
    "unknown-names": "4:11 4:44 4:57 16:11 16:52 16:69 20:5 22:9 26:27 29:1",
    "unquoted-labels": "5:3 6:3 7:4",
    "uses-absolute": "2:8",
    "uses-another": "4:7 7:7 9:7 6:27",
    "uses-nothing": "2:8",
    "version": "1:23",
}
"""Place of each fault of the wrong experiments."""


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_errors_of_wrong_experiments(name: str, golden: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typical mistakes in experiments, in both forms of the file."""
    monkeypatch.chdir(HERE / "experiments")
    with pytest.raises(graphnet.SpecError) as error:
        load_experiment(f"{name}.toml")
    faults = error.value.faults
    assert " ".join(f"{fault.line}:{fault.column}" for fault in faults) == EXPERIMENT_PLACES[name]
    for fault in faults:
        assert fault.fix or fault.code in (*SAYING_IT_ALREADY, "GN805")
        assert fault.excerpt or fault.code == MISSING
    golden(f"experiments/{name}.txt", f"{error.value}\n")


def test_every_wrong_experiment_has_places() -> None:
    assert list(EXPERIMENT_PLACES) == EXPERIMENTS
    assert {path.stem for path in (HERE / "experiments").glob("*.txt")} == set(EXPERIMENTS)


def test_every_command_has_a_golden_help(help_texts: dict[str, str]) -> None:
    assert {path.stem for path in (HERE / "help").iterdir()} == {name or "graphnet" for name in help_texts}


def test_no_golden_file_is_left_over() -> None:
    """Removed specs have no files left, and specs that have grown too long no plan and code."""
    made = {f"{_id(path)}.dot" for path in SPECS}
    short = [path for path in SPECS if len(graphnet.plan(path).lines) <= MOST_LINES]
    made |= {f"{_id(path)}{kind}" for path in short for kind in (".plan.txt", ".code.txt")}
    found = {path.relative_to(HERE / "specs").as_posix() for path in (HERE / "specs").rglob("*") if path.is_file()}
    pictures = {f"{name}{suffix}" for name in PICTURED for suffix in PICTURES.values()}
    assert found == made | pictures
    texts = {path.stem for path in (HERE / "errors").glob("*.txt")}
    assert texts == {Path(name).stem for name in ERRORS}
