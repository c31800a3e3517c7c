"""Network → Plan: unroll in time, keep what a readout needs, write one line per value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphnet.network.network import Network, State, Tensor, Transition
from graphnet.planning.activity import Activity
from graphnet.planning.body import IMAGE, trainable
from graphnet.planning.dead_cells import warnings
from graphnet.planning.firings import find_fates
from graphnet.planning.lint import lint
from graphnet.planning.plan import Area, CellInfo, Coupling, Plan
from graphnet.planning.step_writer import StepWriter
from graphnet.planning.system import classify
from graphnet.planning.time_expansion import TimeExpansion
from graphnet.planning.values import Value, Values, find_values
from graphnet.spec.notation.times import ALWAYS, union


def schedule(expansion: TimeExpansion, keep_dead: bool = False) -> Plan:
    """Return the plan of a network in time.

    With `keep_dead`, also compute values that no readout needs, for debugging.
    """
    network, activities = expansion.network, expansion.activities
    values = find_values(network, activities)
    writer = StepWriter(network, values, _held_to_the_end(values, activities))
    for value in _values(network, activities, values, keep_dead):
        writer.write(value)
    calls, outputs = writer.finish()
    firings = find_fates(network, activities, values, keep_dead)
    transitions = [each for net in network.nets for each in net.transitions]
    return Plan(
        name=network.name,
        cite=network.cite,
        input_shape=writer.shapes[IMAGE],
        input_times=str(network.input_times),
        areas=tuple(map(_area, network.states)),
        cells=_cells(network, transitions),
        firings=firings,
        calls=calls,
        outputs=outputs,
        system=classify(network, activities),
        couplings=_couplings(network, trainable(calls)),
        weights=network.weights,
        combine=network.combine,
        warnings=(
            *expansion.warnings,
            *warnings(transitions, firings),
            *lint(network, activities, calls, outputs),
        ),
    )


def _values(network: Network, activities: Sequence[Activity], values: Values, keep_dead: bool) -> list[Value]:
    """The values to compute, in the order of time, target and net (rule 18)."""
    rank = network.rank
    found = []
    for which, activity in enumerate(activities):
        for place, node in enumerate(activity.order):
            if node in activity.populated and (keep_dead or node in activity.needed):
                within = place if len(activities) == 1 else rank[node[0]]
                found.append((node[1], within, which, values.at(which, node)))
    found.sort(key=lambda each: each[:3])
    return [value for *_, value in found]


def _area(state: State) -> Area:
    steps = [state.update.text] if state.update else []
    if state.noise:
        std, times = state.noise
        steps.append(f"noise({std:g})" + ("" if times == ALWAYS else f" at t = {times}"))
    update = ", ".join(steps)
    return Area(state.name, state.label, state.shape, state.merge, update, state.hold, state.zeros)


def _cells(network: Network, transitions: Sequence[Transition]) -> tuple[CellInfo, ...]:
    """The written cells, each once, with all times at which it holds for any readout."""
    rank = network.rank
    cells: dict[object, list[Transition]] = {}
    for each in transitions:
        cells.setdefault((each.path, each.key), []).append(each)
    alike = sorted(cells.values(), key=lambda same: (rank[same[0].target], rank[same[0].source]))
    times = [same[0].times if len(same) == 1 else union(each.times for each in same) for same in alike]
    texts = {each: str(each) for each in set(times)}
    return tuple(
        [
            CellInfo(each.source, each.target, each.text, texts[when], each.delay, each.place)
            for when, (*_, each) in zip(times, alike, strict=True)
        ]
    )


def _couplings(network: Network, tensors: Iterable[Tensor]) -> tuple[Coupling, ...]:
    groups: dict[str, list[str]] = {}
    for tensor in tensors:
        if tensor.coupled:
            groups.setdefault(tensor.coupled, []).append(tensor.name)
    return tuple(
        Coupling(*network.couplings[int(group.split(":")[0])], tuple(names))
        for group, names in groups.items()
        if len(names) > 1
    )


def _held_to_the_end(values: Values, activities: Sequence[Activity]) -> frozenset[str]:
    """The names of values that their states hold at the last time: read at many times, they keep one name."""
    found = set()
    for activity, numbers in zip(activities, values.numbers, strict=True):
        last = {name: t for name, t in activity.order if (name, t) in activity.populated}
        held = [node for node in last.items() if node in activity.held]
        found |= {values.values[numbers[node]].name for node in held}
    return frozenset(found)
