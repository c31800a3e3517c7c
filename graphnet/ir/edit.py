"""Perturbations of a net as edits of its transition matrix, each another spec on the same weights (LPK Figure 2).

An edit is written down, and applied to a spec together with others by `edited`. Where it moves things in time it says
which time of the old spec each time of the new one is, so that weights and statistics can be found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphnet.errors import did_you_mean
from graphnet.ir.activity import Activity, Node
from graphnet.ir.network import INPUT, LOGITS, Net, Network, Transition
from graphnet.ir.resolve import resolve
from graphnet.spec.model import Spec
from graphnet.spec.selectors import parse_selector
from graphnet.spec.times import ALWAYS, Times, parse_times, union
from graphnet.spec.wholes import Misspelt

Slab = dict[str, Any]
When = int | str | Sequence[int | str] | None
"""Times as in a slab: 3, "3..5", a list of such; None is always."""
Moved = dict[tuple[str, int], int]
"""(place, time in the new net) → time in the old net; what is missing did not move."""


class EditError(ValueError):
    """An edit does not fit the net: what is wrong, and what would be right."""


@dataclass
class Draft:
    """A spec as plain data while it is edited, with what it means."""

    spec: Spec
    network: Network
    base: dict[str, Any] = field(init=False)
    data: dict[str, Any] = field(init=False)
    moved: Moved = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.base, self.data = self.spec.as_data(), self.spec.as_data()

    def add(self, slabs: Sequence[Slab]) -> None:
        """Append slabs, which override those before them cell by cell."""
        self.data["transitions"] = [*self.data.get("transitions", []), *slabs]

    def written(self, transition: Transition) -> dict[str, Any]:
        """What is written of a cell, as a table without its delay."""
        entry: Any = self.base
        for key in transition.path:
            entry = entry[key]
        table = dict(entry) if isinstance(entry, Mapping) else {"ops": entry}
        table.pop("delay", None)
        return table

    @property
    def net(self) -> Net:
        """The net of the only readout, or of all where they share one."""
        if len(self.network.nets) > 1:
            what = "each readout time has a net of its own here, as times are relative to T"
            raise EditError(f"{what}\n  give one readout time")
        return self.network.nets[0]

    @property
    def activity(self) -> Activity:
        assert self.net
        return self.network.activities[0]

    def state(self, name: str) -> str:
        known = [state.name for state in self.network.states]
        if name not in known:
            raise EditError("\n  ".join(filter(None, (f"no state is called '{name}'", did_you_mean(name, known)))))
        return name

    def cells(self, what: str) -> list[Transition]:
        """The cells from one state to another, `h1->h2`, or all into a state, `h1`."""
        cells = [cell for net in self.network.nets for cell in net.transitions if cell.kind == "cell"]
        cells = list({id(cell): cell for cell in cells}.values())
        if "->" not in what:
            name = self.state(what)
            return [cell for cell in cells if cell.target == name]
        try:
            selector = parse_selector(what)
        except Misspelt as fault:
            raise EditError(f"{fault.what}\n  {fault.fix}") from None
        if selector.times or selector.layer:
            raise EditError(f"'{what}' says more than from where to where\n  give the times as t")
        found = [cell for cell in cells if selector.matches(*cell.key)]
        if not found:
            known = list(dict.fromkeys(f"{cell.source}->{cell.target}" for cell in cells))
            raise EditError(f"there is no transition {what}\n  there are {', '.join(known)}")
        return found

    def blocks(self, name: str) -> list[tuple[int, Transition]]:
        """The self-transitions of a state that are needed, with their times: LPK's blocks of a stage."""
        key = (self.state(name), name)
        found = [
            (arrival.t, arrival.transition)
            for node in self.activity.order
            if node in self.activity.needed
            for arrival in self.activity.firing.get(node, ())
            if arrival.transition.key == key
        ]
        if not found:
            stages = list(dict.fromkeys(cell.target for cell in self.net.transitions if cell.source == cell.target))
            fix = f"states that have one: {', '.join(stages)}" if stages else "no state has one"
            raise EditError(f"'{name}' has no self-transition, so there are no blocks\n  {fix}")
        return found


