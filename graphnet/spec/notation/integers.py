"""Whole numbers as specs write them: `4`, `N`, `2N`, `N-1`, `2*(N+1)`. Parsed here, never evaluated as code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

TOKEN = re.compile(r"\s*(?:(?P<int>\d+)|(?P<name>[A-Za-z_]\w*)|(?P<sign>\.\.|[-+*()])|(?P<bad>\S))")
MAX_LENGTH = 1000
"""Longest string, in characters, that a parser of the language reads."""
MAX_DEPTH = 20
"""Deepest nesting of brackets in such a string."""


class Misspelt(Exception):  # noqa: N818 - it is one fault of a string, turned into a Fault by the caller
    """Raised for a string that cannot be read; the characters `start` to `end` are at fault."""

    def __init__(self, what: str, start: int, end: int, fix: str = "", *, code: str) -> None:
        super().__init__(what)
        self.what, self.start, self.end, self.fix, self.code = what, start, end, fix, code

    def shifted(self, by: int) -> Misspelt:
        """Return the fault in a string that contains this one."""
        return Misspelt(self.what, self.start + by, self.end + by, self.fix, code=self.code)


@dataclass(frozen=True)
class Whole:
    """A whole number with named constants: a literal, a name, or `left sign right`."""

    text: str
    literal: int | None = None
    name: str | None = None
    operation: tuple[str, Whole, Whole] | None = None

    def value(self, constants: Mapping[str, int]) -> int:
        """Return the number; `constants` must hold all of `names`."""
        if self.literal is not None:
            return self.literal
        if self.name is not None:
            return constants[self.name]
        assert self.operation is not None
        sign, left, right = self.operation
        a, b = left.value(constants), right.value(constants)
        return a + b if sign == "+" else a - b if sign == "-" else a * b

    @property
    def names(self) -> tuple[str, ...]:
        """Constants that it uses, in order."""
        if self.operation is None:
            return (self.name,) if self.name is not None else ()
        return tuple(dict.fromkeys(self.operation[1].names + self.operation[2].names))


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


class Reader:
    """A cursor over the tokens of one short string."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise Misspelt(f"longer than {MAX_LENGTH} characters", 0, len(text), "shorten it", code="GN602")
        self.text = text
        self.tokens = [
            Token(match.lastgroup or "", match[match.lastgroup or 0], *match.span(match.lastgroup or 0))
            for match in TOKEN.finditer(text)
        ]
        self.at = 0
        self.depth = 0

    @property
    def next(self) -> Token:
        end = len(self.text)
        return self.tokens[self.at] if self.at < len(self.tokens) else Token("end", "", end, end)

    def take(self) -> Token:
        token = self.next
        self.at += 1
        return token

    def skip(self, text: str) -> bool:
        found = self.next.text == text and self.next.kind != "end"
        self.at += found
        return found

    def misspelt(self, expected: str, fix: str = "") -> Misspelt:
        token = self.next
        shown = f"'{token.text}'" if token.kind != "end" else "the end"
        what = f"{expected} is expected, not {shown}"
        return Misspelt(what, token.start, max(token.end, token.start + 1), fix, code="GN108")

    def whole(self) -> Whole:
        """sum := product (('+' | '-') product)*"""
        start = self.next.start
        left = self._product()
        while self.next.text in ("+", "-"):
            left = self._joined(self.take().text, left, self._product(), start)
        return left

    def _product(self) -> Whole:
        """product := atom ('*' atom)*; a number before a name or bracket multiplies it: `2N`"""
        start = self.next.start
        left = self._atom()
        while self.next.text == "*" or (left.literal is not None and self._touching()):
            self.skip("*")
            left = self._joined("*", left, self._atom(), start)
        return left

    def _touching(self) -> bool:
        return self.next.start == self.tokens[self.at - 1].end and (self.next.kind == "name" or self.next.text == "(")

    def _atom(self) -> Whole:
        token = self.next
        if token.kind == "int" and len(token.text) <= 18:
            return Whole(self.take().text, literal=int(token.text))
        if token.kind == "name" and token.text != "inf":
            return Whole(self.take().text, name=token.text)
        if token.text == "(" and self.depth < MAX_DEPTH:
            self.take()
            self.depth += 1
            inner = self.whole()
            self.depth -= 1
            if not self.skip(")"):
                raise self.misspelt("a closing bracket ')'")
            return inner
        raise self.misspelt("a whole number or a constant's name")

    def _joined(self, sign: str, left: Whole, right: Whole, start: int) -> Whole:
        text = self.text[start : self.tokens[self.at - 1].end]
        return Whole(text, operation=(sign, left, right))


def parse_whole(text: str | int) -> Whole:
    """Parse a whole number from a spec: an integer, or a string such as `"2N"`. Raises Misspelt."""
    if isinstance(text, int):
        return Whole(str(text), literal=text)
    reader = Reader(text)
    whole = reader.whole()
    if reader.next.kind != "end":
        raise reader.misspelt("the end of the number")
    return whole
