"""A place in a text as a person sees it: line, column, and the line itself with marks below what is at fault."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from itertools import accumulate

from graphnet.errors import Fault, printable

MOST_COLUMNS = 100
"""The widest excerpt; of a longer line the part around the fault is shown."""
BEFORE = 40
"""How much of a long line is shown before the fault."""
TAB = 4
LOOKED_AT = 1000
"""How many characters before and behind the fault's first are looked at: a line may have a million."""


_WORD = re.compile(
    r"""\\u[0-9A-Fa-f]{4} | \\U[0-9A-Fa-f]{8} | \\. | \"\"\" | \'\'\'
    | "(?:[^"\\\n]|\\.)*+" | '[^'\n]*+' | [\w.+-]++ | .""",
    re.VERBOSE,
)
_KEY = re.compile(r"""[\w-]++ | "(?:[^"\\\n]|\\.)*+" | '[^'\n]*+'""", re.VERBOSE)
_HEADER = re.compile(r"""\[\[? (?: "(?:[^"\\\n]|\\.)*+" | '[^'\n]*+' | [^\]\n"'] )*+ \]{0,2}""", re.VERBOSE)


def end_of_word(text: str, start: int) -> int:
    """Where the word, the string or the sign ends that starts at a character."""
    return match.end() if (match := _WORD.match(text, start)) else start + 1


def end_of_key(text: str, start: int) -> int:
    """Where a key, a word of a dotted key or a `[table]` ends that starts at a character."""
    match = _KEY.match(text, start) or _HEADER.match(text, start)
    return match.end() if match else start + 1


class Lines:
    """The lines of a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def place(self, offset: int) -> tuple[int, int]:
        """The line and the column of a character, both from 1."""
        line = bisect_left(self._ends, offset)
        return line + 1, offset - (self._ends[line - 1] if line else -1)

    def mark(self, fault: Fault, file: str, start: int, end: int) -> Fault:
        """The fault with its place, the characters from `start` up to `end`; those on its first line are marked.

        None are marked where `end` is `start`: the place is then no more than a hint.
        """
        line, column = self.place(start)
        if end <= start:
            return fault.at(file, line, column)
        last = self._ends[line - 1] if line <= len(self._ends) else len(self._text)
        end = max(start + 1, min(end, last))
        begin = start - column + 1
        text = self._text[begin:last].removesuffix("\r")
        shown = excerpt(text, min(start - begin, len(text)), end - begin)
        return fault.at(file, line, column, column + end - start, shown)


def excerpt(line: str, start: int, end: int) -> str:
    """A line and, below it, `^` under its characters from `start` up to `end`; "" for an empty line.

    Nothing in it moves the cursor: tabs are spaces, and what cannot be shown is written as an escape. Of a long line
    the part around the fault is shown.
    """
    if not line.strip():
        return ""
    first, last = max(0, start - LOOKED_AT), min(len(line), start + LOOKED_AT)
    cells = [_cell(char) for char in line[first:last]]
    at = [0, *accumulate(map(_width, cells))]  # the column at which each cell begins, and the end of the last one
    mark, stop = at[start - first], at[min(end, last) - first]
    begin, finish = 0, len(cells)
    if at[-1] > MOST_COLUMNS or len(cells) < len(line):
        begin = next(number for number, column in enumerate(at) if column >= mark - BEFORE)
        finish = max(number for number, column in enumerate(at) if column - at[begin] < MOST_COLUMNS)
    ahead = "…" if first + begin else ""
    behind = "…" if first + finish < len(line) else ""
    blank = len(ahead) + mark - at[begin]
    width = max(1, min(stop, at[finish]) - mark)
    return f"{ahead}{''.join(cells[begin:finish])}{behind}\n{' ' * blank}{'^' * width}"


def _cell(char: str) -> str:
    """A character as it is shown."""
    return " " * TAB if char == "\t" else printable(char)


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.category(char) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
