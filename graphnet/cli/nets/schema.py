"""`graphnet schema`: the JSON Schema of specs, recipe files and experiments."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import write
from graphnet.spec.schema.experiment_schema import experiment_schema
from graphnet.spec.schema.json_schema import recipe_schema, schema_text
from graphnet.spec.schema.json_schema import schema as spec_schema


class Kind(StrEnum):
    """Files that a schema describes."""

    SPEC = "spec"
    RECIPE = "recipe"
    EXPERIMENT = "experiment"


SCHEMAS = {Kind.SPEC: spec_schema, Kind.RECIPE: recipe_schema, Kind.EXPERIMENT: experiment_schema}


def schema(
    kind: Annotated[Kind, typer.Option("--of", help="What the schema describes.")] = Kind.SPEC,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the schema to this file.")] = None,
    plugins: Plugins = None,
) -> None:
    """Print the JSON Schema of specs, recipes or experiments; editors use it to check and complete them."""
    text = schema_text(SCHEMAS[kind]())
    if output is None:
        print(text, end="")
    else:
        write(output, text)
        print(output)
