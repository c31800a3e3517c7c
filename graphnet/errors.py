"""What is wrong with a spec, where, and what would be right (design.md, section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the top of a spec down to one entry: `("transitions", 0, "h1", "h4")`."""


@dataclass(frozen=True)
class Fault:
    """One finding in a spec.

    Attributes:
        path: the entry of the spec that is meant.
        what: the fault, one line.
        fix: what would be right, one line; empty when nothing useful can be said.
        on: whether the entry's key or its value is at fault (for the place in the file).
        span: first and last-plus-one character inside the entry's string, if the fault lies inside one.
        severity: an error stops the compiler, a warning does not.
        file, line, column: the place in the text, 1-based; None while unknown, or for a spec given as a dict.
        note: more about the place, one line.
    """

    path: KeyPath
    what: str
    fix: str = ""
    on: Literal["key", "value"] = "value"
    span: tuple[int, int] | None = None
    severity: Literal["error", "warning"] = "error"
    file: str | None = None
    line: int | None = None
    column: int | None = None
    note: str = ""

    def at(self, file: str, line: int, column: int) -> Fault:
        """The same fault with its place in a text."""
        return replace(self, file=file, line=line, column=column)

    def __str__(self) -> str:
        place = "".join(f"{part}:" for part in (self.file, self.line, self.column) if part is not None)
        lines = [f"{place} {self.severity}: {dotted(self.path)}".strip()]
        lines += [f"  {line}" for line in (self.what, self.fix, self.note) if line]
        return "\n".join(map(printable, lines))


class SpecError(Exception):
    """A spec is wrong; `faults` holds every fault that was found, in the order of the text."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("\n\n".join(map(str, self.faults)))


def dotted(path: KeyPath) -> str:
    """A key path as people write it: `transitions[0].h1.h4`; `spec` for the whole."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part.replace("_", "a").replace("-", "a").isalnum()
            key = part if plain else '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'
            text += f".{key}" if text else key
    return printable(text) or "spec"


def printable(text: str) -> str:
    """A text of which nothing moves the cursor, changes colours or hides: a spec may come from a stranger."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


MOST_LISTED = 20


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A hint that names the closest of the names there are, and lists them unless they are many."""
    close = get_close_matches(word, known, n=1, cutoff=0.5) or [name for name in known if name.lower() == word.lower()]
    listed = f"known: {', '.join(known)}" if known and len(known) <= MOST_LISTED else ""
    return f"did you mean '{close[0]}'? {listed}".strip() if close else listed
