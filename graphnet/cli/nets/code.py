"""`graphnet code`: the forward pass as PyTorch code."""

from __future__ import annotations

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Settings, SpecPath, Unlimited, planned


def code(spec: SpecPath, settings: Settings = None, plugins: Plugins = None, unlimited: Unlimited = False) -> None:
    """Print the net's forward pass as readable PyTorch code."""
    from graphnet.runtime.python_source import write_source

    _, compiled = planned(spec, settings, unlimited=unlimited)
    print(write_source(compiled), end="")
