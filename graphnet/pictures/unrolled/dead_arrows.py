"""Arrows of an unrolled net that never run, and their values that are not computed: drawn on request."""

from __future__ import annotations

from graphnet.network.functions.ops import op
from graphnet.network.network import INPUT, LOGITS
from graphnet.pictures.elements import PALE, Stroke
from graphnet.pictures.unrolled.arrows import Feed, Weights, is_value
from graphnet.planning.plan import IMAGE, Fate, Line, Plan

GHOST = Weights("", "", Stroke(PALE, "1.3 1.7", 0.8))
"""Stands for the weights of an arrow that never runs."""


def ghosts(plan: Plan) -> tuple[list[Feed], list[Line]]:
    """Return the transition matrix's arrows that never run, and the values at their ends that are not computed."""
    places = {(cell.source, cell.target): cell.place for cell in plan.cells}
    delays = {(cell.source, cell.target, cell.ops): cell.delay for cell in plan.cells}
    shapes = {area.name: area.shape for area in plan.areas}
    values: dict[tuple[str, int], str] = {}
    for line in filter(is_value, plan.lines):
        values.setdefault((line.place, line.t), line.name)
    known = set(values.values()) | {IMAGE}
    first = min([t for _, t in values] + [firing.t for firing in plan.firings if firing.fate is Fate.UNREAD])
    feeds: dict[tuple[str, str], Feed] = {}
    lines: dict[str, Line] = {}

    def value(state: str, t: int, name: str = "") -> str:
        name = name or values.get((state, t)) or f"{state.replace('.', '_')}_t{t}"
        if name not in known:
            lines[name] = Line(name, op("value"), (), (), shapes[state], t, state)
        return name

    for firing in plan.firings:
        before = firing.t - delays.get((firing.source, firing.target, firing.ops), 1)
        if firing.fate is Fate.FIRES or LOGITS in (firing.source, firing.target) or before < first:
            continue
        source = IMAGE if firing.source == INPUT else value(firing.source, before, firing.reads)
        target = value(firing.target, firing.t)
        place = places[firing.source, firing.target]
        feeds.setdefault((source, target), Feed(source, target, place, firing.t, ()))
    return list(feeds.values()), list(lines.values())
