"""Flatten a spec that extends others into one text."""

from __future__ import annotations

from typing import Any

from graphnet.pipeline import plan
from graphnet.spec.model import SLAB_WORDS, Spec


def flattened(spec: Spec) -> dict[str, Any]:
    """Return the spec as plain data, without cells that later slabs override at all times.

    Extending a spec overrides cells silently; in a single text such a cell would cause a warning.
    """
    data = spec.as_data()
    silenced = [fault.path for fault in plan(data, unlimited=True).warnings if fault.code == "GN509"]
    for *to_slabs, slab, source, target in silenced:
        slabs: Any = data
        for key in to_slabs:
            slabs = slabs[key]
        del slabs[slab][source][target]
    for graph in (data, *data.get("parts", {}).values()):
        if "transitions" in graph:
            graph["transitions"] = [slab for slab in map(_without_empty_rows, graph["transitions"]) if slab]
    return data


def _without_empty_rows(slab: dict[str, Any]) -> dict[str, Any]:
    """Drop a slab's empty rows; return an empty slab if no row is left."""
    kept = {key: entry for key, entry in slab.items() if key in SLAB_WORDS or entry}
    return kept if kept.keys() - set(SLAB_WORDS) else {}
