"""Content of a page: a net with its pictures, faults of its spec, and measurements of a trained net."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphnet.errors import Fault
from graphnet.pictures.page.data import net_data
from graphnet.pictures.views import VIEWS, PictureOptions, picture
from graphnet.pictures.write.svg import to_svg
from graphnet.planning.plan import Plan


@dataclass(frozen=True)
class Content:
    """Content of a page.

    Attributes:
        net: the result of `net_data`; None if the spec is wrong.
        pictures: SVG text of each view; the page opens with the first one.
        faults: of the spec, with their places.
        measures: of a trained net: `accuracy` by readout time, `chance`, `norms` by the values' names, and a `note`.
    """

    net: Mapping[str, Any] | None = None
    pictures: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    measures: Mapping[str, Any] | None = None

    def as_data(self) -> dict[str, Any]:
        """Everything but the pictures, for JSON."""
        return {"net": self.net, "faults": [_parts(fault) for fault in self.faults], "measures": self.measures}

    def markup(self) -> dict[str, str]:
        """The pictures as inline HTML."""
        return {view: _inline(svg) for view, svg in self.pictures.items()}


def content_of(
    plan: Plan,
    warnings: tuple[Fault, ...] = (),
    measures: Mapping[str, Any] | None = None,
    *,
    first: str = "unrolled",
    dead: bool = False,
    title: bool = True,
) -> Content:
    """Draw all views of a net, `first` in front; `dead` and `title` as in `PictureOptions`."""
    views = sorted(VIEWS, key=lambda view: view != first)
    pictures = {view: to_svg(picture(plan, PictureOptions(view, dead=dead, width=0, title=title))) for view in views}
    return Content(net_data(plan), pictures, warnings, measures)


def _inline(svg: str) -> str:
    """Make SVG text inline HTML: drop what precedes the root, ids, and titles (the script shows hints)."""
    head, _, body = svg[svg.index("<svg") :].partition(">")
    body = re.sub(r'(<g class="[a-z]+") id="[^"]*"', r"\1", body)
    return f"{head}>{re.sub(r'<title>[^<]*</title>', '', body)}"


def _parts(fault: Fault) -> dict[str, Any]:
    """Split a fault's text into pieces, each with its role; plain text has an empty role."""
    pieces = fault.told(lambda role, text: f"\0{role}\1{text}\0").split("\0")
    parts = [piece.split("\1") if number % 2 else ["", piece] for number, piece in enumerate(pieces) if piece]
    return {"severity": fault.severity, "parts": parts}
