"""Faults of entries that determine what happens when: without these, the timing of a net is unknown."""

from __future__ import annotations

from graphnet.errors import Fault
from graphnet.spec.doubtful_faults import NO_READING

STILL_READ = "GN103"
"""Two states whose values would have the same name: both were read."""
NO_ARROW = "GN102"
TIMELESS = {
    "input": ("shape", "sequence"),
    "readout": ("combine", "weights"),
    "states": ("shape", "label", "update", "noise"),
    "transitions": ("ops", "gain", "lipschitz", "noise"),
    "": ("graphnet", "$schema", "name", "cite", "norm", "pre_net", "post_net", "sharing", "train"),
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
