"""Check a file of any kind: a spec, a training recipe or an experiment."""

from __future__ import annotations

import os
from collections.abc import Sequence

from graphnet.errors import Fault, SpecError
from graphnet.given_experiments import experiment_files, load_experiment
from graphnet.given_recipes import load_recipe, recipe_files, resolve_recipe
from graphnet.given_specs import spec_file, zoo_files
from graphnet.pipeline import load, plan
from graphnet.spec.document import kind_of
from graphnet.spec.experiment.model import Experiment
from graphnet.spec.read import placed
from graphnet.spec.recipe import Recipe, RecipeFile, resolved_data
from graphnet.spec.text.source import Source, read_file


def checked_file(given: str) -> str:
    """Return the path of a file, given a path or a name; files take precedence, then specs, then recipes."""
    others = experiment_files() | recipe_files()
    is_other = given in others and given not in zoo_files() and not os.path.isfile(given)
    return str(others[given]) if is_other else spec_file(given)


def check_file(path: str, settings: Sequence[str] = (), unlimited: bool = False) -> tuple[str, list[Fault]]:
    """Return a line about a correct file, and its warnings. Raises SpecError."""
    named = checked_file(path)
    text = read_file(named)
    file = text if named == "-" else named  # standard input can be read only once
    kind = kind_of(text.data)
    if kind == Experiment.kind:
        if settings:
            raise SpecError([Fault((), "--set changes no experiment", "write it in the file", file=path, code="GN015")])
        return _experiment_line(file), []
    if kind == RecipeFile.kind:
        return _recipe_line(resolve_recipe(recipe=load_recipe(file, settings))), []
    spec = load(file, settings=settings)
    compiled = plan(spec, unlimited=unlimited)
    resolve_recipe(spec)
    line = (
        f"{len(compiled.areas)} states, {compiled.parameters:,} parameters, "
        f"depth {compiled.depth} at t = {compiled.last_time}"
    )
    return line, placed(compiled.warnings, spec.source)


def _experiment_line(file: str | Source) -> str:
    experiment, small = load_experiment(file), load_experiment(file, smoke=True)
    sizes = [
        f"{counted(sum(1 for _ in each.conditions), 'condition')}, {counted(len(each.seeds), 'seed')}"
        for each in (experiment, small)
    ]
    smoke = f", or {sizes[1]} with --smoke" if sizes[0] != sizes[1] else ""
    return f"{sizes[0]}{smoke}; {counted(len(experiment.claims), 'claim')}"


def counted(number: int, word: str) -> str:
    """Return a number of things: `1 seed`, `3 seeds`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _recipe_line(recipe: Recipe) -> str:
    said = resolved_data(recipe)
    length = f"{said['steps']:,} steps" if "steps" in said else f"{said['epochs']:,} epochs"
    return f"{recipe.optimizer}, {length} of {recipe.data}, batches of {recipe.batch_size}, lr {recipe.lr:g}"
