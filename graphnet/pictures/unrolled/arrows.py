"""The arrows of an unrolled net, from the plan's lines: which value feeds which, with which weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from graphnet.network.network import INPUT, LOGITS
from graphnet.pictures.elements import INK, Stroke
from graphnet.planning.plan import Line, Plan

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
"""Okabe and Ito's colour-blind safe palette, without yellow (too pale for a line) and black."""

DASHES = ("", "4 2", "1.3 1.7", "6 1.7 1.3 1.7", "9 3", "5 1.5 1.3 1.5 1.3 1.5")
ALPHABET = "abcdefghijkmnpqrstuvwxyz"
"""Without l and o, which look like digits."""

OWN_NAMES = {"pre_net": "pre", "post_net": "post"}


class Feed(NamedTuple):
    """An arrow: transition `place` computes the value `target` at t from `source`, with these tensors."""

    source: str
    target: str
    place: str
    t: int
    tensors: tuple[str, ...]


class Weights(NamedTuple):
    """The weights of some arrows: equal names mean equal weights, equal strokes mean that some tensors are shared.

    `letter` is the name without a time; weights that differ over time share their letter.
    """

    letter: str
    name: str
    stroke: Stroke


Kernels = tuple[str, ...]
"""Identity of weights: the names of W's tensors, or the place if there are none."""

Home = tuple[tuple[int, int], int, str]
"""Row and column in the matrix, time and place of the first use of weights."""


def feeds(plan: Plan) -> list[Feed]:
    """Every arrow that runs between two values, in order of execution."""
    lines = {line.name: line for line in plan.lines}
    places = {(cell.source, cell.target): cell.place for cell in plan.cells}
    order = {tensor.name: number for number, tensor in enumerate(plan.tensors)}
    return [
        feed._replace(tensors=tuple(sorted(feed.tensors, key=order.__getitem__)))
        for line in plan.lines
        if line.op.kind == "value"
        for feed in _into(line, lines, places)
    ]


def is_value(line: Line) -> bool:
    """Whether a line is a state's value at a time, or its zeros before t = 0."""
    return line.op.kind == "value" or (line.op.kind == "zeros" and line.t < 0)


def _into(value: Line, lines: Mapping[str, Line], places: Mapping[tuple[str, str], str]) -> Iterator[Feed]:
    """Walk from a value up to the values it is computed from; the first transition on the way owns the tensors."""
    transitions = set(places.values())
    sources: dict[tuple[str, str], None] = {}
    tensors: dict[str, dict[str, None]] = {}
    seen: set[tuple[str, str]] = set()
    stack = [(name, "") for name in reversed(value.arguments)]
    while stack:
        name, place = stack.pop()
        if (name, place) in seen:
            continue
        seen.add((name, place))
        line = lines.get(name)
        if line is None or is_value(line):
            state = line.place if line else INPUT
            sources.setdefault((name, place or places[state, value.place]))
        elif line.op.kind != "zeros":
            place = place or (line.place if line.place in transitions else "")
            tensors.setdefault(place, {}).update(dict.fromkeys(line.tensors))
            stack += [(argument, place) for argument in reversed(line.arguments)]
    for source, place in sources:
        yield Feed(source, value.name, place, value.t, tuple(tensors.get(place, ())))


def weigh(plan: Plan, found: Sequence[Feed]) -> list[Weights]:
    """Return the weights of each arrow. Letters follow the transition matrix row by row."""
    ranks = {INPUT: -1, **{area.name: n for n, area in enumerate(plan.areas)}, LOGITS: len(plan.areas)}
    rows = {cell.place: (ranks[cell.source], ranks[cell.target]) for cell in plan.cells}
    sets = _kernels(plan, found)
    homes: dict[Kernels, Home] = {}
    for kernels, feed in zip(sets, found, strict=True):
        here = (rows[feed.place], feed.t, feed.place)
        homes[kernels] = min(homes.get(kernels, here), here)
    named = _named(homes)
    return [named[kernels] for kernels in sets]


def _kernels(plan: Plan, found: Sequence[Feed]) -> list[Kernels]:
    """W among the tensors of each arrow: rank 2 and above, as norms may have tensors per time (rule 18)."""
    trainable = {tensor.name for tensor in plan.tensors if tensor.trainable}
    matrices = {tensor.name for tensor in plan.tensors if len(tensor.shape) > 1}
    return [
        tuple(name for name in feed.tensors if name in matrices)
        or tuple(name for name in feed.tensors if name in trainable)
        or ("", feed.place)
        for feed in found
    ]


def _named(homes: Mapping[Kernels, Home]) -> dict[Kernels, Weights]:
    families: dict[str, list[Kernels]] = {}
    for kernels, (_, _, place) in sorted(homes.items(), key=lambda each: (each[1], each[0])):
        families.setdefault(place, []).append(kernels)
    named: dict[Kernels, Weights] = {}
    strokes: dict[str, Stroke] = {}
    taken: set[str] = set()
    lettered = 0
    for place, family in families.items():
        letter = OWN_NAMES.get(place) or _letter(lettered)
        lettered += place not in OWN_NAMES
        for number, kernels in enumerate(family):
            name = letter + (str(homes[kernels][1]) if len(family) > 1 else "")
            while name in taken:
                name += "'"
            taken.add(name)
            own = Stroke(INK) if letter in OWN_NAMES.values() or not kernels[0] else _stroke(lettered - 1, number)
            stroke = next((strokes[each] for each in kernels if each in strokes), own)
            strokes.update({each: stroke for each in kernels if each and each not in strokes})
            named[kernels] = Weights(letter, name, stroke)
    return named


def _letter(number: int) -> str:
    """a, b, …, z, aa, ab, …"""
    text = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, len(ALPHABET))
        text = ALPHABET[digit] + text
    return text


def _stroke(family: int, number: int) -> Stroke:
    """Colour and dash of a letter's number-th weights; distinct for the first 36 letters and for a letter's times."""
    shift = family // len(COLOURS)
    return Stroke(COLOURS[(family + number) % len(COLOURS)], DASHES[(shift + number) % len(DASHES)])
