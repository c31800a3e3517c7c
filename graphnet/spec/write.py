"""Spec → TOML or JSON text in the order of the spec; the inverse of reading, except for comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral, Real
from typing import Any

from graphnet.errors import Fault, SpecError
from graphnet.spec.recipe import Recipe, RecipeFile, resolved_data

Settings = str | Iterable[str] | Mapping[str, Any]
"""Values to set in a spec: `["let.N=2"]`, `{"let.N": 2}` or one such string."""

BLOCKS = ("transitions", "sets")
"""Lists of tables that are written as `[[blocks]]`."""


def to_toml(data: Mapping[str, Any]) -> str:
    """Write a spec's plain data (`Spec.as_data()`) as TOML; states keep their order."""
    return "\n".join(_table((), data)).strip() + "\n"


def recipe_toml(recipe: Recipe, name: str = "recipe", cite: str = "") -> str:
    """Write a resolved recipe as the text of a recipe file, with every entry that has an effect."""
    head = {RecipeFile.kind: 1, "name": name} | ({"cite": cite} if cite else {})
    return to_toml(head | {"train": resolved_data(recipe)})


def to_json(data: Mapping[str, Any]) -> str:
    """Write a spec's plain data as JSON, with escapes for all unprintable characters."""
    text = json.dumps(data, indent=1, ensure_ascii=False)
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text) + "\n"


def to_settings(settings: Settings) -> list[str]:
    """Return each setting as `KEY=VALUE`; `settings` may also be a dict. Raises SpecError."""
    if isinstance(settings, str):
        return [settings]
    if not isinstance(settings, Mapping):
        return list(settings)
    if faults := [_unfit(key, value) for key, value in settings.items() if not _is_plain(value)]:
        raise SpecError(faults)
    return [f"{key}={_value(value)}" for key, value in settings.items()]


def _is_plain(value: Any) -> bool:
    """Whether a spec can hold a value; NumPy numbers count as numbers."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(entry) for key, entry in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, str | Real)


def _unfit(key: str, value: Any) -> Fault:
    what = f"{value!r} cannot be a value of a spec" if value is not None else "None has no meaning in a spec"
    return Fault(
        (), what, "give a string, a number, True or False, a list or a dict", file=f"--set {key}", code="GN015"
    )


def _table(path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a table: its plain entries, then its subtables and blocks."""
    for key, value in table.items():
        if not _has_header((*path, key), value):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in table.items():
        below = (*path, key)
        if not _has_header(below, value):
            continue
        name = ".".join(map(_key, below))
        for entry in value if isinstance(value, list) else [value]:
            yield ""
            yield f"[[{name}]]" if isinstance(value, list) else f"[{name}]"
            yield from _table(below, entry)


def _has_header(path: tuple[str, ...], value: Any) -> bool:
    """Whether an entry gets its own header; states and cells stay on one line, to keep their order."""
    if isinstance(value, list):
        return path[-1] in BLOCKS and bool(value)
    return isinstance(value, Mapping) and (len(path) == 1 or path[0] == "parts") and path[-2:-1] != ("states",)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {_value(entry)}" for key, entry in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(int(value) if isinstance(value, Integral) else float(value))


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _string(key)


def _string(text: str) -> str:
    """Write a basic string, with escapes for all unprintable characters."""
    quoted = json.dumps(text, ensure_ascii=False)
    if quoted.isprintable():
        return quoted
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)
