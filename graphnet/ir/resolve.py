"""Spec → Network: look every name up, read every string, fit every size, name every tensor.

Nothing stops at the first fault: a cell that cannot be read still counts as an arrow, so that the later checks
say what they can. All faults leave together in one SpecError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from graphnet.errors import Fault, KeyPath, SpecError, did_you_mean
from graphnet.ir.activity import ZeroDelayCycle, readout_faults
from graphnet.ir.fit import Ends, fit, size_text
from graphnet.ir.matrix import Entry, holding, misspelt, read_constants, read_entries, read_times
from graphnet.ir.network import INPUT, LOGITS, Function, Net, Network, State, Transition
from graphnet.ir.ops import Shape
from graphnet.ir.system import classify
from graphnet.ir.weights import Member, bind
from graphnet.spec.functions import parse_function
from graphnet.spec.model import Norm, Spec
from graphnet.spec.names import name_fault
from graphnet.spec.selectors import parse_selector
from graphnet.spec.times import FOREVER, Span, Times, union
from graphnet.spec.wholes import Misspelt


def resolve(spec: Spec) -> Network:
    """The network a spec means. Raises SpecError with every fault found."""
    network, faults = resolve_as_far_as_possible(spec)
    if network is None or faults:
        raise SpecError(faults)
    return network


def resolve_as_far_as_possible(spec: Spec, form_faults: Sequence[Fault] = ()) -> tuple[Network | None, list[Fault]]:
    """The network, or None if too little of it is right, and every fault found.

    `form_faults` are those already known of the spec; what follows from them is not looked into.
    """
    return _Resolver(spec, form_faults).run()


TIMING = ("t", "delay", "unroll", "unpopulated", "hold", "merge", "let", "readout")
"""Keys that decide what happens when."""
MAX_TIME = 1_000_000
"""The latest readout that is compiled."""


class _Resolver:
    def __init__(self, spec: Spec, form_faults: Sequence[Fault]) -> None:
        self.spec = spec
        self.form_faults = form_faults
        self.faults: list[Fault] = []
        self.constants = read_constants(spec, self.faults)

    def run(self) -> tuple[Network | None, list[Fault]]:
        states = self._states()
        image = self._input_shape()
        entry, read = self._end("input", states[0].name), self._end("readout", states[-1].name)
        input_times, readouts = self._input_times(), self._readouts()
        entries = read_entries(self.spec, self.constants, self.faults)
        cells = self._bound(self._cells(entries, entry, read, input_times, readouts), states)
        if self._timing_is_wrong():
            return None, self.faults
        nets = tuple(self._net(cells, entries, times) for times in self._groups(entries, readouts))
        system = classify(nets, input_times)
        network = Network(self.spec.name, self.spec.cite, image, input_times, states, read, nets, system)
        self._check_activity(network)
        return network, self.faults

    def _timing_is_wrong(self) -> bool:
        """Whether an entry is at fault that decides what happens when, so that nothing can be said of that."""
        return any(
            key in TIMING or (key == "state" and fault.path[0] in ("input", "readout"))
            for fault in (*self.form_faults, *self.faults)
            for key in fault.path
        )

    def _input_shape(self) -> Shape:
        if self.spec.input.shape is None:
            self.faults.append(Fault(("input",), "the input has no shape", "such as shape = [3, 32, 32]"))
        return self.spec.input.shape or ()

    def _states(self) -> tuple[State, ...]:
        states = []
        for name, state in self.spec.states.items():
            if fault := name_fault(name):
                self.faults.append(Fault(("states", name), *fault, on="key"))
            if state.shape is None:
                self.faults.append(Fault(("states", name), f"'{name}' has no shape", "such as shape = [64, 32, 32]"))
            states.append(
                State(
                    name,
                    state.shape or (),
                    state.merge or self.spec.merge,
                    state.label or name,
                    state.hold,
                    (state.unpopulated or self.spec.unpopulated) == "zeros",
                )
            )
        return tuple(states)

    def _end(self, table: str, default: str) -> str:
        name: str = getattr(self.spec, table).state or default
        if name not in self.spec.states:
            names = tuple(self.spec.states)
            self.faults.append(Fault((table, "state"), f"no state is called '{name}'", did_you_mean(name, names)))
            return default
        return name

    def _input_times(self) -> Times:
        path: KeyPath = ("input", "t")
        written = read_times(self.spec.input.t, path, self.constants, self.faults, readout=False)
        times = written.times(self.constants)
        if not times and written.ranges:
            self.faults.append(Fault(path, "the input never arrives", "name a time, such as t = 0"))
        return times

    def _readouts(self) -> tuple[int, ...]:
        path: KeyPath = ("readout", "t")
        written = read_times(self.spec.readout.t, path, self.constants, self.faults, readout=False)
        times = written.times(self.constants)
        if times and times.spans[-1].last >= FOREVER:
            self.faults.append(Fault(path, "a readout has an end", "name the last readout time instead of 'inf'"))
            return ()
        if times and times.spans[-1].last > MAX_TIME:
            self.faults.append(Fault(path, f"t = {times.spans[-1].last:,} is over the limit of {MAX_TIME:,} steps"))
            return ()
        if not times and written.ranges:
            self.faults.append(Fault(path, "nothing is read out at any time", "name a time, such as t = 5"))
        return tuple(times.upto(MAX_TIME))

    def _groups(self, entries: list[Entry], readouts: tuple[int, ...]) -> list[tuple[int, ...]]:
        """The readout times that share one net."""
        return [(t,) for t in readouts] if any(entry.names_readout for entry in entries) else [readouts]

    def _cells(
        self,
        entries: list[Entry],
        entry: str,
        read: str,
        input_times: Times,
        readouts: tuple[int, ...],
    ) -> list[Transition]:
        """Every written cell that does not block, with the times at which it holds whatever the readout."""
        shapes = {name: state.shape for name, state in self.spec.states.items() if state.shape}
        times = holding(entries, self.constants)
        cells = [self._pre_net(shapes, entry, input_times)]
        for written in entries:
            if written.cell.ops != "-":
                cells.append(self._transition(written, times.get(written.path, Times()), shapes))
        if self.spec.post_net is not None:
            cells.append(self._post_net(shapes, read, union(Times((Span(t, t),)) for t in readouts)))
        return cells

    def _net(self, cells: Sequence[Transition], entries: list[Entry], readouts: tuple[int, ...]) -> Net:
        """The cells that hold for some readout times, with their times."""
        times = holding(entries, self.constants | ({"T": readouts[0]} if len(readouts) == 1 else {}))
        only = Times(tuple(Span(t, t) for t in readouts))
        found = []
        for cell in cells:
            holds = cell.times.both(only) if cell.target == LOGITS else times.get(cell.path, cell.times)
            if holds:
                found.append(replace(cell, times=holds))
        output = LOGITS if self.spec.post_net else self.spec.readout.state or list(self.spec.states)[-1]
        return Net(readouts, output, tuple(found))

    def _transition(self, entry: Entry, times: Times, shapes: Mapping[str, Shape]) -> Transition:
        source, target, cell = entry.source, entry.target, entry.cell
        path = entry.path if cell.is_short else (*entry.path, "ops")
        width = (shapes[source][0] + shapes[target][0]) // 2 if source in shapes and target in shapes else 0
        ends = self._ends(source, target, shapes.get(source), shapes.get(target), width, self.spec.norm)
        function = self._function(cell.ops, ends, path)
        place, delay = f"{target}.from_{source}", self._delay(entry)
        return Transition(source, target, place, cell.ops, times, delay, function, entry.path, entry.open, entry.symbol)

    def _ends(
        self, source: str, target: str, reads: Shape | None, makes: Shape | None, width: int, norm: Norm
    ) -> Ends | None:
        """What a function runs between; None where a shape is not known."""
        if reads is None or (makes is None and target != LOGITS):
            return None
        return Ends(reads, makes, width, source, target, norm, self.constants)

    def _delay(self, entry: Entry) -> int:
        for delay in (entry.cell.delay, entry.slab.delay):
            if delay is not None:
                return delay
        order = list(self.spec.states)
        forward = order.index(entry.source) < order.index(entry.target)
        return 0 if self.spec.unroll == "engineering" and forward else 1

    def _pre_net(self, shapes: Mapping[str, Shape], entry: str, times: Times) -> Transition:
        pre_net, image, shape = self.spec.pre_net, self.spec.input.shape, shapes.get(entry)
        function: Function = ()
        if pre_net is not None:
            width = shape[0] if shape else 0
            ends = self._ends(INPUT, entry, image, shape, width, pre_net.norm.over(self.spec.norm))
            function = self._function(pre_net.ops, ends, ("pre_net", "ops"))
        elif image and shape and image != shape:
            what = f"the input is {size_text(image)}, but '{entry}', where it arrives, is {size_text(shape)}"
            self.faults.append(Fault(("input", "shape"), what, 'give a [pre_net], such as ops = "C"'))
        text = pre_net.ops if pre_net else "I"
        return Transition(INPUT, entry, "pre_net", text, times, 0, function, ("pre_net",))

    def _post_net(self, shapes: Mapping[str, Shape], read: str, times: Times) -> Transition:
        post_net, shape = self.spec.post_net, shapes.get(read)
        assert post_net is not None
        target = (post_net.classes,) if post_net.classes else None
        norm = post_net.norm.over(self.spec.norm)
        ends = self._ends(read, LOGITS, shape, target, shape[0] if shape else 0, norm)
        function = self._function(post_net.ops, ends, ("post_net", "ops"))
        return Transition(read, LOGITS, "post_net", post_net.ops, times, 0, function, ("post_net",))

    def _function(self, text: str, ends: Ends | None, path: KeyPath) -> Function:
        """The fitted function written at `path`; the identity where it is at fault or a shape is not known."""
        try:
            chain = parse_function(text)
            return fit(chain, ends) if ends else ()
        except Misspelt as fault:
            self.faults.append(misspelt(path, fault))
            return ()

    def _bound(self, cells: Sequence[Transition], states: Sequence[State]) -> tuple[Transition, ...]:
        rank = {state.name: number for number, state in enumerate(states)} | {INPUT: -1, LOGITS: -2}
        return bind(cells, self._sets(cells), self.spec.sharing.over_time, rank, self.faults)

    def _sets(self, transitions: Sequence[Transition]) -> list[list[Member]]:
        pairs = dict.fromkeys(each.key for each in transitions if each.place not in ("pre_net", "post_net"))
        order = {name: number for number, name in enumerate(self.spec.states)}
        pairs_in_order = sorted(pairs, key=lambda pair: (order[pair[0]], order[pair[1]]))
        sets = []
        for number, group in enumerate(self.spec.sharing.sets):
            members: list[Member] = []
            for place, text in enumerate(group.members):
                path: KeyPath = ("sharing", "sets", number, "members", place)
                members += self._members(text, pairs_in_order, path)
            sets.append(members)
        return sets

    def _members(self, text: str, pairs: Sequence[tuple[str, str]], path: KeyPath) -> list[Member]:
        try:
            selector = parse_selector(text)
        except Misspelt as fault:
            self.faults.append(misspelt(path, fault))
            return []
        names = tuple(self.spec.states)
        for role in ("source", "target"):
            name = getattr(selector, role)
            if "*" not in name and name not in names:
                what = f"no state is called '{name}'"
                self.faults.append(Fault(path, what, did_you_mean(name, names), span=selector.spans[role]))
                return []
        times = selector.times.times(self.constants) if selector.times else None
        found = [Member(source, target, times, path) for source, target in pairs if selector.matches(source, target)]
        if not found:
            shown = ", ".join(f"{source}->{target}" for source, target in pairs)
            self.faults.append(Fault(path, f"'{text}' selects no transition", f"there are: {shown}"))
        return found

    def _check_activity(self, network: Network) -> None:
        try:
            self.faults += readout_faults(network)
        except ZeroDelayCycle as cycle:
            first = cycle.arrivals[0]
            self.faults.append(
                Fault(
                    first.transition.path,
                    f"at t = {first.t} these arrows take no time and run in a circle: {cycle}",
                    "give one of them a delay of 1",
                )
            )
