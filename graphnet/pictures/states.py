"""Captions of states: merge, update, readout."""

from __future__ import annotations

from collections import Counter

from graphnet.pictures.captions import row_names
from graphnet.planning.plan import Area, Fate, Plan

SUM = "sum"
"""The default merge, named only in a note."""

NORMS = ("batch_norm", "layer_norm", "group_norm")
"""Ops that B can mean."""

COMBINED = {
    "mean": "the mean of all readouts",
    "cumulative": "at each time the mean of the readouts up to then",
    "cumulative-sum": "at each time the sum of the readouts up to then",
}
"""Meaning of each way to combine readouts."""


def arrivals(plan: Plan) -> dict[str, int]:
    """The most arrows that arrive at each state at one time, counting that from the image."""
    at_once = Counter((firing.target, firing.t) for firing in plan.firings if firing.fate is Fate.FIRES)
    most: dict[str, int] = {}
    for (state, _), count in at_once.items():
        most[state] = max(most.get(state, 0), count)
    return most


def computed_texts(area: Area, arriving: int) -> list[str]:
    """Captions of a state: its merge, unless it is a sum or has one arrival, its update and `held`."""
    merge = [area.merge] if area.merge != SUM and arriving > 1 else []
    update = [f"then {area.update}"] if area.update else []
    return [*merge, *update, *(["held"] if area.hold else [])]


def note_on_states(plan: Plan) -> str:
    """The note below a picture of states and arrows: every computation that the picture does not show."""
    arriving = arrivals(plan)
    merges = dict.fromkeys(area.merge for area in plan.areas if arriving.get(area.name, 0) > 1)
    named = ", ".join(merge for merge in merges if merge != SUM)
    found = []
    if named:
        found.append(f"{named.capitalize()}: how a state merges its arrivals{'; others sum' if SUM in merges else ''}.")
    elif merges:
        found.append("Arrivals at a state are summed.")
    if any(area.update for area in plan.areas):
        found.append("Then …: the state's update, after its arrivals are merged.")
    if any(area.hold for area in plan.areas):
        found.append("Held: the state keeps its value while nothing arrives.")
    names = row_names(plan)
    zeros = [names[area.name] for area in plan.areas if area.zeros]
    if zeros:
        whose = "every state" if len(zeros) == len(plan.areas) else ", ".join(zeros)
        found.append(f"Zeros where nothing arrives: {whose}.")
    kinds = dict.fromkeys(line.op.kind for body in plan.bodies for line in body.lines if line.op.kind in NORMS)
    if set(kinds) - {"batch_norm"}:
        found.append(f"B: {', '.join(kind.replace('_', ' ') for kind in kinds)}.")
    if plan.combine in COMBINED:
        found.append(f"The output is {COMBINED[plan.combine]}.")
    return " ".join(found)


def read_values(plan: Plan) -> frozenset[str]:
    """The values that are read out, including those that a combined readout uses."""
    lines = {line.name: line for line in plan.lines}
    found: set[str] = set()
    todo = [name for _, name in plan.outputs]
    while todo:
        name = todo.pop()
        if lines[name].op.kind in ("value", "zeros"):
            found.add(name)
        else:
            todo += lines[name].arguments
    return frozenset(found)


def read_times(plan: Plan) -> set[int]:
    """The times of all readouts, including those combined into a later one."""
    read = read_values(plan)
    return {t for t, _ in plan.outputs} | {line.t for line in plan.lines if line.name in read}


def takes_time(plan: Plan) -> bool:
    """Whether every arrow between states takes a step, so that a step is 20 to 50 ms of biological time."""
    return all(cell.delay > 0 for cell in plan.cells if cell.place not in ("pre_net", "post_net"))
