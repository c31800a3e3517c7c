"""Faults of a spec: the place, what is wrong, and what would be right (design.md, section 4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Literal

from graphnet.synonyms import synonym

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the top of a spec down to one entry: `("transitions", 0, "h1", "h4")`."""

Paint = Callable[[str, str], str]
"""Styles a piece of a fault's text, given its role: error, warning, place, margin or fix."""


@dataclass(frozen=True)
class Fault:
    """One finding in a spec.

    Attributes:
        path: the entry of the spec.
        what: the fault, one line.
        fix: what would be right, one line; empty if there is no useful advice.
        on: whether the entry's key or its value is at fault (for the place in the file).
        span: first and last-plus-one character inside the entry's string, if the fault is inside one.
        severity: an error stops the compiler, a warning does not.
        given: entries that the finding relies on; it is dropped if one of them is at fault.
        code: the error code; `graphnet explain` explains it.
        file, line, column: the place in the text, 1-based; None while unknown, or for a spec given as a dict.
        end_column: the column after the last character at fault on this line.
        excerpt: two lines: this line of the text, shortened to fit, and marks below the characters at fault.
        note: more about the place, one line.
        meant: the entry that a misspelt or misplaced key was meant for; faults of that entry are consequences.
    """

    path: KeyPath
    what: str
    fix: str = ""
    on: Literal["key", "value"] = "value"
    span: tuple[int, int] | None = None
    severity: Literal["error", "warning"] = "error"
    code: str = field(kw_only=True)
    given: tuple[KeyPath, ...] = field(default=(), kw_only=True, compare=False, repr=False)
    file: str | None = None
    line: int | None = None
    column: int | None = None
    end_column: int | None = None
    excerpt: str = ""
    note: str = ""
    meant: KeyPath = ()

    def __post_init__(self) -> None:
        for name in ("what", "fix", "note"):
            object.__setattr__(self, name, shortened(getattr(self, name)))

    def at(
        self, file: str, line: int | None, column: int | None, end_column: int | None = None, excerpt: str = ""
    ) -> Fault:
        """Return the fault with its place in a text."""
        return replace(self, file=file, line=line, column=column, end_column=end_column, excerpt=excerpt)

    def __str__(self) -> str:
        return self.told(lambda role, text: text)

    def told(self, paint: Paint) -> str:
        """Format the fault: place, severity, code and path; the characters at fault; what is wrong; the fix."""
        place = "".join(f"{part}:" for part in (self.file, self.line, self.column) if part is not None)
        label = paint(self.severity, f"{self.severity}[{self.code}]" if self.code else self.severity)
        lines = [f"{paint('place', printable(place)) + ' ' if place else ''}{label}: {dotted(self.path)}"]
        text, _, marks = self.excerpt.partition("\n")
        if marks:
            margin = paint("margin", "  |")
            lines += [f"{margin} {text}", f"{margin} {paint(self.severity, marks)}"]
        lines += [f"  {printable(self.what)}"]
        lines += [f"  {paint('fix', printable(line))}" for line in (self.fix,) if line]
        lines += [f"  {printable(line)}" for line in (self.note,) if line]
        return "\n".join(lines)


class SpecError(Exception):
    """Raised when a spec is wrong; `faults` holds every fault found, in the order of the text."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("\n\n".join(map(str, self.faults)))


def dotted(path: KeyPath) -> str:
    """Format a key path: `transitions[0].h1.h4`; `spec` for the whole spec."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            part = shortened(part)
            plain = part.replace("_", "a").replace("-", "a").isalnum()
            key = part if plain else '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'
            text += f".{key}" if text else key
    return printable(text) or "spec"


def printable(text: str) -> str:
    """Escape everything that could move the cursor, change colours or hide text: specs may be untrusted."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


_LINE_BREAKS = re.compile(r"[\t\n\r\x85\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Terminal and text-direction controls, and characters that XML or UTF-8 cannot hold."""


def clean(text: str) -> str:
    """Make a spec's text safe to print and draw: one line, U+FFFD for each control character."""
    if text.isprintable():
        return text
    return _CONTROLS.sub("\ufffd", _LINE_BREAKS.sub(" ", text))


MOST_LISTED = 20
LONGEST_WORD = 100
LONGEST_LINE = 2000
"""Longest word and line, in characters, that a fault's text shows in full: a spec may hold a megabyte of either."""
_LONG_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")


def shortened(text: str) -> str:
    """Elide the middle of long words, then of a long line, so that a fault never fills a screen."""
    if len(text) <= LONGEST_WORD:
        return text
    words = _LONG_WORD.sub(lambda word: _middle_out(word[0], LONGEST_WORD), text)
    return _middle_out(words, LONGEST_LINE)


def _middle_out(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most * 2 // 3]}…{text[-most // 4 :]}"


def did_you_mean(word: str, known: Sequence[str], likeness: float = 0.5) -> str:
    """Return a hint that names the closest known word, and lists all of them if they are few."""
    close = closest(word, known, likeness)
    listed = f"known: {', '.join(known)}" if known and len(known) <= MOST_LISTED else ""
    return f"did you mean '{close}'? {listed}".strip() if close else listed


def closest(word: str, known: Sequence[str], likeness: float) -> str | None:
    """Return the known word that is meant: another spelling, a synonym from another tool, or the most similar word."""
    close = get_close_matches(word, known, n=1, cutoff=likeness)
    return synonym(word, tuple(known)) or (close[0] if close else None)


def and_more(names: Sequence[str]) -> str:
    """Return the first name and the number of others."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