def stages(network: Network) -> dict[str, int]:
    """The states with two or more blocks, and how many these are (LPK: the stages of a ResNet)."""
    counts: dict[str, int] = {}
    for activity in network.activities[:1]:
        for node in activity.order:
            if node in activity.needed:
                own = [arrival for arrival in activity.firing.get(node, ()) if arrival.transition.key == (node[0],) * 2]
                counts[node[0]] = counts.get(node[0], 0) + len(own)
    return {name: count for name, count in counts.items() if count > 1}


def _instead(draft: Draft, blocks: Sequence[tuple[int, Transition]]) -> None:
    """Put an identity in place of blocks."""
    for t, cell in blocks:
        ops: Any = "I" if cell.delay == 1 else {"ops": "I", "delay": cell.delay}
        draft.add([{"t": t, cell.source: {cell.target: ops}}])


@dataclass(frozen=True)
class ReadOutEarly:
    """A stage hands on what it has after some of its blocks; the blocks after them are identities.

    `blocks` is from 0, the stage's input, to all of them, which changes nothing. The next stages work on, as in LPK.
    """

    state: str
    blocks: int

    def apply(self, draft: Draft) -> None:
        blocks = draft.blocks(self.state)
        _check(0 <= self.blocks <= len(blocks), f"'{self.state}' has {len(blocks)} blocks, not {self.blocks}", blocks)
        _instead(draft, blocks[self.blocks :])


@dataclass(frozen=True)
class DropBlock:
    """A block of a stage is an identity; the first is block 1."""

    state: str
    block: int

    def apply(self, draft: Draft) -> None:
        blocks = draft.blocks(self.state)
        _check(1 <= self.block <= len(blocks), f"'{self.state}' has no block {self.block}", blocks)
        _instead(draft, [blocks[self.block - 1]])


@dataclass(frozen=True)
class RepeatLastBlock:
    """The last block of a stage is applied some more times; all that comes after it comes later by as much.

    Only the self-transition is repeated. What else is read from before reads it later, so nothing else changes.
    """

    state: str
    more: int

    def apply(self, draft: Draft) -> None:
        blocks = draft.blocks(self.state)
        _check(self.more >= 0, f"a block is not repeated {self.more} times", blocks)
        if self.more:
            _Repetition(draft, *blocks[-1], self.more).write()


@dataclass(frozen=True)
class Lesion:
    """A transition `h1->h2`, or all that arrives at a state `h1`, is cut: nothing arrives."""

    what: str
    t: When = None

    def apply(self, draft: Draft) -> None:
        when = {} if self.t is None else {"t": self.t}
        draft.add([{**when, cell.source: {cell.target: "-"}} for cell in draft.cells(self.what)])
        if self._is_entry(draft):
            last = max(t for net in draft.network.nets for t in net.readouts)
            left = draft.network.input_times.minus(_times(self.t)).upto(last)
            _check(bool(left), "then no input arrives at all", [])
            draft.data["input"]["t"] = left

    def _is_entry(self, draft: Draft) -> bool:
        entry = next(cell.target for cell in draft.network.nets[0].transitions if cell.source == INPUT)
        return self.what == entry


@dataclass(frozen=True)
class Silence:
    """A transition arrives as zeros, or a state is zeros: it is there, but says nothing."""

    what: str
    t: When = None

    def apply(self, draft: Draft) -> None:
        if "->" not in self.what:
            self._check_state(draft, draft.state(self.what))
        for cell in draft.cells(self.what):
            draft.add(_changed(draft, cell, self.t, lambda table: table | {"gain": 0.0}))

    def _check_state(self, draft: Draft, name: str) -> None:
        state = draft.network.state(name)
        entry = next(cell.target for cell in draft.network.nets[0].transitions if cell.source == INPUT)
        if name == entry and draft.network.input_times.both(_times(self.t)):
            raise EditError(f"the input arrives at '{name}' then\n  choose later times, or show zeros as the image")
        layers = state.update.function if state and state.update else ()
        if wrong := [layer for layer in layers if layer.op.kind not in KEEP_ZERO]:
            what = f"'{name}' has an update that makes something of zeros ({wrong[0].label})"
            raise EditError(f"{what}\n  lesion it, or silence its transitions")


