"""Unroll a net in time as a separate spec: feed-forward, one state per (state, time), tied by sharing sets.

The new net keeps the times of the old one: `h1_3` holds a value at t = 3 only. So statistics keep their times, and a
weight of the new net is that of the old one at its arrival time (`origin`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphnet.errors import Fault, SpecError
from graphnet.network.network import INPUT, Transition
from graphnet.planning.activity import Node
from graphnet.planning.time_expansion import TimeExpansion, expand_in_time
from graphnet.planning.values import Source, Value, Values, find_values
from graphnet.spec.model import Spec
from graphnet.spec.notation.transition_functions import Branches, parse_function

IMAGE, READ, BEFORE, MERGED, FIRST = "image", "read", "zeros", "merged", "first"
"""Extra states: the pre-net's output, the readout, zeros before t = 0, values before an update, values with I0."""


def unroll(spec: Spec) -> dict[str, Any]:
    """Return the spec, as plain data, of a spec's network unrolled in time.

    Raise SpecError for what the language cannot express: several readouts relative to T, I0 inside brackets.
    """
    expansion = expand_in_time(spec)
    if len(expansion.network.nets) > 1:
        what = "several readouts relative to T have a net each, which no one spec can unroll"
        raise SpecError([Fault(("readout", "t"), what, "give one readout time", code="GN306")])
    return _Unrolling(spec, expansion).data()


