"""`graphnet schema`: the JSON Schema of specs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import write
from graphnet.spec.schema.json_schema import schema_text


def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the schema to this file.")] = None,
    plugins: Plugins = None,
) -> None:
    """Print the JSON Schema of specs; editors use it to check, complete and explain them."""
    if output is None:
        print(schema_text(), end="")
    else:
        write(output, schema_text())
        print(output)
