"""Transition functions as written, pre-net, post-net and updates → Transitions with fitted layers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from graphnet.errors import Fault, KeyPath, clean
from graphnet.network.functions.fit import Ends, fit
from graphnet.network.functions.ops import Shape
from graphnet.network.functions.sizes import size_text
from graphnet.network.matrix import WrittenCell, holding
from graphnet.network.network import INPUT, LOGITS, Function, Transition
from graphnet.network.parts import Expanded, WrittenState
from graphnet.spec.model import Cell, Norm, Spec
from graphnet.spec.notation.times import ALWAYS, Times, times_at
from graphnet.spec.notation.transition_functions import FunctionFault, Ops, parse_function

_SQUARE = re.compile(r"([CDPA]([3579]|1[13]))x\2(?!\d)")


@dataclass
class CellReader:
    """Reads all transition functions of a spec; appends faults to `faults`.

    `shapes` are those of the states, without those at fault; `image` is None if it is at fault.
    """

    spec: Spec
    expanded: Expanded
    shapes: Mapping[str, Shape]
    image: Shape | None
    constants: Mapping[str, int]
    entry: str
    read: str
    faults: list[Fault]
    fitted: dict[object, Function] = field(default_factory=dict)

    def cells(self, input_times: Times, readouts: Sequence[int]) -> list[Transition]:
        """Return every written cell that does not block, with the times at which it holds whatever the readout."""
        times = holding(self.expanded.entries, self.constants)
        cells = [self._pre_net(input_times)]
        for written in self.expanded.entries:
            if written.cell.ops == "-":
                continue
            if not written.names_readout and not times[written] and written.times(self.constants):
                self._function(written.cell.ops, None, self._path(written))  # overridden at all times: it need not fit
                continue
            cells.append(self._transition(written, times.get(written, Times())))
        for name, state in self.expanded.states.items():
            if state.state.update is not None:
                cells.append(self._update(name, state))
        if self.spec.post_net is not None:
            cells.append(self._post_net(times_at(readouts)))
        return cells

    def _warn_of_repeats(self, ops: Ops, path: KeyPath) -> None:
        """Warn of `C5x5`, which is five convolutions but often meant as one of 5x5."""
        entries = [(ops, path)] if isinstance(ops, str) else [(entry, (*path, at)) for at, entry in enumerate(ops)]
        for text, where in entries:
            if isinstance(text, str) and (found := _SQUARE.search(text)):
                one, count = re.split(r"[+(]", text[: found.end(1)])[-1].strip(), found[2]
                what = f"x{count} repeats {one}; the kernel of {found[1]} is {count}x{count} without it"
                fix = f"write {one} for one convolution of {count}x{count}, ({one})x{count} for {count} of them"
                self.faults.append(Fault(where, what, fix, span=found.span(), severity="warning", code="GN510"))

    def _transition(self, entry: WrittenCell, times: Times) -> Transition:
        source, target, cell = entry.source, entry.target, entry.cell
        path = self._path(entry)
        reads, makes = self.shapes.get(source), self.shapes.get(target)
        width = (reads[0] + makes[0]) // 2 if reads and makes else 0
        merge = self.expanded.states[target].state.merge or self.spec.merge
        ends = self._ends(source, target, reads, makes, width, self.spec.norm, merge == "concat", source == target)
        delays = (cell.delay, entry.slab.delay, entry.delay)
        return Transition(
            source,
            target,
            f"{target}.from_{source}",
            cell_text(cell),
            times,
            next(delay for delay in delays if delay is not None),
            self._function(cell.ops, ends, path, cell),
            entry.path,
            entry.open,
            entry.symbol,
        )

    @staticmethod
    def _path(entry: WrittenCell) -> KeyPath:
        """Return the path of a cell's function."""
        return entry.path if entry.cell.is_short else (*entry.path, "ops")

    def _pre_net(self, times: Times) -> Transition:
        pre_net, image, shape = self.spec.pre_net, self.image, self.shapes.get(self.entry)
        function: Function = ()
        if pre_net is not None:
            norm = pre_net.norm.over(self.spec.norm)
            ends = self._ends(INPUT, self.entry, image, shape, shape[0] if shape else 0, norm)
            function = self._function(pre_net.ops, ends, ("pre_net", "ops"))
        elif image and shape and image != shape:
            what = f"the input is {size_text(image)}, but '{self.entry}', where it arrives, is {size_text(shape)}"
            fix = 'give a [pre_net], such as ops = "C"'
            self.faults.append(
                Fault(("input", "shape"), what, fix, code="GN304", given=(("pre_net",), ("input", "state")))
            )
        text = ops_text(pre_net.ops) if pre_net else "I"
        return Transition(INPUT, self.entry, "pre_net", text, times, 0, function, ("pre_net",), kind="pre_net")

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
        recurs: bool = False,
    ) -> Ends | None:
        """Return the ends of a function; None if a shape is unknown."""
        if reads is None or (makes is None and target != LOGITS):
            return None
        return Ends(reads, makes, width, source, target, norm, self.constants, joins, recurs)

    def _function(self, ops: Ops, ends: Ends | None, path: KeyPath, cell: Cell | None = None) -> Function:
        """Return the fitted function at `path`; the identity if it is at fault or a shape is unknown."""
        self._warn_of_repeats(ops, path)
        key = self._key(ops, ends, cell)
        if key is not None and key in self.fitted:
            return self.fitted[key]
        try:
            chain = parse_function(ops)
            function = fit(chain, ends, cell) if ends else ()
            if key is not None:
                self.fitted[key] = function
            return function
        except FunctionFault as fault:
            span = (fault.place.start, fault.place.end) if fault.place.end else None
            where = (*path, *fault.place.path)
            named = where != path and isinstance(where[-1], str) and fault.code in ("GN201", "GN203")
            on: Literal["key", "value"] = "key" if named else "value"
            self.faults.append(Fault(where, fault.what, fault.fix, on, span, code=fault.code, given=fault.given))
            return ()

    def _key(self, ops: Ops, ends: Ends | None, cell: Cell | None) -> object:
        """Return a cache key for a function; None for one in list form, and for the pre-net and post-net."""
        if not isinstance(ops, str) or ends is None or ends.norm is not self.spec.norm:
            return None
        own = (cell.lipschitz, cell.gain, cell.noise) if cell else ()
        return (ops, ends.source, ends.target, ends.between, ends.joins, ends.recurs, *own)


