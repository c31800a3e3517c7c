"""Picture → SVG text.

Elements that represent something have a class and data attributes, for pages that use the SVG:

- `class="value"`: `data-name`, `data-state`, `data-t`; `class="state"`: `data-state`; `class="cell"` of a matrix
  and `class="arrow"`: `data-source`, `data-target`, `data-place`; of a net unrolled in time also `data-t` and
  `data-set`, the name of the arrow's weights;
- in a net broken into systems, also `class="copy"`, a repeated value with the data of the value, and `class="out"`,
  the start of an arrow drawn in another system, with the data of that arrow;
- a label lies inside the element it belongs to; arrows with the same weights form one group, `class="weights"`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from xml.sax.saxutils import escape, quoteattr

from graphnet.errors import clean
from graphnet.pictures.elements import FONT, NOWHERE, Curve, Facts, Label, Node, Picture, Stroke, arrowhead

FONTS = f"'{FONT}', Verdana, sans-serif"
"""The font of PNG and PDF, and one of the same widths that other systems have."""


class Drawing(str):
    """SVG text that a notebook shows as a picture."""

    def _repr_svg_(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return str(self)


def to_svg(picture: Picture) -> Drawing:
    """Return the picture as SVG text."""
    return Drawing("\n".join(_lines(picture)) + "\n")


def _lines(picture: Picture) -> Iterator[str]:
    width, height = _number(picture.width), _number(picture.height)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{FONTS}">'
    )
    yield f"<title>{escape(clean(picture.title))}</title>"
    yield f'<rect width="{width}" height="{height}" fill="{picture.paper}"/>'
    labels: dict[str, list[Label]] = {}
    for each in picture.labels:
        labels.setdefault(each.owner, []).append(each)
    for each in labels.pop("", ()):
        yield _text(each)
    for (weights, stroke), curves in groupby(picture.curves, key=lambda curve: (curve.weights, curve.stroke)):
        yield from _group(weights, stroke, list(curves), labels)
    for node in picture.nodes:
        yield _node(node, labels.get(node.name, ()))
    yield "</svg>"


def _node(node: Node, labels: Sequence[Label]) -> str:
    x, y, w, h = map(_number, node.box)
    title = f"<title>{escape(clean(node.title))}</title>" if node.title else ""
    frame = f'stroke="{node.frame}" stroke-width="{"2" if node.heavy else "0.8"}"'
    frame += f' stroke-dasharray="{node.dash}"' if node.dash else ""
    corner = f' rx="{_number(node.radius)}"' if node.radius else ""
    rect = f'<rect x="{x}" y="{y}" width="{w}" height="{h}"{corner} fill="{node.fill}" {frame}/>'
    return f"<g{_named(node.kind, node.name, node.facts)}>{title}{rect}{''.join(map(_text, labels))}</g>"


def _group(
    weights: str, stroke: Stroke, curves: Sequence[Curve], labels: Mapping[str, Sequence[Label]]
) -> Iterator[str]:
    named = f' class="weights" data-letter={quoteattr(weights)}' if weights else ""
    dash = f' stroke-dasharray="{stroke.dash}"' if stroke.dash else ""
    yield f'<g{named} fill="none" stroke="{stroke.colour}" stroke-width="{_number(stroke.width)}"{dash}>'
    for curve in curves:
        path = "".join(code + " ".join(f"{_number(x)},{_number(y)}" for x, y in points) for code, points in curve.path)
        title = f"<title>{escape(clean(curve.title))}</title>" if curve.title else ""
        texts = "".join(_text(each, ' stroke="none"') for each in labels.get(curve.name, ()) if curve.name)
        named = _named(curve.kind, curve.name, curve.facts)
        yield f'<g{named}>{title}<path d="{path}"/>{_head(curve)}{texts}</g>'
    yield "</g>"


def _head(curve: Curve) -> str:
    if curve.head == NOWHERE:
        return ""
    path = " ".join(f"{_number(x)},{_number(y)}" for x, y in arrowhead(curve))
    return f'<path d="M{path}Z" fill="{curve.stroke.colour}" stroke="none"/>'


def _text(each: Label, more: str = "") -> str:
    style = ' font-weight="bold"' if each.bold else ""
    style += f' text-anchor="{each.anchor}"' if each.anchor != "start" else ""
    return (
        f'<text x="{_number(each.x)}" y="{_number(each.baseline)}" font-size="{_number(each.size)}"{style} '
        f'fill="{each.colour}"{more}>{escape(each.text)}</text>'
    )


def _named(kind: str, name: str, facts: Facts) -> str:
    """Class, id and data attributes of an element."""
    attributes = [("class", kind), ("id", name), *((f"data-{key}", value) for key, value in facts)]
    return "".join(f" {key}={quoteattr(clean(value))}" for key, value in attributes if value)


def _number(value: float) -> str:
    return f"{value + 0.0:.1f}".removesuffix(".0").replace("-0.0", "0")
