"""What could not be read of a spec, and what cannot be concluded then: a default stands in its place."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from graphnet.errors import Fault, KeyPath

UNKNOWN_KEY = "GN008"
NO_READING = ("GN0", "GN1")
"""Codes of entries that are not understood begin like this; other faults are of what entries mean."""
READ_ALL_THE_SAME = "GN103"
"""Two states whose values would have one name: it is clear which is which."""
NO_ARROW = "GN102"
TIMELESS = {
    "input": ("shape", "sequence"),
    "readout": ("combine", "weights"),
    "states": ("shape", "label", "update", "noise"),
    "transitions": ("ops", "gain", "lipschitz", "noise"),
    "": ("graphnet", "$schema", "name", "cite", "norm", "pre_net", "post_net", "sharing"),
}
"""The keys of each table, and of a spec, that do not decide what happens when."""


def decides_timing(fault: Fault) -> bool:
    """Whether an entry could not be read that decides what happens when, so that nothing can be said of that."""
    if fault.severity != "error" or not fault.code.startswith(NO_READING) or fault.code == READ_ALL_THE_SAME:
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
    """Whether a fault takes an entry for read that is at fault itself."""
    return any(_touches(other, entry) for entry in fault.given for other in known if other is not fault)


def _touches(fault: Fault, entry: KeyPath) -> bool:
    """Whether a fault says that an entry, what holds it or what it holds is not read, or is of its key misspelt."""
    if fault.severity != "error" or not fault.code.startswith(NO_READING):
        return False
    *table, key = fault.path or ("",)
    if fault.code == UNKNOWN_KEY and entry[: len(table)] == tuple(table) and len(entry) > len(table):
        return bool(get_close_matches(str(key), [str(entry[len(table)])], cutoff=0.5))
    path = fault.path
    return entry[: len(path)] == path or path[: len(entry)] == entry
