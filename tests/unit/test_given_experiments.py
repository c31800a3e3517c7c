"""Experiments by path and name, and their layers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graphnet.errors import SpecError
from graphnet.given_experiments import EXPERIMENTS, MAX_CHAIN, experiment_file, experiment_files, load_experiment
from graphnet.given_specs import spec_file
from graphnet.spec.text.source import read_file
from tests.unit.spec.experiment.experiments import claim, experiment

TOML = """
graphnet-experiment = 1
spec = "net.toml"
seeds = "0..4"
set = { "readout.t" = 3, "let.N" = 2 }
train = { recipe = "own.toml", optimizer = "adamw", betas = [0.9, 0.9], epochs = 60 }
skip = [{ a = "b" }]
[vary.a]
b = {}
c = { spec = "../other.toml", train = { recipe = "own.toml" } }
[vary.t]
set = "let.T"
values = [1, 2]
[smoke]
seeds = 3
exploratory = true
skip = []
set = { "readout.t" = 1 }
train = { optimizer = "sgd", steps = 5 }
vary.t.values = [1]
vary.a.c.set."let.M" = 1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An experiment in a folder of its own, with the specs that it names."""
    (tmp_path / "deep").mkdir()
    for name in ("other.toml", "deep/net.toml", "deep/own.toml"):
        (tmp_path / name).write_text("", encoding="utf-8")
    path = tmp_path / "deep" / "base.toml"
    path.write_text(TOML, encoding="utf-8")
    return path


def write(path: Path, **data: Any) -> Path:
    path.write_text(json.dumps({"graphnet-experiment": 1} | data), encoding="utf-8")
    return path


def refused(given: Any) -> str:
    with pytest.raises(SpecError) as error:
        load_experiment(given)
    return str(error.value)


def test_the_small_form_is_laid_over_the_file(file: Path) -> None:
    whole, small = load_experiment(file), load_experiment(file, smoke=True)
    assert (whole.is_smoke, small.is_smoke) == (False, True)
    assert (whole.seeds, small.seeds) == ((0, 1, 2, 3, 4), (3,))
    assert (whole.exploratory, small.exploratory) == (False, True)
    assert (len(whole.skip), len(small.skip)) == (1, 0)
    assert small.set == {"readout.t": 1, "let.N": 2}
    assert whole.set["readout.t"] == 3
    assert list(small.factors["t"]) == ["1"]
    assert list(small.factors) == ["a", "t"]
    assert small.factors["a"]["c"].set == {"let.M": 1}
    assert small.factors["a"]["c"].spec == "../other.toml"


def test_the_small_form_of_the_recipe_supersedes_like_other_layers(file: Path) -> None:
    assert load_experiment(file, smoke=True).train == {"recipe": "own.toml", "optimizer": "sgd", "steps": 5}
    assert load_experiment(file).train["betas"] == [0.9, 0.9]


def test_values_of_set_and_factors_of_the_other_form_are_replaced() -> None:
    small = {"set": {"states.h1": {"shape": [8, 4, 4]}}, "vary": {"t": {"early": {}, "late": {}}}}
    data = experiment(set={"states.h1": {"shape": [9, 9, 9], "update": "R"}}, smoke=small)
    read = load_experiment(data, smoke=True)
    assert read.set == {"states.h1": {"shape": [8, 4, 4]}}
    assert list(read.factors["t"]) == ["early", "late"]
    assert list(load_experiment(data).factors["t"]) == ["5", "9", "13"]
    assert data["set"]["states.h1"]["update"] == "R", "the given dict is not changed"


def test_paths_are_relative_to_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = load_experiment(file)
    assert Path(read.path_of("net.toml")) == file.parent / "net.toml"
    assert read.path_of("quickstart") == "quickstart"
    monkeypatch.chdir(file.parent)
    assert load_experiment("base.toml").path_of("net.toml") == "net.toml"


def test_another_file_is_used(file: Path) -> None:
    over = {"name": "mine", "seeds": [7, 8, 9], "set": {"let.N": 5}, "vary": {"t": {"values": [4]}}}
    own = write(file.parent.parent / "own.json", uses="deep/base.toml", **over)
    read = load_experiment(own)
    assert (read.name, read.seeds, read.uses) == ("mine", (7, 8, 9), None)
    assert read.set == {"readout.t": 3, "let.N": 5}
    assert {factor: list(labels) for factor, labels in read.factors.items()} == {"a": ["b", "c"], "t": ["4"]}
    assert read.spec == "deep/net.toml"
    assert Path(read.path_of(read.spec)).samefile(file.parent / "net.toml")
    variant = read.factors["a"]["c"]
    assert Path(read.path_of(variant.spec or "")).samefile(file.parent.parent / "other.toml")
    for layer in (read.train, variant.train):
        assert Path(read.path_of(layer["recipe"])).samefile(file.parent / "own.toml")
    small = load_experiment(own, smoke=True)
    assert (small.seeds, small.exploratory, small.set["readout.t"]) == ((3,), True, 1)


def test_measures_and_claims_of_a_used_file_do_not_hold(tmp_path: Path) -> None:
    more = claim("test_error") | {"name": "base", "cite": "someone", "headline": True}
    small = claim("test_error") | {"seeds": [5, 6, 7]}
    write(tmp_path / "base.json", **experiment(smoke=small, **more))
    read = load_experiment(write(tmp_path / "own.json", uses="base.json"), smoke=True)
    assert (read.claims, read.name, read.cite, read.headline) == ((), "experiment", "", False)
    assert read.seeds == (5, 6, 7)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    assert "absolute path" in refused(write(own, uses="/base.json"))
    assert "ends neither in" in refused(write(own, uses="base"))
    assert "there is no file" in refused(write(own, uses="base.json"))
    assert "this must be a string" in refused(write(own, uses=3, spec="quickstart"))
    (tmp_path / "base.json").write_text('{"graphnet": 1}', encoding="utf-8")
    assert "this is a spec, not an experiment" in refused(write(own, uses="base.json"))


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_cycle_names_its_files(tmp_path: Path, length: int) -> None:
    for number in range(length):
        write(tmp_path / f"{number}.json", uses=f"./{(number + 1) % length}.json")
    cycle = " -> ".join(f"{number % length}.json" for number in range(length + 1))
    assert f"files use each other: {cycle}" in refused(tmp_path / "0.json")


def test_a_chain_is_short(tmp_path: Path) -> None:
    for number in range(MAX_CHAIN + 1):
        write(tmp_path / f"{number}.json", uses=f"{number + 1}.json")
    write(tmp_path / f"{MAX_CHAIN + 1}.json", spec="quickstart")
    assert load_experiment(tmp_path / "2.json").spec == "quickstart"
    assert f"over {MAX_CHAIN} files use one another" in refused(tmp_path / "0.json")


def test_faults_of_a_used_file_have_their_places(tmp_path: Path) -> None:
    write(tmp_path / "base.json", spec="quickstart", seeds=-1)
    with pytest.raises(SpecError) as error:
        load_experiment(write(tmp_path / "own.json", uses="base.json"))
    (fault,) = error.value.faults
    assert Path(fault.file or "").name == "base.json"
    assert (fault.line, fault.note) == (1, "own.json uses this file")


def test_forms_in_which_an_experiment_is_given(file: Path) -> None:
    ways = [load_experiment(given).model_dump() for given in (read_file(file), file, str(file))]
    assert ways[0] == ways[1] == ways[2]
    assert load_experiment(experiment()).path_of("a.toml") == "a.toml"
    assert "the experiment is empty" in refused(_empty(file.parent))
    assert "no experiment is called 'none'" in refused("none")
    assert "this is a training recipe, not an experiment" in refused({"graphnet-recipe": 1, "train": {}})


def _empty(folder: Path) -> Path:
    (folder / "empty.toml").write_text("", encoding="utf-8")
    return folder / "empty.toml"


@pytest.mark.parametrize("name", experiment_files())
def test_shipped_experiments_are_right_in_both_forms(name: str) -> None:
    path = Path(experiment_file(name))
    assert path.parent == EXPERIMENTS
    for smoke in (False, True):
        read = load_experiment(name, smoke)
        assert read.name == name
        for variant in [variant for labels in read.factors.values() for variant in labels.values()]:
            assert variant.spec is None or Path(spec_file(read.path_of(variant.spec))).is_file()
    assert path.read_text(encoding="utf-8").startswith("#:schema ./graphnet-experiment.schema.json\n")