KEEP_ZERO = ("relu", "elu", "gelu", "leaky_relu", "silu", "tanh")


@dataclass(frozen=True)
class AddNoise:
    """Normal noise of standard deviation `std` is added to what a transition makes, in every pass."""

    what: str
    std: float
    t: When = None

    def apply(self, draft: Draft) -> None:
        _check("->" in self.what, f"noise is added to a transition, such as h1->h2, not to '{self.what}'", [])
        _check(self.std > 0, f"a standard deviation is above 0, not {self.std}", [])
        noise = {"noise": {"std": float(self.std)}}

        def noisy(table: dict[str, Any]) -> dict[str, Any]:
            ops = table["ops"]
            return table | {"ops": [*([f"({ops})"] if isinstance(ops, str) else ops), noise]}

        for cell in draft.cells(self.what):
            draft.add(_changed(draft, cell, self.t, noisy))


@dataclass(frozen=True)
class ShowAnother:
    """Another image is shown from time `t` on, as in backward masking: the input is a sequence then.

    An input that was held changes at `t`; one that was shown once is followed by the other one at `t`.
    """

    t: int

    def apply(self, draft: Draft) -> None:
        network = draft.network
        last = max(t for net in network.nets for t in net.readouts)
        _check(not network.sequence, "the input is a sequence already: give it other images", [])
        _check(0 <= self.t <= last, f"t = {self.t} is not between 0 and the last readout, {last}", [])
        before = network.input_times.upto(last)
        times = sorted({*before, self.t})
        draft.data["input"] |= {"t": times, "sequence": True}
        draft.moved |= {("pre_net", t): before[0] for t in times}


@dataclass(frozen=True)
class Override:
    """Any edit, as slabs that are appended to those of the spec."""

    slabs: tuple[Slab, ...]

    def apply(self, draft: Draft) -> None:
        draft.add(self.slabs)


Edit = ReadOutEarly | DropBlock | RepeatLastBlock | Lesion | Silence | AddNoise | ShowAnother | Override


def edited(spec: Spec, edits: Sequence[Edit]) -> tuple[Spec, Moved]:
    """The spec with edits made, one after the other, and where in time of the old net everything was.

    Raises EditError where one does not fit, SpecError where what comes out is no net.
    """
    moved: Moved = {}
    for edit in edits:
        draft = Draft(spec, resolve(spec))
        edit.apply(draft)
        spec = Spec.model_validate(draft.data)
        moved = {(place, new): moved.get((place, old), old) for (place, new), old in draft.moved.items()} | {
            key: old for key, old in moved.items() if key not in draft.moved
        }
    return spec, moved


def _check(fine: bool, what: str, blocks: Sequence[object]) -> None:
    if not fine:
        raise EditError(what + (f"\n  there are {len(blocks)}" if blocks else ""))


def _times(when: When) -> Times:
    if when is None:
        return ALWAYS
    entries = [when] if isinstance(when, int | str) else when
    try:
        return union(parse_times(entry).times({}) for entry in entries)
    except Misspelt as fault:
        raise EditError(f"{fault.what}\n  {fault.fix}") from None


