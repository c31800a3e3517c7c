"""`graphnet code`: the forward pass as Python."""

from __future__ import annotations

from graphnet.backends.source import write_source
from graphnet.cli.plugins import Plugins
from graphnet.cli.report import Settings, SpecPath, planned


def code(spec: SpecPath, settings: Settings = None, plugins: Plugins = None) -> None:
    """Print the net's forward pass as plain PyTorch code that a person can read."""
    _, compiled = planned(spec, settings)
    print(write_source(compiled), end="")
