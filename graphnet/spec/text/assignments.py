"""`--set KEY=VALUE` and `--train.KEY=VALUE`: one entry of a spec or a recipe, set on the command line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphnet.errors import Fault, KeyPath, SpecError, dotted, shortened
from graphnet.spec.text.excerpts import excerpt
from graphnet.spec.text.source import Source, read_text

_KEY = re.compile(
    r"""(?P<key> (?: [^\s="'] | "(?:[^"\\]|\\.)*+" | '[^']*+' | [ \t]++(?!=) )++ ) [ \t]*+ = (?P<value> .*+ )""",
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"""[^\s"'\[\]{},=#\\]+""")
LONG = 500
"""Longest setting, in characters, that messages show in full."""
SET = "--set "
"""What stands before the setting of a spec."""
OF_A_RECIPE = "--"
"""What stands before the setting of a recipe, which is an option itself: `--train.lr=0.1`."""
_PATTERN = "KEY is dotted and VALUE as in TOML: "
_EXAMPLES = {SET: f"{SET}readout.t=3", OF_A_RECIPE: f"{OF_A_RECIPE}train.lr=0.1"}


@dataclass(frozen=True)
class Assignment:
    """An entry and its value.

    Attributes:
        text: the setting as written.
        key: the words of the key; list indices are strings of digits.
        spec: a spec with only this entry; None if the text is invalid.
        at: the places of this spec's key and value in `text`: pairs of the offset in the spec and the offset in `text`.
        option: what stands before `text` on the command line: `SET` or `OF_A_RECIPE`.
    """

    text: str
    key: tuple[str, ...] = ()
    spec: Source | None = None
    at: tuple[tuple[int, int], ...] = ()
    option: str = SET

    @property
    def data(self) -> dict[str, Any]:
        return self.spec.data if self.spec else {}

    @property
    def value(self) -> Any:
        value: Any = self.data
        for word in self.key:
            value = value[word]
        return value

    def locate(self, fault: Fault) -> Fault:
        """Locate a fault in the option, with its characters marked."""
        start, end = 0, len(self.text)
        if self.spec is not None:
            size = max(1, len(fault.path))
            inside = replace(fault, path=(*self.key[:size], *fault.path[len(self.key) :]))
            if size < len(self.key):
                inside = replace(inside, on="key")
            start, end = map(self._here, self.spec.extent(inside))
        return self._marked(fault, start, end)

    def placed(self, fault: Fault) -> Fault:
        """Locate a fault that has a column in the spec of this entry."""
        start, end = fault.column or 1, fault.end_column or fault.column or 1
        return self._marked(fault, self._here(start - 1), self._here(end - 1))

    def _marked(self, fault: Fault, start: int, end: int) -> Fault:
        shown = excerpt(self.text, start, max(end, start + 1))
        return fault.at(
            f"{self.option}{self.text if len(self.text) < LONG else shortened(self.text)}", None, None, excerpt=shown
        )

    def _here(self, offset: int) -> int:
        """Map an offset in the spec of this entry to an offset in the option."""
        there, here = next((pair for pair in reversed(self.at) if pair[0] <= offset), (0, 0))
        return max(0, min(offset - there + here, len(self.text)))

    def entry(self, data: Mapping[str, Any]) -> KeyPath:
        """Return the path of the entry in a spec; tables on the path may be missing.

        Raises:
            SpecError: there is no such entry, and it cannot be created.
        """
        path: KeyPath = ()
        inner: Any = data
        for word in self.key:
            if isinstance(inner, Mapping):
                path, inner = (*path, word), inner.get(word, {})
                continue
            is_list = isinstance(inner, list | tuple)
            if is_list and re.fullmatch("[0-9]{1,6}", word) and int(word) < len(inner):
                path, inner = (*path, int(word)), inner[int(word)]
                continue
            if is_list and re.fullmatch("-?[0-9]+", word):
                what = f"there is no '{word}' in this list"
                fix = f"its entries are 0 to {len(inner) - 1}" if inner else "it is empty"
            else:
                whole = ".".join(dotted((word,)) for word in self.key[: len(path)])
                what, fix = (
                    f"this is not a table, so it has no '{word}'",
                    f"set the whole: {self.option}{whole}='{{ ... }}'",
                )
            fault = self.locate(Fault((*path, word), what, fix, on="key", code="GN015"))
            raise SpecError([replace(fault, path=path)])
        return path


def read_assignment(text: str, option: str = SET) -> Assignment:
    """Read `KEY=VALUE`: a dotted key and a TOML value. A single plain word is a string, even without quotes.

    `option` is what stands before it on the command line: `SET` or `OF_A_RECIPE`.

    Raises:
        SpecError: the text is not `KEY=VALUE`, or a spec cannot hold the value.
    """
    match = _KEY.fullmatch(text.strip())
    words = _words(match["key"]) if match else None
    if match is None or words is None:
        key = text.partition("=")[0].strip()
        dots = re.sub(r"\[(\d+)\]", r".\1", key)
        fix = _PATTERN + _EXAMPLES[option] if dots == key else f"write an index after a dot: {option}{dots}=…"
        raise SpecError([Assignment(text, option=option).locate(Fault((), "this is not KEY=VALUE", fix, code="GN015"))])
    key, value = match["key"], match["value"].strip()
    start, behind = _start(text, match["key"]), len(key) + len(" = ")
    at = [(0, start), (behind, start + match.start("value") - match.start("key") + _start(match["value"], value))]
    try:
        tomllib.loads(f"value = {value}")
    except ValueError:
        if _WORD.fullmatch(value):
            value = f"'{value}'"
            at.append((behind + 1, at[-1][1]))
    setting = Assignment(text, at=tuple(at), option=option)
    try:
        spec = read_text(f"{key} = {value}", "toml", "--set")
    except SpecError as error:
        raise SpecError([setting.placed(_kinder(fault, key, value, option)) for fault in error.faults]) from None
    inner: Any = spec.data
    for word in words:
        if len(inner) > 1:
            fix = "give each its own --set" if option == SET else "give each an option of its own"
            fault = Fault((), "this sets more than one entry", fix, code="GN015")
            raise SpecError([setting.locate(fault)])
        inner = inner[word]
    return replace(setting, key=words, spec=spec)


def _start(text: str, part: str) -> int:
    """Return the number of blanks before a part of a text; 0 for an empty part."""
    return len(text) - len(text.lstrip()) if part else 0


def _words(key: str) -> tuple[str, ...] | None:
    """Return the words of a dotted key; None if it is not a key."""
    try:
        inner: Any = tomllib.loads(f"{key} = 0")
    except ValueError:
        return None
    words: list[str] = []
    while isinstance(inner, dict) and len(inner) == 1:
        ((word, inner),) = inner.items()
        words.append(word)
    return tuple(words) if inner == 0 else None


def _kinder(fault: Fault, key: str, value: str, option: str) -> Fault:
    """Improve the fault of a value: explain quoting for the shell."""
    if not value:
        return replace(fault, path=(), what="there is no value", fix=_PATTERN + _EXAMPLES[option], code="GN015")
    if re.fullmatch(r"\d[\w.]*(\s*,\s*[\w.]+)+", value):
        entries = ", ".join(part if part.isdigit() else f'"{part}"' for part in re.findall(r"[\w.]+", value))
        return replace(fault, fix=f"put a list in square brackets: {option}{key}='[{entries}]'")
    if value[0].isalpha() and '"' not in value and "'" not in value:
        return replace(fault, fix=f"""put text in quotes, inside those of the shell: {option}{key}='"{value}"'""")
    return fault
