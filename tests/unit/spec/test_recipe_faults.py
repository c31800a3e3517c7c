"""Entries of a recipe against each other: what is refused, where, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from graphnet.errors import Fault, dotted
from graphnet.spec.read import validated
from graphnet.spec.recipe import Recipe, RecipeFile
from graphnet.spec.recipe_faults import recipe_faults
from tests.small import faults, small

WRONG: list[tuple[dict[str, Any], str, str, str]] = [
    ({"epochs": 1, "steps": 1}, "train.steps", "GN702", "both say how long"),
    ({"patience": 3}, "train.patience", "GN705", "needs a validation error"),
    ({"validation": 0.0}, "train.validation", "GN012", "0 is not between 0 and 1"),
    ({"validation": 1.0}, "train.validation", "GN012", "1 is not between 0 and 1"),
    ({"validation": "all"}, "train.validation", "GN011", "'all' is not known here"),
    ({"nesterov": True, "momentum": 0}, "train.nesterov", "GN703", "needs a momentum"),
    ({"nesterov": True, "optimizer": "adamw"}, "train.nesterov", "GN703", "of sgd and muon"),
    ({"momentum": 0.9, "optimizer": "adamw"}, "train.momentum", "GN703", "the optimizer is adamw"),
    ({"betas": [0.9, 0.9]}, "train.betas", "GN703", "of adamw, and the optimizer is sgd"),
    ({"eps": 1e-6, "optimizer": "muon"}, "train.eps", "GN703", "the optimizer is muon"),
    ({"second": {"lr": 1}}, "train.second", "GN703", "of muon"),
    (
        {"optimizer": "muon", "second": {"optimizer": "sgd", "betas": [0, 0]}},
        "train.second.betas",
        "GN703",
        "the optimizer is sgd",
    ),
    ({"optimizer": "muon", "second": {"momentum": 0}}, "train.second.momentum", "GN703", "the optimizer is adamw"),
    ({"schedule": {"kind": "cosine", "at": [3]}}, "train.schedule.at", "GN704", "the schedule is cosine"),
    ({"schedule": {"kind": "constant", "factor": 3}}, "train.schedule.factor", "GN704", "the schedule is constant"),
    ({"schedule": {"count": 3}}, "train.schedule.count", "GN704", "of logspace, and the schedule is steps"),
    ({"schedule": {"kind": "one-cycle", "end": 0.001}}, "train.schedule.end", "GN704", "of logspace and cosine"),
    ({"schedule": {"at": [4, 3]}}, "train.schedule.at", "GN704", "do not increase"),
    ({"schedule": {"at": [3, 3]}}, "train.schedule.at", "GN704", "do not increase"),
    ({"schedule": {"at": [3, 20]}}, "train.schedule.at", "GN704", "after epoch 20, and the run has 20 epochs"),
    ({"epochs": 3, "schedule": {"at": [3.5]}}, "train.schedule.at", "GN704", "after epoch 3.5, and the run has 3"),
    ({"epochs": 1, "schedule": {"kind": "cosine", "warmup": 1}}, "train.schedule.warmup", "GN704", "has 1 epoch"),
    ({"schedule": {"kind": "logspace"}}, "train.schedule", "GN704", "the last one is above 0"),
    ({"schedule": {"kind": "logspace", "end": 0}}, "train.schedule.end", "GN704", "the last one is above 0"),
    ({"schedule": {"kind": "logspace", "end": 0.05}}, "train.schedule.end", "GN704", "not below the first, lr = 0.05"),
    ({"schedule": {"kind": "cosine", "end": 1}}, "train.schedule.end", "GN704", "not below the first, lr = 0.05"),
    ({"groups": [{"members": "a"}]}, "train.groups[0]", "GN702", "no settings of its own"),
    ({"groups": [{"members": "b", "freeze": True, "lr": 1}]}, "train.groups[0]", "GN702", "a frozen group"),
    ({"groups": [{"members": "a->", "lr": 1}]}, "train.groups[0].members[0]", "GN401", "selects no transitions"),
    (
        {"groups": [{"members": ["n", "a=>b"], "lr": 1}]},
        "train.groups[0].members[1]",
        "GN401",
        "selects no transitions",
    ),
    ({"readout_weights": [0, 0.0]}, "train.readout_weights", "GN012", "all weights are 0"),
]


def found(recipe: dict[str, Any]) -> list[Fault]:
    return recipe_faults(Recipe.model_validate(recipe))


@pytest.mark.parametrize(("recipe", "path", "code", "what"), WRONG, ids=lambda value: str(value)[:40])
def test_entries_that_do_not_go_together(recipe: dict[str, Any], path: str, code: str, what: str) -> None:
    (only,) = found(recipe)
    assert (dotted(only.path), only.code) == (path, code)
    assert what in only.what
    assert only.fix


RIGHT: list[dict[str, Any]] = [
    {},
    {"epochs": 60, "schedule": {"at": [40, 50]}},
    {"steps": 5, "schedule": {"at": [40, 50], "warmup": 40}},
    {"patience": 3, "validation": 0.1},
    {"patience": 3, "validation": "published"},
    {"nesterov": True},
    {"nesterov": True, "optimizer": "muon", "second": {"betas": [0, 0]}},
    {"optimizer": "adamw", "betas": [0.9, 0.95], "eps": 1e-6},
    {"schedule": {"kind": "logspace", "end": 0.01, "count": 3}},
    {"schedule": {"kind": "cosine", "end": 0.01, "warmup": 1}},
    {"groups": [{"members": ["V1->*", "V1->V2@1..3#conv*", "pre_net.*"], "lr": 1}]},
    {"readout_weights": [0, 1]},
]


@pytest.mark.parametrize("recipe", RIGHT, ids=str)
def test_entries_that_go_together(recipe: dict[str, Any]) -> None:
    assert found(recipe) == []


@pytest.mark.parametrize(
    "train",
    [
        {"optimizer": "adam", "betas": [0.9, 0.95]},
        {"opt": "adamw", "betas": [0.9, 0.95]},
        {"nesterov": True, "momentum": -1},
        {"patience": 3, "validation": 5},
        {"schedule": {"kind": "step", "end": 1}},
        {"epochs": "100", "schedule": {"at": [40, 50]}},
    ],
    ids=str,
)
def test_a_wrong_entry_has_no_consequences(train: dict[str, Any]) -> None:
    _, (only,) = validated({RecipeFile.kind: 1, "train": train}, RecipeFile)
    assert only.code < "GN1"


def test_faults_of_a_recipe_stand_beside_those_of_the_net() -> None:
    spec = small(train={"nesterov": True, "momentum": 0.0}, post_net={"ops": "BRGQ", "classes": 3})
    found = {dotted(each.path): each.what for each in faults(spec)}
    assert set(found) == {"train.nesterov", "post_net.ops"}


def test_a_recipe_that_extends_another_is_not_checked_alone() -> None:
    train = {"recipe": "x", "nesterov": True, "momentum": 0}
    document, left = validated({RecipeFile.kind: 1, "train": train}, RecipeFile)
    assert left == []
    assert document is not None
