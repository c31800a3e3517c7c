"""A plan whose steps recur, with few of them: what is found out about these holds of all (design, section 3).

Steps recur where turns do: the same patterns at the next time, each given what it was given before, or the same one
step later. `fold` leaves out all but a few of them; `unfold` cuts what passes have made of those into steps, and names
the last of them for each time that was left out, if the others came out as this one did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from graphnet.network.functions.ops import Op, Shape
from graphnet.planning.lines import Lines, Tensors, Turn
from graphnet.planning.plan import Line, Plan
from graphnet.planning.steps import Call, Instruction, Step, cut

Place = tuple[int, int, int] | str | int
"""Where a name is: group, turn, line; the name itself where it is none of theirs; a number for what a pass has made."""
Alone = tuple[Op, Shape, str]
"""What a line does that is no call: its op, shape and place."""


class Nameless(NamedTuple):
    """A call or a line without names."""

    step: Step | Alone
    given: tuple[Place, ...]
    tensors: tuple[tuple[int, int] | str, ...]
    results: tuple[Place, ...]


@dataclass(frozen=True)
class Fold:
    """The turns of a plan by time, and which times are left out in the short one: after `kept`, up to `last`.

    Steps that recur stand on both sides; they read what is `reach` steps back at most, or what was before all of them.
    """

    plan: Plan
    groups: tuple[tuple[Turn, ...], ...]
    kept: int
    last: int
    reach: int

    def time(self, group: int) -> int:
        """The time of a group."""
        return self.groups[group][-1].t

    @cached_property
    def moved(self) -> dict[str, str]:
        """What the steps behind those left out read, and what they read in its place."""
        read, instead = (self.groups[end - self.reach + 1 : end + 1] for end in (self.last, self.kept))
        pairs = zip(read, instead, strict=True)
        return {name: other for old, new in pairs for name, other in zip(_results(old), _results(new), strict=True)}

    @cached_property
    def short(self) -> Plan:
        """The plan without the steps that are left out."""
        behind = [
            turn._replace(given=tuple([self.moved.get(name, name) for name in turn.given]))
            for group in self.groups[self.last + 1 :]
            for turn in group
        ]
        turns = [turn for group in self.groups[: self.kept + 1] for turn in group] + behind
        assert isinstance(self.plan.tensors, Tensors)
        divisors = len(self.plan.turns) - len(self.plan.tensors.turns)  # they declare no tensors, and stand first
        return replace(self.plan, lines=Lines(turns), tensors=Tensors(turns[divisors:]))


def fold(plan: Plan) -> Fold | None:
    """The longest row of steps of a plan that recur, folded; None where there is none that is worth it."""
    if not isinstance(plan.lines, Lines) or not isinstance(plan.tensors, Tensors):
        return None
    groups = _groups(plan.turns)
    owners = {name: (g, k) for g, group in enumerate(groups) for k, name in enumerate(_results(group))}
    alike = [_alike(groups[g], groups[g + 1], owners) for g in range(len(groups) - 1)]
    first, end = _longest(alike)
    if end - first < 2:
        return None
    still = alike[first] or ()
    read = [name for turn in groups[first + 1] for name in turn.given]
    reach = max([first + 1 - owners[name][0] for name, same in zip(read, still, strict=True) if not same], default=0)
    found = Fold(plan, groups, first + reach + 1, end - reach - 2, reach)
    left_out = range(found.kept + 1, found.last + 1)
    if len(left_out) < reach + 1:
        return None
    outside = [name for group in groups[end + 1 :] for turn in group for name in turn.given]
    if any(owners.get(name, (0, 0))[0] in left_out for name in outside):
        return None
    seam = range(found.kept - 1, found.last + 2)
    return None if any(owners[name][0] in seam for _, name in plan.outputs if name in owners) else found


def _groups(turns: Sequence[Turn]) -> tuple[tuple[Turn, ...], ...]:
    """Turns by time; those of what is made before the first step stand with those that come next."""
    groups: list[list[Turn]] = [[]]
    for turn in turns:
        last = next((each.t for each in reversed(groups[-1]) if each.t >= 0), turn.t)
        if turn.t >= 0 and turn.t != last:
            groups.append([])
        groups[-1].append(turn)
    return tuple(map(tuple, groups))


def _results(turns: Sequence[Turn]) -> list[str]:
    """The names of what turns result in, one each."""
    return [turn.results[0] for turn in turns]


def _alike(now: Sequence[Turn], then: Sequence[Turn], owners: dict[str, tuple[int, int]]) -> tuple[bool, ...] | None:
    """Whether turns are the same as those before: for each thing given, whether it is the same or a step later."""
    if len(now) != len(then):
        return None
    same: list[bool] = []
    for a, b in zip(now, then, strict=True):
        if a.pattern is not b.pattern or (a.t + 1, a.suffix, b.suffix) != (b.t, f"_t{a.t}", f"_t{b.t}"):
            return None
        for old, new in zip(a.given, b.given, strict=True):
            if old != new:
                g, k = owners.get(old, (-1, -1))
                if owners.get(new) != (g + 1, k):
                    return None
            same.append(old == new)
    return tuple(same)


def _longest(alike: Sequence[tuple[bool, ...] | None]) -> tuple[int, int]:
    """The first and last of the longest row of groups that are alike."""
    best, start = (0, 0), 0
    for g in range(1, len(alike) + 1):
        if g == len(alike) or alike[g] != alike[start]:
            if alike[start] is not None and g - start > best[1] - best[0]:
                best = (start, g)
            start = g
    return best


def unfold(folded: Fold, executed: Plan) -> list[Instruction] | None:
    """The steps of the whole plan, from what passes have made of the short one; None where these did not recur."""
    back = {new: old for old, new in folded.moved.items()}
    near = {folded.time(g) for g in range(folded.last + 1, folded.last + 1 + folded.reach)}
    entries = [_given(entry, back) if entry.t in near else entry for entry in cut(executed)]
    times = [entry.t for entry in entries]
    start = times.index(folded.time(folded.last + 1))
    count = times.count(folded.time(folded.kept))
    row = [entries[at : at + count] for at in (start - 2 * count, start - count, start)]
    at = (folded.kept - 1, folded.kept, folded.last + 1)
    if any({entry.t for entry in mine} != {folded.time(g)} for g, mine in zip(at, row, strict=True)):
        return None
    before, model, after = (_Names(folded, g).nameless(mine) for g, mine in zip(at, row, strict=True))
    if not before == model == after:
        return None
    left_out = [entry for g in range(folded.kept + 1, folded.last + 1) for entry in _Names(folded, g).named(model)]
    return [*entries[:start], *left_out, *entries[start:]]


def _given(entry: Instruction, names: Mapping[str, str]) -> Instruction:
    """An entry that is given values by other names."""
    if isinstance(entry, Call):
        return replace(entry, given=tuple([names.get(name, name) for name in entry.given]))
    return entry._replace(arguments=tuple([names.get(name, name) for name in entry.arguments]))


class _Names:
    """The names in a group of turns: those of values become places in it and the groups before, and the other way."""

    def __init__(self, folded: Fold, group: int) -> None:
        self.t = folded.time(group)
        self.groups = folded.groups[group - folded.reach : group + 1]

    def nameless(self, entries: Sequence[Instruction]) -> list[Nameless]:
        """Entries without names; what is not of these groups keeps its name, what a pass has made has a number."""
        places: dict[str, Place] = {
            name: (g, k, line)
            for g, group in enumerate(self.groups)
            for k, turn in enumerate(group)
            for line, name in enumerate(turn.names)
        }
        tensors = {
            tensor.name: (k, number)
            for k, turn in enumerate(self.groups[-1])
            for number, tensor in enumerate(turn.tensors)
        }
        found = []
        for entry in entries:
            step, given, used, results = _parts(entry)
            for name in results:
                places.setdefault(name, len(places))
            read = tuple(places.get(name, name) for name in given)
            held = tuple(tensors.get(name, name) for name in used)
            found.append(Nameless(step, read, held, tuple(places[name] for name in results)))
        return found

    def named(self, entries: Sequence[Nameless]) -> Iterator[Instruction]:
        """The entries with the names of these groups."""
        for step, read, held, made in entries:
            given, results = tuple(map(self._name, read)), tuple(map(self._name, made))
            tensors = tuple([each if isinstance(each, str) else self._tensor(*each) for each in held])
            if isinstance(step, Step):
                yield Call(step, given, tensors, results, self.t)
            else:
                yield Line(results[0], step[0], given, tensors, step[1], self.t, step[2])

    def _name(self, place: Place) -> str:
        if isinstance(place, str):
            return place
        if isinstance(place, int):
            return f"{self.t}: {place}"
        g, k, number = place
        turn = self.groups[g][k]
        line = turn.pattern.lines[number]
        return f"{line.before}{turn.suffix}{line.after}"

    def _tensor(self, k: int, number: int) -> str:
        turn = self.groups[-1][k]
        return turn.pattern.tensors[number].at(turn.t).name


def _parts(entry: Instruction) -> tuple[Step | Alone, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """What an entry does, what it is given, its tensors and its results."""
    if isinstance(entry, Call):
        return entry.step, entry.given, entry.tensors, entry.results
    return (entry.op, entry.shape, entry.place), entry.arguments, entry.tensors, (entry.name,)
