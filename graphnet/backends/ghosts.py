"""The arrows of an unrolled net that never run, and the values that nobody makes or reads: drawn on request."""

from __future__ import annotations

from dataclasses import replace

from graphnet.backends.arrows import Feed, Weights, is_value
from graphnet.backends.picture import PALE, Stroke
from graphnet.ir.network import INPUT, LOGITS
from graphnet.ir.ops import op
from graphnet.ir.plan import IMAGE, Fate, Line, Plan

GHOST = Weights("", "", Stroke(PALE, "1.3 1.7", 0.8))
"""In place of the weights of an arrow that never runs."""


def dead_feeds(plan: Plan) -> list[Feed]:
    """The arrows that the transition matrix has and that never run, from the first time on."""
    places = {(cell.source, cell.target): cell.place for cell in plan.cells}
    delays = {(cell.source, cell.target, cell.ops): cell.delay for cell in plan.cells}
    values: dict[tuple[str, int], str] = {}
    for line in filter(is_value, plan.lines):
        values.setdefault((line.place, line.t), line.name)
    first = min(t for _, t in values)
    found: dict[tuple[str, str], Feed] = {}
    for firing in plan.firings:
        before = firing.t - delays.get((firing.source, firing.target, firing.ops), 1)
        if firing.fate is Fate.FIRES or LOGITS in (firing.source, firing.target) or before < first:
            continue
        source = firing.reads or values.get((firing.source, before), f"{firing.source}_t{before}")
        source = IMAGE if firing.source == INPUT else source
        target = values.get((firing.target, firing.t), f"{firing.target}_t{firing.t}")
        place = places[firing.source, firing.target]
        found.setdefault((source, target), Feed(source, target, place, firing.t, ()))
    return list(found.values())


def with_ghosts(plan: Plan, dead: list[Feed]) -> tuple[Plan, set[str]]:
    """The plan with a value at each end of a dead arrow, and the names of those that it had not."""
    known = {line.name for line in plan.lines} | {IMAGE}
    shapes = {area.name: area.shape for area in plan.areas}
    ghosts: dict[str, Line] = {}
    for feed in dead:
        state, _, source = feed.place.partition(".from_")
        for name, place in ((feed.source, source), (feed.target, state)):
            if name not in known and name not in ghosts and place in shapes:
                t = int(name.removeprefix(f"{place.replace('.', '_')}_t").partition("_")[0])
                ghosts[name] = Line(name, op("value"), (), (), shapes[place], t, place)
    return replace(plan, lines=plan.lines + tuple(ghosts.values())), set(ghosts)
