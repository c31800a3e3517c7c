"""Recipes as tables: their data, and the resolved recipe."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

import graphnet
from graphnet.given_recipes import recipe_files, resolve_recipe
from graphnet.rewrite.diff import difference
from graphnet.spec.read import validated
from graphnet.spec.recipe import DEFAULT_EPOCHS, Recipe, RecipeFile, resolved_data
from graphnet.spec.write import recipe_toml, to_json, to_toml
from tests.small import small

TRAIN: dict[str, Any] = {
    "data": "mnist-5k@16",
    "augment": "flip",
    "steps": 100,
    "optimizer": "muon",
    "second": {"optimizer": "sgd", "momentum": 0.5},
    "schedule": "cosine",
    "groups": [{"members": "V1->*", "lr": 0.1}, {"members": ["a.*", "b.*"], "freeze": True}],
    "readout_weights": [0, 1],
}


def test_a_spec_keeps_its_recipe_in_short_form() -> None:
    spec = graphnet.load(small(train=TRAIN))
    assert spec.as_data()["train"] == TRAIN
    assert graphnet.load(spec.as_data()) == spec
    assert spec != graphnet.load(small())


@pytest.mark.parametrize("write", [to_toml, to_json])
def test_a_written_recipe_is_read_again(write: Any, tmp_path: Any) -> None:
    spec = graphnet.load(small(train=TRAIN))
    path = tmp_path / ("spec.toml" if write is to_toml else "spec.json")
    path.write_text(write(spec.as_data()))
    assert graphnet.load(path) == spec


def test_a_recipe_changes_nothing_in_the_net() -> None:
    with_recipe, without = graphnet.plan(small(train=TRAIN)), graphnet.plan(small())
    assert with_recipe == without
    assert difference(with_recipe, without) == []
    assert graphnet.draw(small(train=TRAIN)) == graphnet.draw(small())
    assert "train" not in graphnet.unroll(small(train=TRAIN)).as_data()


RECIPES: list[dict[str, Any]] = [
    {},
    TRAIN,
    {"steps": 3},
    {"optimizer": "adamw", "betas": [0.5, 0.6], "validation": 0.5, "patience": 2},
    {"optimizer": "muon"},
    *({"schedule": {"kind": kind, "warmup": 1}} for kind in ("constant", "steps", "cosine", "one-cycle")),
    {"schedule": {"kind": "logspace", "end": 0.001}},
    {"epochs": 60, "schedule": {"at": [40, 50]}, "clip_norm": 1, "ema": 0.9},
]


@pytest.mark.parametrize("data", RECIPES, ids=str)
def test_a_resolved_recipe_means_the_same_and_says_all(data: dict[str, Any]) -> None:
    recipe = Recipe.model_validate(data)
    said = resolved_data(recipe)
    text = recipe_toml(recipe, "again", "a test")
    written = tomllib.loads(text)
    assert (written["name"], written["cite"], written["train"]) == ("again", "a test", said)
    document, faults = validated(written, RecipeFile)
    assert faults == []
    assert document is not None
    again = document.train
    assert again.model_copy(update={"epochs": recipe.epochs}) == recipe
    assert resolved_data(again) == said
    assert again.epochs == (DEFAULT_EPOCHS if not {"steps", "epochs"} & set(data) else data.get("epochs"))
    for key in ("lr", "seed", "batch_size", "precision", "optimizer", "schedule"):
        assert key in said


def test_a_resolved_recipe_has_no_settings_without_effect() -> None:
    said = resolved_data(Recipe.model_validate({"optimizer": "adamw", "schedule": "cosine"}))
    assert said.keys().isdisjoint({"momentum", "nesterov", "second", "steps", "recipe", "patience"})
    assert said["schedule"] == {"kind": "cosine", "end": 0.0}


@pytest.mark.parametrize("name", recipe_files())
def test_recipes_that_come_with_graphnet_are_right_and_say_their_source(name: str) -> None:
    text = recipe_files()[name].read_text(encoding="utf-8")
    first, *header = text.splitlines()
    assert first == "#:schema ./graphnet-recipe.schema.json"
    assert header[0].startswith("# ")
    assert tomllib.loads(text)["name"] == name
    assert tomllib.loads(text)["cite"]
    assert resolve_recipe(recipe=name).recipe is None


def test_recipes_of_the_paper() -> None:
    cifar, imagenet = resolve_recipe(recipe="lp-cifar"), resolve_recipe(recipe="lp-imagenet")
    assert (cifar.epochs, cifar.batch_size, cifar.momentum, cifar.lr) == (60, 64, 0.9, 0.01)
    assert (cifar.schedule.kind, cifar.schedule.at, cifar.schedule.factor) == ("steps", (40, 50), 0.1)
    assert cifar.augment == ("crop", "flip")
    assert (imagenet.epochs, imagenet.schedule.kind, imagenet.schedule.count) == (12, "logspace", 12)
    assert "random-resized-crop" not in imagenet.augment
