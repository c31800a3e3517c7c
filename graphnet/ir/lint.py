"""Warnings of a finished plan: what is legal but hardly meant, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from graphnet.errors import Fault, KeyPath
from graphnet.ir.activity import Activity
from graphnet.ir.network import VECTOR, Network
from graphnet.ir.ops import Op
from graphnet.ir.plan import IMAGE, Line

LINEAR = ("conv", "conv_transpose", "linear", "scale", "pad_identity", "max_pool", "avg_pool", "global_pool", "flatten")
"""Ops that make zeros of zeros, unless they add a bias."""
KEEP_ZERO = ("relu", "elu", "gelu", "leaky_relu", "silu", "tanh", "value", "slice", "sum", "mean", "max", "concat")


@dataclass(frozen=True)
class _Facts:
    """What is known of each value: whether it is zero whatever the image, and whether the image has a say in it."""

    zero: dict[str, bool]
    sees: dict[str, bool]


def lint(
    network: Network, activities: Sequence[Activity], lines: Sequence[Line], outputs: Sequence[tuple[int, str]]
) -> Iterator[Fault]:
    """States without a value, readouts before the input, parameters without a gradient, norms of single values."""
    paths = _paths(network)
    facts = _facts(lines)
    yield from _never_populated(network, activities)
    yield from _readouts_before_the_input(network, activities, outputs, facts)
    yield from _without_gradient(lines, outputs, facts, paths)
    yield from _norms_of_single_values(lines, paths)


def _paths(network: Network) -> dict[str, KeyPath]:
    """Where in the spec the lines of a place come from: the first cell, or the update."""
    paths: dict[str, KeyPath] = {}
    for net in network.nets:
        for transition in net.transitions:
            paths.setdefault(transition.place, transition.path)
    for state in network.states:
        if state.update is not None:
            paths[state.update.place] = state.update.path
    return paths


def _facts(lines: Sequence[Line]) -> _Facts:
    zero, sees = {IMAGE: False}, {IMAGE: True}
    for line in lines:
        if line.op.kind == "zeros":
            zero[line.name], sees[line.name] = True, False
            continue
        inputs = [zero[name] for name in line.arguments]
        if line.op.kind in ("product", "divide"):
            zero[line.name] = any(inputs)
        else:
            zero[line.name] = all(inputs) and _keeps_zero(line)
        sees[line.name] = not zero[line.name] and any(sees[name] for name in line.arguments)
    return _Facts(zero, sees)


def _keeps_zero(line: Line) -> bool:
    if line.op.kind in KEEP_ZERO:
        return True
    return line.op.kind in LINEAR and not any(tensor.endswith(".bias") for tensor in line.tensors)


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
    """With zeros for what is not there, a readout may come before any signal of the image does, or after."""
    blind = [t for t, name in outputs if not facts.sees[name]]
    if blind:
        times = " and ".join(f"t = {t}" for t in blind[:3]) + (", …" if len(blind) > 3 else "")
        what = f"at {times} the output is the same for every image: nothing of it is at '{network.read}' then"
        seeing = [t for t, name in outputs if facts.sees[name]]
        fix = f"the first readout that sees it is t = {seeing[0]}" if seeing else "read out later, or hold the input on"
        yield Fault(("readout", "t"), what, fix, severity="warning", code="GN505")


def _without_gradient(
    lines: Sequence[Line], outputs: Sequence[tuple[int, str]], facts: _Facts, paths: Mapping[str, KeyPath]
) -> Iterator[Fault]:
    """Parameters of which no readout's gradient says anything: they see zeros alone, or what follows is zero."""
    reached = {name for _, name in outputs}
    learns: dict[str, bool] = {}
    places: dict[str, str] = {}
    for line in reversed(lines):
        if line.name not in reached:
            gradient = False
        else:
            gradient = True
            reached.update(_reached(line, facts))
        for tensor in line.tensors:
            role = tensor.rpartition(".")[2]
            if role.startswith(("running_", VECTOR)):
                continue
            seen = gradient and (role in ("bias", "gain") or not all(facts.zero[name] for name in line.arguments))
            learns[tensor] = learns.get(tensor, False) or seen
            places[tensor] = line.place
    told: set[str] = set()
    for tensor in sorted(name for name, seen in learns.items() if not seen):
        place = places[tensor]
        if place in told:
            continue
        told.add(place)
        what = f"{tensor} gets no gradient: all that it works on, or all that is made of it, is zero"
        fix = "check what is zeros here, and gains of 0"
        yield Fault(paths.get(place, ()), what, fix, on="key", severity="warning", code="GN506")


def _reached(line: Line, facts: _Facts) -> Iterator[str]:
    """The arguments that a gradient goes on to."""
    if line.op.kind == "scale" and not line.tensors and line.op["factor"] == 0:
        return
    for number, name in enumerate(line.arguments):
        others = line.arguments[:number] + line.arguments[number + 1 :]
        if line.op.kind != "product" or not any(facts.zero[other] for other in others):
            yield name


def _norms_of_single_values(lines: Sequence[Line], paths: Mapping[str, KeyPath]) -> Iterator[Fault]:
    told: set[str] = set()
    for line in lines:
        what = _single_value(line.op, line.shape)
        if what and line.place not in told:
            told.add(line.place)
            fix = "normalise before the map is that small, or not here"
            yield Fault(paths.get(line.place, ()), what, fix, on="key", severity="warning", code="GN507")


def _single_value(op: Op, shape: tuple[int, ...]) -> str:
    area = math.prod(shape[1:])
    if op.kind == "batch_norm" and len(shape) > 1 and area == 1:
        return "batch norm of a 1x1 map: its statistics are of one value an image, and a batch of one image has none"
    if op.kind == "group_norm" and area * shape[0] // op.number("groups") == 1:
        return "group norm of single values: a group has one channel of one pixel, so that its result is constant"
    if op.kind == "layer_norm" and math.prod(shape) == 1:
        return "layer norm of a single value: its result is constant"
    return ""
