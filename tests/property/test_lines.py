"""For any net, bodies have the same lines as writing each value separately."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import assume, event, given

import graphnet
from graphnet.network.functions.ops import op
from graphnet.network.network import FIRST, INPUT, SOURCE, Network, Transition
from graphnet.planning.plan import IMAGE, Line, Plan
from graphnet.planning.time_expansion import expand_in_time
from graphnet.planning.values import Value, find_values
from tests.property.strategies import specs
from tests.small import flattened


def planned(spec: dict[str, Any]) -> Plan | None:
    try:
        return graphnet.plan(spec)
    except graphnet.SpecError:
        return None


def function(cell: Transition, t: int, source: str, first: str, stem: str) -> Iterator[Line]:
    """The lines of a transition at a time, without reusing other times."""
    names = [f"{stem}_{layer.label.replace('.', '_')}" for layer in cell.function]
    for name, layer, bindings in zip(names, cell.function, cell.bindings, strict=True):
        arguments = tuple({SOURCE: source, FIRST: first}.get(at) or names[at] for at in layer.arguments)
        tensors = tuple(binding.at(t).name for binding in bindings)
        yield Line(name, layer.op, arguments, tensors, layer.shape, t, cell.place)


def direct(network: Network, value: Value, values: tuple[Value, ...]) -> Iterator[Line]:
    """The lines of a value in order, without the pre-net's."""
    (place, t), name = value.node, value.name
    stem, suffix = place.replace(".", "_"), name.removeprefix(place.replace(".", "_"))
    state = network.state(place)
    arrived = []
    shape = state.shape if state else ()
    for (cell, _, _, _), reads, first in value.sources:
        if cell.source == INPUT:
            when = t if network.sequence else cell.times.first
            source = f"{IMAGE}_t{when}" if network.sequence else IMAGE
            made = [f"pre_net_t{when}_{layer.label.replace('.', '_')}" for layer in cell.function]
            shape = cell.function[-1].shape if cell.function else shape
        else:
            source = values[reads].name
            lines = list(function(cell, t, source, values[first].name, f"{cell.place.replace('.', '_')}{suffix}"))
            made = [line.name for line in lines]
            shape = lines[-1].shape if lines and state is None else shape
            yield from lines
        arrived.append((made or [source])[-1])
    if t < 0:
        yield Line(name, op("zeros", shape=shape), (IMAGE,), (), shape, t, place)
        return
    merged = (arrived or [f"{name}_zeros"])[0]
    if not arrived:
        yield Line(merged, op("zeros", shape=shape), (IMAGE,), (), shape, t, place)
    if len(arrived) > 1 and state is not None:
        merged = f"{name}_{state.merge}"
        yield Line(merged, op(state.merge), tuple(arrived), (), shape, t, place)
    if state is not None and state.update is not None:
        lines = list(function(state.update, t, merged, "", f"{stem}_update{suffix}"))
        merged = lines[-1].name if lines else merged
        yield from lines
    yield Line(name, op("value", state=place), (merged,), (), shape, t, place)


@given(specs())
def test_bodies_give_what_writing_each_value_gives(spec: dict[str, Any]) -> None:
    plan = planned(spec)
    assume(plan is not None and "lipschitz" not in str(spec))
    assert plan is not None
    expansion = expand_in_time(graphnet.load(spec))
    values = find_values(expansion.network, expansion.activities).values
    lines = {line.name: line for line in plan.lines}
    made = {value.name: value for value in values}
    compared = set()
    for name in lines.keys() & made.keys():
        for line in direct(expansion.network, made[name], values):
            assert lines[line.name] == line
            compared.add(line.name)
    left = lines.keys() - compared
    assert all(name.startswith(("pre_net_t", f"{IMAGE}_t")) or "_upto_t" in name for name in left)
    assert [tensor.name for tensor in plan.tensors] == list(
        dict.fromkeys(name for line in plan.lines for name in line.tensors)
    )
    event(f"{len(plan.bodies) < len(plan.calls)=}")


@given(specs())
def test_figures_do_not_depend_on_bodies(spec: dict[str, Any]) -> None:
    plan = planned(spec)
    assume(plan is not None)
    assert plan is not None
    for name in ("flops", "depth", "parameters", "trainable", "classes", "work"):
        assert getattr(plan, name) == getattr(flattened(plan), name), name
