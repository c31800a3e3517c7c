"""`graphnet zoo` and `graphnet new`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import graphnet
from graphnet import zoo
from graphnet.cli.nets.new import _copy
from graphnet.flattened import flattened
from tests.end_to_end.test_cli import run


def test_the_table_has_a_line_for_each_spec() -> None:
    done = run("zoo")
    assert done.returncode == 0
    lines = done.stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == list(zoo.names())
    (line,) = [line for line in lines if line.startswith("resnet18 ")]
    assert line.split()[1:5] == ["11,689,512", "20", "8", "3,628.1"]
    assert "He et al. 2015, Table 1" in line
    assert zoo.summary("resnet18") in line


def test_a_spec_is_printed() -> None:
    assert run("zoo", "lstm").stdout == zoo.path("lstm").read_text().removeprefix("#:schema ../graphnet.schema.json\n")
    done = run("zoo", "lstn")
    assert (done.returncode, done.stdout) == (1, "")
    assert "did you mean 'lstm'" in done.stderr


@pytest.mark.parametrize(
    "like", ["quickstart", "frnn-3-state", "gru", "preact-resnet-1001", "blt-bt", "blt-as-published"]
)
def test_a_new_spec_means_what_its_example_means(like: str, tmp_path: Path) -> None:
    done = run("new", "mine", "--like", like, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    mine, example = graphnet.load(tmp_path / "mine.toml"), graphnet.load(zoo.path(like))
    assert mine.as_data() == flattened(example) | {"name": "mine"}
    plans = [replace(graphnet.plan(spec), name="", warnings=()) for spec in (mine, example)]
    assert plans[0] == plans[1]
    assert (tmp_path / "mine.toml").read_text().startswith(f"# {zoo.summary(like)}\n")


@pytest.mark.parametrize("like", zoo.names())
def test_a_new_spec_names_no_file_that_is_not_there(like: str) -> None:
    comments = "\n".join(re.findall(r"#.*", _copy(like, "mine")))
    assert set(re.findall(r"[\w./-]+\.(?:toml|json|py|md|svg|txt)\b", comments)) <= {"mine.toml", "mine.svg"}


def test_the_commands_in_a_new_spec_work(tmp_path: Path) -> None:
    run("new", "mine", cwd=tmp_path)
    (command,) = re.findall("See it: graphnet (.*)", (tmp_path / "mine.toml").read_text())
    assert run(*command.split(), cwd=tmp_path).returncode == 0
    assert (tmp_path / "mine.svg").is_file()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("precious")
    done = run("new", "mine", cwd=tmp_path)
    assert done.returncode == 1
    assert "mine.toml already exists" in done.stderr
    assert (tmp_path / "mine.toml").read_text() == "precious"


@pytest.mark.parametrize("name", ["../up", "a/b", "", "a b"])
def test_invalid_names(name: str, tmp_path: Path) -> None:
    done = run("new", "--", name, cwd=tmp_path)
    assert done.returncode == 1
    assert "is no name for a spec" in done.stderr
    assert not list(tmp_path.rglob("*.toml"))


def test_a_name_is_a_spec_for_every_command(tmp_path: Path) -> None:
    assert run("plan", "elman", cwd=tmp_path).stdout == run("plan", zoo.path("elman"), cwd=tmp_path).stdout
    assert run("check", "elman", "gru", cwd=tmp_path).stdout.count("fine") == 2
    assert run("draw", "elman", "-o", "net.svg", cwd=tmp_path).returncode == 0
    assert run("diff", "elman", zoo.path("elman"), cwd=tmp_path).stdout == "the specs mean the same\n"
    done = run("plan", "resnet-3-state", "--set", "let.N=2", cwd=tmp_path)
    assert "resnet-3-state" in done.stdout


def test_a_file_of_that_name_is_read_with_one_warning(tmp_path: Path) -> None:
    (tmp_path / "elman").write_text(zoo.text("quickstart"))
    done = run("plan", "elman", cwd=tmp_path)
    assert done.stdout.startswith("quickstart")
    assert done.stderr == "warning: 'elman' is the file of that name here, not the zoo spec\n"


@pytest.mark.parametrize("command", [("plan",), ("view", "--no-browser"), ("check", "--watch")])
def test_an_unknown_name_suggests_similar_ones(command: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*command, "cornets", cwd=tmp_path)
    assert done.returncode == 1
    assert "cornets: error[GN001]: spec\n  there is no such file, and no zoo spec of this name\n" in done.stderr
    assert "did you mean 'cornet-s'?" in done.stderr
