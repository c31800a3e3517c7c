"""Weight-sharing sets as written → the transitions that they tie, and when (rules 15 and 16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from graphnet.errors import Fault, KeyPath, did_you_mean
from graphnet.network.matrix import NOT_HERE, READOUT, misspelt
from graphnet.network.network import Transition
from graphnet.network.parts import Expanded, made_of
from graphnet.spec.model import SharingSet, Spec
from graphnet.spec.notation.integers import Misspelt
from graphnet.spec.notation.selectors import Selector, parse_selector
from graphnet.spec.notation.times import ALWAYS, Times, union


@dataclass(frozen=True)
class Member:
    """Transitions between two states at some times; with `layer`, only layers that match it."""

    source: str
    target: str
    times: Times
    layer: str | None
    path: KeyPath

    def takes(self, transition: Transition, layer: str) -> bool:
        """Whether the member selects a layer of a transition, at its times."""
        return (self.source, self.target) == transition.key and (self.layer is None or fnmatchcase(layer, self.layer))


@dataclass(frozen=True)
class WeightSet:
    """A resolved weight-sharing set. `by_layer`: all matching layers share one tensor, whatever their names (`#`)."""

    members: tuple[Member, ...]
    excepted: tuple[Member, ...]
    by_layer: bool
    coupling: float | None
    kernel: str
    start: str

    def claims(self, transition: Transition, layer: str) -> tuple[Member | None, Times]:
        """Return the first member that selects a layer, and all times at which it is in the set."""
        mine = [member for member in self.members if member.takes(transition, layer)]
        out = union(member.times for member in self.excepted if member.takes(transition, layer))
        times = union(member.times for member in mine).minus(out)
        return (mine[0], times) if times else (None, Times())


def resolve_sets(
    spec: Spec, expanded: Expanded, cells: Sequence[Transition], constants: Mapping[str, int], faults: list[Fault]
) -> list[WeightSet]:
    """Resolve the sets of a spec; append faults of their members to `faults`."""
    order = {name: number for number, name in enumerate(expanded.states)}
    inner = {cell.key for cell in cells if cell.source in order and cell.target in order}
    pairs = sorted(inner, key=lambda pair: (order[pair[0]], order[pair[1]]))
    reader = _Reader(expanded, pairs, constants, faults)
    return [reader.read(group, number) for number, group in enumerate(spec.sharing.sets)]


@dataclass
class _Reader:
    expanded: Expanded
    pairs: Sequence[tuple[str, str]]
    constants: Mapping[str, int]
    faults: list[Fault]

    def read(self, group: SharingSet, number: int) -> WeightSet:
        base: KeyPath = ("sharing", "sets", number)
        if not group.members:
            fix = 'such as ["V1->V1", "V2->V2"]'
            self.faults.append(Fault((*base, "members"), "this set has no members", fix, code="GN402"))
        members = [
            member
            for place, text in enumerate(group.members)
            for member in self._members(text, (*base, "members", place))
        ]
        excepted = [
            member
            for place, text in enumerate(group.except_)
            for member in self._members(text, (*base, "except", place))
        ]
        by_layer = any(member.layer is not None for member in members)
        return WeightSet(tuple(members), tuple(excepted), by_layer, group.coupling, group.kernel, group.start)

    def _members(self, text: str | tuple[str, str, int | str], path: KeyPath) -> list[Member]:
        try:
            selector = parse_selector(text)
        except Misspelt as fault:
            if not any(name in text for name in self.expanded.misnamed.values()):  # reported as a fault of that name
                self.faults.append(misspelt(path, fault))
            return []
        if self._unknown(selector, path):
            return []
        source, target = self.expanded.meant(selector.source), self.expanded.meant(selector.target)
        source, target = self.expanded.last.get(source, source), self.expanded.first.get(target, target)
        looked_for = Selector(source, target)
        times = union(entry.times(self.constants) for entry in selector.times) if selector.times else ALWAYS
        found = [Member(*pair, times, selector.layer, path) for pair in self.pairs if looked_for.matches(*pair)]
        if not found:
            shown = ", ".join(f"{source}->{target}" for source, target in self.pairs)
            what, given = f"{text!r} selects no transition", (("transitions",), ("parts",), ("states",))
            self.faults.append(Fault(path, what, f"transitions: {shown}", code="GN402", given=given))
        return found

    def _unknown(self, selector: Selector, path: KeyPath) -> bool:
        names = tuple(dict.fromkeys((*self.expanded.first, *self.expanded.states)))
        for role in ("source", "target"):
            name = self.expanded.meant(getattr(selector, role))
            if "*" not in name and name not in names:
                what = f"no state is called '{name}'"
                hint, span = did_you_mean(name, names), selector.spans.get(role)
                self.faults.append(Fault(path, what, hint, span=span, code="GN102", given=made_of(name)))
                return True
        unknown = [name for entry in selector.times for name in entry.names if name not in self.constants]
        if unknown:
            what = f"no constant is called '{unknown[0]}'"
            fix, code = did_you_mean(unknown[0], tuple(self.constants)) or "name it in [let]", "GN106"
            if unknown[0] == READOUT:
                what, fix, code = NOT_HERE, "write the times", "GN107"
            given: tuple[KeyPath, ...] = (("let", unknown[0]),)
            self.faults.append(Fault(path, what, fix, span=selector.spans.get("times"), code=code, given=given))
        return bool(unknown)
