"""Slabs of a spec → the times at which each cell of the transition matrix holds (rules 2 and 7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from graphnet.errors import Fault, KeyPath, did_you_mean
from graphnet.spec.model import Cell, Slab, Spec
from graphnet.spec.notation.integers import Misspelt, parse_whole
from graphnet.spec.notation.times import ALWAYS, TimeRange, Times, parse_times, union
from graphnet.spec.table import TimeEntry

READOUT = "T"
NOT_HERE = "'T' is the readout time, which only the times of transitions may use"


def misspelt(path: KeyPath, fault: Misspelt, shift: int = 0) -> Fault:
    """Convert a fault in a string of the spec, with its place."""
    span = (fault.start + shift, fault.end + shift) if fault.end else None
    return Fault(path, fault.what, fault.fix, span=span, code=fault.code)


def span_of(name: str, written: object) -> tuple[int, int] | None:
    """Find a constant in a string."""
    match = re.search(rf"(?<![A-Za-z_]){re.escape(name)}(?!\w)", written) if isinstance(written, str) else None
    return match.span() if match else None


def read_constants(spec: Spec, faults: list[Fault]) -> dict[str, int]:
    """Read the constants of `[let]`; each may use those before it."""
    constants: dict[str, int] = {}
    for name, written in spec.let.items():
        path: KeyPath = ("let", name)
        if not re.fullmatch(r"[A-Za-z_]\w*", name) or name in (READOUT, "inf", "x"):
            what = f"'{name}' is not a valid constant name"
            fix = "a letter or '_', then letters, digits and '_'; not T, inf or x"
            faults.append(Fault(path, what, fix, on="key", code="GN101"))
            continue
        try:
            whole = parse_whole(written)
        except Misspelt as fault:
            faults.append(misspelt(path, fault))
            continue
        unknown = [used for used in whole.names if used not in constants]
        if unknown:
            what = f"no constant before this one is called '{unknown[0]}'"
            hint = did_you_mean(unknown[0], tuple(constants)) or "define it above this one"
            given: tuple[KeyPath, ...] = (("let", unknown[0]),)
            faults.append(Fault(path, what, hint, span=span_of(unknown[0], written), code="GN106", given=given))
            continue
        constants[name] = whole.value(constants)
    return constants


WORDS = dict.fromkeys(("all", "always", "any", "every"), "leave out t: these transitions then hold at every time")
WORDS |= dict.fromkeys(("last", "end", "final", "max"), "the readout time is called T")
"""Words that people write for times, and what to write in a slab."""


@dataclass(frozen=True)
class TimeSet:
    """Times of one entry of the spec, parsed and checked."""

    ranges: tuple[TimeRange, ...] = ()

    @cached_property
    def names_readout(self) -> bool:
        return any(READOUT in entry.names for entry in self.ranges)

    @cached_property
    def open(self) -> bool:
        return any(entry.last is None for entry in self.ranges)

    def times(self, constants: Mapping[str, int]) -> Times:
        return union(entry.times(constants) for entry in self.ranges)


def read_times(
    entries: tuple[TimeEntry, ...],
    path: KeyPath,
    constants: Mapping[str, int],
    faults: list[Fault],
    *,
    readout: bool,
) -> TimeSet:
    """Read a list of times; `readout` tells whether it may contain `T`."""
    ranges = []
    for number, entry in enumerate(entries):
        here = (*path, number) if len(entries) > 1 else path
        try:
            parsed = parse_times(entry)
        except Misspelt as fault:
            faults.append(misspelt(here, fault))
            continue
        known = (*constants, READOUT) if readout else tuple(constants)
        unknown = [name for name in parsed.names if name not in known]
        if unknown:
            hint = did_you_mean(unknown[0], known)
            what, code = f"no constant is called '{unknown[0]}'", "GN106"
            fix = f"{hint}; or name it in [let]" if hint else "name it in [let]"
            if unknown[0].lower() in WORDS:
                fix = WORDS[unknown[0].lower()] if readout else 'name the times, such as 5 or "0..5"'
            if unknown[0] == READOUT:
                what, fix, code = NOT_HERE, hint or "name a time, such as 3", "GN107"
            given: tuple[KeyPath, ...] = (("let", unknown[0]),)
            faults.append(Fault(here, what, fix, span=span_of(unknown[0], entry), code=code, given=given))
            continue
        ranges.append(parsed)
    return TimeSet(tuple(ranges))


@dataclass(frozen=True, eq=False)
class WrittenCell:
    """A cell as written, with the times of its slab and its place; `delay` is the default of its unrolling."""

    source: str
    target: str
    cell: Cell
    slab: Slab
    when: TimeSet | None
    path: KeyPath
    delay: int

    def times(self, constants: Mapping[str, int]) -> Times:
        return ALWAYS if self.when is None else self.when.times(constants)

    @property
    def names_readout(self) -> bool:
        """Whether its times are relative to T."""
        return self.when is not None and self.when.names_readout

    @property
    def symbol(self) -> str:
        """Its first time in the form used in tensor names, if relative to T: `T_1` for `T-1`."""
        if self.when is None or not self.when.names_readout:
            return ""
        return re.sub(r"\W+", "_", self.when.ranges[0].first.text).strip("_")

    @property
    def open(self) -> bool:
        """Whether the slab's times are open, so that a time at which it does not fire is expected."""
        return self.when is None or self.when.open


def holding(entries: list[WrittenCell], constants: Mapping[str, int]) -> dict[WrittenCell, Times]:
    """Return the times at which each cell holds: those that no later slab overrides.

    If the constants do not include `T`, slabs whose times use T are skipped: their cells are not among the keys.
    """
    taken: dict[tuple[str, str], Times] = {}
    times: dict[WrittenCell, Times] = {}
    slabs: dict[int, Times] = {}  # the cells of a slab share one TimeSet
    for entry in reversed(entries):
        if entry.names_readout and READOUT not in constants:
            continue
        key = (entry.source, entry.target)
        if id(entry.when) not in slabs:
            slabs[id(entry.when)] = entry.times(constants)
        times[entry] = written = slabs[id(entry.when)]
        if key in taken:
            times[entry], written = written.minus(taken[key]), union((written, taken[key]))
        taken[key] = written
    return times
