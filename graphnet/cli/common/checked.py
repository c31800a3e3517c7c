"""Check a file of any kind: a spec or a training recipe."""

from __future__ import annotations

import os
from collections.abc import Sequence

from graphnet.errors import Fault
from graphnet.given_recipes import load_recipe, recipe_files, resolve_recipe
from graphnet.given_specs import spec_file, zoo_files
from graphnet.pipeline import load, plan
from graphnet.spec.document import kind_of
from graphnet.spec.read import placed
from graphnet.spec.recipe import Recipe, RecipeFile, resolved_data
from graphnet.spec.text.source import read_file


def checked_file(given: str) -> str:
    """Return the path of a spec or a recipe file, given a path or a name; files take precedence, then specs."""
    is_recipe = given in recipe_files() and given not in zoo_files() and not os.path.isfile(given)
    return str(recipe_files()[given]) if is_recipe else spec_file(given)


def check_file(path: str, settings: Sequence[str] = (), unlimited: bool = False) -> tuple[str, list[Fault]]:
    """Return a line about a correct file, and its warnings. Raises SpecError."""
    named = checked_file(path)
    text = read_file(named)
    file = text if named == "-" else named  # standard input can be read only once
    if kind_of(text.data) == RecipeFile.kind:
        return _recipe_line(resolve_recipe(recipe=load_recipe(file, settings))), []
    spec = load(file, settings=settings)
    compiled = plan(spec, unlimited=unlimited)
    resolve_recipe(spec)
    line = (
        f"{len(compiled.areas)} states, {compiled.parameters:,} parameters, "
        f"depth {compiled.depth} at t = {compiled.last_time}"
    )
    return line, placed(compiled.warnings, spec.source)


def _recipe_line(recipe: Recipe) -> str:
    said = resolved_data(recipe)
    length = f"{said['steps']:,} steps" if "steps" in said else f"{said['epochs']:,} epochs"
    return f"{recipe.optimizer}, {length} of {recipe.data}, batches of {recipe.batch_size}, lr {recipe.lr:g}"