@dataclass
class _Unrolling:
    spec: Spec
    expansion: TimeExpansion
    states: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, dict[str, Any]] = field(default_factory=dict)
    uses: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    """Tensors of the old net → selectors of the layers that use them in the new one."""
    reads: list[dict[str, Any]] = field(default_factory=list)
    """Slabs that lead the readouts of several times to one state."""
    coupled: dict[str, dict[str, None]] = field(default_factory=dict)
    """Set and name of coupled layers → selectors in the new net, in the order of time."""

    def __post_init__(self) -> None:
        self.network = self.expansion.network
        self.written = self.spec.as_data()
        (self.net,) = self.network.nets
        self.last = max(self.net.readouts)
        (activity,) = self.expansion.activities
        self.values: Values = find_values(self.network, [activity])
        self.order = sorted(
            self._needed(activity.needed), key=lambda value: (self.network.rank[value.node[0]], value.node[1])
        )

    def _needed(self, needed: frozenset[Node]) -> Iterator[Value]:
        """The values that a readout needs, each once, zeros before t = 0 among them."""
        seen: set[int] = set()
        stack = [self.values.numbers[0][node] for node in needed if self.network.state(node[0])]
        while stack:
            number = stack.pop()
            if number in seen:
                continue
            seen.add(number)
            value = self.values.values[number]
            yield value
            stack += [each for source in value.sources for each in (source.reads, source.first) if each >= 0]

    def data(self) -> dict[str, Any]:
        """The whole spec."""
        data = {key: value for key, value in self.written.items() if key in KEPT}
        data["name"] = f"{self.spec.name} unrolled"
        data["input"] = self._input()
        for value in self.order:
            self._value(value)
        data["states"] = self.states
        data["readout"] = self._readout()
        data["transitions"] = [self.cells, *self.reads] if self.cells else self.reads
        if sets := self._sets():
            data["sharing"] = {"sets": sets}
        order = ("graphnet", "name", "cite", "let", "input", "states", "transitions")
        return {key: data[key] for key in (*order, *(key for key in data if key not in order)) if key in data}

    # ---- ends

    def _input(self) -> dict[str, Any]:
        """The image arrives at a separate state, which feeds the states at its times."""
        entry = next(cell.target for cell in self.net.transitions if cell.source == INPUT)
        shape = self.network.state(entry)
        assert shape is not None
        self.states[IMAGE] = list(shape.shape)
        return {**self.written["input"], "state": IMAGE}

    def _readout(self) -> dict[str, Any]:
        """One readout reads its state; several, or one of a held value, read an extra state."""
        readout = {key: value for key, value in self.written["readout"].items() if key != "state"}
        read = {t: self.values.at(0, (self.network.read, t)) for t in self.net.readouts}
        if len(read) == 1 and read[self.last].node[1] == self.last:
            return readout | {"state": self._name(read[self.last])}
        state = self.network.state(self.network.read)
        assert state is not None
        self.states[READ] = list(state.shape)
        for t, value in read.items():
            delay = t - value.node[1]
            self.reads.append({"t": t, self._name(value): {READ: "I" if delay == 1 else {"ops": "I", "delay": delay}}})
        return readout | {"state": READ}

    # ---- values

    def _name(self, value: Value) -> str:
        state, t = value.node
        stem = state.replace(".", "_")
        return f"{stem}_{BEFORE}" if t < 0 else f"{stem}_{t}"

    def _value(self, value: Value) -> None:
        """Add the state of a value, and the arrows into it."""
        state = self.network.state(value.node[0])
        assert state is not None
        name, t = self._name(value), value.node[1]
        table: dict[str, Any] = {"shape": list(state.shape)}
        if len(value.sources) > 1 and state.merge != "sum":
            table["merge"] = state.merge
        if not value.sources:
            table["unpopulated"] = "zeros"
        noise = {"noise": std} if t >= 0 and (std := state.noise_at(t)) else {}
        update = state.update
        if update is None or t < 0:
            self.states[name] = _short(table | noise)
        elif not any(layer.slots for layer in update.function):
            self.states[name] = table | {"update": self._ops(update)} | noise
        else:  # sets cannot name updates: make it a transition
            self.states[f"{name}_{MERGED}"] = table
            self.states[name] = _short({"shape": table["shape"]} | noise)
            self._transition(update, t, f"{name}_{MERGED}", name, 0)
            name = f"{name}_{MERGED}"
        for source in value.sources:
            self._arrival(source, t, name)

    def _arrival(self, source: Source, t: int, target: str) -> None:
        transition = source.arrival.transition
        if transition.source == INPUT:
            self._arrow(IMAGE, target, "I", 0)
            return
        read = self.values.values[source.reads]
        name, delay = self._name(read), t - read.node[1]
        if read.node[1] < 0:
            delay = 0
        if source.first < 0:
            self._transition(transition, t, name, target, delay)
            return
        first = self.values.values[source.first]
        if first is read:
            self._transition(transition, t, name, target, delay, re.sub(r"\bI0\b", "I", self._text(transition)))
            return
        joined = f"{target}_{FIRST}"  # the function without I0, plus the first value
        state = self.network.state(transition.target)
        assert state is not None
        self.states[joined] = {"shape": list(state.shape), "merge": "sum"}
        ops = self._without_first(transition)
        cell = self._cell(transition)
        if ops:
            self._arrow(name, joined, ops, delay, {"lipschitz": cell.get("lipschitz")})
            self._use(transition, t, f"{name}->{joined}", f"{joined}->{target}")
        self._arrow(self._name(first), joined, "I", max(t - max(first.node[1], 0), 0) if first.node[1] >= 0 else 0)
        self._arrow(joined, target, "I", 0, {key: cell.get(key) for key in ("gain", "noise")})

    def _transition(
        self, transition: Transition, t: int, source: str, target: str, delay: int, ops: str | None = None
    ) -> None:
        """Add a cell with a function of the old net, and note its tensors."""
        cell = self._cell(transition)
        self._arrow(source, target, cell["ops"] if ops is None else ops, delay, cell)
        self._use(transition, t, f"{source}->{target}", f"{source}->{target}")

    def _arrow(self, source: str, target: str, ops: Any, delay: int, cell: Mapping[str, Any] | None = None) -> None:
        """Add an arrow with the Lipschitz bound, the gain and the noise of a cell."""
        table = {"ops": ops}
        if delay != 1:
            table["delay"] = delay
        table |= {key: cell[key] for key in ("gain", "lipschitz", "noise") if cell and cell.get(key) is not None}
        self.cells.setdefault(source, {})[target] = ops if len(table) == 1 else table

    def _cell(self, transition: Transition) -> dict[str, Any]:
        """A transition as written, as a table."""
        entry: Any = self.written
        for key in transition.path:
            entry = entry[key]
        return entry if isinstance(entry, dict) else {"ops": entry}

    def _ops(self, update: Transition) -> Any:
        return self._cell(update)["ops"]

    def _text(self, transition: Transition) -> str:
        """A function with I0 as a string, which is taken apart later."""
        ops = self._cell(transition)["ops"]
        if not isinstance(ops, str):
            raise _no_words(transition)
        return ops

    def _without_first(self, transition: Transition) -> Any:
        """The written function without its I0 branch; None if nothing remains."""
        text = self._text(transition)
        chain = parse_function(text)
        if len(chain) != 1 or not isinstance(chain[0], Branches):
            if re.fullmatch(r"\s*I0\s*", text):
                return None
            raise _no_words(transition)
        branches = [part.strip() for part in text.split("+")]
        left = [part for part in branches if part != "I0"]
        if len(branches) != len(chain[0].chains) or len(left) != len(branches) - 1:
            raise _no_words(transition)
        return " + ".join(left)

    # ---- weights

    def _use(self, transition: Transition, t: int, cell: str, gain_cell: str) -> None:
        """Note which tensors of the old net the layers of a cell use; per-time tensors are no ties."""
        for layer, bindings in zip(transition.function, transition.bindings, strict=True):
            mine = [binding.at(t) for binding, slot in zip(bindings, layer.slots, strict=True) if not slot.per_time]
            if not mine:
                continue
            selector = f"{gain_cell if layer.label == 'gain' else cell}#{layer.label}"
            self.uses.setdefault(tuple(tensor.name for tensor in mine), []).append(selector)
            for tensor in mine:
                if tensor.coupled:
                    self.coupled.setdefault(tensor.coupled.rpartition(".")[0], {})[selector] = None

    def _sets(self) -> list[dict[str, Any]]:
        """The hard sets, per whole transition where all its layers are tied alike, and the coupled sets."""
        layers: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
        uses = _joined(self.uses)
        for names, selectors in uses.items():
            for selector in selectors:
                cell, _, label = selector.partition("#")
                layers.setdefault(cell, []).append((label, names))
        alike: dict[tuple[tuple[str, tuple[str, ...]], ...], list[str]] = {}
        for cell, found in layers.items():
            alike.setdefault(tuple(sorted(found)), []).append(cell)
        users: dict[tuple[str, ...], list[object]] = {}
        for content in alike:
            for _, names in content:
                users.setdefault(names, []).append(content)
        whole = {  # only transitions tied alike use their tensors, each once
            content: cells for content, cells in alike.items() if all(len(users[names]) == 1 for _, names in content)
        }
        tied = {names for content in whole for _, names in content}
        sets: list[dict[str, Any]] = [{"members": cells} for cells in whole.values() if len(cells) > 1]
        sets += [{"members": use} for names, use in uses.items() if len(use) > 1 and names not in tied]
        return sets + [self._coupled_set(key, list(members)) for key, members in self.coupled.items()]

    def _coupled_set(self, key: str, members: list[str]) -> dict[str, Any]:
        number = int(key.partition(":")[0])
        strength, kernel = self.network.couplings[number]
        start = self.spec.sharing.sets[number].start
        return {"members": members, "coupling": strength, "kernel": kernel, "start": start}


