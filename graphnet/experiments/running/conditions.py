"""The conditions of an experiment: a net and a recipe for each combination of its factors' labels; no torch here."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphnet.errors import SpecError
from graphnet.given_recipes import resolve_recipe
from graphnet.pipeline import load
from graphnet.pipeline import plan as plan_of
from graphnet.planning.plan import Plan
from graphnet.spec.experiment.model import Edit, Experiment, Variant, is_file
from graphnet.spec.model import Spec
from graphnet.spec.recipe import Recipe, RecipeFile


@dataclass(frozen=True)
class Condition:
    """A net and how it is trained.

    Attributes:
        labels: factor → its label.
        recipe: resolved, with the seed of the recipe; each seed of the experiment replaces it.
        edit: texts for `graphnet.rewrite.edit_texts`, which perturb the trained net; {} changes nothing.
    """

    labels: Mapping[str, str]
    spec: Spec
    plan: Plan
    recipe: Recipe
    edit: Mapping[str, Any]

    def __str__(self) -> str:
        return ", ".join(f"{factor} = {label}" for factor, label in self.labels.items()) or "the only condition"


def conditions(experiment: Experiment) -> tuple[Condition, ...]:
    """Return the conditions that are not skipped, in the order of the factors, the last one fastest.

    Raises:
        SpecError: with the faults of all conditions; a note says which one.
    """
    found: list[Condition] = []
    faults: list[Any] = []
    for labels in experiment.conditions:
        variants = [experiment.factors[factor][label] for factor, label in labels.items()]
        try:
            found.append(_condition(experiment, labels, variants))
        except SpecError as error:
            named = ", ".join(f"{factor} = {label}" for factor, label in labels.items())
            faults += [replace(fault, note=f"with {named}" if named else fault.note) for fault in error.faults]
    if faults:
        raise SpecError(faults)
    return tuple(found)


def _condition(experiment: Experiment, labels: Mapping[str, str], variants: Sequence[Variant]) -> Condition:
    given = next((variant.spec for variant in reversed(variants) if variant.spec is not None), experiment.spec)
    settings = dict(experiment.set)
    edit: dict[str, Any] = {}
    for variant in variants:
        settings = {key: value for key, value in settings.items() if key not in variant.set} | dict(variant.set)
        edit |= texts_of(variant.edit)
    spec = load(experiment.path_of(given or ""), settings=settings)
    layers = [experiment.train, *(variant.train for variant in variants)]
    return Condition(labels, spec, plan_of(spec, unlimited=True), _recipe(experiment, spec, layers), edit)


def texts_of(edit: Edit | None) -> dict[str, Any]:
    """The entries of an edit that say something."""
    return (
        {} if edit is None else {word: list(each) if isinstance(each, tuple) else each for word, each in edit if each}
    )


def _recipe(experiment: Experiment, spec: Spec, layers: Sequence[Mapping[str, Any]]) -> Recipe:
    """Resolve the layers of a recipe.

    Where they change the number of epochs and not the schedule, the epochs of a named recipe's schedule scale with it.
    """
    given = [dict(layer) for layer in layers if layer]
    for layer in given:
        if "recipe" in layer:
            layer["recipe"] = os.path.relpath(path) if is_file(path := experiment.path_of(layer["recipe"])) else path
    if given and "recipe" in given[0] and any("epochs" in layer for layer in given):
        before = resolve_recipe(spec, _file({"recipe": given[0]["recipe"]}))
        epochs = next(layer["epochs"] for layer in reversed(given) if "epochs" in layer)
        if before.schedule.at and before.epochs and not any("schedule" in layer for layer in given):
            at = [round(each * epochs / before.epochs, 6) for each in before.schedule.at]
            given.append({"schedule": {"kind": before.schedule.kind, "at": at}})
    return resolve_recipe(spec, [_file(layer) for layer in given])


def _file(train: Mapping[str, Any]) -> RecipeFile:
    return RecipeFile.model_validate({RecipeFile.kind: 1, "train": train})
