"""Semantic diff of two nets: states, transitions and when they fire, weights, readouts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from graphnet.planning.plan import Fate, Firing, Plan
from graphnet.spec.notation.times import times_at

Meanings = dict[tuple[str, str], dict[int, str]]
"""Transition → firing time → what it computes then."""


def difference(a: Plan, b: Plan) -> list[str]:
    """List the differences of b from a, a line each; empty if both mean the same."""
    return [
        *_ends(a, b),
        *_states(a, b),
        *_transitions(a, b),
        *_tensors(a, b),
        *_ties(a, b),
    ]


def _ends(a: Plan, b: Plan) -> Iterator[str]:
    for what, one, other in (
        ("input", _shape(a.input_shape), _shape(b.input_shape)),
        ("input times", a.input_times, b.input_times),
        ("readout times", _times([t for t, _ in a.outputs]), _times([t for t, _ in b.outputs])),
        ("read out", _read(a), _read(b)),
        ("readouts combined", a.combine, b.combine),
        ("order of states", ", ".join(area.name for area in a.areas), ", ".join(area.name for area in b.areas)),
        ("losses' weights", str(a.weights), str(b.weights)),
    ):
        if one != other:
            yield f"{what}: {one} / {other}"


def _read(plan: Plan) -> str:
    """The state that is read out, or the logits."""
    (place,) = {line.place for line in plan.lines if line.name == plan.outputs[-1][1]}
    return place


def _states(a: Plan, b: Plan) -> Iterator[str]:
    ours, theirs = ({area.name: f"{_shape(area.shape)}, {area.merge}" for area in plan.areas} for plan in (a, b))
    for name in dict.fromkeys((*ours, *theirs)):
        if ours.get(name) != theirs.get(name):
            yield f"state {name}: {ours.get(name, 'none')} / {theirs.get(name, 'none')}"
    for name in (name for name in ours if name in theirs):
        updates = [_update(plan, name) for plan in (a, b)]
        if updates[0] != updates[1]:
            yield f"update of {name}: {updates[0] or 'none'} / {updates[1] or 'none'}"


def _update(plan: Plan, state: str) -> str:
    lines = [line for line in plan.lines if line.place == f"{state}.update"]
    return " ".join(str(line.op) for line in lines if line.t == lines[0].t)


def _transitions(a: Plan, b: Plan) -> Iterator[str]:
    """Transitions that differ in function or times, whatever their notation."""
    ours, theirs = _meanings(a), _meanings(b)
    for key in dict.fromkeys((*ours, *theirs)):
        one, other = ours.get(key), theirs.get(key)
        if one == other:
            continue
        name = f"transition {key[0]} -> {key[1]}"
        if one is None or other is None:
            which = "second" if one is None else "first"
            yield f"only the {which} has the {name}: {_said(a if one else b, key)}"
            continue
        texts = _said(a, key), _said(b, key)
        if texts[0] == texts[1]:  # same notation, other settings or sizes
            t = next(t for t in one if one[t] != other.get(t))
            texts = _first_difference(one[t], other[t])
        yield f"{name}: {texts[0]} / {texts[1]}"


def _meanings(plan: Plan) -> Meanings:
    """What each transition computes at each firing: ops, shapes, and the age of its source."""
    made: dict[tuple[str, int], list[str]] = {}
    for line in plan.lines:
        if line.op.kind != "value":
            made.setdefault((line.place, line.t), []).append(f"{line.op} to {_shape(line.shape)}")
    times = {line.name: line.t for line in plan.lines}
    found: dict[tuple[str, str], dict[int, str]] = {}
    for firing in _fired(plan):
        ops = ", ".join(made.get((_place(firing), firing.t), ("identity",)))
        late = firing.t - times.get(firing.reads, firing.t)
        found.setdefault((firing.source, firing.target), {})[firing.t] = f"{ops}, {late} steps late"
    return found


def _first_difference(one: str, other: str) -> tuple[str, str]:
    """The first op in which two functions differ, from each."""
    pairs = zip_longest(re.split(r", (?![^(]*\))", one), re.split(r", (?![^(]*\))", other), fillvalue="nothing")
    return next(pair for pair in pairs if pair[0] != pair[1])


def _said(plan: Plan, key: tuple[str, str]) -> str:
    """A transition as written, with its times."""
    times: dict[str, list[int]] = {}
    values = {line.name: line.t for line in plan.lines}
    for firing in _fired(plan):
        if (firing.source, firing.target) == key:
            late = firing.t - values.get(firing.reads, firing.t - 1)
            delay = "" if late == 1 or "input" in key or "logits" in key else f" with delay {late}"
            times.setdefault(f"{firing.ops}{delay}", []).append(firing.t)
    return "; ".join(f"{text} at t = {_times(when)}" for text, when in times.items())


def _place(firing: Firing) -> str:
    if firing.source == "input":
        return "pre_net"
    return "post_net" if firing.target == "logits" else f"{firing.target}.from_{firing.source}"


def _fired(plan: Plan) -> Iterator[Firing]:
    return (firing for firing in plan.firings if firing.fate is Fate.FIRES)


def _tensors(a: Plan, b: Plan) -> Iterator[str]:
    """Layers with other parameters in transitions that are otherwise the same."""
    ours, theirs = _layers(a), _layers(b)
    meanings = _meanings(a), _meanings(b)
    same = {f"{target}.from_{source}" for source, target in meanings[0] if _same(source, target, *meanings)}
    for layer in dict.fromkeys((*ours, *theirs)):
        one, other = ours.get(layer), theirs.get(layer)
        if one != other and any(layer.startswith(f"{place}.") for place in (*same, "pre_net", "post_net")):
            yield f"tensors of {layer}: {one or 'none'} / {other or 'none'}"


def _same(source: str, target: str, a: Meanings, b: Meanings) -> bool:
    return a.get((source, target)) == b.get((source, target))


def _layers(plan: Plan) -> dict[str, str]:
    """Layer → its parameters: roles and shapes, and the times that have their own."""
    found: dict[str, dict[str, list[int]]] = {}
    for tensor in (each for each in plan.tensors if each.trainable):
        place, _, role = tensor.name.rpartition(".")
        timed = re.fullmatch(r"(.*)\.t(\d+)", place)
        times = found.setdefault(timed[1] if timed else place, {}).setdefault(f"{role} {_shape(tensor.shape)}", [])
        times += [int(timed[2])] if timed else []
    return {
        layer: "; ".join(
            f"{text}{f' for each of t = {_times(times)}' if times else ''}" for text, times in texts.items()
        )
        for layer, texts in found.items()
    }


def _ties(a: Plan, b: Plan) -> Iterator[str]:
    """Layers tied to another weight in b, where both nets have both weights."""
    ours, theirs = _uses(a), _uses(b)
    known = {tensor.name for tensor in a.tensors} & {tensor.name for tensor in b.tensors}
    for line in (line for line in ours if line in theirs):
        for one, other in zip(ours[line], theirs[line], strict=False):
            if one != other and one in known and other in known:
                yield f"weight of {line}: {one} / {other}"
    one_of, other_of = _couplings(a), _couplings(b)
    for text in dict.fromkeys((*one_of, *other_of)):
        if (text in one_of) != (text in other_of):
            yield f"only the {'first' if text in one_of else 'second'} has {text}"


def _couplings(plan: Plan) -> list[str]:
    """The couplings by transition: strength and times."""
    found: dict[str, set[int]] = {}
    for coupling in plan.couplings:
        for tensor in coupling.tensors:
            place, t = re.match(r"(\w+(?:\.\w+)?\.from_[\w.]+?)\..*?\.t(\d+)", tensor).groups()  # type: ignore[union-attr]
            found.setdefault(f"coupling {coupling.strength} ({coupling.kernel}) of {place}", set()).add(int(t))
    return [f"{text} at t = {_times(sorted(times))}" for text, times in found.items()]


def _uses(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {line.name: line.tensors for line in plan.lines if line.tensors}


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a number"


def _times(times: Sequence[int]) -> str:
    """Times as ranges: `1..3, 5`."""
    return str(times_at(times))
