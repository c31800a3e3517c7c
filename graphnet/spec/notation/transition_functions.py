"""Transition functions as written: `BRCx2+I`, `C1:512 BR C:512/2 BR C1B + C1B` (design.md, rules 9 and 10).

function := chain ('+' chain)*
chain    := (item repeat?)+            repeat := 'x' digits     repeats everything before it in its chain
item     := letter kernel? width? stride? | word width? stride? | '(' function ')'
kernel   := digits       width := ':' (digits | name | '(' whole ')')       stride := '/' digits
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphnet.errors import KeyPath, did_you_mean
from graphnet.spec.notation.integers import MAX_DEPTH, MAX_LENGTH, Misspelt, Whole, parse_whole
from graphnet.spec.notation.op_hints import hint_for_nothing, hint_for_op, hint_for_sign, hint_for_table
from graphnet.spec.notation.op_words import LETTERS, OPS, WIDTH, Setting, known_letters
from graphnet.synonyms import synonym

MAX_CALLS = 10_000
"""Maximal number of ops of a transition function with its repeats expanded."""

Ops = str | tuple[Any, ...]
"""A transition function as written in a spec: a string, or a list of strings and tables."""


@dataclass(frozen=True)
class Place:
    """A place in a transition function: the characters `start` to `end` of the entry at `path`."""

    path: KeyPath = ()
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class Call:
    """One op of a transition function as written, with its explicit settings."""

    op: str
    place: Place
    settings: tuple[tuple[str, Setting], ...] = ()

    def get(self, name: str) -> Setting | None:
        """Return a setting; None if the spec leaves the choice to the compiler."""
        return dict(self.settings).get(name)


@dataclass(frozen=True)
class Branches:
    """Chains that read the same value and whose results are added."""

    chains: tuple[Chain, ...]
    place: Place


Chain = tuple["Call | Branches", ...]


class FunctionFault(Exception):  # noqa: N818 - one fault of a function, turned into a Fault by the caller
    """Raised where a transition function cannot be read or does not fit."""

    def __init__(self, what: str, place: Place, fix: str = "", *, code: str, given: tuple[KeyPath, ...] = ()) -> None:
        super().__init__(what)
        self.what, self.place, self.fix, self.code, self.given = what, place, fix, code, given

    @classmethod
    def of(cls, fault: Misspelt, path: KeyPath) -> FunctionFault:
        """Convert the fault of the string at `path`."""
        return cls(fault.what, Place(path, fault.start, fault.end), fault.fix, code=fault.code)


def parse_function(ops: Ops) -> Chain:
    """Parse a transition function into a chain of ops. Raises FunctionFault."""
    chain = _parsed(ops, ())
    if count_calls(chain) > MAX_CALLS:
        raise FunctionFault(f"this is more than {MAX_CALLS:,} ops", Place(), "use several time steps", code="GN603")
    return chain


def _parsed(ops: Any, path: KeyPath) -> Chain:
    if isinstance(ops, str):
        try:
            return _FunctionReader(ops, path).function()
        except Misspelt as fault:
            raise FunctionFault.of(fault, path) from None
    if not isinstance(ops, list | tuple) or not ops:
        raise FunctionFault("an op or a list of ops is expected here", Place(path), 'such as "BRC"', code="GN206")
    return tuple(item for number, entry in enumerate(ops) for item in _entry(entry, (*path, number)))


def _entry(entry: Any, path: KeyPath) -> Chain:
    """Parse an entry of the list form: a string, or a table `{ op = { settings } }` or `{ sum = [ops, ops] }`."""
    if not isinstance(entry, Mapping):
        return _parsed(entry, path)
    if len(entry) != 1:
        fix = "write one op per table: { conv = { kernel = 3 } }"
        raise FunctionFault(f"{len(entry)} ops in one table", Place(path), fix, code="GN206")
    ((word, settings),) = entry.items()
    here = (*path, word)
    if word == "sum":
        if not isinstance(settings, list | tuple) or len(settings) < 2:
            fix = 'such as sum = ["BRC", "I"]'
            raise FunctionFault("a sum needs two or more functions", Place(here), fix, code="GN206")
        chains = tuple(_parsed(branch, (*here, number)) for number, branch in enumerate(settings))
        return (Branches(chains, Place(here)),)
    if word not in OPS:
        hint = hint_for_table(word)
        raise FunctionFault(f"no op is called '{word}'", Place(here), hint, code="GN201")
    if not isinstance(settings, Mapping):
        fix = f"such as {{ {word} = {{}} }}"
        raise FunctionFault(f"the settings of '{word}' must be a table", Place(here), fix, code="GN206")
    return (Call(word, Place(here), tuple((name, _setting(word, name, settings[name], here)) for name in settings)),)


def _setting(word: str, name: str, value: Any, path: KeyPath) -> Setting:
    readers = OPS[word].settings
    if name not in readers:
        hint = did_you_mean(name, tuple(readers)) or f"'{word}' takes none"
        raise FunctionFault(f"'{word}' has no setting '{name}'", Place((*path, name)), hint, code="GN203")
    try:
        return readers[name](value)
    except Misspelt as fault:
        raise FunctionFault.of(fault, (*path, name)) from None


class _FunctionReader:
    def __init__(self, text: str, path: KeyPath) -> None:
        if len(text) > MAX_LENGTH:
            fix = "use several time steps"
            raise Misspelt(f"longer than {MAX_LENGTH} characters", 0, len(text), fix, code="GN602")
        self.text = text
        self.path = path
        self.at = 0
        self.depth = 0

    def function(self) -> Chain:
        chain = self._sum()
        self._match("")
        if self.text[self.at : self.at + 1] == ":" or self.text[self.at - 1 : self.at] == ":":
            order = "the width comes before the stride, such as C:64/2"
            fix = order if re.search(r"/\d+:?$", self.text[: self.at]) else "such as C:64"
            raise self._misspelt("':' and the width must directly follow their op", fix)
        if self.at < len(self.text):
            what = f"'{self.text[self.at]}' has no bracket to close or op to join"
            raise self._misspelt(what, hint_for_sign(self.text[self.at :]))
        return chain

    def _sum(self) -> Chain:
        start = self.at
        chains = [self._chain()]
        while self._match(r"\+"):
            chains.append(self._chain())
        return chains[0] if len(chains) == 1 else (Branches(tuple(chains), Place(self.path, start, self.at)),)

    def _chain(self) -> Chain:
        items: Chain = ()
        start = self.at
        while item := self._item():
            items += (item,)
            while repeat := self._match(r"x\s*(\d+)"):
                items = self._repeated(items, repeat)
        if not items:
            if repeat := self._match(r"x\d+"):
                what = f"'{repeat[0]}' has nothing before it to repeat"
                raise Misspelt(what, *repeat.span(), "it follows what it repeats, such as BRCx2", code="GN202")
            raise self._no_op(start)
        return items

    def _no_op(self, start: int) -> Misspelt:
        """Return the fault of a chain without an op, which starts after a '+', after a bracket or at the beginning."""
        where = {"+": "after '+'", "(": "in the bracket"}.get(self.text[:start].rstrip()[-1:], "here")
        return self._misspelt(f"an op is expected {where}", hint_for_nothing(self.text[:start], self.text[self.at :]))

    def _repeated(self, items: Chain, repeat: re.Match[str]) -> Chain:
        times = int(repeat[1][:9])
        if times < 1 or count_calls(items) * times > MAX_CALLS:
            raise Misspelt(
                f"'{repeat[0]}' repeats {'nothing' if times < 1 else f'to more than {MAX_CALLS:,} ops'}",
                *repeat.span(),
                "a repeat is x1, x2, …; for many steps, use times" if times else "leave it out",
                code="GN603" if times else "GN202",
            )
        repeated = items * times
        place = replace(repeated[-1].place, end=repeat.end())  # so that the place of the chain includes the repeat
        return (*repeated[:-1], replace(repeated[-1], place=place))

    def _item(self) -> Call | Branches | None:
        if bracket := self._match(r"\("):
            return self._group(bracket.start())
        if letter := self._match(r"I[p0]|[A-Z]"):
            if letter[0] not in LETTERS:
                raise self._unknown_letter(letter)
            return self._call(LETTERS[letter[0]], letter.start(), kernel=self._match(r"\d+", spaces=False))
        if not re.match(r"\s*x\s*\d", self.text[self.at :]) and (word := self._match(r"[a-z_][a-z0-9_]*")):
            if word[0] not in OPS:
                raise self._unknown_word(word)
            return self._call(word[0], word.start(), kernel=None)
        return None

    def _unknown_word(self, word: re.Match[str]) -> Misspelt:
        """Return the fault of an unknown word; `Identity` is one word, though its I would be an op."""
        start, end = word.span()
        if before := re.search(r"[A-Z]\d*$", self.text[:start]):
            start = before.start()
        while end < len(self.text) and self.text[end].isalnum():
            end += 1
        written = self.text[start:end]
        return Misspelt(f"no op is called '{written}'", start, end, hint_for_op(written), code="GN201")

    def _unknown_letter(self, letter: re.Match[str]) -> Misspelt:
        """Return the fault of an unknown letter; `BN` is one word, though its B would be an op."""
        start, end = letter.span()
        while start and self.text[start - 1].isalpha():
            start -= 1
        while end < len(self.text) and self.text[end].isalnum():
            end += 1
        written = self.text[start:end]
        if end - start > 1 and synonym(written, tuple(OPS)):
            return Misspelt(f"no op is called '{written}'", start, end, hint_for_op(written), code="GN201")
        fix = hint_for_sign(self.text[letter.start() :]) if letter[0] == "X" else known_letters()
        return Misspelt(f"no op has the letter '{letter[0]}'", *letter.span(), fix, code="GN201")

    def _group(self, start: int) -> Branches:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._misspelt(f"brackets nest deeper than {MAX_DEPTH}", "remove some", code="GN602")
        chain = self._sum()
        if not self._match(r"\)"):
            raise Misspelt("this bracket is not closed", start, start + 1, "add ')'", code="GN202")
        self.depth -= 1
        return Branches((chain,), Place(self.path, start, self.at))

    def _call(self, op: str, start: int, kernel: re.Match[str] | None) -> Call:
        width = self._width() if self._match(r":", spaces=False) else None
        if width and "width" not in OPS[op].settings:
            fix = f"these ops take one: {_takers('width')}"
            raise Misspelt(f"'{op}' takes no width", start, self.at, fix, code="GN203")
        stride = self._match(r"/(\d+)", spaces=False)
        settings = (
            ("kernel", self._size(kernel, "kernel", op)),
            ("width", width),
            ("stride", self._size(stride, "stride", op)),
        )
        given = tuple((name, value) for name, value in settings if value is not None)
        return Call(op, Place(self.path, start, self.at), given)

    def _size(self, match: re.Match[str] | None, what: str, op: str) -> Whole | None:
        if match is None:
            return None
        if what not in OPS[op].settings:
            fix = f"these ops take one: {_takers(what)}"
            raise Misspelt(f"'{op}' takes no {what}", *match.span(), fix, code="GN203")
        size = int(match[0].lstrip("/0")[:9] or 0)
        if not 1 <= size <= 1000:
            raise Misspelt(f"a {what} of {size} is not between 1 and 1000", *match.span(), code="GN204")
        if what == "kernel" and op in WIDTH and size % 2 == 0:
            fix = f"kernels are odd: {size - 1} or {size + 1}"
            fix += f"; a width follows ':', as in C:{size}" if size > 7 else ""
            raise Misspelt(f"the kernel {size} is even", *match.span(), fix, code="GN205")
        return Whole(str(size), literal=size)

    def _width(self) -> Whole:
        start = self.at
        if found := self._match(r"\d+|[A-Za-z_]\w*", spaces=False):
            return _shifted(found[0], start)
        if not self._match(r"\(", spaces=False):
            raise self._misspelt("a width is expected after ':'", "such as C:64, C:N or C:(2N)")
        end = _closing(self.text, self.at)
        if end is None:
            raise Misspelt("this bracket is not closed", start, start + 1, "add ')'", code="GN202")
        inner, self.at = self.text[self.at : end], end + 1
        return _shifted(inner, start + 1)

    def _match(self, pattern: str, spaces: bool = True) -> re.Match[str] | None:
        """Match a pattern at the cursor and move past it; skip blanks before it if `spaces`."""
        begin = self.at
        if spaces:
            while begin < len(self.text) and self.text[begin].isspace():
                begin += 1
            if begin == len(self.text):
                self.at = begin
        match = re.compile(pattern).match(self.text, begin)
        if match:
            self.at = match.end()
        return match

    def _misspelt(self, what: str, fix: str = "", code: str = "GN202") -> Misspelt:
        return Misspelt(what, self.at, self.at + 1, fix, code=code)


def _takers(setting: str) -> str:
    return ", ".join(word for word, rule in OPS.items() if setting in rule.settings)


def count_calls(chain: Chain) -> int:
    """Count the ops in a chain, including its branches."""
    return sum(1 if isinstance(item, Call) else sum(count_calls(branch) for branch in item.chains) for item in chain)


def _shifted(text: str, start: int) -> Whole:
    try:
        return parse_whole(text)
    except Misspelt as fault:
        raise fault.shifted(start) from None


def _closing(text: str, at: int) -> int | None:
    depth = 1
    for index in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if not depth:
            return index
    return None
