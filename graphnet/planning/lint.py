"""Warnings of a finished plan: what is legal but hardly meant, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from graphnet.errors import Fault, KeyPath
from graphnet.network.functions.ops import Op
from graphnet.network.network import Network
from graphnet.planning.activity import Activity
from graphnet.planning.lines import IMAGE, Pattern, Template, Turn, trainable

LINEAR = ("conv", "conv_transpose", "linear", "scale", "pad_identity", "max_pool", "avg_pool", "global_pool", "flatten")
"""Ops that make zeros of zeros, unless they add a bias."""
KEEP_ZERO = ("relu", "elu", "gelu", "leaky_relu", "silu", "tanh", "value", "slice", "sum", "mean", "max", "concat")


Flags = tuple[bool, ...]


class _Fact(NamedTuple):
    """What is known of a value: whether it is zero whatever the image, and whether the image has a say in it."""

    zero: bool
    sees: bool


@dataclass
class _Facts:
    """The facts of what turns are given and result in, by name; and of each turn, of what it is given and its lines."""

    known: dict[str, _Fact] = field(default_factory=lambda: {IMAGE: _Fact(False, True)})
    turns: list[tuple[tuple[_Fact, ...], Flags]] = field(default_factory=list)


def lint(
    network: Network, activities: Sequence[Activity], turns: Sequence[Turn], outputs: Sequence[tuple[int, str]]
) -> Iterator[Fault]:
    """States without a value, readouts before the input, parameters without a gradient, norms of single values."""
    paths = _paths(network)
    yield from _never_populated(network, activities)
    if _may_be_lost(turns, outputs):
        facts = _facts(turns)
        yield from _readouts_before_the_input(network, activities, outputs, facts)
        yield from _without_gradient(turns, outputs, facts, paths)
    yield from _norms_of_single_values(turns, paths)


def _may_be_lost(turns: Sequence[Turn], outputs: Sequence[tuple[int, str]]) -> bool:
    """Whether anything is made zero or not read; else the image reaches all that is, and a gradient all of that."""
    patterns = {turn.pattern for turn in turns}
    read = {name for _, name in outputs}.union(*[turn.given for turn in turns])
    return (
        any(_is_zero(line.op) for pattern in patterns for line in pattern.lines)
        or any(pattern.unread for pattern in patterns)
        or not all(read.issuperset(turn.results) for turn in turns)
    )


def _is_zero(op: Op) -> bool:
    """Whether an op makes zeros whatever it is given, or stops the gradient."""
    return op.kind == "zeros" or (op.kind == "scale" and ("factor", 0.0) in op.attributes)


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


def _facts(turns: Sequence[Turn]) -> _Facts:
    """Followed through each pattern once for what it is given."""
    facts = _Facts()
    followed: dict[object, tuple[Flags, tuple[_Fact, ...]]] = {}
    for turn in turns:
        given = tuple(map(facts.known.__getitem__, turn.given))
        key = (turn.pattern, given)
        if key not in followed:
            followed[key] = _followed(*key)
        zeros, results = followed[key]
        facts.turns.append((given, zeros))
        facts.known.update(zip(turn.results, results, strict=True))
    return facts


def _followed(pattern: Pattern, given: tuple[_Fact, ...]) -> tuple[Flags, tuple[_Fact, ...]]:
    """Which lines of a pattern are zero, and the facts of its results, by those of what it is given."""
    found: list[_Fact] = []
    for line in pattern.lines:
        read = [found[at] if at >= 0 else given[-1 - at] for at in line.arguments]
        if line.op.kind == "zeros":
            zero = True
        elif line.op.kind in ("product", "divide"):
            zero = any(each.zero for each in read)
        else:
            zero = all(each.zero for each in read) and _keeps_zero(pattern, line)
        found.append(_Fact(zero, not zero and any(each.sees for each in read)))
    return tuple(fact.zero for fact in found), tuple(found[number] for number in pattern.results)


def _keeps_zero(pattern: Pattern, line: Template) -> bool:
    if line.op.kind in KEEP_ZERO:
        return True
    return line.op.kind in LINEAR and not any(pattern.tensors[at].role == "bias" for at in line.tensors)


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
    blind = [t for t, name in outputs if not facts.known[name].sees]
    if blind:
        times = " and ".join(f"t = {t}" for t in blind[:3]) + (", …" if len(blind) > 3 else "")
        what = f"at {times} the output is the same for every image: nothing of it is at '{network.read}' then"
        seeing = [t for t, name in outputs if facts.known[name].sees]
        fix = f"the first readout that sees it is t = {seeing[0]}" if seeing else "read out later, or hold the input on"
        yield Fault(("readout", "t"), what, fix, severity="warning", code="GN505")


def _without_gradient(
    turns: Sequence[Turn], outputs: Sequence[tuple[int, str]], facts: _Facts, paths: Mapping[str, KeyPath]
) -> Iterator[Fault]:
    """Parameters of which no readout's gradient says anything: they see zeros alone, or what follows is zero."""
    reached = {name for _, name in outputs}
    learning: set[str] = set()
    known: dict[object, tuple[frozenset[int], frozenset[int]]] = {}
    for turn, (given, zeros) in zip(reversed(turns), reversed(facts.turns), strict=True):
        pattern = turn.pattern
        ends = tuple([name in reached for name in turn.results])
        key = (pattern, given, zeros, ends)
        if is_new := key not in known:
            known[key] = _gradients(*key)
        learns, goes_on = known[key]
        reached.update([turn.given[number] for number in goes_on])
        if is_new or pattern.is_timed:
            learning.update([pattern.tensors[number].at(turn.t).name for number in learns])
    silent = {tensor.name for tensor in trainable(turns)} - learning
    places = _places(turns, silent) if silent else {}
    told: set[str] = set()
    for tensor in sorted(silent):
        place = places[tensor]
        if place in told:
            continue
        told.add(place)
        what = f"{tensor} gets no gradient: all that it works on, or all that is made of it, is zero"
        fix = "check what is zeros here, and gains of 0"
        yield Fault(paths.get(place, ()), what, fix, on="key", severity="warning", code="GN506")


