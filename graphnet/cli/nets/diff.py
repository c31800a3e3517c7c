"""`graphnet diff`: differences in meaning between two specs."""

from __future__ import annotations

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Other, SettingsOfBoth, SpecPath, planned
from graphnet.rewrite.diff import difference


def diff(spec: SpecPath, other: Other, settings: SettingsOfBoth = None, plugins: Plugins = None) -> None:
    """Compare what two specs mean: transitions and their times, sharing sets, shapes.

    Differences in text alone do not count. Exit status 1 if they differ.
    """
    found = difference(planned(spec, settings)[1], planned(other, settings)[1])
    print("\n".join(found) if found else "the specs mean the same")
    if found:
        raise typer.Exit(1)
