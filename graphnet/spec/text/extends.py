"""Merge several texts into one spec: `extends = "base.toml"` (design.md, rule 25) and `--set KEY=VALUE`.

Tables merge key by key, at every depth; new keys come last. Slabs and weight-sharing sets are appended to the base's,
also in parts. Anything else is replaced as a whole: lists, strings, and also a short form by a table or a table by a
short form (`h1 = [64, 32, 32]` over `h1 = { shape = [8, 8, 8], update = "R" }` leaves no update). Specs may be
untrusted: they are only data, and the files that one may extend are few, small, relative and regular.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from graphnet.errors import Fault, KeyPath, SpecError
from graphnet.spec.text.assignments import Assignment, read_assignment
from graphnet.spec.text.source import Located, Source, read_file
from graphnet.spec.text.syntax import MAX_TOKENS

MAX_CHAIN = 20
ONLY = "extends takes the relative path of a .toml or .json file"


@dataclass
class Origin:
    """Source of an entry and its path there; `inner` holds only entries from elsewhere or with another index."""

    source: Located | None
    path: KeyPath
    inner: dict[str | int, Origin] = field(default_factory=dict)

    def below(self, key: str | int) -> Origin:
        """Return the origin of an inner entry."""
        return self.inner.setdefault(key, Origin(self.source, (*self.path, key)))


class Merged:
    """A spec merged from several texts, which knows the source of each entry.

    Attributes:
        data: the spec; its sources are never modified.
    """

    def __init__(self, data: Mapping[str, Any], source: Located | None) -> None:
        self.data = dict(data)
        self._origin = Origin(source, (), {key: Origin(source, (key,)) for key in data})

    def locate(self, fault: Fault) -> Fault:
        """Locate a fault in the text that its entry is from; its path remains the one in `data`."""
        origin, size = self._origin, 0
        while size < len(fault.path) and fault.path[size] in origin.inner:
            origin, size = origin.inner[fault.path[size]], size + 1
        if origin.source is None:
            return fault
        there = origin.source.locate(replace(fault, path=(*origin.path, *fault.path[size:])))
        return replace(there, path=fault.path)

    def lay(self, data: Mapping[str, Any], source: Located | None) -> None:
        """Merge a text that extends this spec into it. Missing entries are then reported for that text."""
        self._origin.source = source
        self._lay(self.data, self._origin, data, source, ())

    def _lay(
        self, mine: dict[str, Any], origin: Origin, over: Mapping[str, Any], source: Located | None, path: KeyPath
    ) -> None:
        for key, entry in over.items():
            here, before = (*path, key), mine.get(key)
            if isinstance(before, dict) and isinstance(entry, Mapping):
                mine[key] = dict(before)
                self._lay(mine[key], origin.below(key), entry, source, here)
            elif isinstance(before, list) and isinstance(entry, list | tuple) and _is_appended(here):
                mine[key] = [*before, *entry]
                inner = origin.below(key).inner
                for index in range(len(entry)):
                    inner[len(before) + index] = Origin(source, (*here, index))
            else:
                mine[key] = entry
                origin.inner[key] = Origin(source, here)

    def drop(self, path: KeyPath) -> None:
        """Remove an entry of a table, if it is there."""
        holder: Any = self.data
        origin = self._origin
        for part in path[:-1]:
            if part not in holder:
                return
            holder[part] = dict(holder[part])
            holder, origin = holder[part], origin.below(part)
        holder.pop(path[-1], None)
        origin.inner.pop(path[-1], None)

    def set(self, path: KeyPath, setting: Assignment) -> None:
        """Set an entry to the setting's value; create the entry and its tables if they are missing."""
        holder: Any = self.data
        origin = self._origin
        for size, part in enumerate(path[:-1], 1):
            if isinstance(holder, dict) and part not in holder:
                holder[part] = {}
                origin.inner[part] = Origin(setting, path[:size])
            holder[part] = dict(holder[part]) if isinstance(holder[part], Mapping) else list(holder[part])
            holder, origin = holder[part], origin.below(part)
        holder[path[-1]] = setting.value
        origin.inner[path[-1]] = Origin(setting, path)