def _changed(
    draft: Draft, cell: Transition, when: When, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> list[Slab]:
    """Slabs in which a cell is changed at those of its times that are meant."""
    times = cell.times.both(_times(when))
    last = max(t for net in draft.network.nets for t in net.readouts)
    table = change(draft.written(cell)) | {"delay": cell.delay}
    return [{"t": times.upto(last), cell.source: {cell.target: table}}] if times.upto(last) else []


class _Repetition:
    """A net with steps put in after time t, in which a state's self-transition alone happens."""

    def __init__(self, draft: Draft, t: int, cell: Transition, more: int) -> None:
        self.draft, self.t, self.cell, self.more = draft, t, cell, more
        self.state = cell.target
        self.later = self._later()

    def _later(self) -> set[Node]:
        """The values at time t that are made of the repeated one: they come after it."""
        later: set[Node] = {(self.state, self.t)}
        for node in self.draft.activity.order:
            if node[1] == self.t and any(each.reads in later for each in self.draft.activity.firing.get(node, ())):
                later.add(node)
        return later - {(self.state, self.t)}

    def _new(self, node: Node) -> int:
        return node[1] + self.more if node[1] > self.t or node in self.later else node[1]

    def write(self) -> None:
        """Write all slabs anew, time by time, and move the input and the readouts."""
        data, network = self.draft.data, self.draft.network
        arrivals = list(self._arrivals())
        keys = {cell.key for cell in self.draft.net.transitions if cell.kind == "cell"}
        last = self._new((LOGITS, max(self.draft.net.readouts)))
        rows: dict[str, list[int]] = {}
        for t in range(last + 1):
            now = {key: cell for key, when, cell in arrivals if when == t}
            slab: Slab = {}
            for source, target in sorted(keys, key=lambda key: (network.rank[key[0]], network.rank[key[1]])):
                slab.setdefault(source, {})[target] = now.get((source, target), "-")
            rows.setdefault(json.dumps(slab), []).append(t)
        self.draft.add([{"t": times, **json.loads(slab)} for slab, times in rows.items()])
        entry = next(cell.target for cell in self.draft.net.transitions if cell.source == INPUT)
        inputs = network.input_times.upto(max(self.draft.net.readouts))
        data["input"]["t"] = [self._new((entry, t)) for t in inputs]
        data["readout"]["t"] = [self._readout(t) for t in self.draft.net.readouts]
        self._untie(data)

    def _readout(self, t: int) -> int:
        new = t + self.more if self._reads_repeated(t) else self._new((self.draft.network.read, t))
        self._note("post_net", new, t)
        return new

    def _reads_repeated(self, t: int) -> bool:
        return (self.draft.network.read, t) == (self.state, self.t)

    def _arrivals(self) -> Iterator[tuple[tuple[str, str], int, dict[str, Any]]]:
        """(source, target), new time and new cell of every arrow that fires, then of those that are put in."""
        for node in self.draft.activity.order:
            for arrival in self.draft.activity.firing.get(node, ()):
                cell, new = arrival.transition, self._new(node)
                self._note(cell.place, new, node[1])
                self._note(f"{node[0]}.update", new, node[1])
                if cell.kind == "cell":
                    read = self._new(arrival.reads)
                    if arrival.reads == (self.state, self.t):
                        read = self.t + self.more
                    delay = max(cell.delay, new + 1) if arrival.reads[1] < 0 else new - read
                    yield cell.key, new, self.draft.written(cell) | {"delay": delay}
        for t in range(self.t + 1, self.t + self.more + 1):
            self._note(self.cell.place, t, self.t)
            self._note(f"{self.state}.update", t, self.t)
            yield self.cell.key, t, self.draft.written(self.cell) | {"delay": 1}

    def _note(self, place: str, new: int, old: int) -> None:
        self.draft.moved[place, new] = old

    @staticmethod
    def _untie(data: dict[str, Any]) -> None:
        """Sets that name times would name others now; the weights are one all the same, as they share storage."""
        sharing = data.get("sharing", {})
        timed = [each for group in sharing.get("sets", ()) for each in (*group["members"], *group.get("except", ()))]
        if any(not isinstance(each, str) or "@" in each for each in timed):
            data["sharing"] = {"over_time": False}
