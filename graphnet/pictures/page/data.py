"""Plan → data of a page for JSON: values, arrows and weights with their figures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from graphnet.errors import clean
from graphnet.network.functions.ops import Shape
from graphnet.network.network import INPUT, LOGITS
from graphnet.pictures.captions import row_names, shape_text, times_text
from graphnet.pictures.states import read_values, takes_time
from graphnet.pictures.unrolled.arrows import Feed, Weights, feeds, is_value, weigh
from graphnet.pictures.unrolled.legend import letter_order, ops_text
from graphnet.planning.plan import IMAGE, Line, Plan

Work = dict[tuple[str, str], int]
"""FLOPs per image, by value and by transition or update."""


def net_data(plan: Plan) -> dict[str, Any]:
    """Return a net as data for JSON. Indices into their lists identify values, transitions, states and weights."""
    found = feeds(plan)
    weights = weigh(plan, found)
    states, values = _states(plan), [line for line in plan.lines if is_value(line)]
    state_numbers = {state["name"]: number for number, state in enumerate(states)}
    value_numbers = {IMAGE: 0} | {line.name: number for number, line in enumerate(values, start=1)}
    places = {cell.place: number for number, cell in enumerate({cell.place: cell for cell in plan.cells}.values())}
    sets = sorted(dict.fromkeys(weights), key=lambda each: letter_order(each.letter))
    set_numbers = {each: number for number, each in enumerate(sets)}
    work = work_of(plan)
    updates = Counter[str]()
    for (value, place), flops in work.items():
        updates[value] += flops if place not in places else 0
    arriving = Counter(feed.target for feed in found)
    return {
        "name": clean(plan.name) or "net",
        "cite": clean(plan.cite),
        "figures": _figures(plan),
        "first": min(line.t for line in values),
        "last": plan.last_time,
        "biological": takes_time(plan),
        "reads": _reads(plan, values),
        "states": states,
        "values": [
            [IMAGE, state_numbers[INPUT], None, 0, 0],
            *(
                [line.name, state_numbers[line.place], line.t, updates[line.name], arriving[line.name]]
                for line in values
            ),
        ],
        "transitions": _transitions(plan, states),
        "sets": _sets(plan, sets, dict(zip(reversed(weights), reversed(found), strict=True))),
        "arrows": [
            [
                value_numbers[feed.source],
                value_numbers[feed.target],
                places[feed.place],
                set_numbers[each],
                work.get((feed.target, feed.place), 0),
            ]
            for feed, each in zip(found, weights, strict=True)
        ],
    }


def _reads(plan: Plan, values: Sequence[Line]) -> list[tuple[int, str]]:
    """The values that are read out, with the time of the readout, or their own if readouts are combined."""
    read = read_values(plan)
    found = [(t, name) for t, name in plan.outputs if name in read]
    outputs = {name for _, name in found}
    return found + [(line.t, line.name) for line in values if line.name in read and line.name not in outputs]


def work_of(plan: Plan) -> Work:
    """Assign the net's FLOPs to values; a line that serves several values counts at the first."""
    flops = {line.name: count for line, count in plan.work}
    lines = {line.name: line for line in plan.lines}
    found: Work = {}
    seen: set[str] = set()
    for value in filter(is_value, plan.lines):
        for line in _made_of(value, lines, seen):
            key = value.name, line.place
            found[key] = found.get(key, 0) + flops[line.name]
    return {key: count for key, count in found.items() if count}


def _made_of(value: Line, lines: Mapping[str, Line], seen: set[str]) -> list[Line]:
    """The unseen lines between a value and the values it is computed from."""
    found, todo = [], list(value.arguments)
    while todo:
        name = todo.pop()
        line = lines.get(name)
        if line is None or name in seen or is_value(line):
            continue
        seen.add(name)
        found.append(line)
        todo += line.arguments
    return found


def _figures(plan: Plan) -> list[list[str]]:
    low, high = plan.milliseconds
    clock = [["biological time", f"{low}–{high} ms"]] if takes_time(plan) else []
    return [
        ["parameters", f"{plan.parameters:,}"],
        ["FLOPs per image", f"{plan.flops:,}"],
        ["depth", str(plan.depth)],
        ["readout", f"t = {times_text(t for t, _ in plan.outputs)}"],
        *clock,
        ["input", f"{shape_text(plan.input_shape)} at t = {plan.input_times}"],
    ]


def _states(plan: Plan) -> list[dict[str, Any]]:
    """The image, the states in order, and the logits, by the names that transitions use."""
    labels = row_names(plan)
    logits = next((line.shape for line in plan.lines if line.place == LOGITS and is_value(line)), None)
    found = [_state(INPUT, INPUT, plan.input_shape)]
    found += [
        _state(area.name, clean(labels[area.name]), area.shape, area.merge, clean(area.update)) for area in plan.areas
    ]
    return found if logits is None else [*found, _state(LOGITS, LOGITS, logits)]


def _state(name: str, label: str, shape: Shape, merge: str = "", update: str = "") -> dict[str, Any]:
    return {"name": name, "label": label, "shape": shape_text(shape), "merge": merge, "update": update}


def _transitions(plan: Plan, states: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    numbers = {state["name"]: number for number, state in enumerate(states)}
    cells = {cell.place: cell for cell in plan.cells}
    return [
        {
            "place": cell.place,
            "source": numbers.get(cell.source, 0),
            "target": numbers.get(cell.target, 0),
            "ops": clean(ops_text(plan, cell.place)),
            "delay": cell.delay,
        }
        for cell in cells.values()
    ]


def _sets(plan: Plan, sets: Sequence[Weights], first: Mapping[Weights, Feed]) -> list[dict[str, Any]]:
    """The trained tensors of each set of weights, from its first use."""
    shapes = {tensor.name: tensor.shape for tensor in plan.tensors if tensor.trainable}
    trained = {each: [name for name in first[each].tensors if name in shapes] for each in sets}
    return [
        {
            "name": each.name,
            "colour": each.stroke.colour,
            "dash": each.stroke.dash,
            "tensors": [[name, shape_text(shapes[name])] for name in trained[each]],
            "parameters": sum(math.prod(shapes[name]) for name in trained[each]),
        }
        for each in sets
    ]