def _is_appended(path: KeyPath) -> bool:
    """Whether a list is appended to the base's: slabs and weight-sharing sets."""
    return path in (("transitions",), ("sharing", "sets")) or (
        len(path) == 3 and path[0] == "parts" and path[2] == "transitions"
    )


@dataclass(frozen=True)
class Base:
    """A file that another file extends."""

    source: Source
    extended_by: str

    @property
    def data(self) -> dict[str, Any]:
        return self.source.data

    def locate(self, fault: Fault) -> Fault:
        """Locate a fault in this file, with a note on the file that extends it."""
        return _noted(self.source.locate(fault), self.extended_by)


def _noted(fault: Fault, extended_by: str) -> Fault:
    return replace(fault, note=f"{extended_by} extends this file")


def merge(data: Mapping[str, Any], source: Source | None, name: str, settings: Sequence[str] = ()) -> Merged:
    """Merge a spec over the files it extends, then apply the settings; the result has no `extends`.

    Args:
        data: the spec.
        source: its text; None if it was given as a dict.
        name: the path it was read from; the files it extends are relative to it. "-" or "" is the current directory.
        settings: each `KEY=VALUE`.

    Raises:
        SpecError: a file cannot be read or is wrong, files extend each other, or settings are wrong.
    """
    (lowest, where), *others = _layers(data, source, name)
    whole = Merged(lowest, where)
    for layer in others:
        whole.lay(*layer)
    faults: list[Fault] = []
    for text in settings:
        try:
            setting = read_assignment(text)
            path = setting.entry(whole.data)
            if path[0] == "extends":
                fault = Fault(path, "'extends' cannot be set", "write it in the spec", code="GN015")
                raise SpecError([setting.locate(fault)])
            whole.set(path, setting)
        except SpecError as error:
            faults += error.faults
    if faults:
        raise SpecError(faults)
    return whole


def _layers(
    data: Mapping[str, Any], source: Source | None, name: str
) -> list[tuple[dict[str, Any], Source | Base | None]]:
    """Return the spec and all files that it extends, the base first, without their `extends`."""
    top: Source | Base | None = source
    layers = [({**data}, top)]
    files, paths = [source.file if source else "the spec"], [os.path.realpath(name) if source else ""]
    entries = len(source.places) if source else 0
    while isinstance(extends := data.get("extends"), str):
        del layers[-1][0]["extends"]
        name = os.path.join(os.path.dirname(name), extends)
        base = _read_base(extends, name, files[-1], layers[-1][1])
        entries += len(base.source.places)
        files.append(base.source.file)
        paths.append(os.path.realpath(name))
        if paths[-1] in paths[:-1]:
            cycle = " -> ".join(files[paths.index(paths[-1]) :])
            what = f"files extend each other: {cycle}"
            _refuse(layers[-1][1], what, "remove one of the 'extends'", code="GN014")
        if len(layers) > MAX_CHAIN:
            what = f"over {MAX_CHAIN} files extend one another: {' -> '.join(files)}"
            _refuse(layers[-1][1], what, "merge some of them", code="GN601")
        if entries > MAX_TOKENS:
            what = f"with this file the spec has over {MAX_TOKENS:,} entries"
            _refuse(layers[-1][1], what, "leave some out", code="GN601")
        data = base.data
        layers.append(({**data}, base))
    return layers[::-1]


def _read_base(extends: str, path: str, extended_by: str, extending: Located | None) -> Base:
    """Read a file that a spec extends."""
    if os.path.isabs(extends):
        _refuse(extending, f"'{extends}' is an absolute path", ONLY)
    if os.path.splitext(extends)[1].lower() not in (".toml", ".json"):
        _refuse(extending, f"'{extends}' ends neither in .toml nor in .json", ONLY)
    try:
        return Base(read_file(path), extended_by)
    except SpecError as error:
        if error.faults[0].line is None:  # the file has no readable text
            _refuse(extending, f"{error.faults[0].file}: {error.faults[0].what}", ONLY)
        raise SpecError(_noted(fault, extended_by) for fault in error.faults) from None


def _refuse(extending: Located | None, what: str, fix: str, code: str = "GN013") -> NoReturn:
    """Raise a fault of an `extends`."""
    fault = Fault(("extends",), what, fix, code=code)
    raise SpecError([extending.locate(fault) if extending else fault]) from None
