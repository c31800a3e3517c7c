"""Classify a net as a dynamical system (LP section 2.2, rule 23).

What fires and is needed counts, not how the spec writes it, from one step after the first input on.
Pre-net and post-net do not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from graphnet.network.network import INPUT, LOGITS, VECTOR, Function, Net, Network, Slot, System, Tensor, Transition
from graphnet.planning.activity import Activity, ZeroDelayCycle, trace
from graphnet.spec.notation.times import FOREVER, Times, TimeSpan, times_at, union

Key = tuple[str, str]
Fired = dict[Transition, list[int]]
"""The transitions between states that a readout needs, with the times at which they fire, in ascending order."""


def classify(network: Network, activities: Sequence[Activity]) -> System:
    """Return the kind of system of the recurrent part."""
    start = network.input_times.first + 1
    fired = [_fired(activity, start) for activity in activities]
    shared, steady = _constant_tensors(fired)
    last = max(t for net in network.nets for t in net.readouts)
    return System(
        homogeneous=len(network.input_times.upto(last)) <= 1,
        shared_weights=shared,
        constant_matrix=_is_constant(network, fired, start),
        constant_statistics=steady,
    )


def _fired(activity: Activity, start: int) -> Fired:
    found: Fired = {}
    for node, arrivals in activity.firing.items():
        if node in activity.needed and node[0] != LOGITS and node[1] >= start:
            for arrival in arrivals:
                if arrival.transition.source != INPUT:
                    found.setdefault(arrival.transition, []).append(arrival.t)
    return {transition: sorted(times) for transition, times in found.items()}


def _constant_tensors(fired: Sequence[Fired]) -> tuple[bool, bool]:
    """Whether each layer has the same weights at all times, and whether no norm has per-time statistics."""
    names: dict[tuple[str, str, str], str] = {}
    shared = steady = True
    for place, label, slot, tensor in _tensors(fired):
        if slot.per_time:
            steady = False
        elif names.setdefault((place, label, slot.role), tensor.name) != tensor.name or "{t}" in tensor.name:
            shared = False
    return shared, steady


def _tensors(fired: Sequence[Fired]) -> Iterator[tuple[str, str, Slot, Tensor]]:
    """Yield every tensor in use, with its place, layer and slot."""
    for transition, times in (each for some in fired for each in some.items()):
        when = times_at(times) if transition.parted else None
        for layer, bindings in zip(transition.function, transition.bindings, strict=True):
            for slot, binding in zip(layer.slots, bindings, strict=True):
                if slot.role.startswith(VECTOR):  # of the weights and statistics
                    continue
                for holds, tensor in binding.pieces:
                    if when is None or len(binding.pieces) == 1 or holds.both(when):
                        yield transition.place, layer.label, slot, tensor


def _is_constant(network: Network, fired: Sequence[Fired], start: int) -> bool:
    """Whether one constant transition matrix from `start` on gives the same firings."""
    matrix: dict[Key, Transition] = {}
    for transition in (each for some in fired for each in some):
        if _entry(matrix.setdefault(transition.key, transition)) != _entry(transition):
            return False
    return all(_does_the_same(network, net, some, matrix, start) for net, some in zip(network.nets, fired, strict=True))


def _entry(transition: Transition) -> tuple[Function, int]:
    """The entry of the matrix, apart from weights."""
    return transition.function, transition.delay


def _does_the_same(network: Network, net: Net, fired: Fired, matrix: Mapping[Key, Transition], start: int) -> bool:
    """Whether a net's firings stay the same if each entry of a matrix holds at all times from `start` on."""
    last = max(net.readouts)
    rest = Times((TimeSpan(start, FOREVER),))
    holding: dict[Key, list[Times]] = {key: [] for key in matrix}
    for each in net.transitions:
        if each.key in matrix and _entry(each) == _entry(matrix[each.key]):
            holding[each.key].append(each.times)
    until = Times((TimeSpan(start, last),))
    inner = [each for each in net.transitions if INPUT not in each.key and LOGITS not in each.key]
    written = {each.key for each in inner if each.times.both(until)}
    if not matrix or (written == matrix.keys() and not any(until.minus(union(holding[key])) for key in written)):
        return True
    ends = [each for each in net.transitions if INPUT in each.key or LOGITS in each.key]
    before = [replace(each, times=each.times.minus(rest)) for each in inner]
    constant = [replace(each, times=rest) for each in matrix.values()]
    try:
        found = trace(network, replace(net, transitions=(*ends, *before, *constant)), last)
    except ZeroDelayCycle:
        return False
    return _events(_fired(found, start)) == _events(fired)


def _events(fired: Fired) -> set[tuple[Key, int]]:
    return {(transition.key, t) for transition, times in fired.items() for t in times}
