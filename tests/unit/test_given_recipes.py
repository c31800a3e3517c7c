"""Layers of a recipe: a spec's `[train]`, named recipes, `--recipe`, settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import graphnet
from graphnet.given_recipes import load_recipe, recipe_files, resolve_recipe
from graphnet.spec.recipe import Recipe
from tests.small import small


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def recipe(path: Path, train: str) -> Path:
    return write(path, f"graphnet-recipe = 1\n[train]\n{train}\n")


def said(*given: Any, **more: Any) -> dict[str, Any]:
    """What the resolved recipe says."""
    return resolve_recipe(*given, **more).model_dump()


def refused(*given: Any, **more: Any) -> tuple[graphnet.Fault, ...]:
    with pytest.raises(graphnet.SpecError) as caught:
        resolve_recipe(*given, **more)
    return caught.value.faults


def spec(**train: Any) -> graphnet.Spec:
    return graphnet.load(small(train=train))


def test_without_any_layer_all_is_default() -> None:
    assert resolve_recipe() == resolve_recipe(graphnet.load(small())) == Recipe()
    assert said() == {}


def test_later_layers_win_key_by_key(here: Path) -> None:
    recipe(here / "low.toml", "lr = 1\nmomentum = 0.1\nseed = 1\nepochs = 1\ndata = 'a'")
    recipe(here / "high.toml", "recipe = 'middle.toml'\nseed = 4\nepochs = 4")
    recipe(here / "middle.toml", "momentum = 0.3\nseed = 3\nepochs = 3")
    own = spec(recipe="low.toml", lr=2, momentum=0.2, seed=2, epochs=2)
    assert said(own) == {"lr": 2, "momentum": 0.2, "seed": 2, "epochs": 2, "data": "a"}
    expected = {"lr": 2, "momentum": 0.3, "seed": 4, "epochs": 5, "data": "a"}
    assert said(own, "high.toml", ["train.epochs=5"]) == expected


def test_names_are_relative_to_the_file_that_names_them(here: Path) -> None:
    recipe(here / "a/b.toml", "recipe = '../c.toml'\nlr = 1")
    recipe(here / "c.toml", "recipe = 'lp-cifar'\nseed = 7")
    write(
        here / "a/spec.toml",
        "graphnet = 1\ninput = { shape = [1] }\nstates = { h = [1] }\nreadout = { t = 0 }\n"
        "[train]\nrecipe = 'b.toml'\n",
    )
    loaded = graphnet.load(here / "a/spec.toml")
    assert said(loaded)["seed"] == said(recipe=here / "a/b.toml")["seed"] == 7
    assert said(loaded)["data"] == "cifar10"
    write(here / "top.toml", "extends = 'a/spec.toml'\n[train]\nlr = 3\n")
    assert said(graphnet.load("top.toml"))["seed"] == 7
    assert said(graphnet.load("top.toml"))["lr"] == 3


def test_a_file_takes_precedence_over_a_name(here: Path) -> None:
    assert said(recipe="digits")["lr"] == 0.05
    recipe(here / "digits", "lr = 7")
    assert said(recipe="digits")["lr"] == 7
    assert said(recipe=load_recipe("digits"))["lr"] == 7


def test_lists_are_replaced(here: Path) -> None:
    recipe(
        here / "low.toml",
        "augment = ['crop', 'flip']\ngroups = [{ members = 'a.*', lr = 1 }, { members = 'b.*', lr = 1 }]",
    )
    found = resolve_recipe(spec(augment="flip", groups=[{"members": "c.*", "freeze": True}]), None)
    assert [group.members for group in found.groups] == [("c.*",)]
    found = resolve_recipe(spec(recipe="low.toml", augment="flip"), settings=["train.groups.1.lr=2"])
    assert found.augment == ("flip",)
    assert [group.lr for group in found.groups] == [1, 2]


STEPS = {"kind": "steps", "at": [4, 5], "factor": 0.5}


@pytest.mark.parametrize(
    ("before", "settings", "after"),
    [
        (STEPS, ["train.schedule=cosine"], {"kind": "cosine"}),
        (STEPS, ["train.schedule.kind=cosine"], {"kind": "cosine"}),
        (STEPS, ["train.schedule.factor=0.1"], {"kind": "steps", "at": (4, 5), "factor": 0.1}),
        (STEPS, ["train.schedule.kind=steps"], {"kind": "steps", "at": (4, 5), "factor": 0.5}),
        (STEPS, ["train.schedule={ kind = 'cosine', end = 0.001 }"], {"kind": "cosine", "end": 0.001}),
        ("cosine", ["train.schedule.end=0.001"], {"kind": "cosine", "end": 0.001}),
        ("cosine", ["train.schedule.kind=steps", "train.schedule.at=[3]"], {"kind": "steps", "at": (3,)}),
        (STEPS, ["train.schedule.end=0.001", "train.schedule.kind=cosine"], {"kind": "cosine", "end": 0.001}),
        ({"warmup": 1}, ["train.schedule.kind=cosine"], {"kind": "cosine"}),
        ({"warmup": 1}, ["train.schedule.kind=steps"], {"kind": "steps", "warmup": 1}),
        (STEPS, ["train.schedule=cosine", "train.schedule.end=0.001"], {"kind": "cosine", "end": 0.001}),
    ],
    ids=str,
)
def test_another_kind_of_schedule_drops_the_one_before(before: Any, settings: list[str], after: Any) -> None:
    assert said(spec(schedule=before), settings=settings)["schedule"] == after


@pytest.mark.parametrize(
    ("before", "settings", "after"),
    [
        ({"momentum": 0.5, "nesterov": True}, ["optimizer=adamw"], {"optimizer": "adamw"}),
        ({"momentum": 0.5}, ["optimizer=sgd"], {"optimizer": "sgd", "momentum": 0.5}),
        ({"momentum": 0.5}, ["betas=[0, 0]", "optimizer=adamw"], {"optimizer": "adamw", "betas": (0, 0)}),
        ({"optimizer": "adamw", "eps": 1e-6, "lr": 3}, ["optimizer=sgd"], {"optimizer": "sgd", "lr": 3}),
        ({"epochs": 3}, ["steps=5"], {"steps": 5}),
        ({"steps": 3}, ["epochs=5"], {"epochs": 5}),
        (
            {"optimizer": "muon", "second": {"eps": 1e-6, "lr": 1}},
            ["second.optimizer=sgd"],
            {"optimizer": "muon", "second": {"optimizer": "sgd"}},
        ),
        (
            {"optimizer": "muon", "second": {"eps": 1e-6}},
            ["second.lr=2"],
            {"optimizer": "muon", "second": {"eps": 1e-6, "lr": 2}},
        ),
    ],
    ids=str,
)
def test_what_a_layer_supersedes(before: dict[str, Any], settings: list[str], after: dict[str, Any]) -> None:
    assert said(spec(**before), settings=[f"train.{each}" for each in settings]) == after


def test_a_recipe_of_another_layer_supersedes_as_options_do(here: Path) -> None:
    recipe(here / "adamw.toml", "optimizer = 'adamw'\nsteps = 10\nschedule = 'cosine'")
    own = spec(recipe="lp-cifar")
    assert said(own, "adamw.toml") == {
        **{"data": "cifar10", "augment": ("crop", "flip"), "batch_size": 64, "lr": 0.01},
        **{"optimizer": "adamw", "steps": 10, "schedule": {"kind": "cosine"}},
    }
    assert said(own)["epochs"] == 60, "resolving changes no layer"


@pytest.mark.parametrize(
    ("settings", "path", "place", "what"),
    [
        (["train.lr=0"], ("train", "lr"), "--train.lr=0", "too small"),
        (["train.learning_rate=1"], ("train", "learning_rate"), "--train.learning_rate=1", "no key"),
        (["train.schedule=cosin"], ("train", "schedule"), "--train.schedule=cosin", "not known"),
        (["train.schedule.end=3"], ("train", "schedule", "end"), "--train.schedule.end=3", "has no effect"),
        (["train.lr.x=3"], ("train", "lr"), "--train.lr.x=3", "not a table"),
        (["train.lr"], (), "--train.lr", "not KEY=VALUE"),
        (["train.data=a b"], (), "--train.data=a b", "not TOML"),
        (["lr=3"], (), "--lr=3", "sets no entry"),
        (["train=3"], (), "--train=3", "sets no entry"),
        (["train.recipe=lp-cifar"], ("train", "recipe"), "--train.recipe=lp-cifar", "cannot be set"),
        (["train.epochs=1", "train.steps=3"], ("train", "steps"), "--train.steps=3", "both say"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_marked(settings: list[str], path: Any, place: str, what: str) -> None:
    (only,) = refused(spec(lr=1, schedule={"at": [4]}), None, settings)
    assert (only.path, only.file, only.line) == (path, place, None)
    assert what in only.what
    assert only.fix or only.code == "GN012"
    assert "^" in only.excerpt
    assert "--set" not in str(only)


def test_all_wrong_settings_are_told_at_once() -> None:
    assert len(refused(None, None, ["train.lr", "x=1", "train.recipe=a"])) == 3
    assert len(refused(None, None, ["train.lr=0", "train.momentum=1", "train.epochs=0.5"])) == 3


def test_entries_of_two_layers_against_each_other_have_the_place_of_the_first(here: Path) -> None:
    (only,) = refused(None, "lp-cifar", ["train.epochs=5"])
    assert only.file == str(recipe_files()["lp-cifar"])
    assert only.path == ("train", "schedule", "at")
    recipe(here / "own.toml", "recipe = 'lp-cifar'\nnesterov = true")
    assert resolve_recipe(recipe="own.toml").nesterov
    (only,) = refused(None, "own.toml", ["train.momentum=0"])
    assert (only.file, only.line) == ("own.toml", 4)


def test_unknown_recipes(here: Path) -> None:
    (only,) = refused(None, "lp-cifr")
    assert (only.file, only.code) == ("lp-cifr", "GN706")
    assert only.fix == f"did you mean 'lp-cifar'? known: {', '.join(recipe_files())}"
    (only,) = refused(spec(recipe="nothing-like-it"))
    assert (only.path, only.code, only.fix) == (("train", "recipe"), "GN706", f"known: {', '.join(recipe_files())}")
    for name, what in {"/a.toml": "absolute path", "a.toml": "no file"}.items():
        (only,) = refused(spec(recipe=name))
        assert what in only.what
        assert only.code == "GN706"


def test_recipes_that_extend_each_other(here: Path) -> None:
    recipe(here / "a.toml", "recipe = 'sub/b.toml'")
    recipe(here / "sub/b.toml", "recipe = '../sub/../c.toml'")
    recipe(here / "c.toml", "recipe = 'a.toml'")
    (only,) = refused(None, "a.toml")
    assert (only.code, only.line, only.path) == ("GN707", 3, ("train", "recipe"))
    assert only.what.count("->") == 3


def test_faults_of_a_named_recipe_have_their_places(here: Path) -> None:
    recipe(here / "low.toml", "lr = 0")
    (only,) = refused(spec(recipe="low.toml"))
    assert (only.file, only.line, only.column) == ("low.toml", 3, 6)


def test_a_spec_is_no_recipe_and_a_recipe_no_spec(here: Path) -> None:
    (only,) = refused(None, graphnet.zoo.path("quickstart"))
    assert (only.code, only.path) == ("GN701", ("graphnet",))
    recipe(here / "own.toml", "lr = 1")
    for use in (graphnet.load, graphnet.plan, graphnet.draw, graphnet.compile):
        with pytest.raises(graphnet.SpecError, match="this is a training recipe, not a spec"):
            use("own.toml")
    write(here / "spec.toml", "extends = 'own.toml'\n")
    with pytest.raises(graphnet.SpecError, match="this is a training recipe") as caught:
        graphnet.load("spec.toml")
    assert caught.value.faults[0].file == "own.toml"


def test_a_recipe_file_may_be_json_and_must_not_be_empty(here: Path) -> None:
    write(here / "a.json", '{ "graphnet-recipe": 1, "train": { "lr": 3 } }')
    assert said(recipe="a.json") == {"lr": 3}
    write(here / "empty.toml", "")
    (only,) = refused(None, "empty.toml")
    assert only.what == "the recipe is empty"


def test_settings_of_a_recipe_file(here: Path) -> None:
    assert load_recipe("digits", ["train.lr=3", "name=other"]).name == "other"
    with pytest.raises(graphnet.SpecError, match=r"--set train\.lr=0"):
        load_recipe("digits", ["train.lr=0"])