def cell_text(cell: Cell) -> str:
    """Format a cell for tables and pictures: its function, bound, gain and noise."""
    text = ops_text(cell.ops)
    if cell.lipschitz is not None:
        text += f", lipschitz {cell.lipschitz:g}"
    if cell.gain is not None:
        text += f", gain learned from {cell.gain.init:g}" if cell.gain.learn else f", gain {cell.gain.init:g}"
    if cell.noise is not None:
        text += f", noise {cell.noise:g}"
    return text


def ops_text(ops: Ops) -> str:
    """Format a transition function for tables and pictures."""
    if not isinstance(ops, list | tuple):
        return clean(str(ops))
    words = []
    for entry in ops:
        if isinstance(entry, str):
            words.append(entry)
        elif isinstance(entry, Mapping):
            for word, settings in entry.items():
                branches = settings if isinstance(settings, list | tuple) else ()
                words.append(f"({' + '.join(map(ops_text, branches))})" if word == "sum" else _op_text(word, settings))
        else:
            words.append(ops_text(entry))
    return " ".join(words)


UNSAID = ("init",)
"""Settings that only affect the initial weights."""


def _op_text(word: str, settings: object) -> str:
    """Format an op of the list form, as in `conv(kernel=5, bias=true)`."""
    known = settings if isinstance(settings, Mapping) else {}
    said = [f"{name}={_setting_text(value)}" for name, value in known.items() if name not in UNSAID]
    return f"{word}({', '.join(said)})" if said else word


def _setting_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_setting_text, value))}]" if len(value) <= 4 else "[…]"
    return f"{value:g}" if isinstance(value, float) else str(value)
