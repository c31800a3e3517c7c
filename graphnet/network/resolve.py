"""Spec → Network: look up every name, parse every string, fit every size, name every tensor.

Nothing stops at the first fault: a cell that cannot be read still counts as an arrow, so that later checks report what
they can. One SpecError reports all faults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from graphnet.errors import Fault, KeyPath, did_you_mean
from graphnet.network.budget import budget_faults, count_times, estimate
from graphnet.network.functions.misread_shapes import blame_shapes
from graphnet.network.functions.ops import Shape
from graphnet.network.functions.transitions import CellReader
from graphnet.network.matrix import misspelt, read_constants, read_times
from graphnet.network.network import INPUT, LOGITS, Net, Network, State, Transition
from graphnet.network.parts import Expanded, WrittenState, expand
from graphnet.network.sharing.sets import resolve_sets
from graphnet.network.sharing.tensors import bind
from graphnet.network.silenced import Holding, silenced_faults
from graphnet.network.unread import decides_timing
from graphnet.spec.doubtful_faults import doubtful
from graphnet.spec.model import Spec
from graphnet.spec.notation.integers import Misspelt, parse_whole
from graphnet.spec.notation.times import ALWAYS, FOREVER, Times, TimeSpan

MOST_READOUTS = 1_000_000
"""Limit on listed readout times; more exceed any budget."""


def resolve(
    spec: Spec, form_faults: Sequence[Fault] = (), unlimited: bool = False
) -> tuple[Network | None, list[Fault]]:
    """Resolve a spec to its network, or to None if too little of it is right, and to all faults found.

    `form_faults` are the known faults of the spec; their consequences are not reported. `unlimited` lifts the size
    limits.
    """
    network, faults = _Resolver(spec, form_faults).run(unlimited)
    known = (*form_faults, *faults)
    return network, [fault for fault in faults if not doubtful(fault, known)]


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

    def run(self, unlimited: bool) -> tuple[Network | None, list[Fault]]:
        input_times, readouts = self._input_times(), self._readouts()
        if self.spec.input.shape is None:
            self.faults.append(Fault(("input",), "the input has no shape", "such as shape = [3, 32, 32]", code="GN214"))
        found: list[Fault] = []
        reader = CellReader(
            self.spec, self.expanded, self.shapes, self.image, self.constants, self.entry, self.read, found
        )
        cells = reader.cells(input_times, readouts)
        if not self.faults:
            blame_shapes(reader, cells, input_times, readouts, self._shape_paths())
        self.faults += found
        sets = resolve_sets(self.spec, self.expanded, cells, self.constants, self.faults)
        index = {name: number for number, name in enumerate(self.expanded.states)} | {INPUT: -1, LOGITS: -2}
        bound = bind(cells, sets, self.spec.sharing.over_time, index, self.faults)
        if self._timing_is_wrong():
            return None, self.faults
        states, groups = self._states(bound), self._groups(readouts)
        large = budget_faults(estimate(bound, states, readouts, len(groups)), max(readouts, default=0))
        if large and not unlimited:
            return None, self.faults + large
        holdings = [self._holding(times) for times in groups]
        if not any(fault.severity == "error" for fault in self.faults):
            self.faults += silenced_faults(self.expanded.entries, holdings, self.spec.source)
        nets = tuple(self._net(bound, times, held) for times, held in zip(groups, holdings, strict=True))
        network = Network(
            name=self.spec.name,
            cite=self.spec.cite,
            input_shape=self.image or (),
            input_times=input_times,
            sequence=self.spec.input.sequence,
            states=states,
            read=self.read,
            nets=nets,
            couplings={k: (group.coupling, group.kernel) for k, group in enumerate(sets) if group.coupling is not None},
            combine=self.spec.readout.combine if len(readouts) > 1 else "none",
            weights=self._weights(readouts),
        )
        return network, self.faults

    def _timing_is_wrong(self) -> bool:
        """Whether an entry that determines what happens when is at fault, so that later checks make no sense."""
        return any(map(decides_timing, (*self.form_faults, *self.faults)))

    # ---- states and shapes

    def _shapes(self) -> dict[str, Shape]:
        """Return the shapes of the states, except those at fault."""
        found = {}
        for name, written in self.expanded.states.items():
            if written.shape is None:
                what, given = f"'{name}' has no shape", (self._shape_path(written), ("states", name.partition(".")[0]))
                fix = "such as shape = [64, 32, 32]"
                self.faults.append(Fault(written.path, what, fix, code="GN214", given=given))
            elif shape := self._shape(written.shape, self._shape_path(written)):
                found[name] = shape
        return found

    def _shape_paths(self) -> dict[str, KeyPath]:
        paths = {name: self._shape_path(written) for name, written in self.expanded.states.items()}
        return paths | {INPUT: ("input", "shape")}

    def _shape_path(self, written: WrittenState) -> KeyPath:
        if written.state.shape is None:  # inherited from the state made of its part
            return ("states", written.name.split(".")[0], "shape")
        return (*written.path, "shape")

    def _shape(self, written: Sequence[int | str] | None, path: KeyPath) -> Shape | None:
        if written is None:
            return None
        if len(written) == 4:
            fix = f"leave out the batch: [{', '.join(map(str, written[1:]))}]"
            self.faults.append(Fault(path, "a shape is channels, height and width", fix, code="GN213"))
            return None
        sizes = []
        for number, entry in enumerate(written):
            size = self._whole(entry, (*path, number))
            if size is not None and not 1 <= size <= 1 << 40:
                self.faults.append(Fault((*path, number), f"{size} is not a size: at least 1 is needed", code="GN213"))
            elif size is not None:
                sizes.append(size)
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
            given: tuple[KeyPath, ...] = (("let", unknown[0]),)
            self.faults.append(Fault(path, what, fix or "name it in [let]", code="GN106", given=given))
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
                self._noise(written),
            )
            for name, written in self.expanded.states.items()
        )

    def _noise(self, written: WrittenState) -> tuple[float, Times] | None:
        noise = written.state.noise
        if noise is None:
            return None
        if noise.t is None:
            return noise.std, ALWAYS
        path = (*written.path, "noise", "t")
        return noise.std, read_times(noise.t, path, self.constants, self.faults, readout=False).times(self.constants)

    def _end(self, table: str, ends: Mapping[str, str], default: str) -> str:
        name = self.expanded.meant(getattr(self.spec, table).state or default)
        if name in self.expanded.states:
            return name
        if name not in ends:
            hint = did_you_mean(name, tuple(ends))
            self.faults.append(Fault((table, "state"), f"no state is called '{name}'", hint, code="GN102"))
        return ends.get(name, default)

    # ---- times

    def _input_times(self) -> Times:
        path: KeyPath = ("input", "t")
        written = read_times(self.spec.input.t, path, self.constants, self.faults, readout=False)
        times = written.times(self.constants)
        if not times and written.ranges:
            self.faults.append(Fault(path, "the input never arrives", "name a time, such as t = 0", code="GN112"))
        return times

    def _readouts(self) -> tuple[int, ...]:
        path: KeyPath = ("readout", "t")
        written = read_times(self.spec.readout.t, path, self.constants, self.faults, readout=False)
        times = written.times(self.constants)
        last = times.spans[-1].last if times else 0
        if last >= FOREVER:
            self.faults.append(
                Fault(path, "a readout must end", "name the last readout time instead of 'inf'", code="GN111")
            )
        elif not times and written.ranges:
            self.faults.append(
                Fault(path, "nothing is read out at any time", "name a time, such as t = 5", code="GN112")
            )
        if last >= FOREVER:
            return ()
        return tuple(times.upto(last)) if count_times(times, last) <= MOST_READOUTS else (last,)

    def _weights(self, readouts: Sequence[int]) -> tuple[float, ...]:
        weights = self.spec.readout.weights
        if weights is None:
            return ()
        path: KeyPath = ("readout", "weights")
        if len(weights) != len(readouts):
            what = f"{len(weights)} weights for {len(readouts)} readout times"
            self.faults.append(Fault(path, what, "give one weight a time", code="GN305"))
        elif not any(weights):
            self.faults.append(Fault(path, "no readout has a weight above 0", code="GN305"))
        if self.spec.readout.combine == "mean":
            self.faults.append(Fault(path, "the mean of the readouts is one output", "drop the weights", code="GN305"))
        return weights

    def _groups(self, readouts: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Group the readout times that share a net."""
        relative = any(entry.names_readout for entry in self.expanded.entries)
        return [(t,) for t in readouts] if relative else [readouts]

    def _holding(self, readouts: tuple[int, ...]) -> Holding:
        """Find the times at which the written cells hold, for some readout times."""
        constants = self.constants | ({"T": readouts[0]} if len(readouts) == 1 else {})
        return Holding.of(self.expanded.entries, constants)

    def _net(self, cells: Sequence[Transition], readouts: tuple[int, ...], holding: Holding) -> Net:
        """Collect the cells that hold for some readout times, with their times."""
        by_path = {(entry.source, entry.target, entry.path): held for entry, held in holding.times.items()}
        only = Times(tuple(TimeSpan(t, t) for t in readouts))
        found = []
        for cell in cells:
            holds = by_path.get((cell.source, cell.target, cell.path), cell.times)
            if cell.kind == "post_net":
                holds = cell.times.both(only)
            if holds and cell.kind != "update":
                found.append(cell if holds == cell.times else replace(cell, times=holds))
        return Net(readouts, LOGITS if self.spec.post_net else self.read, tuple(found))
