"""A spec's text: its data, and the line and column of every entry (design.md, sections 2 and 4)."""

from __future__ import annotations

import math
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NoReturn, Protocol

from graphnet.errors import Fault, KeyPath, SpecError
from graphnet.spec.text.excerpts import Lines, end_of_key, end_of_word
from graphnet.spec.text.slips import other_bytes, other_format
from graphnet.spec.text.syntax import (
    HALF,
    LEAVE_OUT,
    MAX_DEPTH,
    MAX_FAULTS,
    MAX_LOOKED_FOR,
    SMALLER,
    SURROGATE,
    TOO_DEEP,
    TOO_LARGE,
    TWICE,
    WHOLE,
    Edit,
    Format,
    Found,
    danger,
    origin,
    read_json,
    read_toml,
    short,
)
from graphnet.spec.text.text_spans import Outline, Place, Twice, inside_string

__all__ = ["MAX_BYTES", "Format", "Located", "Source", "read_file", "read_text"]

MAX_BYTES = 1024 * 1024


class Located(Protocol):
    """A spec, or a piece of one, that knows the places of its entries."""

    @property
    def data(self) -> dict[str, Any]:
        """The spec as dict, list, str, int, float and bool."""

    def locate(self, fault: Fault) -> Fault:
        """Return the fault with its place."""


@dataclass(frozen=True)
class Source:
    """A spec as written.

    Attributes:
        file: the name to show, `<stdin>` for standard input.
        data: the spec as dict, list, str, int, float and bool; keys in the order of the text.
        places: the place of each entry of `data` in `text`.
    """

    file: str
    text: str = field(repr=False)
    format: Format
    data: dict[str, Any]
    places: dict[KeyPath, Place] = field(repr=False)

    def locate(self, fault: Fault) -> Fault:
        """Return the fault with file, line and column; a missing entry is placed at the table that would hold it."""
        return self._lines.mark(fault, self.file, *self.extent(fault))

    def extent(self, fault: Fault) -> tuple[int, int]:
        """Return the start and end of the characters at fault; (0, 0) if there are none."""
        place = self.places.get(fault.path)
        if place is None:
            held = (fault.path[:size] for size in range(len(fault.path) - 1, 0, -1))
            near = next((self.places[path] for path in held if path in self.places), None)
            start = min(near.key, near.value) if near else 0  # the `[` of a header, or the key
            return start, end_of_key(self.text, start) if near else 0
        if fault.on == "key":
            return place.key, end_of_key(self.text, place.key)
        if place.end == place.value:  # a header, or a word of a dotted key
            return place.value, end_of_key(self.text, place.value)
        literal = self.text[place.value : place.end]
        if fault.span is None or not literal.startswith(('"', "'")):
            return place.value, place.end
        start, end = (place.value + inside_string(literal, index) for index in fault.span)
        return start, max(end, start + 1)

    @cached_property
    def _lines(self) -> Lines:
        return Lines(self.text)


def read_file(path: str | os.PathLike[str]) -> Source:
    """Read a TOML or JSON spec; the path `-` is standard input.

    The suffix chooses the format; with another suffix, a text that starts with `{` is JSON.

    Raises:
        SpecError: the file cannot be read, or its content is wrong.
    """
    name = os.fspath(path)
    file = "<stdin>" if name == "-" else name.encode(errors="replace").decode()
    raw = _read_bytes(name, file).removeprefix(b"\xef\xbb\xbf")
    if other := other_bytes(raw):
        raise SpecError([Fault((), *other, file=file, code="GN002")])
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        what = f"this is not UTF-8: byte 0x{raw[error.start]:02x}"
        fault = Fault((), what, "save the file as UTF-8", code="GN002")
        _refuse(raw.decode(errors="replace"), file, [(len(before), fault)])
    suffix = os.path.splitext(name)[1].lower()
    if suffix not in (".toml", ".json"):
        suffix = ".json" if text.lstrip().startswith("{") else ".toml"
    return read_text(text, "json" if suffix == ".json" else "toml", file)


def _read_bytes(name: str, file: str) -> bytes:
    """Read a regular file or standard input, at most `MAX_BYTES`."""
    what, fix, code, raw = (
        "",
        "give the path of a .toml or .json file, a name that `graphnet zoo` lists, or - for standard input",
        "GN001",
        b"",
    )
    try:
        if name == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        elif stat.S_ISREG(mode := os.stat(name).st_mode):
            with open(name, "rb") as opened:
                raw = opened.read(MAX_BYTES + 1)
        else:
            what = "this is a directory" if stat.S_ISDIR(mode) else "this is not a regular file"
    except FileNotFoundError:
        what = "there is no such file"
    except (OSError, ValueError, AttributeError) as error:  # a NUL in the path; standard input is closed
        what = f"this cannot be read: {getattr(error, 'strerror', None) or error}"
    if len(raw) > MAX_BYTES:
        what, fix, code = f"this is over {MAX_BYTES // 1024**2} MB", "a spec has at most a few hundred lines", "GN601"
    if what:
        raise SpecError([Fault((), what, fix, file=file, code=code)])
    return raw


