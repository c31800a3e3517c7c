"""Who belongs to a weight-sharing set: `h1->h1@1..5`, `*->*` (design.md, rule 15)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from graphnet.spec.times import TimeRange, parse_times
from graphnet.spec.wholes import Misspelt

PATTERN = re.compile(r"\s*(?P<source>[\w.*]+)\s*->\s*(?P<target>[\w.*]+)\s*(?:@\s*(?P<times>[^#]+?)\s*)?$")


@dataclass(frozen=True)
class Selector:
    """Transitions from states like `source` to states like `target`, at some times or at all."""

    source: str
    target: str
    times: TimeRange | None
    spans: dict[str, tuple[int, int]]

    def matches(self, source: str, target: str) -> bool:
        """Whether a transition between these states is meant; `*` stands for any characters."""
        return fnmatchcase(source, self.source) and fnmatchcase(target, self.target)


def parse_selector(text: str) -> Selector:
    """One member of a set. Raises Misspelt, with the characters at fault."""
    match = PATTERN.match(text)
    if not match:
        raise Misspelt(f"'{text}' selects no transitions", 0, len(text), "write source->target or source->target@times")
    times = None
    if match["times"]:
        try:
            times = parse_times(match["times"])
        except Misspelt as fault:
            start = match.start("times")
            raise Misspelt(fault.what, fault.start + start, fault.end + start, fault.fix) from None
    spans = {name: match.span(name) for name in ("source", "target", "times")}
    return Selector(match["source"], match["target"], times, spans)
