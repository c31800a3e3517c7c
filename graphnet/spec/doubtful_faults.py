"""Faults that are doubtful because an entry they rely on could not be read and was replaced by a default."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from graphnet.errors import Fault, KeyPath

UNKNOWN_KEY = "GN008"
NO_READING = ("GN0", "GN1")
"""Code prefixes of entries that could not be read; other faults concern their meaning."""


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
