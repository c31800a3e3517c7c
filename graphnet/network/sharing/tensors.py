"""Assign tensors to slots over time: sharing over time, sharing sets, names and seeds (rules 14 to 18, 24).

Every (place, layer, role, time) has one *owner*: a sharing set, the place itself at that time (untied or softly
coupled), or the place at all other times. Each owner becomes a tensor, named and seeded after the owner's first use.
Names and seeds never depend on the readout: they follow from the times at which cells hold whatever T is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from graphnet.errors import Fault, KeyPath
from graphnet.network.functions.sizes import size_text
from graphnet.network.network import VECTOR, Binding, Function, Layer, Slot, Tensor, Transition
from graphnet.network.sharing.sets import Member, WeightSet
from graphnet.spec.notation.times import ALWAYS, Times


class Owner(NamedTuple):
    """Owner of a tensor. `kind`: place, untied, time (not of W), set or coupled; `number` is that of the set."""

    kind: str
    place: str = ""
    label: str = ""
    role: str = ""
    shape: tuple[int, ...] = ()
    number: int = -1

    @property
    def by_time(self) -> bool:
        """Whether there is one tensor per arrival time."""
        return self.kind in ("time", "untied", "coupled")


class Use(NamedTuple):
    """One slot of one cell at the times of one owner.

    `times` are all of these; `named` are those at which the cell holds whatever the readout, which determine the name.
    """

    transition: Transition
    layer: Layer
    slot: Slot
    times: Times
    named: Times
    place: str
    member: Member | None = None


Owners = dict[Owner, list[Use]]
Bindings = tuple[tuple[Binding, ...], ...]


def bind(
    cells: Sequence[Transition],
    sets: Sequence[WeightSet],
    over_time: bool,
    index: Mapping[str, int],
    faults: list[Fault],
) -> tuple[Transition, ...]:
    """Fill the slots of all cells, for any time; append faults of the sets to `faults`.

    The times of the cells are those at which they hold whatever the readout; a cell whose times are relative to T has
    none, and a symbol.
    """
    places = Counter(cell.place for cell in cells)
    alone = {id(cell) for cell in cells if not sets and places[cell.place] == 1 and not _has_vectors(cell.function)}
    owners = _owners([cell for cell in cells if id(cell) not in alone], sets, over_time, faults)
    faults += _unequal(owners)
    if not any(fault.severity == "error" for fault in faults):
        faults += _that_tie_nothing(owners, sets, over_time)
    tensors = _tensors(owners, sets, index)
    pieces: dict[tuple[int, str, str], list[tuple[Times, Tensor]]] = {}
    for owner, uses in owners.items():
        for use in uses:
            key = (id(use.transition), use.layer.label, use.slot.role)
            pieces.setdefault(key, []).append((use.times, tensors[owner, use.place]))
    return tuple(
        replace(cell, bindings=_alone(cell, over_time, index) if id(cell) in alone else _of_pieces(cell, pieces))
        for cell in cells
    )


def _of_pieces(cell: Transition, pieces: Mapping[tuple[int, str, str], list[tuple[Times, Tensor]]]) -> Bindings:
    return tuple(
        [
            tuple([Binding(tuple(pieces.get((id(cell), layer.label, slot.role), ()))) for slot in layer.slots])
            for layer in cell.function
        ]
    )


def _has_vectors(function: Function) -> bool:
    return any(slot.role.startswith(VECTOR) for layer in function for slot in layer.slots)


def _alone(cell: Transition, over_time: bool, index: Mapping[str, int]) -> Bindings:
    """Return the bindings of a cell that is alone at its place and in no set: each slot has a separate tensor."""
    if not cell.times and not cell.symbol:
        return tuple([tuple([Binding(())] * len(layer.slots)) for layer in cell.function])
    rest = _rest(cell, over_time)
    seed = _seed_of_place(cell, index)
    bindings = []
    for layer in cell.function:
        place, inner = f"{cell.place}.{layer.label}", f"{seed}:{layer.label}"
        mine = []
        for role, shape, init, per_time in layer.slots:
            when = ".t{t}" if per_time or rest == "untied" else ""
            end = f"{when}.{role}" if role != layer.label else when
            tensor = Tensor(place + end, role, shape, init, f"{inner}{when}.{role}")
            mine.append(Binding(((ALWAYS, tensor),)))
        bindings.append(tuple(mine))
    return tuple(bindings)


def _rest(cell: Transition, over_time: bool) -> str:
    """Return the kind of owner of tensors that belong neither to a set nor to a time."""
    return "place" if over_time or cell.kind in ("pre_net", "post_net") else "untied"


def _owners(cells: Sequence[Transition], sets: Sequence[WeightSet], over_time: bool, faults: list[Fault]) -> Owners:
    owners: Owners = {}
    for cell in cells:
        rest = _rest(cell, over_time)
        for layer in cell.function:
            for slot in layer.slots:
                kind = "time" if slot.per_time else rest
                own = Owner(kind, cell.place, layer.label, slot.role, slot.shape)
                place = f"{cell.place}.{layer.label}"
                left = ALWAYS
                if sets and not slot.per_time and cell.kind == "cell":
                    for owner, times, member in _claims(cell, layer, slot, sets, faults):
                        _add(owners, owner, Use(cell, layer, slot, times, times.both(cell.times), place, member))
                        left = left.minus(times)
                _add(owners, own, Use(cell, layer, slot, left, left.both(cell.times), place))
    for owner in [owner for owner, uses in owners.items() if owner.kind == "set" and _is_alone(uses)]:
        (use,) = owners.pop(owner)
        rest = "place" if over_time else "untied"
        own = Owner(rest, use.transition.place, use.layer.label, use.slot.role, use.slot.shape)
        owners.setdefault(own, []).append(use._replace(member=None))
    return {_of_its_weights(owner, uses, owners): uses for owner, uses in owners.items()}


def _of_its_weights(owner: Owner, uses: Sequence[Use], owners: Owners) -> Owner:
    """Return the owner of a singular vector: like its weights and statistics, one for all times if they are."""
    if not owner.role.startswith(VECTOR):
        return owner
    bounded = {
        id(use.transition): use.layer
        for each, theirs in owners.items()
        if each.place == owner.place and each.role.startswith(VECTOR)
        for use in theirs
    }
    found = {
        key: {
            (use.layer, use.slot, each)
            for each, theirs in owners.items()
            for use in theirs
            if id(use.transition) == key and not use.slot.role.startswith(VECTOR)
        }
        for key in bounded
    }
    first = next(iter(found.values()))
    once = len({(layer.label, slot.role) for layer, slot, _ in first}) == len(first)
    same = len(set(bounded.values())) == 1 and all(other == first for other in found.values())
    steady = once and same and not any(each.by_time for *_, each in first)
    return owner._replace(kind="place") if steady else owner


def _add(owners: Owners, owner: Owner, use: Use) -> None:
    if use.named or (use.transition.symbol and use.times):
        owners.setdefault(owner, []).append(use)


def _is_alone(uses: Sequence[Use]) -> bool:
    """Whether the set has only one weight here, at one time, and so ties nothing (rule 15)."""
    times = [span for use in uses for span in use.named.spans]
    return len(uses) == 1 and not uses[0].transition.symbol and len(times) == 1 and times[0].first == times[0].last


def _claims(
    cell: Transition, layer: Layer, slot: Slot, sets: Sequence[WeightSet], faults: list[Fault]
) -> Iterator[tuple[Owner, Times, Member]]:
    """Yield the sets that contain a slot, each with its times and the first member that selects it."""
    holds = ALWAYS if cell.symbol else cell.times
    left = ALWAYS
    for number, group in enumerate(sets):
        member, times = group.claims(cell, layer.label)
        if member is None:
            continue
        if twice := times.minus(left).both(holds):
            what = f"{cell.source}->{cell.target} is already in an earlier set at t = {twice}"
            fix = "a weight is in one set: merge the sets, or separate their times"
            if not any(fault.path == member.path for fault in faults):
                faults.append(Fault(member.path, what, fix, code="GN403"))
        if times := times.both(left):
            left = left.minus(times)
            kind = "set" if group.coupling is None else "coupled"
            label = "" if group.by_layer else layer.label
            yield Owner(kind, label=label, role=slot.role, number=number), times, member


def _unequal(owners: Owners) -> Iterator[Fault]:
    for owner, uses in owners.items():
        for use in uses[1:]:
            if owner.number >= 0 and use.slot.shape != uses[0].slot.shape:
                assert use.member is not None
                yield Fault(
                    use.member.path,
                    f"{use.place}.{use.slot.role} is {size_text(use.slot.shape)}, but "
                    f"{uses[0].place}.{use.slot.role} in the same set is {size_text(uses[0].slot.shape)}",
                    "tied weights need the same kernel and widths; or tie only layers that agree, with #conv1",
                    code="GN404",
                )
                break


def _that_tie_nothing(owners: Owners, sets: Sequence[WeightSet], over_time: bool) -> Iterator[Fault]:
    """Yield a warning for each set that has only one weight, or ties weights that are shared over time anyway."""
    tying = {owner.number for owner, uses in owners.items() if owner.number >= 0 and _ties(owner, uses, over_time)}
    for number in range(len(sets)):
        if number not in tying:
            what = "this set ties nothing: it has one transition's weights, each alone"
            path: KeyPath = ("sharing", "sets", number, "members")
            fix = "name the transitions that should share weights"
            yield Fault(path, what, fix, severity="warning", code="GN508")


def _ties(owner: Owner, uses: Sequence[Use], over_time: bool) -> bool:
    if len({use.place for use in uses}) > 1 or any(use.transition.symbol for use in uses):
        return True
    parted = any(use.named != use.transition.times for use in uses)  # separated from the weights at other times
    return (owner.kind == "coupled" or not over_time or parted) and not _is_alone(uses)


def _tensors(owners: Owners, sets: Sequence[WeightSet], index: Mapping[str, int]) -> dict[tuple[Owner, str], Tensor]:
    """Return the tensor of each owner at each place; coupled weights have one at each place of their set."""
    crowded: dict[tuple[str, str], set[Owner]] = {}
    for owner, uses in owners.items():
        for use in uses:
            crowded.setdefault((use.place, use.slot.role), set()).add(owner)
    tensors: dict[tuple[Owner, str], Tensor] = {}
    for owner, uses in owners.items():
        head = _home(uses)
        relative = _relative_to_readout(owner, uses, crowded) if owner.by_time else ""
        group = sets[owner.number] if owner.number >= 0 else None
        for use in uses:
            home = use if owner.kind == "coupled" else head
            when = ""
            if owner.by_time:
                when = ".t{t}" + relative
            elif len(crowded[home.place, home.slot.role]) > 1:
                when = f".t{_first(each for each in uses if each.place == home.place)}"
            coupled = f"{owner.number}:{owner.label}.{owner.role}" if owner.kind == "coupled" else ""
            equal = coupled and group is not None and group.start == "equal"
            seed = _seed(head if equal else home, "" if equal else when, index)
            name = ".".join((f"{home.place}{when}", *([home.slot.role] if home.slot.role != home.layer.label else [])))
            slot = head.slot if equal else home.slot
            tensors[owner, use.place] = Tensor(name, slot.role, slot.shape, slot.init, seed, coupled)
    return tensors


def _relative_to_readout(owner: Owner, uses: Sequence[Use], crowded: Mapping[tuple[str, str], set[Owner]]) -> str:
    """Return a suffix that distinguishes a tensor of cells relative to T from one of another shape at the same time."""
    if not all(use.transition.symbol for use in uses):
        return ""
    others = (other for use in uses for other in crowded[use.place, use.slot.role] if other.by_time)
    return f"_{uses[0].transition.symbol}" if any(other.shape != owner.shape for other in others) else ""


def _seed(use: Use, when: str, index: Mapping[str, int]) -> str:
    """Encode a tensor's place: source and target index, layer, time if untied, role (rule 17)."""
    return f"{_seed_of_place(use.transition, index)}:{use.layer.label}{when}.{use.slot.role}"


def _seed_of_place(cell: Transition, index: Mapping[str, int]) -> str:
    return f"{index[cell.source]}>{index[cell.target]}{'u' if cell.kind == 'update' else ''}"


def _home(uses: Sequence[Use]) -> Use:
    """Return the use that names a tensor: that of the set's first member, or else the first one."""
    return uses[0] if len(uses) == 1 else min(uses, key=lambda use: use.member.path[-1] if use.member else 0)


def _first(uses: Iterable[Use]) -> str:
    """Return the first time of an owner as used in names: a number, or a time relative to T if it has no other."""
    uses = list(uses)
    numbers = [use.named.first for use in uses if use.named]
    return str(min(numbers)) if numbers else uses[0].transition.symbol
