"""Places in a text for error messages: line, column, and an excerpt with marks below the characters at fault."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from itertools import accumulate

from graphnet.errors import Fault, printable

MOST_COLUMNS = 100
"""Maximal width of an excerpt; longer lines are cut to the part around the fault."""
BEFORE = 40
"""Columns of a long line that are shown before the fault."""
TAB = 4
LOOKED_AT = 1000
"""Characters considered before and after the start of the fault: a line may have a million."""


_WORD = re.compile(
    r"""\\u[0-9A-Fa-f]{4} | \\U[0-9A-Fa-f]{8} | \\. | \"\"\" | \'\'\'
    | "(?:[^"\\\n]|\\.)*+" | '[^'\n]*+' | [\w.+-]++ | .""",
    re.VERBOSE,
)
_KEY = re.compile(r"""[\w-]++ | "(?:[^"\\\n]|\\.)*+" | '[^'\n]*+'""", re.VERBOSE)
_HEADER = re.compile(r"""\[\[? (?: "(?:[^"\\\n]|\\.)*+" | '[^'\n]*+' | [^\]\n"'] )*+ \]{0,2}""", re.VERBOSE)


def end_of_word(text: str, start: int) -> int:
    """Return the end of the word, string or sign that starts at a character."""
    return match.end() if (match := _WORD.match(text, start)) else start + 1


def end_of_key(text: str, start: int) -> int:
    """Return the end of the key, word of a dotted key or `[table]` that starts at a character."""
    match = _KEY.match(text, start) or _HEADER.match(text, start)
    return match.end() if match else start + 1


class Lines:
    """The lines of a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def place(self, offset: int) -> tuple[int, int]:
        """Return the line and column of a character, both from 1."""
        line = bisect_left(self._ends, offset)
        return line + 1, offset - (self._ends[line - 1] if line else -1)

    def mark(self, fault: Fault, file: str, start: int, end: int) -> Fault:
        """Locate a fault at the characters from `start` up to `end`, and mark those on the first line.

        If `end` is `start`, nothing is marked: the place is only a hint.
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
    """Return a line and, below it, `^` under its characters from `start` up to `end`; "" for an empty line.

    Nothing in it moves the cursor: tabs become spaces, and unprintable characters become escapes. A long line is cut to
    the part around the fault.
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
    """Return the printable form of a character."""
    return " " * TAB if char == "\t" else printable(char)


def _width(text: str) -> int:
    """Return the width of a text in terminal columns."""
    return sum(
        0 if unicodedata.category(char) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
