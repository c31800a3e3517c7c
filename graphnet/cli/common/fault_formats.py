"""Faults as text for people, as JSON for programs, and as annotations for GitHub."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TextIO

from graphnet.errors import Fault, Paint, dotted, printable


class Format(StrEnum):
    """Output formats of faults."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


STYLES = {"error": "1;31", "warning": "1;33", "place": "1", "margin": "34", "fix": "32"}
"""ANSI styles of the pieces of a fault: bold red, bold yellow, bold, blue, green."""


def painter(stream: TextIO) -> Paint:
    """Return colours for a terminal; none for other streams, dumb terminals, or with NO_COLOR set."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return lambda role, text: text
    return lambda role, text: f"\x1b[{STYLES[role]}m{text}\x1b[0m"


def as_json(faults: Iterable[Fault]) -> str:
    """A JSON list of objects; unknown values are null."""
    return json.dumps(list(map(_record, faults)), indent=1) + "\n"


def _record(fault: Fault) -> dict[str, str | int | None]:
    return {
        "code": fault.code,
        "severity": fault.severity,
        "file": fault.file,
        "line": fault.line,
        "column": fault.column,
        "end_column": fault.end_column,
        "path": dotted(fault.path),
        "what": fault.what,
        "fix": fault.fix,
        "note": fault.note,
    }


def as_github(faults: Iterable[Fault]) -> str:
    """One workflow command per fault, which GitHub shows beside the line."""
    return "".join(map(_annotation, faults))


def _annotation(fault: Fault) -> str:
    place = {"file": fault.file, "line": fault.line, "col": fault.column, "endColumn": fault.end_column}
    known = {name: value for name, value in (place | {"title": fault.code}).items() if value}
    properties = ",".join(f"{name}={_escaped(str(value), ':,')}" for name, value in known.items())
    text = "\n".join(filter(None, (f"{dotted(fault.path)}: {fault.what}", fault.fix, fault.note)))
    return f"::{fault.severity} {properties}::{_escaped(text)}\n"


def _escaped(text: str, also: str = "") -> str:
    """Escape what would end a workflow command or one of its properties."""
    lines = "\n".join(map(printable, text.replace("%", "%25").split("\n")))
    lines = lines.replace("\n", "%0A")
    for sign in also:
        lines = lines.replace(sign, f"%{ord(sign):02X}")
    return lines


FORMATS: dict[Format, Callable[[Iterable[Fault]], str]] = {Format.JSON: as_json, Format.GITHUB: as_github}
"""Formats for programs."""
