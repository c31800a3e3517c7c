"""Expand the parts of a spec into flat lists of states and cells, each with its place in the spec (rule 26)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from graphnet.errors import Fault, KeyPath, did_you_mean
from graphnet.network.matrix import TimeSet, WrittenCell, read_times
from graphnet.spec.model import Slab, Spec, State
from graphnet.spec.notation.selectors import arrow_ends
from graphnet.spec.state_names import NAME, mended_name, name_fault


@dataclass(frozen=True)
class WrittenState:
    """A state as written, with its full name (`V1.r` inside a part)."""

    name: str
    state: State
    shape: tuple[int | str, ...] | None
    path: KeyPath


@dataclass
class Expanded:
    """A spec without parts.

    `first` and `last` map a state made of a part to the inner states that take its arrivals and that others read; any
    other state maps to itself. `misnamed` maps corrected names to the invalid names in [states].
    """

    states: dict[str, WrittenState] = field(default_factory=dict)
    entries: list[WrittenCell] = field(default_factory=list)
    first: dict[str, str] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)
    misnamed: dict[str, str] = field(default_factory=dict)

    def meant(self, name: str) -> str:
        """Return the state that a name means; it may be the corrected form of an invalid name in [states]."""
        return name if name in self.first or name in self.states else self.misnamed.get(name, name)


def expand(spec: Spec, constants: dict[str, int], faults: list[Fault]) -> Expanded:
    """Expand the parts; append faults of names and times to `faults`."""
    found = Expanded(misnamed=_misnamed(spec.states))
    for name, state in spec.states.items():
        path: KeyPath = ("states", name)
        if fault := name_fault(name):
            faults.append(Fault(path, *fault, on="key", code="GN101"))
        if state.part is None:
            found.states[name] = WrittenState(name, state, state.shape, path)
            found.first[name] = found.last[name] = name
        elif state.part not in spec.parts:
            what = f"no part is called '{state.part}'"
            hint = did_you_mean(state.part, tuple(spec.parts)) or f"write it: [parts.{state.part}.states]"
            faults.append(Fault((*path, "part"), what, hint, code="GN104", given=(("parts", state.part),)))
            found.states[name] = WrittenState(name, state, state.shape, path)
            found.first[name] = found.last[name] = name
        else:
            _add_part(spec, name, state, found, faults)
    _check_value_names(found, faults)
    for name, state in spec.states.items():
        part = spec.parts.get(state.part or "")
        if part:
            base: KeyPath = ("parts", state.part or "", "transitions")
            rows = {inner: f"{name}.{inner}" for inner in part.states}
            rows |= {other: f"{name}.{inner}" for other, inner in _misnamed(part.states).items()}
            for number, slab in enumerate(part.transitions):
                times = _times(slab, (*base, number), constants, faults)
                found.entries += _entries(
                    slab, (*base, number), times, rows, rows, part.unroll or spec.unroll, found, faults
                )
    for number, slab in enumerate(spec.transitions):
        here: KeyPath = ("transitions", number)
        times = _times(slab, here, constants, faults)
        own = found.misnamed | {name: name for name in found.states}
        sources, targets = found.last | own, found.first | own
        found.entries += _entries(slab, here, times, sources, targets, spec.unroll, found, faults)
    _once(faults)
    for name in spec.parts:
        if name not in {state.part for state in spec.states.values()}:
            fix = f'set part = "{name}" in a state, or drop it'
            what = "no state uses this part"
            faults.append(Fault(("parts", name), what, fix, on="key", severity="warning", code="GN503"))
    return found


def _misnamed(names: Iterable[str]) -> dict[str, str]:
    """Map valid spellings, which people may use elsewhere in the spec, to the invalid names."""
    return {
        other: name
        for name in names
        if not NAME.fullmatch(name)
        for other in (mended_name(name), re.sub(r"\W+", "", name), re.sub(r"\W+", "_", name))
        if other
    }


def _add_part(spec: Spec, name: str, state: State, found: Expanded, faults: list[Fault]) -> None:
    """Add the inner states of a state made of a part."""
    part_name = state.part or ""
    part = spec.parts[part_name]
    for key in ("update", "hold"):
        if getattr(state, key) is not None:
            what = f"'{name}' is made of a part, which sets '{key}' itself"
            fix = f"move it to a state of [parts.{part_name}]"
            faults.append(Fault(("states", name, key), what, fix, on="key", code="GN105"))
    inner = list(part.states)
    found.first[name], found.last[name] = f"{name}.{inner[0]}", f"{name}.{inner[-1]}"
    for number, (own, written) in enumerate(part.states.items()):
        path: KeyPath = ("parts", part_name, "states", own)
        if fault := name_fault(own):
            faults.append(Fault(path, *fault, on="key", code="GN101"))
        if written.part is not None:
            what = "a part cannot contain parts"
            faults.append(Fault((*path, "part"), what, "write out its states", code="GN105"))
        if number == 0:
            written = written.model_copy(
                update={
                    key: getattr(state, key)
                    for key in ("merge", "unpopulated")
                    if getattr(state, key) is not None and getattr(written, key) is None
                }
            )
        if number == len(inner) - 1 and state.noise is not None and written.noise is None:
            written = written.model_copy(update={"noise": state.noise})
        full = f"{name}.{own}"
        if state.label is not None:
            written = written.model_copy(update={"label": f"{state.label}.{written.label or own}"})
        found.states[full] = WrittenState(full, written, written.shape or state.shape, path)


def _check_value_names(found: Expanded, faults: list[Fault]) -> None:
    """`V1.r` and `V1_r` would both have a value `V1_r_t3`."""
    taken: dict[str, str] = {}
    for name, written in found.states.items():
        flat = name.replace(".", "_")
        if flat in taken:
            faults.append(
                Fault(
                    written.path,
                    f"the values of '{name}' and '{taken[flat]}' would have the same name",
                    "rename one",
                    on="key",
                    code="GN103",
                )
            )
        taken[flat] = name


def _times(slab: Slab, path: KeyPath, constants: dict[str, int], faults: list[Fault]) -> TimeSet | None:
    if slab.t is None:
        return None
    return read_times(slab.t, (*path, "t"), constants, faults, readout=True)


def _entries(
    slab: Slab,
    path: KeyPath,
    when: TimeSet | None,
    sources: dict[str, str],
    targets: dict[str, str],
    unroll: str,
    found: Expanded,
    faults: list[Fault],
) -> Iterator[WrittenCell]:
    """Yield the cells of a slab whose states exist; `sources` and `targets` map the names that it may use."""
    order = {name: number for number, name in enumerate(found.states)}
    for source, row in slab.rows.items():
        if source not in sources:
            faults.append(_unknown((*path, source), source, sources, ""))
            if arrow_ends(source, sources):
                continue
        for target, cell in row.items():
            if target not in targets:
                faults.append(_unknown((*path, source, target), target, targets, source))
            elif source in sources:
                ends = sources[source], targets[target]
                instant = unroll == "engineering" and order[ends[0]] < order[ends[1]]
                yield WrittenCell(*ends, cell, slab, when, (*path, source, target), 0 if instant else 1)


NO_STATES = {"input": "the input arrives at the first state, through [pre_net]"} | dict.fromkeys(
    ("logits", "output"), "[post_net] reads the last state, or readout.state: no transition leads there"
)
"""Names that are not states, but that people write as rows and columns."""


def _unknown(path: KeyPath, name: str, known: Collection[str], row: str) -> Fault:
    inner = f"{row}.{name}"
    if inner in known:
        hint = f'write "{inner}" in quotes'
    elif ends := arrow_ends(name, known):
        hint = f"a row is a source, and a column in it a target: {ends[0]} = {{ {ends[1]} = … }}"
    else:
        hint = NO_STATES.get(name) or did_you_mean(name, tuple(known))
    return Fault(path, f"no state is called '{name}'", hint, on="key", code="GN102", given=made_of(name, path))


def _once(faults: list[Fault]) -> None:
    """Keep one fault per unknown name, and note how often it occurs."""
    times = Counter(fault.what for fault in faults if fault.code == "GN102")
    seen: set[str] = set()
    for fault in list(faults):
        if times[fault.what] > 1:
            faults.remove(fault)
            if fault.what not in seen:
                seen.add(fault.what)
                faults.append(
                    replace(fault, note=f"it occurs {times[fault.what]} times; all states must be in [states]")
                )


def made_of(name: str, path: KeyPath = ()) -> tuple[KeyPath, ...]:
    """Return the entries that must be read to know that a state does not exist: the states of the part."""
    if path[:1] == ("parts",):
        return ((*path[:2], "states"),)
    state, _, inner = name.partition(".")
    return (("states", state), ("states", state, "part"), ("parts",)) if inner else ()
