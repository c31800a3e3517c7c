"""`--set KEY=VALUE`: one entry of a spec, said on the command line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphnet.errors import Fault, KeyPath, SpecError, dotted
from graphnet.spec.source import read_text

_KEY = re.compile(
    r"""(?P<key> (?: [^\s="'] | "(?:[^"\\]|\\.)*+" | '[^']*+' | [ \t]++(?!=) )++ ) [ \t]*+ = (?P<value> .*+ )""",
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"""[^\s"'\[\]{},=#\\]+""")
_PATTERN = "KEY is dotted and VALUE as in TOML: --set readout.t=3"


@dataclass(frozen=True)
class Setting:
    """An entry and its value.

    Attributes:
        text: as it was written.
        key: the words of the key; those that mean a list are numbers in digits.
        data: a spec of this entry alone.
    """

    text: str
    key: tuple[str, ...]
    data: dict[str, Any]

    @property
    def value(self) -> Any:
        value: Any = self.data
        for word in self.key:
            value = value[word]
        return value

    def locate(self, fault: Fault) -> Fault:
        """The fault with the option as its place."""
        return replace(fault, file=f"--set {self.text}", line=None, column=None)

    def entry(self, data: Mapping[str, Any]) -> KeyPath:
        """Which entry of a spec is meant; tables on the way to it may be missing.

        Raises:
            SpecError: there is no such entry, and none can be made.
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
            elif is_list and re.fullmatch("-?[0-9]+", word):
                known = f"its entries are 0 to {len(inner) - 1}" if inner else "it is empty"
                raise SpecError([self.locate(Fault(path, f"there is no '{word}' in this list", known))])
            else:
                whole = ".".join(dotted((word,)) for word in self.key[: len(path)])
                fix = f"set the whole: --set {whole}='{{ ... }}'"
                raise SpecError([self.locate(Fault(path, f"this is no table, so it has no '{word}'", fix))])
        return path


def read_setting(text: str) -> Setting:
    """Read `KEY=VALUE`: a dotted key and a value of TOML. One plain word is a string without quotes, too.

    Raises:
        SpecError: it is no such thing, or the value is none that a spec can hold.
    """
    match = _KEY.fullmatch(text.strip())
    words = _words(match["key"]) if match else None
    if match is None or words is None:
        raise SpecError([Fault((), "this is not KEY=VALUE", _PATTERN, file=f"--set {text}")])
    key, value = match["key"], match["value"].strip()
    try:
        tomllib.loads(f"value = {value}")
    except ValueError:
        value = f"'{value}'" if _WORD.fullmatch(value) else value
    setting = Setting(text, words, {})
    try:
        data = read_text(f"{key} = {value}", "toml", "--set").data
    except SpecError as error:
        raise SpecError([setting.locate(_kinder(fault, key, value)) for fault in error.faults]) from None
    inner: Any = data
    for word in words:
        if len(inner) > 1:
            raise SpecError([setting.locate(Fault((), "this sets more than one entry", "give each its own --set"))])
        inner = inner[word]
    return replace(setting, data=data)


def _words(key: str) -> tuple[str, ...] | None:
    """The words of a dotted key; None if it is no key."""
    try:
        inner: Any = tomllib.loads(f"{key} = 0")
    except ValueError:
        return None
    words: list[str] = []
    while isinstance(inner, dict) and len(inner) == 1:
        ((word, inner),) = inner.items()
        words.append(word)
    return tuple(words) if inner == 0 else None


def _kinder(fault: Fault, key: str, value: str) -> Fault:
    """A fault of a value, with how the shell wants a string."""
    if not value:
        return Fault((), "there is no value", _PATTERN)
    if value[0].isalpha() and '"' not in value and "'" not in value:
        return replace(fault, fix=f"""text stands in quotes, and these in the shell's: --set {key}='"{value}"'""")
    return fault
