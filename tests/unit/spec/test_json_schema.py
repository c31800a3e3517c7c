"""The JSON Schema for editors: accepts whatever the compiler accepts, and finds the faults a schema can find."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from jsonschema import Draft202012Validator, ValidationError

import graphnet
from graphnet import zoo
from graphnet.errors import SpecError, dotted
from graphnet.given_recipes import recipe_files
from graphnet.network.functions.ops import KINDS
from graphnet.spec.notation.integers import Misspelt
from graphnet.spec.notation.op_words import OPS
from graphnet.spec.read import validated
from graphnet.spec.recipe import Recipe, RecipeFile, resolved_data
from graphnet.spec.schema import descriptions
from graphnet.spec.schema.experiment_schema import experiment_schema
from graphnet.spec.schema.json_schema import recipe_schema, schema, schema_text
from tests.conftest import ROOT
from tests.property.strategies import specs
from tests.small import small
from tests.unit.spec.test_reference import EXAMPLES, Block

SCHEMA = schema()
VALIDATOR = Draft202012Validator(SCHEMA)
RECIPES_VALIDATOR = Draft202012Validator(recipe_schema())
ERRORS = ROOT / "tests/golden/errors"
MANY = settings(max_examples=10 * settings().max_examples)


def places(spec: Any, validator: Any = VALIDATOR) -> set[str]:
    """The entries that the schema refuses."""
    return {dotted(path) for error in validator.iter_errors(spec) for path in _paths(error)}


def _paths(error: ValidationError) -> Iterator[tuple[str | int, ...]]:
    """The entries of one error; for a wrong or missing key, the key, as in the compiler."""
    path = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        yield from ((*path, key) for key in error.instance if key not in error.schema["properties"])
    elif error.validator == "required":
        yield from ((*path, key) for key in error.validator_value if key not in error.instance)
    elif "propertyNames" in error.absolute_schema_path:
        yield (*path, error.instance)
    else:
        yield path


def test_it_is_a_schema_and_the_file_is_current() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    written = (ROOT / "specs/graphnet.schema.json").read_text(encoding="utf-8")
    assert written == schema_text(SCHEMA), "graphnet schema -o specs/graphnet.schema.json rewrites it"
    assert json.loads(written) == SCHEMA
    assert re.findall(r"\w+://\S+", written.replace(SCHEMA["$schema"], "")) == []
    assert "$id" not in SCHEMA


def test_every_key_is_explained() -> None:
    whole = {"Spec": SCHEMA, "RecipeFile": recipe_schema(), "Experiment": experiment_schema()}
    tables = SCHEMA["$defs"] | whole["Experiment"]["$defs"] | whole
    for name, keys in descriptions.KEYS.items():
        assert list(tables[name]["properties"]) == list(keys)
        assert {key for key, entry in tables[name]["properties"].items() if not entry["description"]} == set()
    assert set(descriptions.KEYS) == set(descriptions.TABLES) | set(whole)
    assert list(descriptions.OPS) == list(OPS)
    settings = {name for word, rule in OPS.items() if word != "norm" for name in rule.settings}
    assert settings == set(descriptions.SETTINGS)


@pytest.mark.parametrize("name", zoo.names())
def test_the_zoo_is_valid(name: str) -> None:
    assert places(tomllib.loads(zoo.path(name).read_text(encoding="utf-8"))) == set()
    assert places(graphnet.load(zoo.path(name)).as_data()) == set()


@pytest.mark.parametrize("block", [block for block in EXAMPLES if not block.mark], ids=lambda block: block.line)
def test_the_examples_of_the_reference_are_valid(block: Block) -> None:
    spec = tomllib.loads(block.text)
    if "graphnet-recipe" in spec:
        assert places(spec, RECIPES_VALIDATOR) == set()
        return
    assert places(spec if "graphnet" in spec else {"extends": "v1-v2-it.toml"} | spec) == set()


SEEN = {
    "key-typo.toml": {"mrege"},
    "many.toml": {
        *("merge", "unrol", "states.class", "states.V9", "transitions[0].V1.V1", "sharing.over_time"),
        *("sharing.sets[0].members[1]", "readout.t"),
    },
    "negative-time.toml": {"transitions[0].t"},
    "unknown-letter.toml": {"transitions[0].V1.V2"},
    "wrong.json": {"readout.time"},
}
"""Faults of the wrong specs that the schema finds."""
UNSEEN = {
    "comma.json": "this is not JSON",
    "not-toml.toml": "this is not TOML",
    "duplicate-state.toml": "found by the parser",
    "descending-time.toml": "patterns cannot compare numbers",
    "unknown-state.toml": "needs the states of the spec",
    "wrong.json: transitions[0].V1.V2": "the same",
    "many.toml: transitions[0].V1.V3": "the same",
    "many.toml: sharing.sets[0].members[0]": "the same",
    "many.toml: transitions[0].t": "needs the constants of the spec",
    "many.toml: transitions[0].V2.V2": "patterns cannot count brackets",
    "size.toml": "sizes are computed",
    "sharing-shapes.toml": "sizes are computed",
    "empty-readout.toml": "needs the unrolled net",
    "two-sets.toml": "needs the members of the sets",
}
"""Wrong specs that the schema accepts, and why."""


@pytest.mark.parametrize("name", sorted(path.name for path in ERRORS.iterdir() if path.suffix in (".toml", ".json")))
def test_faults_that_a_schema_can_find_have_their_places(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        graphnet.plan(ERRORS / name)
    faults = {dotted(fault.path) for fault in caught.value.faults}
    seen = SEEN.get(name, set())
    unseen = {path for path in faults if f"{name}: {path}" in UNSEEN}
    assert faults == (seen | unseen if name not in UNSEEN else faults), "add it to SEEN or UNSEEN"
    text = (ERRORS / name).read_text(encoding="utf-8")
    try:
        spec = tomllib.loads(text) if name.endswith(".toml") else json.loads(text)
    except ValueError:
        assert name in UNSEEN
        return
    assert places(spec) == seen


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"readout": {"t": 2, "combine": "mean", "weights": [1]}}, "readout.weights"),
    ({"readout": {"t": ["3..inf"]}}, "readout.t[0]"),
    ({"readout": {"t": "T"}}, "readout.t"),
    ({"readout": {}}, "readout.t"),
    ({"input": {"shape": [1, 8, 8], "t": -1}}, "input.t"),
    ({"input": {"shape": [1, 8, 8, 8]}}, "input.shape"),
    ({"states": {"h1": {"hold": True}, "h2": [6, 4, 4]}}, "states.h1"),
    ({"states": {}}, "states"),
    ({"let": {"T": 3}}, "let.T"),
    ({"let": {"N": "2M+"}}, "let.N"),
    ({"pre_net": {"ops": "-"}}, "pre_net.ops"),
    ({"post_net": {"norm": {"eps": 0}, "ops": "BRGL"}}, "post_net.norm.eps"),
    ({"extends": "/base.toml"}, "extends"),
    ({"transitions": [{"h1": {"h2": ["C", {"conf": {}}]}}]}, "transitions[0].h1.h2[1].conf"),
    ({"transitions": [{"h1": {"h2": [{"conv": {"kernel": 0}}]}}]}, "transitions[0].h1.h2[0].conv.kernel"),
    ({"transitions": [{"h1": {"h2": [{"sum": ["C"]}]}}]}, "transitions[0].h1.h2[0].sum"),
    ({"states": {"h1": {"shape": [2, 4, 4], "noise": 0}}}, "states.h1.noise"),
    ({"states": {"h1": {"shape": [2, 4, 4], "noise": {"t": 3}}}}, "states.h1.noise.std"),
    ({"states": {"h1": {"shape": [2, 4, 4], "noise": {"std": 1, "t": "T"}}}}, "states.h1.noise.t"),
    ({"transitions": [{"h1": {"h2": {"gain": 1}}}]}, "transitions[0].h1.h2.ops"),
    ({"transitions": [{"h1": {"h2": {"ops": "C", "gain": "1"}}}]}, "transitions[0].h1.h2.gain"),
    ({"transitions": [{"h1": "C"}]}, "transitions[0].h1"),
    ({"sharing": {"sets": [{"members": [["h1", "h1"]]}]}}, "sharing.sets[0].members[0]"),
    ({"norm": {"kind": None}}, "norm.kind"),
    ({"graphnet": 2}, "graphnet"),
    ({"train": {"lr": 0}}, "train.lr"),
    ({"train": {"learning_rate": 1}}, "train.learning_rate"),
    ({"train": {"schedule": "cosin"}}, "train.schedule"),
    ({"train": {"schedule": {"kind": "cosin"}}}, "train.schedule.kind"),
    ({"train": {"schedule": {"at": 3}}}, "train.schedule.at"),
    ({"train": {"groups": [{"lr": 1}]}}, "train.groups[0].members"),
    ({"train": {"groups": {"members": "a"}}}, "train.groups"),
    ({"train": {"betas": [0.9, 1]}}, "train.betas[1]"),
    ({"train": {"betas": [0.9]}}, "train.betas"),
    ({"train": {"validation": 1.5}}, "train.validation"),
    ({"train": {"validation": "some"}}, "train.validation"),
    ({"train": {"augment": 3}}, "train.augment"),
    ({"train": {"second": {"optimizer": "muon"}}}, "train.second.optimizer"),
]


def mutants(data: Any) -> Iterator[Any]:
    """The data with one entry replaced, left out or added."""
    for holder, key in [(data, key) for key in data] if isinstance(data, dict) else []:
        rest = {other: value for other, value in holder.items() if other != key}
        yield rest
        yield rest | {f"{key}x": holder[key]}
        for value in (
            None,
            True,
            -1,
            0,
            0.5,
            3,
            1 << 41,
            "",
            "sgd",
            "published",
            [],
            [1, 2],
            ["a"],
            {},
            {"kind": "steps"},
        ):
            yield holder | {key: value}
        yield from (holder | {key: inner} for inner in mutants(holder[key]))


RECIPE: dict[str, Any] = {
    "graphnet-recipe": 1,
    "name": "all",
    "train": {key: value for key, value in resolved_data(Recipe()).items() if value != []}
    | {"groups": [{"members": "a", "lr": 1}], "betas": [0.9, 0.9], "second": {"lr": 1, "optimizer": "sgd"}},
}


def test_whatever_the_schema_of_recipes_refuses_the_compiler_refuses() -> None:
    refused = [data for data in mutants(RECIPE) if places(data, RECIPES_VALIDATOR)]
    assert len(refused) > 200
    assert [data for data in refused if not validated(data, RecipeFile)[1]] == []


@pytest.mark.parametrize("name", recipe_files())
def test_recipes_are_valid(name: str) -> None:
    assert places(tomllib.loads(recipe_files()[name].read_text(encoding="utf-8")), RECIPES_VALIDATOR) == set()


def test_the_schema_of_recipes_is_a_schema() -> None:
    Draft202012Validator.check_schema(recipe_schema())


@pytest.mark.parametrize(("changes", "place"), WRONG, ids=[place for _, place in WRONG])
def test_faults_have_their_places(changes: dict[str, Any], place: str) -> None:
    spec = small() | changes
    assert places(spec) == {place}
    with pytest.raises(SpecError):
        graphnet.plan(spec)


def test_a_spec_with_extends_needs_only_differences() -> None:
    spec: dict[str, Any] = {"extends": "base.toml", "states": {"V1": {"hold": True}}, "readout": {"combine": "mean"}}
    assert places(spec) == set()
    del spec["extends"]
    assert places(spec) == {"graphnet", "input", "states.V1", "readout.t"}


def test_registered_custom_ops_are_in_the_schema() -> None:
    spec = small({"h1": {"h2": ["BRC sharpen", {"sharpen": {"power": 2}}, {"sharpen": {"power": "2"}}]}})
    try:
        graphnet.register_op("sharpen", lambda x, *, power: x**power, settings={"power": 0.5})
        found = {dotted(tuple(error.absolute_path)) for error in Draft202012Validator(schema()).iter_errors(spec)}
        assert found == {"transitions[0].h1.h2[2].sharpen.power"}
    finally:
        del OPS["sharpen"], KINDS["sharpen"]
    assert places(spec) == {
        f"transitions[0].h1.h2[{number}]{key}" for number, key in enumerate(("", *[".sharpen"] * 2))
    }


PROBES = [*(-1, 0, 1, 2, 1000, 1001, 1 << 24, (1 << 24) + 1, 0.5, -0.5, 1.5, 1e-300, True, False, None, {}, "he", "no")]
PROBES += ["batch", "shared", "per-time", "none", "2N", "(N", "", [], [1, [0.5]], ["he"], [True]]


@pytest.mark.parametrize(("word", "name"), [(word, name) for word, rule in OPS.items() for name in rule.settings])
def test_settings_are_those_that_the_compiler_reads(word: str, name: str) -> None:
    one = Draft202012Validator(
        SCHEMA["$defs"]["op"]["properties"][word]["properties"][name] | {"$defs": SCHEMA["$defs"]}
    )
    for value in PROBES:
        try:
            OPS[word].settings[name](value)
        except Misspelt:
            assert not one.is_valid(value) or value == "(N", value
        else:
            assert one.is_valid(value), value


@MANY
@given(specs())
def test_drawn_specs_are_valid(spec: dict[str, Any]) -> None:
    try:
        graphnet.plan(spec)
    except SpecError:
        assume(False)
    assert places(spec) == set()
