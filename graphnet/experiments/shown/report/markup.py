"""Pieces of HTML: escaped text, tables, and figures whose ids are unique in the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from xml.etree import ElementTree

from graphnet.errors import clean
from graphnet.experiments.judging.verdicts import Word

SYMBOLS: dict[Word, str] = {
    "seen": "✓",
    "opposite": "✗",
    "undecided": "?",
    "under-trained": "△",
    "equal by construction": "=",
    "no result": "–",
}
"""Verdict → sign beside its word, so that colour is not needed."""


def text(value: str) -> str:
    """Escape text: experiment files and results may be hostile."""
    return escape(clean(value))


def lines(value: str) -> str:
    """Escape text of several lines; empty lines part paragraphs."""
    parts = re.split(r"\n\s*\n", value.strip())
    return "".join(f"<p>{'<br>'.join(text(line) for line in part.splitlines())}</p>" for part in parts if part)


def word(verdict: Word) -> str:
    """A verdict as a coloured word with a sign."""
    return f'<span class="word {verdict.replace(" ", "-")}">{SYMBOLS[verdict]}&nbsp;{verdict}</span>'


def table(header: Sequence[str], rows: Iterable[str], kind: str = "") -> str:
    """A table that scrolls sideways on a narrow screen; `rows` are markup of whole rows."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in header)
    named = f' class="{kind}"' if kind else ""
    return f'<div class="wide"><table{named}><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def cell(markup: str, kind: str = "", rows: int = 1, name: str = "") -> str:
    """A cell; `kind` is its class, `name` that of its column, shown where rows are stacked on a narrow screen."""
    named = f' class="{kind}"' if kind else ""
    named += f' data-name="{text(name)}"' if name and markup else ""
    span = f' rowspan="{rows}"' if rows > 1 else ""
    return f"<td{named}{span}>{markup}</td>"


_DROPPED = ("metadata", "style", "title")
_REFERENCE = re.compile(r"url\(#([^)]*)\)")
_FONT = "'DejaVu Sans'"
_FONTS = "'DejaVu Sans', Verdana, sans-serif"


def inline_svg(svg: str, prefix: str, name: str) -> str:
    """Return the SVG of a figure for use inside a page: as wide as its place, its ids behind `prefix`.

    Args:
        name: what a screen reader says.
    """
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        element.tag = _local(str(element.tag))
        for child in [each for each in element if _local(str(each.tag)) in _DROPPED]:
            element.remove(child)
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            element.set(_local(key), _with_prefix(_local(key), value, prefix))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", clean(name))
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _with_prefix(key: str, value: str, prefix: str) -> str:
    if key == "id":
        return f"{prefix}-{value}"
    if key == "href":
        return f"#{prefix}-{value.removeprefix('#')}"
    value = _REFERENCE.sub(rf"url(#{prefix}-\1)", value)
    return value.replace(_FONT, _FONTS) if key == "style" else value
