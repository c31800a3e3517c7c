"""Times of transitions: `4`, `"5..7"`, `"1..inf"`, `"T-1"`, lists of these (design.md, rule 7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from graphnet.spec.notation.integers import Misspelt, Reader, Whole

FOREVER = 1 << 40
"""Value of `inf`: later than any readout."""
FROM_ZERO = 'write one of at least 0, such as 4, "5..7" or "1..inf"'


class TimeSpan(NamedTuple):
    """Times from `first` to `last`, inclusive."""

    first: int
    last: int


@dataclass(frozen=True)
class Times:
    """A set of times, as disjoint ascending spans."""

    spans: tuple[TimeSpan, ...] = ()

    def __contains__(self, t: int) -> bool:
        for first, last in self.spans:  # noqa: SIM110 - asked of every cell at every time
            if first <= t <= last:
                return True
        return False

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __str__(self) -> str:
        return ", ".join(_span_text(span) for span in self.spans) or "never"

    @property
    def first(self) -> int:
        return self.spans[0].first

    def minus(self, other: Times) -> Times:
        """Return the times of this set that are not in the other."""
        return _minus(self, other)

    def both(self, other: Times) -> Times:
        """Return the times in both sets."""
        if self is other or self is ALWAYS:
            return other
        return _both(self, other)

    def upto(self, last: int) -> list[int]:
        """Return the times 0 ≤ t ≤ last of this set, ascending."""
        return [t for first, end in self.spans for t in range(first, min(end, last) + 1)]


@lru_cache(maxsize=4096)
def _minus(times: Times, other: Times) -> Times:
    """Cached, because thousands of cells share a few sets of times."""
    left = times.spans
    for cut in other.spans:
        left = tuple(
            part
            for span in left
            for part in (
                TimeSpan(span.first, min(span.last, cut.first - 1)),
                TimeSpan(max(span.first, cut.last + 1), span.last),
            )
            if part.first <= part.last
        )
    return Times(left)


@lru_cache(maxsize=4096)
def _both(times: Times, other: Times) -> Times:
    return times.minus(times.minus(other))


ALWAYS = Times((TimeSpan(0, FOREVER),))


def times_at(moments: Iterable[int]) -> Times:
    """Return the set of these times."""
    return union(Times((TimeSpan(t, t),)) for t in moments)


def union(parts: Iterable[Times]) -> Times:
    """Return the times in any of the sets."""
    merged: list[TimeSpan] = []
    for span in sorted(span for part in parts for span in part.spans):
        if merged and span.first <= merged[-1].last + 1:
            merged[-1] = TimeSpan(merged[-1].first, max(merged[-1].last, span.last))
        else:
            merged.append(span)
    return Times(tuple(merged))


def _span_text(span: TimeSpan) -> str:
    if span.first == span.last:
        return str(span.first)
    return f"{span.first}..{'inf' if span.last >= FOREVER else span.last}"


@dataclass(frozen=True)
class TimeRange:
    """A range `first..last` as written; a single time has `last == first`, an open range `last is None`."""

    first: Whole
    last: Whole | None

    @property
    def names(self) -> tuple[str, ...]:
        return self.first.names + (self.last.names if self.last else ())

    def times(self, constants: Mapping[str, int]) -> Times:
        """Return the times of the range, without those before 0."""
        first = self.first.value(constants)
        last = FOREVER if self.last is None else self.last.value(constants)
        span = TimeSpan(max(first, 0), last)
        return Times((span,)) if span.first <= span.last else Times()


def parse_times(text: str | int) -> TimeRange:
    """Parse one time or range. Raises Misspelt, with the characters at fault."""
    if isinstance(text, int):
        if text < 0:
            raise Misspelt(f"{text} is not a time: times are 0, 1, 2, …", 0, 0, FROM_ZERO, code="GN109")
        whole = Whole(str(text), literal=text)
        return TimeRange(whole, whole)
    reader = Reader(text)
    if reader.next.text == "-":
        what = "a negative number is not a time: times are 0, 1, 2, …"
        raise Misspelt(what, 0, len(text), FROM_ZERO, code="GN109")
    try:
        return _range(reader)
    except Misspelt as fault:
        if fault.code == "GN108" and not fault.fix:
            fault.fix = _elsewhere(text)
        raise


def _range(reader: Reader) -> TimeRange:
    text = reader.text
    first = last = reader.whole()
    if not first.names and first.value({}) < 0:  # "1-5", meant as a range
        hint = f"write a range as '{text.replace('-', '..', 1)}'"
        raise Misspelt(f"'{text}' is {first.value({})}, which is not a time", 0, len(text), hint, code="GN109")
    if reader.next.text == ":":
        raise reader.misspelt("'..' between two times")
    if reader.skip(".."):
        if reader.skip("inf"):
            return _finished(reader, TimeRange(first, None))
        last = reader.whole()
        if first.literal is not None and last.literal is not None and last.literal < first.literal:
            hint = f"did you mean '{last.text}..{first.text}'?"
            raise Misspelt(f"'{text}' runs backwards", 0, len(text), hint, code="GN110")
    return _finished(reader, TimeRange(first, last))


def _finished(reader: Reader, result: TimeRange) -> TimeRange:
    if reader.next.kind != "end":
        raise reader.misspelt("'..' or the end of the time")
    return result


_END = r"\s*([\w+*()-]+)\s*"
_ELSEWHERE = [
    (
        rf"\s*>=?{_END}|{_END}(?:\+|\.\.+|…|->|-|:|(?:\.\.|:|to)\s*(?:\*|∞|end|infinity|-1))\s*",
        "write an open range as '{}..inf'",
    ),
    (
        rf"[\[(]?{_END}(?:\.\.\.+|…|:|–|—|\bto\b|\.\.|\bthrough\b){_END}[\])]?",
        "write a range as '{}..{}'",
    ),
    (rf"\s*(?:<=?|\.\.|:){_END}", "write a range as '0..{}'"),
    (rf"[\[(]?{_END}(?:[,;]{_END})+[\])]?", "write several times as a list"),
    (rf"\s*range\({_END}\)\s*", "a range includes both ends: range({0}) is '0..{0}-1'"),
]
"""Patterns of times in other languages, and what to write instead."""


def _elsewhere(text: str) -> str:
    """Return a hint for a time in the notation of another language, or examples if it is unclear."""
    for pattern, right in _ELSEWHERE:
        if match := re.fullmatch(pattern, text[:100]):
            return right.format(*filter(None, match.groups()))
    return 'a time is 4, a range "5..7" or "1..inf", or a list of these'
