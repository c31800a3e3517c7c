"""Perturbations of a net as edits of its transition matrix: each gives a new spec for the same weights (LPK Figure 2).

An edit is data; `edited` applies one or several to a spec. If an edit moves things in time, it maps each time of the
new spec to one of the old, so that weights and statistics can be found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphnet.errors import SpecError
from graphnet.network.network import INPUT, Transition
from graphnet.planning.time_expansion import expand_in_time
from graphnet.rewrite.edit_checks import check, check_fires, check_times
from graphnet.rewrite.repeat import Repetition
from graphnet.rewrite.spec_editor import Draft, EditError, Moved, Slab, When
from graphnet.spec.model import Spec
from graphnet.spec.read import placed, read

MOST_REPEATS = 10_000
UNREACHED = "GN302"
"""Code of the fault: a readout's state is empty."""


def _instead(draft: Draft, blocks: Sequence[tuple[int, Transition]]) -> None:
    """Replace blocks by identities."""
    for t, cell in blocks:
        ops: Any = "I" if cell.delay == 1 else {"ops": "I", "delay": cell.delay}
        draft.add([{"t": t, cell.source: {cell.target: ops}}])


@dataclass(frozen=True)
class ReadOutEarly:
    """Read a stage out early: blocks after the first `blocks` become identities.

    `blocks` ranges from 0, the stage's input, to all of them, which changes nothing. Later stages still run, as in LPK.
    """

    state: str
    blocks: int

    def apply(self, draft: Draft) -> None:
        blocks = draft.blocks(self.state)
        check(0 <= self.blocks <= len(blocks), f"'{self.state}' has {len(blocks)} blocks, not {self.blocks}", blocks)
        _instead(draft, blocks[self.blocks :])


@dataclass(frozen=True)
class DropBlock:
    """Replace a block of a stage by an identity; the first is block 1."""

    state: str
    block: int

    def apply(self, draft: Draft) -> None:
        blocks = draft.blocks(self.state)
        check(1 <= self.block <= len(blocks), f"'{self.state}' has no block {self.block}", blocks)
        _instead(draft, [blocks[self.block - 1]])


@dataclass(frozen=True)
class RepeatLastBlock:
    """Apply the last block of a stage `more` times more; all that follows it moves later by as much.

    Only the self-transition repeats. Other reads of earlier values get longer delays, so nothing else changes.
    """

    state: str
    more: int

    def apply(self, draft: Draft) -> None:
        blocks = draft.blocks(self.state)
        check(self.more >= 0, f"a block cannot repeat {self.more} times", blocks)
        what = f"this net is too large: a block repeats at most {MOST_REPEATS:,} times"
        check(self.more <= MOST_REPEATS, f"{what}\n  run it to its fixed point instead")
        if self.more:
            Repetition(draft, *blocks[-1], self.more).write()


class _AtTimes:
    """An edit of a transition or a state at some times, by default all; `V2@3` is V2 at t = 3."""

    what: str
    t: When

    def __post_init__(self) -> None:
        what, at, when = self.what.partition("@")
        if at:
            check(self.t is None, f"'{self.what}' gives a time, and so does t = {self.t!r}")
            object.__setattr__(self, "what", what)
            object.__setattr__(self, "t", None if when == "*" else when)


@dataclass(frozen=True)
class Lesion(_AtTimes):
    """Cut a transition `h1->h2`, or all arrivals at a state `h1`: nothing arrives. `h1->h2@3`: at t = 3."""

    what: str
    t: When = None

    def apply(self, draft: Draft) -> None:
        when = {} if self.t is None else {"t": self.t}
        draft.add([{**when, cell.source: {cell.target: "-"}} for cell in draft.cells(self.what)])
        if self.what == draft.entry:
            shown = draft.network.input_times
            left = shown.minus(draft.times(self.t)).upto(draft.last)
            check(bool(left), "then no input arrives\n  lesion other arrivals, or show zeros as the image", [])
            draft.data["input"]["t"] = left
            if not draft.network.sequence:  # the pre-net sees it once, at its first time
                draft.moved["pre_net", left[0]] = shown.first
        check_fires(draft, self.what, self.t)
        self._check_leaves_a_way(draft)

    def _check_leaves_a_way(self, draft: Draft) -> None:
        """Raise EditError if nothing reaches a readout after the cut."""
        try:
            expand_in_time(_read(draft.data))
        except SpecError as error:
            if unreached := next((fault.what for fault in error.faults if fault.code == UNREACHED), ""):
                at = "" if self.t is None else f"@{draft.times(self.t)}"
                fix = f"silence it instead, so that zeros arrive (--silence '{self.what}{at}', Silence in Python)"
                raise EditError(
                    f"'{self.what}{at}' is the only way to a readout: without it {unreached}\n  {fix}"
                ) from None
            raise


@dataclass(frozen=True)
class Silence(_AtTimes):
    """Replace a transition's arrival, or a state's value, by zeros: present but without signal. `h1@3`: at t = 3."""

    what: str
    t: When = None

    def apply(self, draft: Draft) -> None:
        if "->" not in self.what:
            self._check_state(draft, draft.state(self.what))
        for cell in draft.cells(self.what):
            draft.add(_changed(draft, cell, self.t, _silent))
        check_fires(draft, self.what, self.t)

    def _check_state(self, draft: Draft, name: str) -> None:
        state, times = draft.network.state(name), draft.times(self.t)
        if name == draft.entry and draft.network.input_times.both(times):
            raise EditError(f"the input arrives at '{name}' then\n  choose later times, or show zeros as the image")
        if state and state.noise and state.noise[1].both(times):
            raise EditError(f"'{name}' has its own noise, which would remain\n  silence the transitions that read it")
        layers = state.update.function if state and state.update else ()
        if wrong := [layer for layer in layers if layer.op.kind not in KEEP_ZERO]:
            what = f"'{name}' has an update that does not keep zeros ({wrong[0].label})"
            raise EditError(f"{what}\n  lesion it, or silence its transitions")
        held = [t for each in draft.expansion.activities for state, t in each.held if state == name and t in times]
        if held:
            what = f"'{name}' holds its value at t = {min(held)}: nothing arrives to silence"
            raise EditError(f"{what}\n  silence the transitions that read it, or choose times with arrivals")