KEPT = ("graphnet", "cite", "let", "norm", "pre_net", "post_net")
"""Tables kept from the old spec."""


def _short(table: dict[str, Any]) -> Any:
    """Shorten a state's table to its shape if it has nothing else."""
    return table if len(table) > 1 else table["shape"]


def _joined(uses: Mapping[tuple[str, ...], Sequence[str]]) -> dict[tuple[str, ...], list[str]]:
    """Merge uses that share any tensor: a layer with a bias and one without may share a weight."""
    groups: dict[tuple[str, ...], list[str]] = {}
    home: dict[str, tuple[str, ...]] = {}  # the group of each tensor
    for names, selectors in uses.items():
        common = list(dict.fromkeys(home[name] for name in names if name in home))
        found = [selector for group in common for selector in groups.pop(group)]
        merged = dict.fromkeys(name for group in (*common, names) for name in group)
        roles = [name.rpartition(".")[2] for name in merged]
        if len(set(roles)) < len(roles):  # cells that differ over time may share a bias, but no weight
            what = f"the language cannot express layers that share some tensors and not others: {', '.join(merged)}"
            fix = "give the transition one function at all times, or widths that are equal or all different"
            raise SpecError([Fault(("transitions",), what, fix, code="GN306")])
        groups[tuple(merged)] = [*found, *selectors]
        home |= dict.fromkeys(merged, tuple(merged))
    return groups


def _no_words(transition: Transition) -> SpecError:
    what = f"the language cannot express '{transition.text}' without its I0"
    return SpecError([Fault(transition.path, what, "write I0 as a separate branch: f + I0", code="GN306")])


def origin(place: str) -> str:
    """Place in an unrolled net → its place in the old net at the same time, with `.` written as `_`."""
    target, _, source = place.partition(".from_")
    if not source:
        return (
            target
            if target in ("pre_net", "post_net")
            else _old(target.removesuffix(".update")) + ("_update" if target.endswith(".update") else "")
        )
    if source == f"{target}_{MERGED}":
        return f"{_old(target)}_update"
    return f"{_old(target)}_from_{_old(source)}"


def _old(name: str) -> str:
    return re.sub(rf"_(\d+|{BEFORE})(_{MERGED})?(_{FIRST})?$", "", name)
