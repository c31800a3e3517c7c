"""The JSON Schema of experiments against the compiler."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from graphnet.errors import SpecError, dotted
from graphnet.given_experiments import experiment_files, load_experiment
from graphnet.spec.schema.experiment_schema import experiment_schema
from graphnet.spec.schema.json_schema import schema_text
from tests.conftest import ROOT
from tests.unit.spec.experiment.experiments import claim, experiment, faults

SCHEMA = experiment_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
WRONG = ROOT / "tests/golden/experiments"


def places(data: Any) -> set[str]:
    return {dotted(tuple(error.absolute_path)) for error in VALIDATOR.iter_errors(data)}


def test_it_is_a_schema_and_the_file_is_current() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    written = (ROOT / "specs/experiments/graphnet-experiment.schema.json").read_text(encoding="utf-8")
    again = "graphnet schema --of experiment -o specs/experiments/graphnet-experiment.schema.json rewrites it"
    assert written == schema_text(SCHEMA), again


@pytest.mark.parametrize("name", experiment_files())
def test_shipped_experiments_are_valid(name: str) -> None:
    assert places(tomllib.loads(experiment_files()[name].read_text(encoding="utf-8"))) == set()


ALL: dict[str, Any] = experiment(
    **claim("own[t=5]", guard="loss[t=5] > 0", cite="someone"),
    **{"name": "all", "cite": "", "headline": True, "exploratory": False, "skip": [{"sharing": "shared", "t": 13}]},
    **{"$schema": "x", "set": {"let.N": 3}, "train": {"lr": 1, "schedule": "cosine", "groups": [{"members": "a"}]}},
    table={"rows": "sharing, t", "columns": ["own"]},
    figure=[{"x": "t", "y": ["own"], "line": "sharing", "title": "a", "name": "b"}],
    reference=[{"label": "a", "cite": "b", "test_error": 0.5}],
    measure=[
        {"name": "own", "of": "test_error", "readout": 7, "calibrate": "all", "images": 3, "edit": {"drop": "h1:3"}},
        {"name": "other", "of": "indices.convergence"},
    ],
    smoke={"seeds": [0, 1, 2], "vary": {"t": {"values": [5]}}},
)


def mutants(data: Any) -> Iterator[Any]:
    """The data with one entry replaced, left out or added."""
    for holder, key in [(data, key) for key in data] if isinstance(data, dict) else []:
        rest = {other: value for other, value in holder.items() if other != key}
        yield rest
        yield rest | {f"{key}x": holder[key]}
        for value in (True, -1, 0, 0.5, 1 << 41, "", "0..4", "loss", [], [1, 2], ["a"], {}, {"kind": "steps"}, [{}]):
            yield holder | {key: value}
        yield from (holder | {key: inner} for inner in mutants(holder[key]))
    if isinstance(data, list):
        yield from ([inner, *data[1:]] for inner in mutants(data[0] if data else None))


def test_whatever_the_schema_refuses_the_compiler_refuses() -> None:
    assert faults(ALL) == []
    assert places(ALL) == set()
    refused = [data for data in mutants(ALL) if places(data)]
    assert len(refused) > 500
    assert [data for data in refused if not faults(data)] == []


SEEN = {
    "keys": {"", "vary.width.small", "measure[0]", "table"},
    "measures": {"measure[0].of", "measure[4].readout", "measure[5].readout[0]", "measure[5].calibrate"},
    "seed-range": {"seeds"},
    "version": {"graphnet-experiment"},
    "smoke": {"smoke", "smoke.train"},
}
"""Tables and entries at fault that the schema finds, in some of the wrong experiments."""


@pytest.mark.parametrize("name", SEEN)
def test_faults_that_a_schema_can_find(name: str) -> None:
    found = places(tomllib.loads((WRONG / f"{name}.toml").read_text(encoding="utf-8")))
    assert {place if place != "spec" else "" for place in found} == SEEN[name]


README = (ROOT / "specs/experiments/README.md").read_text(encoding="utf-8")


def test_the_examples_of_the_reference_are_right(tmp_path: Path) -> None:
    examples = [block.split("```")[0] for block in README.split("```toml\n")[1:]]
    assert len(examples) == 2
    for example in examples:
        name = tomllib.loads(example)["name"]
        (tmp_path / f"{name}.toml").write_text(example, encoding="utf-8")
        assert places(tomllib.loads(example)) == set()
        for smoke in (False, True):
            try:
                assert load_experiment(tmp_path / f"{name}.toml", smoke).claims
            except SpecError as error:
                pytest.fail(str(error))


def test_the_reference_names_every_key_measure_and_verdict() -> None:
    tables = {"Experiment": SCHEMA} | SCHEMA["$defs"]
    own = ("Experiment", "Factor", "Variant", "Edit", "Measure", "Claim", "Figure", "TableOf", "Reference")
    keys = {key for table in own for key in tables[table]["properties"]}
    assert {key for key in keys if not re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", README)} == set()
    for measure in SCHEMA["$defs"]["Measure"]["properties"]["of"]["enum"]:
        assert f"`{measure}`" in README
    for verdict in ("seen", "opposite", "undecided", "under-trained", "equal by construction", "no result"):
        assert f"| {verdict} |" in README
    assert len(README.splitlines()) <= 165