def _silent(table: dict[str, Any]) -> dict[str, Any]:
    return {key: entry for key, entry in table.items() if key != "noise"} | {"gain": 0.0}


KEEP_ZERO = ("relu", "elu", "gelu", "leaky_relu", "silu", "tanh")


@dataclass(frozen=True)
class AddNoise(_AtTimes):
    """Add normal noise of standard deviation `std` to a transition's result or a state's value, in every pass.

    All readers of a state see the same noise.
    """

    what: str
    std: float
    t: When = None

    def apply(self, draft: Draft) -> None:
        check(self.std > 0, f"a standard deviation must be above 0, not {self.std}")
        cells = draft.cells(self.what)
        if "->" not in self.what:
            self._add_to_state(draft)
            return
        for cell in cells:
            draft.add(_changed(draft, cell, self.t, lambda table: table | {"noise": float(self.std)}))
        check_fires(draft, self.what, self.t)

    def _add_to_state(self, draft: Draft) -> None:
        name = draft.written_state(self.what)
        written = draft.data["states"][name]
        table = dict(written) if isinstance(written, dict) else {"shape": written}
        known = table.get("noise")
        check(known is None or self.t is None, f"'{name}' has noise already\n  give no times to replace it")
        nodes = {node for each in draft.expansion.activities for node in each.firing if node[0] == self.what}
        check_times(draft, self.what, self.t, nodes)
        std = float(self.std)
        times = None if self.t is None else draft.times(self.t).upto(draft.last)
        table["noise"] = std if times is None else {"std": std, "t": times}
        draft.data["states"] = draft.data["states"] | {name: table}


@dataclass(frozen=True)
class ShowAnother:
    """Show another image from time `t` on, as in backward masking: the input becomes a sequence.

    A held input changes at `t`; after one that was shown once, the other one follows at `t`.
    """

    t: int

    def apply(self, draft: Draft) -> None:
        last = draft.last
        check(not draft.network.sequence, "the input is a sequence already: give it other images")
        check(0 <= self.t <= last, f"t = {self.t} is not between 0 and the last readout, {last}")
        if not _is_seen(draft, self.t):
            seen = next((t for t in range(self.t - 1, -1, -1) if _is_seen(draft, t)), None)
            fix = "nor would it at any other time" if seen is None else f"up to t = {seen} it would"
            raise EditError(f"an image shown at t = {self.t} reaches no readout\n  {fix}")
        times = _times_of_two_images(draft, self.t)
        draft.data["input"] |= {"t": times, "sequence": True}
        draft.moved |= {("pre_net", t): times[0] for t in times}


def _times_of_two_images(draft: Draft, t: int) -> list[int]:
    """The arrival times of images, if another one follows at t."""
    return sorted({*draft.network.input_times.upto(draft.last), t})


def _is_seen(draft: Draft, t: int) -> bool:
    """Whether an image shown at t, after earlier ones, reaches a readout."""
    data = draft.data | {"input": draft.data["input"] | {"t": _times_of_two_images(draft, t), "sequence": True}}
    return any(
        arrival.transition.source == INPUT and node[1] >= t
        for activity in expand_in_time(_read(data)).activities
        for node in activity.needed
        for arrival in activity.firing[node]
    )


@dataclass(frozen=True)
class Override:
    """Any edit, as slabs appended to those of the spec."""

    slabs: tuple[Slab, ...]

    def apply(self, draft: Draft) -> None:
        draft.add(self.slabs)


Edit = ReadOutEarly | DropBlock | RepeatLastBlock | Lesion | Silence | AddNoise | ShowAnother | Override


def edited(spec: Spec, edits: Sequence[Edit], untied: bool = False) -> tuple[Spec, Moved]:
    """Apply edits one after the other; return the spec, and the times in the old net of all that moved.

    `untied` gives every transition its own weights at every time, so edits tie nothing that was not tied.

    Raise EditError if an edit does not fit, SpecError if the result is no valid net.
    """
    moved: Moved = {}
    if untied:
        spec = _read(spec.as_data() | {"sharing": {"over_time": False}})
    for edit in edits:
        draft = Draft(spec, expand_in_time(spec))
        edit.apply(draft)
        spec = _read(draft.data)
        moved = {(place, new): moved.get((place, old), old) for (place, new), old in draft.moved.items()} | {
            key: old for key, old in moved.items() if key not in draft.moved
        }
    return spec, moved


def _read(data: dict[str, Any]) -> Spec:
    spec, faults, source = read(data)
    if faults or spec is None:
        raise SpecError(placed(faults, source))
    return spec


def _changed(
    draft: Draft, cell: Transition, when: When, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> list[Slab]:
    """Slabs that change a cell at those of its times that `when` selects."""
    if any(cell not in net.transitions for net in draft.network.nets):
        draft.check_one_net()  # the times selected depend on the readout
    times = cell.times.both(draft.times(when)).upto(draft.last)
    table = change(draft.written(cell)) | {"delay": cell.delay}
    return [{"t": times, cell.source: {cell.target: table}}] if times else []