def _gradients(
    pattern: Pattern, given: Sequence[_Fact], zeros: Flags, ends: Flags
) -> tuple[frozenset[int], frozenset[int]]:
    """The tensors of a pattern that learn, and which of the given a gradient goes on to, from the ends it comes to."""
    reached = {number for number, end in zip(pattern.results, ends, strict=True) if end}
    learns: set[int] = set()

    def is_zero(at: int) -> bool:
        return zeros[at] if at >= 0 else given[-1 - at].zero

    for number, line in reversed(list(enumerate(pattern.lines))):
        if number in reached:
            sees = not all(map(is_zero, line.arguments))
            learns.update(at for at in line.tensors if sees or pattern.tensors[at].role in ("bias", "gain"))
            reached.update(_reached(line, is_zero))
    return frozenset(learns), frozenset(-1 - at for at in reached if at < 0)


def _reached(line: Template, is_zero: Callable[[int], bool]) -> Iterator[int]:
    """The arguments that a gradient goes on to."""
    if line.op.kind == "scale" and not line.tensors and line.op["factor"] == 0:
        return
    for number, at in enumerate(line.arguments):
        others = line.arguments[:number] + line.arguments[number + 1 :]
        if line.op.kind != "product" or not any(map(is_zero, others)):
            yield at


def _places(turns: Sequence[Turn], names: Container[str]) -> dict[str, str]:
    """Where tensors are used first."""
    places: dict[str, str] = {}
    for turn in turns:
        for line in turn.pattern.lines:
            for at in line.tensors:
                if (name := turn.pattern.tensors[at].at(turn.t).name) in names:
                    places.setdefault(name, line.place)
    return places


def _norms_of_single_values(turns: Sequence[Turn], paths: Mapping[str, KeyPath]) -> Iterator[Fault]:
    told: set[str] = set()
    for pattern in dict.fromkeys(turn.pattern for turn in turns):
        for line in pattern.lines:
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
