"""Text → expression: a parser by recursive descent for the grammar in `expressions`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from graphnet.errors import did_you_mean
from graphnet.spec.experiment.expression_tree import (
    FUNCTIONS,
    Apply,
    Binary,
    Condition,
    Expect,
    Expression,
    Name,
    Number,
    Selection,
)
from graphnet.spec.notation.integers import MAX_DEPTH, MAX_LENGTH, Misspelt

CODE = "GN805"

NAME = re.compile(r"[A-Za-z_](?:\w|\.(?=\w))*", re.ASCII)
NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
LABEL = re.compile(r"(?:[\w+-]|(?<!\.)\.(?!\.))+", re.ASCII)
QUOTED = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"')
Read = TypeVar("Read")
_BLANK = re.compile(r"\s*")
_WORD = re.compile(r"[\w.]+|\S|$")


def read_expression(text: str) -> Expression:
    """Read an expression. Raises Misspelt, with the characters at fault."""
    reader = _Reader(text)
    return reader.whole(reader.expression)


def read_expect(text: str) -> Expect:
    """Read what is expected of an effect. Raises Misspelt."""
    reader = _Reader(text)
    return reader.whole(reader.expect)


def read_guard(text: str) -> tuple[Condition, ...]:
    """Read the conditions of a guard, joined by `and`. Raises Misspelt."""
    reader = _Reader(text)
    return reader.whole(reader.guard)


class _Reader:
    """A cursor over one short string."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise Misspelt(f"longer than {MAX_LENGTH} characters", 0, len(text), "shorten it", code="GN602")
        self.text, self.at, self.depth = text, 0, 0

    def whole(self, read: Callable[[], Read]) -> Read:
        """Read the whole string."""
        found = read()
        self.blank()
        if self.at < len(self.text):
            raise self.misspelt("an operator or the end", "the operators are + - * /")
        return found

    def expression(self) -> Expression:
        left = self._term()
        while sign := self.skip("+", "-"):
            left = Binary(sign, left, self._term())  # type: ignore[arg-type]
        return left

    def expect(self) -> Expect:
        relation = self._relation(("within", ">", "<"), 'such as "> 0", "< -0.02" or "within 0.01"')
        self.blank()
        start = self.at
        bound = self._bound()
        if relation == "within" and bound <= 0:
            what = "'within' takes a number above 0: the effect lies between minus and plus that number"
            raise Misspelt(what, start, self.at, 'such as "within 0.01"', code=CODE)
        return Expect(relation, bound)  # type: ignore[arg-type]

    def guard(self) -> tuple[Condition, ...]:
        conditions = [self._condition()]
        while self._word("and"):
            conditions.append(self._condition())
        self.blank()
        if self.at < len(self.text):
            raise self.misspelt("'and' or the end", "conditions are joined by 'and', and all of them must hold")
        return tuple(conditions)

    def _condition(self) -> Condition:
        fix = 'such as "train_accuracy[sharing=shared] > 0.98"'
        of = self._name(fix)
        return Condition(of, self._relation((">", "<"), fix), self._bound())  # type: ignore[arg-type]

    def _relation(self, known: tuple[str, ...], fix: str) -> str:
        relation = next((word for word in known if self._word(word)), None)
        if relation is None:
            raise self.misspelt(f"one of {', '.join(known)}", fix)
        if self.text[self.at : self.at + 1] in ("=", "<", ">"):
            what = f"'{relation}{self.text[self.at]}' is no relation"
            raise Misspelt(what, self.at - 1, self.at + 1, f"write {relation}", code=CODE)
        return relation

    def _bound(self) -> float:
        bound = self._signed()
        if self.skip("%"):
            what = "fractions are written as such, not in per cent"
            raise Misspelt(what, self.at - 1, self.at, f"write {bound / 100:g}", code=CODE)
        return bound

    def _term(self) -> Expression:
        left = self._atom()
        while sign := self.skip("*", "/"):
            left = Binary(sign, left, self._atom())  # type: ignore[arg-type]
        return left

    def _atom(self) -> Expression:
        self.blank()
        if self.text.startswith("(", self.at):
            return self._nested(self._bracketed)
        if NUMBER.match(self.text, self.at) or self.text.startswith("-", self.at):
            return Number(self._signed())
        match = NAME.match(self.text, self.at)
        if match and self.text[match.end() :].lstrip().startswith("("):
            return self._nested(self._apply)
        return self._name('such as "test_error[t=9] - test_error[t=5]"')

    def _nested(self, read: Callable[[], Expression]) -> Expression:
        if self.depth >= MAX_DEPTH:
            what = f"brackets are nested more than {MAX_DEPTH} deep"
            raise Misspelt(what, self.at, self.at + 1, "simplify the expression", code="GN602")
        self.depth += 1
        found = read()
        self.depth -= 1
        return found

    def _bracketed(self) -> Expression:
        self.expected("(")
        inner = self.expression()
        self.expected(")")
        return inner

    def _apply(self) -> Expression:
        start, function = self.at, self._take(NAME)
        if function not in FUNCTIONS:
            what = f"no function is called '{function}'"
            raise Misspelt(what, start, self.at, did_you_mean(function, FUNCTIONS), code=CODE)
        self.expected("(")
        argument = self.expression()
        fix = f"such as {function}(test_error, over=t)"
        self.expected(",", fix)
        if not self._word("over"):
            raise self.misspelt("'over=' and a factor", fix)
        self.expected("=", fix)
        over = self._factor(fix)
        self.expected(")", "one factor at a time; functions can be nested")
        return Apply(function, argument, over)

    def _name(self, fix: str) -> Name:
        self.blank()
        if not NAME.match(self.text, self.at):
            raise self.misspelt("a number, a measure or a bracket" if "-" in fix else "a measure", fix)
        name = self._take(NAME)
        return Name(name, tuple(self._selections()) if self.skip("[") else ())

    def _selections(self) -> list[Selection]:
        found: list[Selection] = []
        while True:
            fix = "such as test_error[sharing=shared, t=5..9]"
            self.blank()
            start = self.at
            factor = self._factor(fix)
            if any(factor == before.factor for before in found):
                what = f"'{factor}' is selected twice"
                raise Misspelt(what, start, self.at, "several labels are a range, such as t=5..9", code=CODE)
            self.expected("=", fix)
            first = self._label()
            found.append(Selection(factor, first, self._label() if self.skip("..") else None))
            if not self.skip(","):
                self.expected("]", fix)
                return found

    def _factor(self, fix: str) -> str:
        self.blank()
        if not NAME.match(self.text, self.at):
            raise self.misspelt("a factor", fix)
        return self._take(NAME)

    def _label(self) -> str:
        self.blank()
        if quoted := QUOTED.match(self.text, self.at):
            self.at = quoted.end()
            return re.sub(r"\\(.)", r"\1", quoted[1])
        if not LABEL.match(self.text, self.at):
            raise self.misspelt("a label", 'quote labels with other signs: kernel="[1,2]"')
        return self._take(LABEL)

    def _signed(self) -> float:
        self.blank()
        start = self.at
        sign = -1.0 if self.skip("-") else 1.0
        self.blank()
        if not NUMBER.match(self.text, self.at):
            raise self.misspelt("a number", "such as 0.02")
        value = sign * float(self._take(NUMBER))
        if value in (float("inf"), float("-inf")):
            raise Misspelt("this number is too large", start, self.at, "write a smaller one", code=CODE)
        return value

    # ---- the cursor

    def blank(self) -> None:
        match = _BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def skip(self, *signs: str) -> str:
        """Skip one of the signs and return it; "" if none is next."""
        self.blank()
        found = next((sign for sign in signs if self.text.startswith(sign, self.at)), "")
        self.at += len(found)
        return found

    def _word(self, word: str) -> bool:
        """Skip a word that is not the beginning of a longer one."""
        self.blank()
        behind = self.text[self.at + len(word) :]
        found = self.text.startswith(word, self.at) and not (word.isalpha() and re.match(r"[\w.]", behind))
        self.at += len(word) if found else 0
        return found

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        assert match
        self.at = match.end()
        return match[0]

    def expected(self, sign: str, fix: str = "") -> None:
        if not self.skip(sign):
            raise self.misspelt(f"'{sign}'", fix)

    def misspelt(self, expected: str, fix: str = "") -> Misspelt:
        self.blank()
        match = _WORD.match(self.text, self.at)
        word = match[0] if match else ""
        shown = f"'{word}'" if word else "the end"
        end = max(self.at + len(word), self.at + 1)
        return Misspelt(f"{expected} is expected, not {shown}", self.at, end, fix, code=CODE)
