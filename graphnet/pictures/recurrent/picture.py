"""Plan → a picture of the recurrent graph, states and transitions without time (LP Figure 2 A and B).

Graphviz's `dot` lays it out if it is on the PATH, else graphnet's column layout; graphnet draws it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import graphviz  # type: ignore[import-untyped]

from graphnet.errors import clean
from graphnet.network.network import INPUT, LOGITS
from graphnet.pictures.captions import MARGIN, SMALL, TEXT, heading, unbroken
from graphnet.pictures.elements import (
    INK,
    NOWHERE,
    PALE,
    Box,
    Curve,
    Label,
    Node,
    Path,
    Picture,
    Point,
    Stroke,
    fitted,
    label,
    text_width,
    wrapped,
)
from graphnet.pictures.recurrent.dot_layout import place_with_dot
from graphnet.pictures.recurrent.fallback_layout import CAPTION, Placed, Size, column
from graphnet.pictures.recurrent.wiring import Unit, Wire, Wiring, wire
from graphnet.pictures.states import note_on_states
from graphnet.planning.plan import Plan

FONT = "Helvetica"
LEADING = 1.28
"""Distance of lines, in text sizes."""

WIDEST = 132.0
"""Widest label before it wraps."""

PAD, LEAST_WIDTH = 6.0, 200.0
ALIVE, DEAD = Stroke(INK, width=1.1), Stroke(PALE, "1.3 1.7", 1.0)
NEVER = "Dotted: never fires (its source is empty, or no readout needs it)."


def draw_recurrent(plan: Plan, title: bool = True) -> str:
    """Return DOT text: input → pre-net → states and the transitions between them → post-net → logits.

    A transition is labelled with its function, its times unless it always holds, and its delay unless it is 1.
    One that never fires is dotted. The state read out has a double frame. States of a part form a cluster.
    """
    graph = dot_frame(plan, title)
    wiring = wire(plan)
    ids = {name: f"state{n - 1}" for name, n in wiring.order.items()} | {INPUT: INPUT, LOGITS: LOGITS}
    for unit in wiring.units:
        graph.node(ids[unit.name], dot_text(*unit.texts), **({"peripheries": "2"} if unit.read else {}))
    for number, (part, names) in enumerate(wiring.parts.items()):
        with graph.subgraph(name=f"cluster{number}") as cluster:
            cluster.attr(label=dot_text(part), style="dashed", labeljust="l")
            for name in names:
                cluster.node(ids[name])
    order = wiring.order
    for each in wiring.wires:
        ends = [ids[each.source], ids[each.target]]
        look = {"style": "dotted", "color": PALE, "fontcolor": PALE} if each.dead else {}
        if order[each.target] < order[each.source]:  # written backwards, feedback does not move the states
            ends, look = ends[::-1], {**look, "dir": "back"}
        graph.edge(*ends, label=dot_text(*(f" {text} " for text in each.texts)), **look)
    return str(graph.source)


def dot_frame(plan: Plan, title: bool) -> graphviz.Digraph:
    """An empty DOT graph, with the net's name if `title`."""
    heading = {"labelloc": "t", "label": dot_text(*filter(None, (plan.name, plan.cite)))} if title else {}
    return graphviz.Digraph(
        graph_attr={"fontname": FONT, **heading},
        node_attr={"fontname": FONT, "shape": "box", "style": "rounded,filled", "fillcolor": "#f2f2f2"},
        edge_attr={"fontname": FONT, "fontsize": "11"},
    )


def dot_text(*lines: str) -> str:
    """Escape the lines of a DOT label: no HTML, entities or Graphviz escapes."""
    shown = (graphviz.escape(clean(line).replace("&", "&amp;")) for line in lines)
    text: str = graphviz.nohtml("\\n".join(shown))
    return text


def layout(plan: Plan, with_dot: bool = True) -> Picture:
    """Lay out the picture as boxes, curves and labels; without dot, in a column."""
    wiring = wire(plan)
    texts = [[line for text in each.texts for line in wrapped(unbroken(text), SMALL, WIDEST)] for each in wiring.wires]
    sizes = {unit.name: _size(unit) for unit in wiring.units}
    sizes |= {part: (text_width(part, SMALL) + 4, CAPTION) for part in wiring.parts}
    blocks = [
        (max((text_width(text, SMALL) for text in lines), default=0.0), len(lines) * LEADING * SMALL) for lines in texts
    ]
    placed = (place_with_dot(wiring, sizes, blocks) if with_dot else None) or column(wiring, sizes, blocks)
    left, top, right, bottom = _extent(placed, blocks)
    width = max(right - left + 2 * MARGIN, LEAST_WIDTH)
    head = list(heading(plan, width - 2 * MARGIN))
    shift = (width - left - right) / 2, head[-1].box.bottom + 8 - top
    placed = _moved(placed, shift)
    end = bottom + shift[1]
    notes = []
    for note in (note_on_states(plan), NEVER if any(each.dead for each in wiring.wires) else ""):
        for line in wrapped(note, SMALL, width - 2 * MARGIN):
            notes.append(label(line, SMALL, MARGIN, end + 12, colour=PALE))
            end += LEADING * SMALL
    return Picture(
        plan.name,
        width,
        end + MARGIN + (4 if notes else 0),
        (*_frames(placed), *_arrows(wiring, placed)),
        tuple(_nodes(wiring, placed)),
        (*head, *_texts(wiring, placed, texts), *_captions(placed), *notes),
    )


