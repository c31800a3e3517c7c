"""The texts of a new run folder: spec, recipe, plan and diagram; no torch here."""

from __future__ import annotations

from graphnet.flattened import flattened
from graphnet.pictures.text import plan_text
from graphnet.pictures.unrolled.picture import draw_unrolled
from graphnet.planning.plan import Plan
from graphnet.spec.model import Spec
from graphnet.spec.recipe import Recipe
from graphnet.spec.write import recipe_toml, to_json
from graphnet.training.runs.run_folder import RunFolder


def spec_text(spec: Spec) -> str:
    """The flattened spec without its recipe, as JSON, for a run folder and its checkpoints."""
    return to_json({key: value for key, value in flattened(spec).items() if key != "train"})


def write_texts(folder: RunFolder, spec: Spec, plan: Plan, recipe: Recipe) -> str:
    """Write spec, recipe, plan and diagram; return the spec's text. Raises RunError."""
    text = spec_text(spec)
    folder.write_text("spec.json", text)
    folder.write_text("recipe.toml", recipe_toml(recipe))
    folder.write_text("plan.txt", plan_text(plan))
    folder.write_text("diagram.svg", draw_unrolled(plan))
    return text
