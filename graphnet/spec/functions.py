"""Transition functions as written: `BRCx2+I`, `C1:512 BR C:512/2 BR C1B + C1B` (design.md, rules 9 and 10).

function := chain ('+' chain)*
chain    := (item repeat?)+            repeat := 'x' digits     repeats all that stands before it in its chain
item     := letter kernel? width? stride? | word width? stride? | '(' function ')'
kernel   := digits       width := ':' (digits | name | '(' whole ')')       stride := '/' digits
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from graphnet.errors import did_you_mean
from graphnet.spec.wholes import MAX_DEPTH, MAX_LENGTH, Misspelt, Whole, parse_whole

LETTERS = {
    "B": "norm",
    "R": "relu",
    "C": "conv",
    "D": "deconv",
    "P": "max_pool",
    "A": "avg_pool",
    "G": "global_pool",
    "L": "linear",
    "I": "identity",
}
ACTIVATIONS = ("relu", "elu", "gelu", "leaky_relu", "sigmoid", "silu", "softplus", "tanh")
WORDS = tuple(dict.fromkeys((*LETTERS.values(), *ACTIVATIONS)))
MAX_CALLS = 10_000
"""Most ops that one transition function may hold once its repeats are written out."""

KERNEL = ("conv", "deconv", "max_pool", "avg_pool")
WIDTH = ("conv", "deconv", "linear")
STRIDE = KERNEL


@dataclass(frozen=True)
class Call:
    """One op of a transition function, as written; None where the spec leaves a choice to the compiler."""

    op: str
    span: tuple[int, int]
    kernel: int | None = None
    width: Whole | None = None
    stride: int | None = None


@dataclass(frozen=True)
class Branches:
    """Chains that read one value and are added up."""

    chains: tuple[Chain, ...]
    span: tuple[int, int]


Chain = tuple["Call | Branches", ...]


def parse_function(text: str) -> Chain:
    """A transition function as a chain of ops. Raises Misspelt, with the characters at fault."""
    return _FunctionReader(text).function()


class _FunctionReader:
    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise Misspelt(f"longer than {MAX_LENGTH} characters", 0, len(text))
        self.text = text
        self.at = 0
        self.depth = 0

    def function(self) -> Chain:
        chain = self._sum()
        if self.at < len(self.text):
            raise self._misspelt(f"'{self.text[self.at]}' has no bracket to close or op to join")
        return chain

    def _sum(self) -> Chain:
        start = self.at
        chains = [self._chain()]
        while self._match(r"\+"):
            chains.append(self._chain())
        return chains[0] if len(chains) == 1 else (Branches(tuple(chains), (start, self.at)),)

    def _chain(self) -> Chain:
        items: Chain = ()
        start = self.at
        while item := self._item():
            items += (item,)
            while repeat := self._match(r"x\s*(\d+)"):
                items = self._repeated(items, repeat)
        if not items:
            if repeat := self._match(r"x\d+"):
                raise Misspelt(f"'{repeat[0]}' has nothing before it to repeat", *repeat.span())
            where = "after '+'" if start else "here"
            raise self._misspelt(f"an op is expected {where}", known_letters())
        return items

    def _repeated(self, items: Chain, repeat: re.Match[str]) -> Chain:
        times = int(repeat[1][:9])
        if times < 1 or count_calls(items) * times > MAX_CALLS:
            raise Misspelt(
                f"'{repeat[0]}' repeats {'nothing' if times < 1 else f'to more than {MAX_CALLS:,} ops'}",
                *repeat.span(),
                "a repeat is x1, x2, …; many steps are better said with times" if times else "leave it out",
            )
        return items * times

    def _item(self) -> Call | Branches | None:
        if bracket := self._match(r"\("):
            return self._group(bracket.start())
        if letter := self._match(r"[A-Z]"):
            if letter[0] not in LETTERS:
                raise Misspelt(f"no op has the letter '{letter[0]}'", *letter.span(), known_letters())
            return self._call(LETTERS[letter[0]], letter.start(), kernel=self._match(r"\d+", spaces=False))
        if not re.match(r"\s*x\s*\d", self.text[self.at :]) and (word := self._match(r"[a-z_][a-z0-9_]*")):
            if word[0] not in WORDS:
                raise Misspelt(f"no op is called '{word[0]}'", *word.span(), did_you_mean(word[0], WORDS))
            return self._call(word[0], word.start(), kernel=None)
        return None

    def _group(self, start: int) -> Branches:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._misspelt(f"brackets nest deeper than {MAX_DEPTH}")
        chain = self._sum()
        if not self._match(r"\)"):
            raise Misspelt("this bracket is not closed", start, start + 1, "add ')'")
        self.depth -= 1
        return Branches((chain,), (start, self.at))

    def _call(self, op: str, start: int, kernel: re.Match[str] | None) -> Call:
        width = self._width() if self._match(r":", spaces=False) else None
        stride = self._match(r"/(\d+)", spaces=False)
        call = Call(
            op,
            (start, self.at),
            kernel=self._size(kernel, "kernel", op, KERNEL),
            width=width,
            stride=self._size(stride, "stride", op, STRIDE),
        )
        if width and op not in WIDTH:
            raise Misspelt(f"'{op}' takes no width", *call.span, f"widths belong to {', '.join(WIDTH)}")
        return call

    def _size(self, match: re.Match[str] | None, what: str, op: str, allowed: tuple[str, ...]) -> int | None:
        if match is None:
            return None
        if op not in allowed:
            raise Misspelt(f"'{op}' takes no {what}", *match.span(), f"it belongs to {', '.join(allowed)}")
        size = int(match[0].lstrip("/")[:9])
        if not 1 <= size <= 1000:
            raise Misspelt(f"a {what} of {size} is not between 1 and 1000", *match.span())
        if what == "kernel" and op in WIDTH and size % 2 == 0:
            raise Misspelt(f"the kernel {size} is even", *match.span(), f"kernels are odd: {size - 1} or {size + 1}")
        return size

    def _width(self) -> Whole:
        start = self.at
        if found := self._match(r"\d+|[A-Za-z_]\w*", spaces=False):
            return _shifted(found[0], start)
        if not self._match(r"\(", spaces=False):
            raise self._misspelt("a width is expected after ':'", "such as C:64, C:N or C:(2N)")
        end = _closing(self.text, self.at)
        if end is None:
            raise Misspelt("this bracket is not closed", start, start + 1, "add ')'")
        inner, self.at = self.text[self.at : end], end + 1
        return _shifted(inner, start + 1)

    def _match(self, pattern: str, spaces: bool = True) -> re.Match[str] | None:
        """The pattern at the cursor, which moves behind it; blanks before it are skipped if `spaces`."""
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

    def _misspelt(self, what: str, fix: str = "") -> Misspelt:
        return Misspelt(what, self.at, self.at + 1, fix)


def known_letters() -> str:
    """The letters there are, for error texts."""
    return "letters: " + ", ".join(f"{letter} {op}" for letter, op in LETTERS.items())


def count_calls(chain: Chain) -> int:
    """The ops in a chain, branches included."""
    return sum(1 if isinstance(item, Call) else sum(count_calls(branch) for branch in item.chains) for item in chain)


def _shifted(text: str, start: int) -> Whole:
    try:
        return parse_whole(text)
    except Misspelt as fault:
        raise Misspelt(fault.what, fault.start + start, fault.end + start, fault.fix) from None


def _closing(text: str, at: int) -> int | None:
    depth = 1
    for index in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if not depth:
            return index
    return None
