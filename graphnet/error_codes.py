"""Error codes and their explanations; error_codes.toml holds the texts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

FAMILIES = {
    "GN0": "text, files and form",
    "GN1": "names, constants, times",
    "GN2": "transition functions and sizes",
    "GN3": "wiring, merges, input, readout",
    "GN4": "weight sharing",
    "GN5": "warnings",
    "GN6": "budgets",
    "GN7": "training recipes",
    "GN8": "experiments",
}
"""Code prefixes and their topics."""


@dataclass(frozen=True)
class Code:
    """A kind of mistake.

    Attributes:
        code: `GN102`.
        title: what is wrong, in a few words.
        text: what it means, why it is wrong, and what to do.
        wrong, right: a spec with the mistake and one without, or a `graphnet check` command.
        lines: how often to repeat the last line of `wrong`; above 1 only where length is the mistake.
        unroll: whether the mistake appears only when the spec is unrolled.
    """

    code: str
    title: str
    text: str
    wrong: str
    right: str
    lines: int = 1
    unroll: bool = False

    @property
    def written_out(self) -> str:
        """The wrong example, its last line repeated `lines` times."""
        before, last = self.wrong.splitlines()[:-1], self.wrong.splitlines()[-1]
        return "\n".join([*before, *[last] * self.lines]) + "\n"


@cache
def codes() -> Mapping[str, Code]:
    """Return every code with its explanation, in order."""
    found = {code: _code(code, **table) for code, table in _table().items() if code != "base"}
    return MappingProxyType(found)


def _code(code: str, title: str, text: str, wrong: str, right: str, lines: int = 1, unroll: bool = False) -> Code:
    return Code(code, title, text.strip(), wrong.strip(), right.strip(), lines, unroll)


def base() -> str:
    """Return the text of base.toml, which most examples extend."""
    text: str = _table()["base"]
    return text.lstrip()


def spelt(written: str) -> str:
    """Return a code in its canonical form: `gn12` and `12` become `GN012`."""
    match = re.fullmatch(r"(?:GN)?0*(\d{1,3})", written.strip(), re.IGNORECASE)
    return f"GN{int(match[1]):03}" if match else written.strip().upper()


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads((files("graphnet") / "error_codes.toml").read_text(encoding="utf-8"))
