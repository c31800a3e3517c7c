"""Spec → Network: look every name up, read every string, fit every size, name every tensor.

Nothing stops at the first fault: a cell that cannot be read still counts as an arrow, so that the later checks
say what they can. All faults leave together in one SpecError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from graphnet.errors import Fault, KeyPath, SpecError, did_you_mean
from graphnet.ir.activity import timing_faults
from graphnet.ir.expand import Expanded, WrittenState, expand
from graphnet.ir.fit import Ends, fit
from graphnet.ir.matrix import Entry, holding, misspelt, read_constants, read_times
from graphnet.ir.network import INPUT, LOGITS, Function, Net, Network, State, Transition
from graphnet.ir.ops import Shape
from graphnet.ir.sets import resolve_sets
from graphnet.ir.sizes import size_text
from graphnet.ir.system import classify
from graphnet.ir.weights import bind
from graphnet.spec.functions import FunctionFault, Ops, parse_function
from graphnet.spec.model import Gain, Norm, Spec
from graphnet.spec.times import ALWAYS, FOREVER, Span, Times, union
from graphnet.spec.wholes import Misspelt, parse_whole

TIMING = ("t", "delay", "unroll", "unpopulated", "hold", "merge", "let", "readout")
"""Keys that decide what happens when."""
MAX_TIME = 1_000_000
"""The latest readout that is compiled."""


def resolve(spec: Spec) -> Network:
    """The network a spec means. Raises SpecError with every fault found."""
    network, faults = resolve_as_far_as_possible(spec)
    if network is None or any(fault.severity == "error" for fault in faults):
        raise SpecError(faults)
    return network


def resolve_as_far_as_possible(spec: Spec, form_faults: Sequence[Fault] = ()) -> tuple[Network | None, list[Fault]]:
    """The network, or None if too little of it is right, and every fault found.

    `form_faults` are those already known of the spec; what follows from them is not looked into.
    """
    return _Resolver(spec, form_faults).run()


class _Resolver:
    def __init__(self, spec: Spec, form_faults: Sequence[Fault]) -> None:
        self.spec = spec
        self.form_faults = form_faults
        self.faults: list[Fault] = []
        self.constants = read_constants(spec, self.faults)
        self.expanded: Expanded = expand(spec, self.constants, self.faults)
        self.shapes = self._shapes()
        self.image = self._shape(spec.input.shape, ("input", "shape"))
        names = list(self.expanded.states)
        self.entry = self._end("input", self.expanded.first, names[0])
        self.read = self._end("readout", self.expanded.last, names[-1])

    def run(self) -> tuple[Network | None, list[Fault]]:
        input_times, readouts = self._input_times(), self._readouts()
        if self.image is None:
            self.faults.append(Fault(("input",), "the input has no shape", "such as shape = [3, 32, 32]"))
        cells = self._cells(input_times, readouts)
        sets = resolve_sets(self.spec, self.expanded, cells, self.constants, self.faults)
        index = {name: number for number, name in enumerate(self.expanded.states)} | {INPUT: -1, LOGITS: -2}
        bound = bind(cells, sets, self.spec.sharing.over_time, index, self.faults)
        if self._timing_is_wrong():
            return None, self.faults
        nets = tuple(self._net(bound, times) for times in self._groups(readouts))
        network = Network(
            name=self.spec.name,
            cite=self.spec.cite,
            input_shape=self.image or (),
            input_times=input_times,
            sequence=self.spec.input.sequence,
            states=self._states(bound),
            read=self.read,
            nets=nets,
            system=classify(nets, input_times),
            couplings={k: (group.coupling, group.kernel) for k, group in enumerate(sets) if group.coupling is not None},
            combine=self.spec.readout.combine,
            weights=self._weights(readouts),
        )
        self.faults += timing_faults(network)
        return network, self.faults

    def _timing_is_wrong(self) -> bool:
        """Whether an entry is at fault that decides what happens when, so that nothing can be said of that."""
        return any(
            key in TIMING or (key == "state" and fault.path[0] in ("input", "readout"))
            for fault in (*self.form_faults, *self.faults)
            if fault.severity == "error"
            for key in fault.path
        )

    # ---- states and shapes

    def _shapes(self) -> dict[str, Shape]:
        """The shapes of the states; a state whose shape is at fault has none."""
        found = {}
        for name, written in self.expanded.states.items():
            if written.shape is None:
                self.faults.append(Fault(written.path, f"'{name}' has no shape", "such as shape = [64, 32, 32]"))
            elif shape := self._shape(written.shape, self._shape_path(written)):
                found[name] = shape
        return found

    def _shape_path(self, written: WrittenState) -> KeyPath:
        if written.state.shape is None:  # it has that of the state that is made of its part
            return ("states", written.name.split(".")[0], "shape")
        return written.path if written.state.model_fields_set == {"shape"} else (*written.path, "shape")

    def _shape(self, written: Sequence[int | str] | None, path: KeyPath) -> Shape | None:
        if written is None:
            return None
        sizes = []
        for number, entry in enumerate(written):
            size = self._whole(entry, (*path, number))
            if size is not None and not 1 <= size <= 1 << 40:
                self.faults.append(Fault((*path, number), f"{size} is no size: at least 1 is needed"))
            elif size is not None:
                sizes.append(size)
        if len(written) == 4 or (path[0] == "states" and len(written) > 3):
            self.faults.append(Fault(path, f"{len(written)} sizes", "[C, H, W], [C, L] or [C]"))
            return None
        return tuple(sizes) if len(sizes) == len(written) else None

    def _whole(self, written: int | str, path: KeyPath) -> int | None:
        try:
            whole = parse_whole(written)
        except Misspelt as fault:
            self.faults.append(misspelt(path, fault))
            return None
        unknown = [name for name in whole.names if name not in self.constants]
        if unknown:
            what, fix = f"no constant is called '{unknown[0]}'", did_you_mean(unknown[0], tuple(self.constants))
            self.faults.append(Fault(path, what, fix or "name it in [let]"))
            return None
        return whole.value(self.constants)

    def _states(self, bound: Sequence[Transition]) -> tuple[State, ...]:
        updates = {cell.target: cell for cell in bound if cell.kind == "update"}
        return tuple(
            State(
                name,
                self.shapes.get(name, ()),
                written.state.merge or self.spec.merge,
                written.state.label or name,
                bool(written.state.hold),
                (written.state.unpopulated or self.spec.unpopulated) == "zeros",
                updates.get(name),
            )
            for name, written in self.expanded.states.items()
        )

    def _end(self, table: str, ends: Mapping[str, str], default: str) -> str:
        name: str = getattr(self.spec, table).state or default
        if name in self.expanded.states:
            return name
        if name not in ends:
            hint = did_you_mean(name, tuple(ends))
            self.faults.append(Fault((table, "state"), f"no state is called '{name}'", hint))
        return ends.get(name, default)

    # ---- times

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
        last = times.spans[-1].last if times else 0
        if last >= FOREVER:
            self.faults.append(Fault(path, "a readout has an end", "name the last readout time instead of 'inf'"))
        elif last > MAX_TIME:
            self.faults.append(Fault(path, f"t = {last:,} is over the limit of {MAX_TIME:,} steps"))
        elif not times and written.ranges:
            self.faults.append(Fault(path, "nothing is read out at any time", "name a time, such as t = 5"))
        return tuple(times.upto(MAX_TIME)) if last <= MAX_TIME else ()

    def _weights(self, readouts: Sequence[int]) -> tuple[float, ...]:
        weights = self.spec.readout.weights
        if weights is None:
            return ()
        path: KeyPath = ("readout", "weights")
        if len(weights) != len(readouts):
            what = f"{len(weights)} weights for {len(readouts)} readout times"
            self.faults.append(Fault(path, what, "give one weight a time"))
        elif not any(weights):
            self.faults.append(Fault(path, "no readout has a weight above 0"))
        if self.spec.readout.combine == "mean":
            self.faults.append(Fault(path, "the mean of the readouts is one output", "drop the weights"))
        return weights

    def _groups(self, readouts: tuple[int, ...]) -> list[tuple[int, ...]]:
        """The readout times that share one net."""
        relative = any(entry.names_readout for entry in self.expanded.entries)
        return [(t,) for t in readouts] if relative else [readouts]

    # ---- transitions

    def _cells(self, input_times: Times, readouts: Sequence[int]) -> list[Transition]:
        """Every written cell that does not block, with the times at which it holds whatever the readout."""
        times = holding(self.expanded.entries, self.constants)
        cells = [self._pre_net(input_times)]
        for written in self.expanded.entries:
            if written.cell.ops != "-":
                cells.append(self._transition(written, times.get(written, Times())))
        for name, state in self.expanded.states.items():
            if state.state.update is not None:
                cells.append(self._update(name, state))
        if self.spec.post_net is not None:
            cells.append(self._post_net(union(Times((Span(t, t),)) for t in readouts)))
        return cells

    def _net(self, cells: Sequence[Transition], readouts: tuple[int, ...]) -> Net:
        """The cells that hold for some readout times, with their times."""
        constants = self.constants | ({"T": readouts[0]} if len(readouts) == 1 else {})
        by_path = {
            (entry.source, entry.target, entry.path): held
            for entry, held in holding(self.expanded.entries, constants).items()
        }
        only = Times(tuple(Span(t, t) for t in readouts))
        found = []
        for cell in cells:
            holds = by_path.get((cell.source, cell.target, cell.path), cell.times)
            if cell.kind == "post_net":
                holds = cell.times.both(only)
            if holds and cell.kind != "update":
                found.append(replace(cell, times=holds))
        return Net(readouts, LOGITS if self.spec.post_net else self.read, tuple(found))

    def _transition(self, entry: Entry, times: Times) -> Transition:
        source, target, cell = entry.source, entry.target, entry.cell
        path = entry.path if cell.is_short else (*entry.path, "ops")
        reads, makes = self.shapes.get(source), self.shapes.get(target)
        width = (reads[0] + makes[0]) // 2 if reads and makes else 0
        merge = self.expanded.states[target].state.merge or self.spec.merge
        ends = self._ends(source, target, reads, makes, width, self.spec.norm, merge == "concat")
        delays = (cell.delay, entry.slab.delay, entry.delay)
        return Transition(
            source,
            target,
            f"{target}.from_{source}",
            ops_text(cell.ops),
            times,
            next(delay for delay in delays if delay is not None),
            self._function(cell.ops, ends, path, cell.gain),
            entry.path,
            entry.open,
            entry.symbol,
        )

    def _pre_net(self, times: Times) -> Transition:
        pre_net, image, shape = self.spec.pre_net, self._slice_shape(), self.shapes.get(self.entry)
        function: Function = ()
        if pre_net is not None:
            norm = pre_net.norm.over(self.spec.norm)
            ends = self._ends(INPUT, self.entry, image, shape, shape[0] if shape else 0, norm)
            function = self._function(pre_net.ops, ends, ("pre_net", "ops"))
        elif image and shape and image != shape:
            what = f"the input is {size_text(image)}, but '{self.entry}', where it arrives, is {size_text(shape)}"
            self.faults.append(Fault(("input", "shape"), what, 'give a [pre_net], such as ops = "C"'))
        text = ops_text(pre_net.ops) if pre_net else "I"
        return Transition(INPUT, self.entry, "pre_net", text, times, 0, function, ("pre_net",), kind="pre_net")

    def _slice_shape(self) -> Shape | None:
        return self.image

    def _post_net(self, times: Times) -> Transition:
        post_net, shape = self.spec.post_net, self.shapes.get(self.read)
        assert post_net is not None
        target = (post_net.classes,) if post_net.classes else None
        norm = post_net.norm.over(self.spec.norm)
        ends = self._ends(self.read, LOGITS, shape, target, shape[0] if shape else 0, norm)
        function = self._function(post_net.ops, ends, ("post_net", "ops"))
        text = ops_text(post_net.ops)
        return Transition(self.read, LOGITS, "post_net", text, times, 0, function, ("post_net",), kind="post_net")

    def _update(self, name: str, written: WrittenState) -> Transition:
        shape, ops = self.shapes.get(name), written.state.update or ()
        ends = self._ends(name, name, shape, shape, shape[0] if shape else 0, self.spec.norm)
        path = (*written.path, "update")
        function = self._function(ops, ends, path)
        return Transition(name, name, f"{name}.update", ops_text(ops), ALWAYS, 0, function, path, kind="update")

    def _ends(
        self,
        source: str,
        target: str,
        reads: Shape | None,
        makes: Shape | None,
        width: int,
        norm: Norm,
        joins: bool = False,
    ) -> Ends | None:
        """What a function runs between; None where a shape is not known."""
        if reads is None or (makes is None and target != LOGITS):
            return None
        return Ends(reads, makes, width, source, target, norm, self.constants, joins)

    def _function(self, ops: Ops, ends: Ends | None, path: KeyPath, gain: Gain | None = None) -> Function:
        """The fitted function written at `path`; the identity where it is at fault or a shape is not known."""
        try:
            chain = parse_function(ops)
            return fit(chain, ends, gain) if ends else ()
        except FunctionFault as fault:
            span = (fault.place.start, fault.place.end) if fault.place.end else None
            self.faults.append(Fault((*path, *fault.place.path), fault.what, fault.fix, span=span))
            return ()


def ops_text(ops: Ops) -> str:
    """A transition function for tables and pictures."""
    if isinstance(ops, str):
        return ops
    words = []
    for entry in ops:
        if isinstance(entry, str):
            words.append(entry)
        elif isinstance(entry, Mapping):
            for word, settings in entry.items():
                inner = " + ".join(map(ops_text, settings)) if word == "sum" else word
                words.append(f"({inner})" if word == "sum" else inner)
        else:
            words.append(ops_text(entry))
    return " ".join(words)
