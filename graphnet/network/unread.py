"""Faults that are doubtful because an entry they rely on could not be read and was replaced by a default."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from graphnet.errors import Fault, KeyPath

UNKNOWN_KEY = "GN008"
NO_READING = ("GN0", "GN1")
"""Code prefixes of entries that could not be read; other faults concern their meaning."""
STILL_READ = "GN103"
"""Two states whose values would have the same name: both were read."""
NO_ARROW = "GN102"
TIMELESS = {
    "input": ("shape", "sequence"),
    "readout": ("combine", "weights"),
    "states": ("shape", "label", "update", "noise"),
    "transitions": ("ops", "gain", "lipschitz", "noise"),
    "": ("graphnet", "$schema", "name", "cite", "norm", "pre_net", "post_net", "sharing"),
}
"""Keys of each table, and of the top level (""), that do not affect timing."""


def decides_timing(fault: Fault) -> bool:
    """Whether the fault is of an unread entry that determines what happens when, so that timing is unknown."""
    if fault.severity != "error" or not fault.code.startswith(NO_READING) or fault.code == STILL_READ:
        return False
    path = fault.path[2:] if fault.path[:1] == ("parts",) else fault.path
    if not path or path[0] in TIMELESS[""]:
        return not path
    table, *inner = path
    if table == "transitions":
        inner = inner[2:]  # from a slab and a row to the cells of the row
        is_of_function = len(inner) >= 1 and fault.code != NO_ARROW and fault.code.startswith("GN1")
        return not (is_of_function or (inner[1:2] and inner[1] in TIMELESS[table][1:]))
    at = 1 if table == "states" else 0
    return not (table in TIMELESS and len(inner) > at and inner[at] in TIMELESS[str(table)])


def doubtful(fault: Fault, known: Iterable[Fault]) -> bool:
    """Whether a fault relies on an entry that is itself at fault."""
    return any(_touches(other, entry) for entry in fault.given for other in known if other is not fault)


def _touches(fault: Fault, entry: KeyPath) -> bool:
    """Whether a fault means that an entry, its table or its content was not read, or that its key is misspelt."""
    if fault.severity != "error" or not fault.code.startswith(NO_READING):
        return False
    *table, key = fault.path or ("",)
    if fault.code == UNKNOWN_KEY and entry[: len(table)] == tuple(table) and len(entry) > len(table):
        return bool(get_close_matches(str(key), [str(entry[len(table)])], cutoff=0.5))
    path = fault.path
    return entry[: len(path)] == path or path[: len(entry)] == entry
