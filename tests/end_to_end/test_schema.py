"""`graphnet schema`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import ROOT
from tests.end_to_end.test_cli import run

CURRENT = ROOT / "specs/graphnet.schema.json"
OF_EXPERIMENTS = ROOT / "specs/experiments/graphnet-experiment.schema.json"
OF_RECIPES = ROOT / "specs/recipes/graphnet-recipe.schema.json"


def test_it_is_printed_or_written(tmp_path: Path) -> None:
    done = run("schema")
    assert (done.returncode, done.stdout, done.stderr) == (0, CURRENT.read_text(encoding="utf-8"), "")
    assert run("schema", PYTHONHASHSEED="1").stdout == done.stdout
    path = tmp_path / "own.json"
    assert run("schema", "-o", path).stdout == f"{path}\n"
    assert path.read_text(encoding="utf-8") == done.stdout


def test_the_schema_of_recipes(tmp_path: Path) -> None:
    done = run("schema", "--of", "recipe")
    assert (done.returncode, done.stdout, done.stderr) == (0, OF_RECIPES.read_text(encoding="utf-8"), "")
    assert run("schema", "--of", "net").returncode == 2


def test_the_schema_of_experiments() -> None:
    done = run("schema", "--of", "experiment")
    assert (done.returncode, done.stdout, done.stderr) == (0, OF_EXPERIMENTS.read_text(encoding="utf-8"), "")


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    done = run("schema", "-o", tmp_path / "none" / "own.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("cannot write ")


def test_ops_of_a_plugin_are_in_it(tmp_path: Path) -> None:
    (tmp_path / "my_ops.py").write_text(
        "import graphnet\ngraphnet.register_op('sharpen', abs, settings={'power': 0.5})\n"
    )
    done = run("schema", "--plugin", "my_ops", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    own = json.loads(done.stdout)["$defs"]["op"]["properties"]["sharpen"]
    assert own["properties"] == {"power": {"type": "number", "default": 0.5}}
