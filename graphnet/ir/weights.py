"""Which tensor fills which slot at which time: sharing over time, sharing sets, names, seeds (rules 14 to 18, 24).

Every (place, layer, role, time) belongs to one *owner*: a sharing set, the place itself at that time (untied),
or the place at all the other times. Owners become tensors; names and seeds follow from where an owner comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from graphnet.errors import Fault, KeyPath
from graphnet.ir.fit import size_text
from graphnet.ir.network import INPUT, LOGITS, Binding, Layer, Slot, Tensor, Transition
from graphnet.spec.times import ALWAYS, Times, union

Owner = tuple[object, ...]


@dataclass(frozen=True)
class Member:
    """Transitions that a set ties, as resolved: the pair of states, and the times or None for all."""

    source: str
    target: str
    times: Times | None
    path: KeyPath


@dataclass(frozen=True)
class Use:
    """One slot of one cell over the times that one owner has there.

    `times` are all of them; `named` those at which the cell holds whatever the readout, which give the name.
    """

    transition: Transition
    layer: Layer
    slot: Slot
    times: Times
    named: Times
    member: Member | None = None

    @property
    def place(self) -> str:
        return f"{self.transition.place}.{self.layer.label}"


def bind(
    transitions: Sequence[Transition],
    sets: Sequence[Sequence[Member]],
    over_time: bool,
    index: Mapping[str, int],
    faults: list[Fault],
) -> tuple[Transition, ...]:
    """The written cells with their slots filled, for any time; faults of the sets are appended to `faults`.

    The times of the cells are those at which they hold whatever the readout; none, and a symbol, for a cell whose
    times are relative to T. So no name depends on the readout.
    """
    owners = _owners(transitions, sets, over_time, faults)
    faults += _unequal(owners)
    tensors = _tensors(owners, index)
    pieces: dict[tuple[int, str, str], list[tuple[Times, Tensor]]] = {}
    for owner, uses in owners.items():
        for use in uses:
            key = (id(use.transition), use.layer.label, use.slot.role)
            pieces.setdefault(key, []).append((use.times, tensors[owner]))
    return tuple(
        replace(
            transition,
            bindings=tuple(
                tuple(Binding(tuple(pieces.get((id(transition), layer.label, slot.role), ()))) for slot in layer.slots)
                for layer in transition.function
            ),
        )
        for transition in transitions
    )


def _owners(
    transitions: Sequence[Transition], sets: Sequence[Sequence[Member]], over_time: bool, faults: list[Fault]
) -> dict[Owner, list[Use]]:
    owners: dict[Owner, list[Use]] = {}
    for transition in transitions:
        fixed = over_time or INPUT in transition.key or LOGITS in transition.key
        shares = list(_shares(transition, sets, faults))
        for layer in transition.function:
            for slot in layer.slots:
                where: Owner = (transition.place, layer.label, slot.role)
                kind = "time" if slot.per_time else "place" if fixed else "untied"
                left = ALWAYS
                claims: list[tuple[Owner, Times, Member | None]] = []
                for number, member, times in () if slot.per_time else shares:
                    claims.append((("set", number, layer.label, slot.role), times, member))
                    left = left.minus(times)
                claims.append(((kind, *where, slot.shape), left, None))
                for owner, times, claimant in claims:
                    named = times.both(transition.times)
                    if named or (transition.symbol and times):
                        use = Use(transition, layer, slot, times, named, claimant)
                        owners.setdefault(owner, []).append(use)
    return owners


def _shares(
    transition: Transition, sets: Sequence[Sequence[Member]], faults: list[Fault]
) -> Iterator[tuple[int, Member, Times]]:
    """The sets a transition is in, each with its first member that says so and the times it takes."""
    holds = ALWAYS if transition.symbol else transition.times
    left = ALWAYS
    for number, members in enumerate(sets):
        mine = [member for member in members if (member.source, member.target) == transition.key]
        times = union(ALWAYS if member.times is None else member.times for member in mine)
        if twice := times.minus(left).both(holds):
            what = f"{transition.source}->{transition.target} is in an earlier set already at t = {twice}"
            faults.append(Fault(mine[0].path, what, "a weight is in one set: merge the sets, or part their times"))
        if times := times.both(left):
            yield number, mine[0], times
            left = left.minus(times)


def _unequal(owners: dict[Owner, list[Use]]) -> Iterator[Fault]:
    for owner, uses in owners.items():
        for use in uses[1:]:
            if owner[0] == "set" and use.slot.shape != uses[0].slot.shape:
                assert use.member is not None
                yield Fault(
                    use.member.path,
                    f"{use.place}.{use.slot.role} is {size_text(use.slot.shape)}, but "
                    f"{uses[0].place}.{use.slot.role} in the same set is {size_text(uses[0].slot.shape)}",
                    "tied weights have one shape: give both transitions the same kernel and widths",
                )
                break


def _tensors(owners: dict[Owner, list[Use]], index: Mapping[str, int]) -> dict[Owner, Tensor]:
    crowded: dict[tuple[str, str], set[Owner]] = {}
    for owner, uses in owners.items():
        for use in uses:
            crowded.setdefault((use.place, use.slot.role), set()).add(owner)
    tensors = {}
    for owner, uses in owners.items():
        home = _home(owner, uses)
        when = ""
        if owner[0] in ("time", "untied"):
            when = ".t{t}"
        elif len(crowded[home.place, home.slot.role]) > 1:
            when = f".t{_first(use for use in uses if use.place == home.place)}"
        name = f"{home.place}{when}.{home.slot.role}"
        source, target = (index[state] for state in home.transition.key)
        seed = f"{source}>{target}:{home.layer.label}{when}.{home.slot.role}"
        tensors[owner] = Tensor(name, home.slot.role, home.slot.shape, home.slot.init, seed)
    return tensors


def _home(owner: Owner, uses: list[Use]) -> Use:
    """The use that names a tensor: a set's first listed member, else the only place there is."""
    if owner[0] != "set":
        return uses[0]
    return min(uses, key=lambda use: use.member.path if use.member else ())


def _first(uses: Iterable[Use]) -> str:
    """The first time of an owner, as it stands in names: a number, or the time relative to T where it has no other."""
    uses = list(uses)
    numbers = [use.named.first for use in uses if use.named]
    return str(min(numbers)) if numbers else uses[0].transition.symbol
