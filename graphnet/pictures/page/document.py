"""The page: a net's pictures, its data and our own scripts as one HTML file that asks nothing of anywhere.

`page.html` is the frame; scripts stand in `SCRIPTS` in the order in which they need each other.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from graphnet.pictures.page.content import Content
from graphnet.pictures.styles import STYLES

START = 'document.documentElement.classList.add("live");'
"""Before there is anything to see: the page is to be more than its picture."""

SCRIPTS = ("dom", "model", "camera", "paint", "card", "clock", "chart", "find", "live", "main")


def page(content: Content, token: str = "", style: str = "") -> str:
    """The HTML text, in the reader's own style unless one of `STYLES` is given.

    With a token the page asks its own server, and no other, for what comes after it.
    """
    script = _script()
    name = content.net["name"] if content.net else "graphnet"
    pictures = "\n".join(
        f'<figure class="picture" data-view="{escape(view)}">{svg}</figure>' for view, svg in content.markup().items()
    )
    return Template(_asset("page.html")).substitute(
        policy=policy(START, script, connect="'self'" if token else "'none'"),
        title=escape(name),
        theme=escape(style),
        cite=escape(content.net["cite"]) if content.net else "",
        style=_asset("page.css") + _colours(),
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


@cache
def _colours() -> str:
    """What the colours of pictures become on a dark page."""
    return "".join(
        f':is(.picture, .swatch) [{what}="{light}"] {{ {what}: light-dark({light}, {dark}); }}\n'
        for light, dark in STYLES["dark"].items()
        for what in ("fill", "stroke")
    )


@cache
def _script() -> str:
    return '\n"use strict";\n(() => {\n' + "\n".join(_asset(f"{name}.js") for name in SCRIPTS) + "})();\n"


@cache
def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
