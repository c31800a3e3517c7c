"""Lints of a finished plan: what is legal but probably unintended, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from graphnet.errors import Fault, KeyPath
from graphnet.network.functions.ops import Line, Op
from graphnet.network.network import Network
from graphnet.planning.activity import Activity
from graphnet.planning.body import IMAGE, Body, Call, at, trainable
from graphnet.planning.dead_cells import listed

LINEAR = ("conv", "conv_transpose", "linear", "scale", "pad_identity", "max_pool", "avg_pool", "global_pool", "flatten")
"""Ops that map zeros to zeros, unless they add a bias."""
KEEP_ZERO = ("relu", "elu", "gelu", "leaky_relu", "silu", "tanh", "value", "slice", "sum", "mean", "max", "concat")


class _Fact(NamedTuple):
    """Facts about a value: is it zero for every image, and does it depend on the image?"""

    zero: bool
    sees: bool


Given = tuple[_Fact, ...]
"""The facts of a body's inputs, in the order of `Body.reads`."""


@dataclass
class _Facts:
    """The facts of all inputs and results of calls, by name, and those of each call's inputs."""

    known: dict[str, _Fact] = field(default_factory=lambda: {IMAGE: _Fact(False, True)})
    given: list[Given] = field(default_factory=list)


def lint(
    network: Network, activities: Sequence[Activity], calls: Sequence[Call], outputs: Sequence[tuple[int, str]]
) -> Iterator[Fault]:
    """Find states without a value, readouts before the input, parameters without gradient, norms of single values."""
    paths = _paths(network)
    yield from _never_populated(network, activities)
    if _may_be_lost(calls, outputs):
        facts = _facts(calls)
        yield from _readouts_before_the_input(network, activities, outputs, facts)
        yield from _without_gradient(calls, outputs, facts, paths)
    yield from _norms_of_single_values(calls, paths)


def _may_be_lost(calls: Sequence[Call], outputs: Sequence[tuple[int, str]]) -> bool:
    """Whether anything is zeroed or unread; if not, the image reaches every value, and a gradient every parameter."""
    bodies = {call.body for call in calls}
    if any(_is_zero(line.op) for body in bodies for line in body.lines) or any(body.unread for body in bodies):
        return True
    inside = {body: frozenset(name for line in body.lines for name in line.arguments) for body in bodies}
    read = {name for _, name in outputs}.union(*[call.reads for call in calls])
    return not all(name in inside[body] or at(name, t) in read for body, t in calls for name in body.results)


def _is_zero(op: Op) -> bool:
    """Whether an op always makes zeros, or stops the gradient."""
    return op.kind == "zeros" or (op.kind == "scale" and ("factor", 0.0) in op.attributes)


def _paths(network: Network) -> dict[str, KeyPath]:
    """Place → the part of the spec its lines come from: the first cell, or the update."""
    paths: dict[str, KeyPath] = {}
    for net in network.nets:
        for transition in net.transitions:
            paths.setdefault(transition.place, transition.path)
    for state in network.states:
        if state.update is not None:
            paths[state.update.place] = state.update.path
    return paths


def _facts(calls: Sequence[Call]) -> _Facts:
    """Propagate facts through the calls, through each body once per set of input facts."""
    facts = _Facts()
    followed: dict[object, tuple[_Fact, ...]] = {}
    for body, t in calls:
        given = tuple([facts.known[at(name, t)] for name, _ in body.reads])
        if (body, given) not in followed:
            found = _followed(body, given)
            followed[body, given] = tuple(found[name] for name in body.results)
        facts.given.append(given)
        facts.known.update(zip((at(name, t) for name in body.results), followed[body, given], strict=True))
    return facts


def _followed(body: Body, given: Given) -> dict[str, _Fact]:
    """The facts of a body's lines and inputs."""
    found = {name: fact for (name, _), fact in zip(body.reads, given, strict=True)}
    biased = {tensor.name for tensor in body.tensors if tensor.role == "bias"}
    for line in body.lines:
        read = [found[name] for name in line.arguments]
        if line.op.kind == "zeros":
            zero = True
        elif line.op.kind in ("product", "divide"):
            zero = any(each.zero for each in read)
        else:
            zero = all(each.zero for each in read) and _keeps_zero(line, biased)
        found[line.name] = _Fact(zero, not zero and any(each.sees for each in read))
    return found


def _keeps_zero(line: Line, biased: Container[str]) -> bool:
    if line.op.kind in KEEP_ZERO:
        return True
    return line.op.kind in LINEAR and not any(name in biased for name in line.tensors)


def _never_populated(network: Network, activities: Sequence[Activity]) -> Iterator[Fault]:
    populated = {name for activity in activities for name, t in activity.populated if t >= 0}
    for state in network.states:
        if state.name not in populated:
            what = f"'{state.name}' never holds a value up to the last readout"
            path: KeyPath = ("states", *state.name.split(".")[:1])
            fix = "give it a transition from a state that does"
            yield Fault(path, what, fix, on="key", severity="warning", code="GN504")


