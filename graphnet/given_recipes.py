"""Training recipes by name or path, and their layers: a spec's `[train]`, `--recipe`, `--train.KEY=VALUE`.

Layers merge key by key, and the later one takes precedence; lists are replaced. A layer also drops what it supersedes:

- another `optimizer` drops the settings of the one before (`momentum`, `nesterov`, `betas`, `eps`, `second`);
- another `kind` of schedule drops the whole schedule before it, and another `optimizer` in `second` the whole table;
- `steps` drops `epochs`, and `epochs` drops `steps`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphnet.errors import Fault, KeyPath, SpecError
from graphnet.given_specs import FOLDER, SUFFIXES, not_shipped, path_or_shipped
from graphnet.spec.model import Spec
from graphnet.spec.read import placed, read_document, validated
from graphnet.spec.recipe import OF_OPTIMIZERS, Recipe, RecipeFile
from graphnet.spec.text.assignments import OF_A_RECIPE, Assignment, read_assignment
from graphnet.spec.text.extends import Merged
from graphnet.spec.text.source import Located, Source

RECIPES = FOLDER / "recipes"
"""Folder of the recipes that come with graphnet."""
ENTRY: KeyPath = ("train", "recipe")
"""The entry that names another recipe."""
UNKNOWN = "GN706"
EXTENDING = "a recipe is the name of a shipped one, or the relative path of a .toml or .json file"


def recipe_files() -> dict[str, Path]:
    """Return the file of each recipe that comes with graphnet, by name."""
    return {file.stem: file for file in sorted(RECIPES.glob("*.toml"))}


def recipe_file(given: str | os.PathLike[str]) -> str:
    """Return the path of a recipe file, given a path or the name of a shipped recipe; a file takes precedence.

    Raises SpecError if there is neither.
    """
    return path_or_shipped(given, recipe_files(), "recipe", UNKNOWN)


def load_recipe(given: str | os.PathLike[str] | Source, settings: Sequence[str] = ()) -> RecipeFile:
    """Read a recipe file by path or name; each of `settings` is a `KEY=VALUE` that is then set.

    Raises SpecError with every fault found.
    """
    file = given if isinstance(given, Source) else recipe_file(given)
    document, faults, source = read_document(file, RecipeFile, settings)
    if faults or document is None:
        raise SpecError(placed(faults, source))
    return document


def resolve_recipe(
    spec: Spec | None = None,
    recipe: str | os.PathLike[str] | RecipeFile | Sequence[RecipeFile] | None = None,
    settings: Sequence[str] = (),
) -> Recipe:
    """Return the recipe that layers make up; it holds every entry that one of them says, and names no other recipe.

    Args:
        spec: its `[train]` is the lowest layer, on top of the recipe that it names.
        recipe: the path or name of a recipe file, or one already read, or several: the next layers, each on top of the
            recipe that it names.
        settings: each is a `train.KEY=VALUE`; together they are the last layer.

    Raises SpecError with the faults of a layer, or of the layers together.
    """
    whole = Merged({"train": {}}, None)
    read = load_recipe(recipe) if isinstance(recipe, str | os.PathLike) else recipe
    for given in (spec, *(read if isinstance(read, Sequence) else (read,))):
        for layer in _layers(given):
            supersede(whole, layer.train)
            whole.lay({"train": layer.train}, layer.source)
    _set_all(whole, settings)
    document, faults = validated({RecipeFile.kind: 1, **whole.data}, RecipeFile)
    if faults or document is None:
        raise SpecError(placed(faults, whole))
    return document.train


# ---- layers


@dataclass(frozen=True)
class _Layer:
    """The `[train]` of one text, and the recipe that it names."""

    train: dict[str, Any]
    named: str | None
    source: Located | None

    @property
    def file(self) -> str:
        """The file that names the other recipe; "" for a dict."""
        return (self.source and self.source.locate(Fault(ENTRY, "", code=UNKNOWN)).file) or ""

    def refuse(self, fault: Fault) -> SpecError:
        return SpecError([self.source.locate(fault) if self.source else fault])


def _layer(document: Spec | RecipeFile) -> _Layer:
    source = document.source
    train = dict((source.data if source else document.as_data())["train"])
    return _Layer(train, train.pop("recipe", None), source)


def _layers(document: Spec | RecipeFile | None) -> list[_Layer]:
    """Return the layers of a document, the lowest first."""
    if document is None or document.train is None:
        return []
    layers = [_layer(document)]
    files = [layers[0].file]
    while (named := layers[-1].named) is not None:
        path = _path(named, layers[-1])
        files.append(path)
        if os.path.realpath(path) in map(os.path.realpath, filter(None, files[:-1])):
            what = f"recipes extend each other: {' -> '.join(files)}"
            raise layers[-1].refuse(Fault(ENTRY, what, "remove one of the entries 'recipe'", code="GN707"))
        layers.append(_layer(load_recipe(path)))
    return layers[::-1]


def _path(named: str, layer: _Layer) -> str:
    """Return the file of a recipe that a layer names."""
    if os.path.splitext(named)[1].lower() not in SUFFIXES:
        if named in recipe_files():
            return str(recipe_files()[named])
        raise layer.refuse(not_shipped(named, recipe_files(), "recipe", UNKNOWN, ENTRY))
    if os.path.isabs(named):
        raise layer.refuse(Fault(ENTRY, f"'{named}' is an absolute path", EXTENDING, code=UNKNOWN))
    path = os.path.join(os.path.dirname(layer.file), named)
    if not os.path.isfile(path):
        raise layer.refuse(Fault(ENTRY, f"there is no file '{path}'", EXTENDING, code=UNKNOWN))
    return path


# ---- what a layer supersedes


def supersede(whole: Merged, over: Mapping[str, Any]) -> None:
    """Drop the entries of `train` that a layer supersedes."""
    _lengthen(whole, over)
    for key in list(_superseded(whole.data["train"], over)):
        whole.drop(("train", key))


def _lengthen(whole: Merged, over: Mapping[str, Any]) -> None:
    """Make the short form of a schedule a table, if a layer has entries for it."""
    train = whole.data.get("train", {})
    if isinstance(schedule := train.get("schedule"), str) and isinstance(over.get("schedule"), Mapping):
        whole.data["train"] = train | {"schedule": {"kind": schedule}}


def _superseded(before: Mapping[str, Any], over: Mapping[str, Any]) -> Iterator[str]:
    if _differ(before, over, "optimizer", Recipe.model_fields["optimizer"].default):
        yield from OF_OPTIMIZERS
    for key, other in (("steps", "epochs"), ("epochs", "steps")):
        if key in over:
            yield other
    for table, key in (("schedule", "kind"), ("second", "optimizer")):
        inner, new = before.get(table), over.get(table)
        default = getattr(Recipe.model_fields[table].default, key)
        if isinstance(inner, Mapping) and isinstance(new, Mapping) and _differ(inner, new, key, default):
            yield table


def _differ(before: Mapping[str, Any], over: Mapping[str, Any], key: str, default: str) -> bool:
    """Whether a layer says another word for a key than the layers before."""
    return key in over and over[key] != before.get(key, default)


# ---- settings


def _set_all(whole: Merged, settings: Sequence[str]) -> None:
    """Set entries; all settings are one layer, whatever their order. Raises SpecError with all faults."""
    faults: list[Fault] = []
    together = Merged({}, None)
    given: list[Assignment] = []
    for text in settings:
        try:
            given.append(_read_setting(text))
            _set(together, given[-1])
        except SpecError as error:
            faults += error.faults
    supersede(whole, together.data.get("train", {}))
    for setting in given if not faults else ():
        try:
            _set(whole, setting)
        except SpecError as error:
            faults += error.faults
    if faults:
        raise SpecError(faults)


def _set(whole: Merged, setting: Assignment) -> None:
    _lengthen(whole, setting.data["train"])
    whole.set(setting.entry(whole.data), setting)


def _read_setting(text: str) -> Assignment:
    setting = read_assignment(text, OF_A_RECIPE)
    if setting.key == ENTRY:
        fault = Fault(ENTRY, "'recipe' cannot be set", "give it with --recipe", code="GN015")
        raise SpecError([setting.locate(fault)])
    if setting.key[:1] != ("train",) or len(setting.key) < 2:
        fault = Fault((), "this sets no entry of a recipe", "such as --train.lr=0.1", code="GN015")
        raise SpecError([setting.locate(fault)])
    return setting
