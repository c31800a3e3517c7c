"""Common slips in spec files: another format, syntax of another language, look-alike characters."""

from __future__ import annotations

import re
import unicodedata

NEW = "graphnet new NAME writes a spec to start from"
PATH = "give the path of a .toml or .json file"
_MAGIC = {
    b"PK\x03\x04": "an archive, such as a PyTorch checkpoint",
    b"\x89PNG": "a picture",
    b"\x1f\x8b": "a compressed file",
    b"%PDF": "a PDF",
}
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def other_bytes(raw: bytes) -> tuple[str, str] | None:
    """Recognise a file that is not UTF-8 text: return what it is and what to do; None if it looks like UTF-8."""
    for start, what in (_MAGIC | _BOMS).items():
        if raw.startswith(start):
            return f"this is {what}, not UTF-8 text", PATH if start in _MAGIC else "save the file as UTF-8"
    if raw[:1000].count(0) > len(raw[:1000]) // 4:
        return "this looks like UTF-16: half of its bytes are zero", "save the file as UTF-8"
    return None


_ENTRY = r"^[ \t]*[\w.\"-]+[ \t]*="
_YAML = r"^[ \t]*(?:-[ \t]+)?[\w.\"-]+:(?:[ \t]|$)"
_LOOKED_AT = 20_000


def other_format(text: str, format: str) -> tuple[int, str, str] | None:
    """Recognise a text in another format: return the offset, what it is and what to do; None if it is not."""
    text = text[:_LOOKED_AT]
    if conflict := re.search(r"^<{7} ", text, re.MULTILINE):
        return conflict.start(), "this is an unfinished git merge", "keep one side"
    first = re.search(r"\S", text)
    at = first.start() if first else 0
    entries = re.findall(_ENTRY, text, re.MULTILINE)
    if format == "toml":
        if re.match(r"\{\s*(?:[\"}]|//|/\*)", text[at:]):
            return at, "this is JSON in a file that is read as TOML", "rename it to end in .json"
        if python := re.search(r"^(?:import|from|def|class) \w+", text, re.MULTILINE):
            return (
                python.start(),
                "this is Python",
                "a spec is a TOML or JSON file; in Python, graphnet.load also takes a dict",
            )
        lines = [*re.finditer(_YAML, text, re.MULTILINE)]
        if len(lines) > 2 and not entries:
            return lines[0].start(), "this is YAML", "a spec is TOML, with lines such as t = 5, or JSON"
    elif entries and not text[at:].startswith(("{", '"')):
        return at, "this is TOML in a file that is read as JSON", "rename it to end in .toml"
    return None


_LOOK_ALIKE = {"−": "-", "–": "-", "—": "-"}
_SIGNS = [
    (r"//|/\*", "write comments after '#'"),
    (r"```", "remove this Markdown fence"),
    (r";", "remove the ';': write one key = value per line"),
    (r"\(", "put a list in square brackets"),
    (r"\r", "save the file with LF or CR LF line endings"),
]
"""Signs that are not TOML, and what to write instead."""


def right_sign(before: str, rest: str) -> str:
    """Return what would be right at `rest`, where TOML parsing stopped after `before`; "" if unclear."""
    if before.endswith("=") and rest.startswith("="):
        return "write one '=' between a key and its value"
    for pattern, right in _SIGNS:
        if re.match(pattern, rest):
            return right
    if (dots := re.match(r"\.\.[\w+*-]*", rest)) and (start := re.search(r"[\w+*-]+$", before)):
        return f'put text in quotes: "{start[0]}{dots[0]}"'
    char = rest[:1]
    if char.isascii():
        return ""
    if char in "“”„‟«»‘’‚‛":
        return f"put text in straight quotes, not in {char}"
    meant = _LOOK_ALIKE.get(char) or unicodedata.normalize("NFKC", char)
    name = f"U+{ord(char):04X}"
    if unicodedata.category(char) in ("Zs", "Cf"):
        return f"remove the invisible character {name}"
    return f"write {meant} instead of {char} ({name})" if meant.isascii() and meant.isprintable() else ""