def _readouts_before_the_input(
    network: Network, activities: Sequence[Activity], outputs: Sequence[tuple[int, str]], facts: _Facts
) -> Iterator[Fault]:
    """Where empty states are zeros, a readout may come before or after every signal of the image."""
    blind = [t for t, name in outputs if not facts.known[name].sees]
    if blind:
        times = " and ".join(f"t = {t}" for t in blind[:3]) + (", …" if len(blind) > 3 else "")
        what = f"at {times} the output is the same for every image: no signal of it is at '{network.read}' then"
        seeing = [t for t, name in outputs if facts.known[name].sees]
        fix = f"the first readout that sees it is t = {seeing[0]}" if seeing else "read out later, or hold the input on"
        yield Fault(("readout", "t"), what, fix, severity="warning", code="GN505")


def _without_gradient(
    calls: Sequence[Call], outputs: Sequence[tuple[int, str]], facts: _Facts, paths: Mapping[str, KeyPath]
) -> Iterator[Fault]:
    """Parameters that no readout's gradient reaches: they see only zeros, or what follows is zero."""
    reached = {name for _, name in outputs}
    learning: set[str] = set()
    known: dict[object, tuple[frozenset[str], frozenset[str]]] = {}
    for (body, t), given in zip(reversed(calls), reversed(facts.given), strict=True):
        ends = tuple([at(name, t) in reached for name in body.results])
        if (key := (body, given, ends)) not in known:
            known[key] = _gradients(*key)
        learns, goes_on = known[key]
        reached.update([at(name, t) for name in goes_on])
        learning.update([at(name, t) for name in learns])
    silent = {tensor.name for tensor in trainable(calls)} - learning
    places = _places(calls, silent) if silent else {}
    told: set[str] = set()
    for tensor in sorted(silent):
        place = places[tensor]
        if place in told:
            continue
        told.add(place)
        what = f"{tensor} gets no gradient: its inputs, or all values that depend on it, are zero"
        fix = "check what is zeros here, and gains of 0"
        yield Fault(paths.get(place, ()), what, fix, on="key", severity="warning", code="GN506")


def _gradients(body: Body, given: Given, ends: Sequence[bool]) -> tuple[frozenset[str], frozenset[str]]:
    """The tensors of a body that get a gradient, and the inputs that pass it on, given the results that receive one."""
    facts = _followed(body, given)
    roles = {tensor.name: tensor.role for tensor in body.tensors}
    reached = {name for name, end in zip(body.results, ends, strict=True) if end}
    learns: set[str] = set()
    for line in reversed(body.lines):
        if line.name in reached:
            sees = not all(facts[name].zero for name in line.arguments)
            learns.update(name for name in line.tensors if sees or roles.get(name) in ("bias", "gain"))
            reached.update(_reached(line, lambda name: facts[name].zero))
    return frozenset(learns), frozenset(name for name, _ in body.reads if name in reached)


def _reached(line: Line, is_zero: Callable[[str], bool]) -> Iterator[str]:
    """The arguments that a gradient reaches."""
    if line.op.kind == "scale" and not line.tensors and line.op["factor"] == 0:
        return
    for number, name in enumerate(line.arguments):
        others = line.arguments[:number] + line.arguments[number + 1 :]
        if line.op.kind != "product" or not any(map(is_zero, others)):
            yield name


def _places(calls: Sequence[Call], names: Container[str]) -> dict[str, str]:
    """Tensor → place of its first use."""
    places: dict[str, str] = {}
    for body, t in calls:
        for line in body.lines:
            for tensor in line.tensors:
                if (name := at(tensor, t)) in names:
                    places.setdefault(name, line.place)
    return places


def _norms_of_single_values(calls: Sequence[Call], paths: Mapping[str, KeyPath]) -> Iterator[Fault]:
    """Norms of single values; one warning for all affected states of a part."""
    found: dict[tuple[KeyPath, str], dict[str, None]] = {}
    for body in dict.fromkeys(call.body for call in calls):
        for line in body.lines:
            if what := _single_value(line.op, line.shape):
                state = line.place.partition(".")[0]
                found.setdefault((paths.get(line.place, ()), what), {})[f"'{state}'"] = None
    for (path, what), states in found.items():
        where = f"in {listed(list(states))}: " if path[:1] == ("parts",) else ""
        fix = "normalise before the map is that small, or not here"
        yield Fault(path, f"{where}{what}", fix, on="key", severity="warning", code="GN507")


def _single_value(op: Op, shape: tuple[int, ...]) -> str:
    area = math.prod(shape[1:])
    if op.kind == "batch_norm" and len(shape) > 1 and area == 1:
        return "batch norm of a 1x1 map: an image gives its statistics one value, so a batch of one image has none"
    if op.kind == "group_norm" and area * shape[0] // op.number("groups") == 1:
        return "group norm of single values: a group has one channel of one pixel, so its result is constant"
    if op.kind == "layer_norm" and math.prod(shape) == 1:
        return "layer norm of a single value: its result is constant"
    return ""