def read_text(text: str, format: Format, file: str) -> Source:
    """Read a spec.

    Raises:
        SpecError: with all syntax faults and all duplicate keys; if the syntax is right, also with all values that
            no spec can hold.
    """
    text = text.removeprefix("\ufeff")
    if found := danger(text):
        _refuse(text, file, [found])
    data, faults, clean, edits = read_toml(text) if format == "toml" else read_json(text)
    outline = Outline(clean, format)
    source = Source(file, text, format, data, outline.places)
    if not faults:
        faults = [(source.extent(fault)[0], fault) for fault in _value_faults(data)]
    if faults and (slip := other_format(text, format)):
        _refuse(text, file, [(slip[0], Fault((), *slip[1:], code="GN003"))])
    if outline.twice:
        faults = _with_twice(text, faults, outline.twice, edits)
    if faults:
        _refuse(text, file, faults)
    return source


def _with_twice(text: str, faults: list[Found], twice: list[Twice], edits: list[Edit]) -> list[Found]:
    """Add faults for duplicate keys, except on lines where a syntax fault may have produced them."""
    faults = [found for found in faults if not found[1].what.startswith(TWICE)]
    lines = Lines(text)
    taken = {lines.place(offset)[0] for offset, _ in faults}
    for path, before, again in twice[:MAX_LOOKED_FOR]:
        first, second = (lines.place(origin(offset, edits))[0] for offset in (before, again))
        if second not in taken:
            key = short(str(path[-1]))
            fix = f"the first {key} is on line {first}; keep one"
            fault = Fault(path, f"{key} is written twice", fix, on="key", code="GN006")
            faults.append((origin(again, edits), fault))
    return faults


def _refuse(text: str, file: str, faults: list[Found]) -> NoReturn:
    """Raise the faults in the order of the text, the first `MAX_FAULTS` of them in full."""
    lines = Lines(text)
    faults = sorted(faults, key=lambda found: found[0])
    if (more := len(faults) - MAX_FAULTS) > 0:
        over = "over " if len(faults) >= MAX_LOOKED_FOR else ""
        what = f"{over}{more} more {'fault' if more == 1 else 'faults'} from here on"
        offset, first = faults[MAX_FAULTS]
        faults[MAX_FAULTS:] = [(offset, Fault((), what, "fix these first", code=first.code))]
    raise SpecError(lines.mark(_printable(fault), file, at, end_of_word(text, at)) for at, fault in faults)


def _printable(fault: Fault) -> Fault:
    """Replace surrogates, which no text can hold, in the fault's path."""
    path = (part if isinstance(part, int) else part.encode(errors="replace").decode() for part in fault.path)
    return replace(fault, path=tuple(path))


def _value_faults(data: Any) -> Iterator[Fault]:
    """Yield the faults of values that no spec can hold."""
    if not isinstance(data, dict):
        yield Fault((), "a spec is a table of keys and values", 'in JSON: { "graphnet": 1, ... }', code="GN010")
        return
    todo: list[tuple[KeyPath, Any]] = [((), data)]
    while todo:
        path, value = todo.pop()
        if len(path) > MAX_DEPTH:
            yield Fault(path, TOO_DEEP, "no spec needs that many", on="key", code="GN602")
        elif isinstance(value, dict):
            todo += [((*path, key), inner) for key, inner in value.items()]
            yield from (
                Fault((*path, key), HALF, WHOLE, on="key", code="GN002") for key in value if SURROGATE.search(key)
            )
        elif isinstance(value, list):
            todo += [((*path, index), inner) for index, inner in enumerate(value)]
        elif isinstance(value, str):
            if half := SURROGATE.search(value):
                yield Fault(path, HALF, WHOLE, span=half.span(), code="GN002")
        elif value is None:
            yield Fault(path, "null has no meaning in a spec", LEAVE_OUT, code="GN007")
        elif isinstance(value, int):
            if not -(2**63) <= value < 2**63:
                yield Fault(path, TOO_LARGE, SMALLER, code="GN007")
        elif not isinstance(value, float):
            yield Fault(path, "a date or time has no meaning in a spec", "put text in quotes", code="GN007")
        elif not math.isfinite(value):
            yield Fault(path, f"{value} is not a finite number", "write a finite number", code="GN007")
