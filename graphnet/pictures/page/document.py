"""The page: a net's pictures, its data and scripts as one self-contained HTML file.

`page.html` is the frame; `SCRIPTS` lists the scripts in order of dependency.
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
"""Runs before the first paint: marks the page as interactive."""

SCRIPTS = ("dom", "model", "camera", "paint", "card", "clock", "chart", "find", "live", "main")


def page(content: Content, token: str = "", style: str = "") -> str:
    """Return the HTML text, in the reader's colour scheme unless one of `STYLES` is given.

    With a token the page polls its own server, and no other, for newer content.
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
    """Encode JSON for a `<script>`: nothing in it ends the element or a line of JavaScript."""
    text = json.dumps(data, separators=(",", ":"))  # ASCII only, which escapes U+2028 and U+2029
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def policy(*scripts: str, connect: str) -> str:
    """Return a Content-Security-Policy that allows these scripts and no request to other hosts."""
    digests = " ".join(f"'sha256-{b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in scripts)
    return (
        f"default-src 'none'; script-src {digests}; style-src 'unsafe-inline'; img-src data:; "
        f"connect-src {connect}; base-uri 'none'; form-action 'none'"
    )


@cache
def _colours() -> str:
    """CSS rules for the colours of pictures on a dark page."""
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
