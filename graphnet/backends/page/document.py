"""The page: a net's pictures, its data and our own scripts as one HTML file that asks nothing of anywhere.

`page.html` is the frame; scripts stand in `SCRIPTS` in the order in which they need each other.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from graphnet.errors import Fault

START = 'document.documentElement.classList.add("live");'
"""Before there is anything to see: the page is to be more than its picture."""

SCRIPTS = ("dom", "model", "camera", "paint", "card", "clock", "chart", "find", "live", "main")


@dataclass(frozen=True)
class Content:
    """What a page shows.

    Attributes:
        net: as `data.net_data` makes it; None where there is none yet, as the spec is wrong.
        pictures: SVG texts by the names of the views, the one that is shown first at first.
        faults: of the spec, with their places.
        measures: of a trained net, as `analysis.activity` finds them.
    """

    net: Mapping[str, Any] | None = None
    pictures: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    measures: Mapping[str, Any] | None = None

    def as_data(self) -> dict[str, Any]:
        """All but the pictures, for JSON."""
        return {"net": self.net, "faults": [_parts(fault) for fault in self.faults], "measures": self.measures}

    def markup(self) -> dict[str, str]:
        """The pictures as they stand in HTML."""
        return {view: _inline(svg) for view, svg in self.pictures.items()}


def page(content: Content, token: str = "") -> str:
    """The HTML text. With a token the page asks its own server, and no other, for what comes after it."""
    script = _script()
    name = content.net["name"] if content.net else "graphnet"
    pictures = "\n".join(
        f'<figure class="picture" data-view="{escape(view)}">{svg}</figure>' for view, svg in content.markup().items()
    )
    return Template(_asset("page.html")).substitute(
        policy=policy(START, script, connect="'self'" if token else "'none'"),
        title=escape(name),
        cite=escape(content.net["cite"]) if content.net else "",
        style=_asset("page.css"),
        pictures=pictures,
        data=as_json({**content.as_data(), "token": token}),
        start=START,
        script=script,
    )


def as_json(data: Mapping[str, Any]) -> str:
    """JSON that can stand in a `<script>`: nothing in it ends the element or a line of JavaScript."""
    text = json.dumps(data, separators=(",", ":"))  # ASCII alone: U+2028 and U+2029 are escaped by it
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def policy(*scripts: str, connect: str) -> str:
    """A Content-Security-Policy under which these scripts run and nothing is asked of another place."""
    digests = " ".join(f"'sha256-{b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in scripts)
    return (
        f"default-src 'none'; script-src {digests}; style-src 'unsafe-inline'; img-src data:; "
        f"connect-src {connect}; base-uri 'none'; form-action 'none'"
    )


def _inline(svg: str) -> str:
    """SVG text as a part of HTML, without what stands before its root and without the hints that the script gives."""
    head, _, body = svg[svg.index("<svg") :].partition(">")
    return f"{head}>{re.sub(r'<title>[^<]*</title>', '', body)}"


def _parts(fault: Fault) -> dict[str, Any]:
    """A fault as text in pieces, each with its role; the role of plain text is empty."""
    pieces = fault.told(lambda role, text: f"\0{role}\1{text}\0").split("\0")
    parts = [piece.split("\1") if number % 2 else ["", piece] for number, piece in enumerate(pieces) if piece]
    return {"severity": fault.severity, "parts": parts}


@cache
def _script() -> str:
    return '\n"use strict";\n(() => {\n' + "\n".join(_asset(f"{name}.js") for name in SCRIPTS) + "})();\n"


@cache
def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
