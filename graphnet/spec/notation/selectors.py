"""Selectors for members of weight-sharing sets: `h1->h1@1..5#conv*`, `*->*`, `["h1", "h1", 3]` (design.md, rule 15)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from graphnet.spec.notation.integers import Misspelt
from graphnet.spec.notation.times import TimeRange, parse_times

PATTERN = re.compile(
    r"\s*(?P<source>[\w.*]+)\s*->\s*(?P<target>[\w.*]+)\s*(?:@\s*(?P<times>[^#]*?)\s*)?(?:#\s*(?P<layer>[\w.*]+)\s*)?$"
)


@dataclass(frozen=True)
class Selector:
    """Transitions from states that match `source` to states that match `target`, at `times` or always.

    `layer` selects only layers whose names match; these are then one tensor. `*` matches any characters.
    """

    source: str
    target: str
    times: tuple[TimeRange, ...] = ()
    layer: str | None = None
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)

    def matches(self, source: str, target: str) -> bool:
        """Whether a transition between these states is selected."""
        return fnmatchcase(source, self.source) and fnmatchcase(target, self.target)


def parse_selector(written: str | tuple[str, str, int | str]) -> Selector:
    """Parse a member of a set. Raises Misspelt, with the characters at fault."""
    if isinstance(written, tuple):
        source, target, time = written
        return Selector(source, target, (parse_times(time),))
    match = PATTERN.match(written)
    if not match:
        fix = "write source->target or source->target@times, optionally followed by #layer"
        if ends := _other_arrow(written):
            fix = f"write {ends}"
        raise Misspelt(f"'{written}' selects no transitions", 0, len(written), fix, code="GN401")
    times = []
    if match["times"] is not None:
        start = match.start("times")
        for text in match["times"].split(","):
            try:
                times.append(parse_times(text))
            except Misspelt as fault:
                raise fault.shifted(start) from None
            start += len(text) + 1
    spans = {name: match.span(name) for name in ("source", "target", "times")}
    return Selector(match["source"], match["target"], tuple(times), match["layer"], spans)


def _other_arrow(written: str) -> str:
    """Correct a selector with another arrow or with only a state; "" if it is unclear."""
    if _WORD.fullmatch(written):
        return f"source->target, such as {written}->{written}"
    sign = _ARROW.search(written)
    if sign is None:
        return ""
    left, right = written[: sign.start()], written[sign.end() :]
    if sign["back"] and (name := _WORD.match(right)):
        left, right = name[0], left + right[name.end() :]
    return f"{left}->{right}" if sign[0].strip() != "->" and PATTERN.match(f"{left}->{right}") else ""


_WORD = re.compile(r"[A-Za-z][\w.]*")
_ARROW = re.compile(r"\s*(?:(?P<back><[-=]+|←)|[-=]*>|→|\bto\b)\s*")
_SIGN = re.compile(r"\s*(?:(?P<back><[-=]+|←)|[-=]*>|→|\bto\b|[-,;/|:.\s])\s*")
"""Separators that people write between the two ends of an arrow."""


def arrow_ends(written: str, names: Collection[str]) -> tuple[str, str] | None:
    """Return source and target of `V1->V2`, `V1 to V2`, `V2 <- V1` and the like, if both are in `names`."""
    for sign in _SIGN.finditer(written[:200]):
        left, right = written[: sign.start()], written[sign.end() :]
        if left in names and right in names:
            return (right, left) if sign["back"] else (left, right)
    return None