def _size(unit: Unit) -> Size:
    first, *others = unit.texts
    widths = [text_width(first, TEXT, bold=True), *(text_width(text, SMALL) for text in others)]
    return max(44.0, min(max(widths), WIDEST) + 2 * PAD), LEADING * (TEXT + SMALL * len(others)) + PAD


def _extent(placed: Placed, blocks: Sequence[Size]) -> tuple[float, float, float, float]:
    """Bounding box: least x and y, greatest x and y."""
    boxes = [*placed.boxes.values(), *placed.frames.values()]
    boxes += [Box(*way.label, *size) for way, size in zip(placed.ways, blocks, strict=True)]
    points = [point for way in placed.ways for _, through in way.path for point in through]
    xs = [x for box in boxes for x in (box.x, box.right)] + [x + side for x, _ in points for side in (-3.0, 3.0)]
    ys = [y for box in boxes for y in (box.y, box.bottom)] + [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def _moved(placed: Placed, by: Point) -> Placed:
    def there(point: Point) -> Point:
        return point[0] + by[0], point[1] + by[1]

    def box(each: Box) -> Box:
        return each._replace(x=each.x + by[0], y=each.y + by[1])

    def path(each: Path) -> Path:
        return tuple((code, tuple(map(there, points))) for code, points in each)

    ways = tuple(way._replace(path=path(way.path), label=there(way.label)) for way in placed.ways)
    boxes = {name: box(each) for name, each in placed.boxes.items()}
    frames = {name: box(each) for name, each in placed.frames.items()}
    captions = {name: box(each) for name, each in placed.captions.items()}
    return Placed(boxes, ways, frames, captions)


def _frames(placed: Placed) -> Iterator[Curve]:
    """Frames of the parts."""
    for name, box in placed.frames.items():
        corners = (box.x, box.y), (box.right, box.y), (box.right, box.bottom), (box.x, box.bottom), (box.x, box.y)
        path: Path = (("M", corners[:1]), *(("L", (corner,)) for corner in corners[1:]))
        yield Curve(path, Stroke(PALE, "4 2", 0.8), NOWHERE, f"part-{name}", kind="part", facts=(("part", name),))


def _captions(placed: Placed) -> Iterator[Label]:
    for name, box in placed.captions.items():
        text, size = fitted(name, SMALL, box.w, 6.0)
        yield label(text, size, box.x, box.cy, colour=PALE, owner=f"part-{name}")


def _nodes(wiring: Wiring, placed: Placed) -> Iterator[Node]:
    for unit in wiring.units:
        title = f"{unit.name}: {', '.join(unit.texts[1:])}"
        facts = (("state", unit.name),)
        yield Node(_id(unit.name), placed.boxes[unit.name], title, heavy=unit.read, kind="state", facts=facts)


def _arrows(wiring: Wiring, placed: Placed) -> Iterator[Curve]:
    for each, way in zip(wiring.wires, placed.ways, strict=True):
        facts = (("source", each.source), ("target", each.target), ("place", each.place))
        title = f"{each.source} → {each.target}: {'; '.join(each.texts)}"
        stroke = DEAD if each.dead else ALIVE
        yield Curve(way.path, stroke, way.head, _arrow_id(each), title, kind="arrow", facts=facts)


def _texts(wiring: Wiring, placed: Placed, texts: Sequence[Sequence[str]]) -> Iterator[Label]:
    """Texts in the boxes and on the arrows."""
    for unit in wiring.units:
        box = placed.boxes[unit.name]
        y = box.cy - LEADING * (TEXT + SMALL * (len(unit.texts) - 1)) / 2
        for number, text in enumerate(unit.texts):
            size = SMALL if number else TEXT
            shown, smaller = fitted(text, size, (box.w - PAD) / (1.0 if number else 1.1), 6.0)
            y += LEADING * size
            where = box.cx, y - LEADING * size / 2
            yield label(shown, smaller, *where, anchor="middle", bold=not number, owner=_id(unit.name))
    for each, way, lines in zip(wiring.wires, placed.ways, texts, strict=True):
        x, y = way.label
        width = max((text_width(line, SMALL) for line in lines), default=0.0)
        x += width * {"start": 0.0, "middle": 0.5, "end": 1.0}[way.anchor]
        colour = PALE if each.dead else INK
        for line in lines:
            y += LEADING * SMALL
            where = x, y - LEADING * SMALL / 2
            yield label(line, SMALL, *where, anchor=way.anchor, colour=colour, owner=_arrow_id(each))


def _id(unit: str) -> str:
    return f"state-{unit}"


def _arrow_id(each: Wire) -> str:
    return f"state-{each.source}-{each.target}"
