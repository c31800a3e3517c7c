"""Plan → a picture of the net unrolled in time, as SVG: time runs to the right, states from top to bottom.

Arrows with the same weights share letter, colour and dash. They run between the columns and rows of values, never over
a value. A picture wider than the page continues below. Run time is linear in the number of arrows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import NamedTuple

from graphnet.network.network import INPUT
from graphnet.pictures.captions import MARGIN, SMALL, TEXT, TINY, heading, shape_text
from graphnet.pictures.elements import (
    INK,
    PALE,
    PAPER,
    Box,
    Curve,
    Facts,
    Label,
    Node,
    Picture,
    fitted,
    label,
    text_width,
)
from graphnet.pictures.states import note_on_states, read_times, read_values, takes_time
from graphnet.pictures.unrolled.arrows import feeds, weigh
from graphnet.pictures.unrolled.dead_arrows import GHOST, ghosts
from graphnet.pictures.unrolled.elide import without_alike
from graphnet.pictures.unrolled.grid import (
    BESIDE,
    PAD,
    SIDE_LINE,
    STUB,
    Grid,
    copy_texts,
    first_time,
    make_grid,
    side_texts,
    value_texts,
)
from graphnet.pictures.unrolled.legend import (
    NEVER,
    NOTE,
    coupled_notes,
    least_width,
    legend,
    legend_lines,
    letter_order,
    ops_text,
    shared_in_part,
)
from graphnet.pictures.unrolled.line_breaks import Arrows, ColumnRange, Stretch, broken, unbroken
from graphnet.pictures.unrolled.paths import path_of, path_out
from graphnet.pictures.unrolled.routes import Port, Route, Spot, routes, spots
from graphnet.pictures.unrolled.time_axis import time_axis
from graphnet.pictures.write.svg import to_svg
from graphnet.planning.body import NOW, Body, Call
from graphnet.planning.plan import IMAGE, Plan

LEAST_WIDTH, APART = 370.0, 14.0
"""Least width of the page; distance between systems."""

LEADING = 12.0
"""Distance between lines of a note."""

COPY = "Grey, as in @{t}: the value made at t = {t}, repeated where it is read."


class _Part(NamedTuple):
    """A stretch and its position: `number` counts all stretches, `place` those of its system."""

    stretch: Stretch
    grid: Grid
    number: int
    place: int

    def routes(self) -> Iterator[tuple[Route, bool]]:
        """Yield the arrows, and whether each continues elsewhere."""
        yield from ((route, False) for route in self.stretch.drawn)
        yield from ((route, True) for route in self.stretch.leaving)

    def named(self, name: str) -> str:
        """The name of a value's box in this part."""
        return f"{name}-again{self.number}" if name in self.stretch.copies else name


def draw_unrolled(plan: Plan) -> str:
    """Return SVG text of the computed values at their times and the transitions between them."""
    return to_svg(layout(plan))


def layout(plan: Plan, dead: bool = False, width: float = math.inf, elide: bool = False) -> Picture:
    """Lay out the picture as boxes, curves and labels.

    A picture wider than `width` is broken into systems below each other. `dead` also draws what never runs; `elide`
    leaves out the middle of long runs of equal steps.
    """
    found = feeds(plan)
    weights = weigh(plan, found)
    lines = legend_lines(plan, found, weights)
    never, unmade = ghosts(plan) if dead else ([], [])
    plan = replace(plan, calls=(*plan.calls, Call(Body(tuple(unmade), (), (), ()), NOW)))
    where = spots(plan)
    arrows = Arrows([*found, *never], [*weights, *(GHOST for _ in never)], where)
    systems = _arranged(plan, arrows, width, elide)
    right = max(part.grid.right for system in systems for part in system)
    page = max(right + MARGIN, min(LEAST_WIDTH, width), least_width(lines, width - 2 * MARGIN) + 2 * MARGIN)
    head = list(heading(plan, page - 2 * MARGIN))
    parts = list(_placed(systems, head[-1].box.bottom + 4))
    first = first_time(plan)
    read, clock = read_times(plan), takes_time(plan)
    axes = [time_axis(part.grid, part.stretch.span, part.place == 0, first, read, clock) for part in parts]
    again = [where[name].column + first for part in parts for name in part.stretch.copies if name != IMAGE]
    notes = [NOTE, *(COPY.format(t=t) for t in again if t >= 0)][:2] + ([NEVER] if never else [])
    notes += [*shared_in_part(plan, found, weights), *coupled_notes(plan, found, weights), note_on_states(plan)]
    top = max(each.box.bottom for _, times in axes for each in times) + 8
    key, texts, end = legend(lines, notes, MARGIN, top, page - 2 * MARGIN)
    dim = {line.name for line in unmade}
    return Picture(
        plan.name,
        page,
        end + MARGIN,
        (*_arrows(plan, parts), *(curve for curves, _ in axes for curve in curves), *key),
        tuple(_nodes(plan, parts, dim)),
        (
            *head,
            *_names(plan, parts, dim),
            *_letters(parts),
            *_notes(parts),
            *(each for _, times in axes for each in times),
            *texts,
        ),
    )


def _arranged(plan: Plan, arrows: Arrows, width: float, elide: bool) -> list[list[_Part]]:
    """The stretches of each system, positioned from left to right."""
    drawn = routes(*arrows)
    whole = make_grid(plan, arrows.where, drawn)
    spans = without_alike(plan, arrows) if elide else [ColumnRange(0, plan.last_time - first_time(plan))]
    if len(spans) == 1 and whole.right + MARGIN <= width:
        return [[_Part(unbroken(arrows, spans[0], drawn), whole, 0, 0)]]
    least = max(text_width(text, TINY) for text in copy_texts(plan).values()) + PAD
    grid = make_grid(plan, arrows.where, drawn, least)
    note = max(text_width(text, SMALL) for span in spans for text in ("", *span.note))
    found = broken(arrows, spans, grid, width - MARGIN, note)
    numbers = count()
    return [
        [
            _Part(each, grid.shifted(each.span.first, each.span.last, each.slot), next(numbers), place)
            for place, each in enumerate(system)
        ]
        for system in found
    ]


def _placed(systems: Sequence[Sequence[_Part]], y: float) -> Iterator[_Part]:
    """The parts, positioned from top to bottom, starting at y."""
    for system in systems:
        shown = [spot for part in system for spot in part.stretch.shown.values()]
        drawn = [route for part in system for route in (*part.stretch.drawn, *part.stretch.leaving)]
        for part in system:
            grid = part.grid.of(shown, drawn).below(y)
            yield part._replace(grid=grid)
        y = grid.bottom + APART


def _nodes(plan: Plan, parts: Sequence[_Part], dim: Collection[str]) -> Iterator[Node]:
    arriving = Counter(route.feed.target for part in parts for route in part.stretch.drawn)
    merges = {area.name: area.merge for area in plan.areas}
    read = read_values(plan)
    lines = {line.name: line for line in plan.lines}
    for part in parts:
        copies = part.stretch.copies
        for name, spot in part.stretch.shown.items():
            box = part.grid.box(spot)
            if name == IMAGE:
                facts: Facts = (("name", IMAGE), ("state", INPUT))
                title = f"{IMAGE}: {shape_text(plan.input_shape)}"
            else:
                line = lines[name]
                facts = (("name", name), ("state", line.place), ("t", str(line.t)))
                title = f"{name}: {shape_text(line.shape)}"
                if arriving[name] > 1:
                    title += f", {merges[line.place]} of {arriving[name]} arrivals"
            if name in copies:
                yield Node(part.named(name), box, title, kind="copy", facts=facts, fill=PAPER, frame=PALE)
            elif name in dim:
                yield Node(name, box, f"{name}: never used", facts=facts, fill=PAPER, frame=PALE, dash="1.3 1.7")
            else:
                yield Node(name, box, title, heavy=name in read, facts=facts)


def _names(plan: Plan, parts: Sequence[_Part], dim: Collection[str]) -> Iterator[Label]:
    """Names of rows at the left of each system, and of values in their boxes."""
    sides, texts, copied = side_texts(plan), value_texts(plan), copy_texts(plan)
    lines = {line.name: line for line in plan.lines}
    seen: set[float] = set()
    for part in parts:
        copies = part.stretch.copies
        for name, spot in part.stretch.shown.items():
            box, owner = part.grid.box(spot), part.named(name)
            if name == IMAGE:
                colour = PALE if IMAGE in copies else INK
                yield label(INPUT, TEXT, box.cx, box.cy - 6, anchor="middle", owner=owner, colour=colour)
                shape = shape_text(plan.input_shape)
                yield label(shape, SMALL, box.cx, box.cy + 7, anchor="middle", owner=owner, colour=colour)
                continue
            line, y = lines[name], part.grid.tops[spot.row]
            if y not in seen:
                seen.add(y)
                said = sides[line.place]
                y += part.grid.heights[spot.row] / 2 - SIDE_LINE * (len(said) - 1) / 2 + 0.5
                yield label(said[0], TEXT, MARGIN, y, bold=True)
                for number, text in enumerate(said[1:], start=1):
                    yield label(text, SMALL, MARGIN, y + number * SIDE_LINE, colour=PALE)
            text, size = fitted((copied if name in copies else texts)[name], TEXT, box.w - PAD, TINY)
            colour = PALE if name in dim or name in copies else INK
            yield label(text, size, box.cx, box.cy, anchor="middle", owner=owner, colour=colour)


def _notes(parts: Sequence[_Part]) -> Iterator[Label]:
    """Notes between columns on those left out."""
    for stretch, grid, *_ in parts:
        note = stretch.span.note
        copies = grid.box(Spot(1, stretch.span.first - 1)).x
        middle = (grid.tops[1] + grid.tops[-1]) / 2
        for number, text in enumerate(note):
            y = middle + (number - (len(note) - 1) / 2) * LEADING
            yield label(text, SMALL, copies - stretch.blank * grid.pitch / 2, y, anchor="middle", colour=PALE)


def _arrows(plan: Plan, parts: Sequence[_Part]) -> Iterator[Curve]:
    """The arrows, grouped by weights."""
    ops = {cell.place: ops_text(plan, cell.place) for cell in plan.cells}
    trainable = {tensor.name for tensor in plan.tensors if tensor.trainable}
    drawn = [(route, part.grid, goes_on) for part in parts for route, goes_on in part.routes()]
    for route, grid, goes_on in sorted(drawn, key=lambda each: _order(each[0])):
        feed = route.feed
        tensors = ", ".join(name for name in feed.tensors if name in trainable) or "no weights"
        path, head = (path_out if goes_on else path_of)(route, grid)
        title = f"{feed.source} → {feed.target}: {ops[feed.place]} ({tensors if route.weights.name else 'never runs'})"
        facts = {"source": feed.source, "target": feed.target, "place": feed.place, "t": str(feed.t)}
        facts["set"] = route.weights.name
        yield Curve(
            path,
            route.weights.stroke,
            head,
            _arrow_name(route, goes_on),
            title,
            route.weights.name,
            kind="out" if goes_on else "arrow",
            facts=tuple(facts.items()),
        )


def _order(route: Route) -> tuple[object, ...]:
    return letter_order(route.weights.letter), route.weights.name


def _arrow_name(route: Route, goes_on: bool) -> str:
    return f"{route.feed.source}-{route.feed.target}{'-out' if goes_on else ''}"


def _letters(parts: Sequence[_Part]) -> Iterator[Label]:
    """The name of the weights on each arrow, once for arrows that leave a value together."""
    seen: set[tuple[Box, Port]] = set()
    for part in parts:
        grid = part.grid
        for route, goes_on in part.routes():
            box = grid.box(route.start)
            if not route.weights.name or (route.way != "along" and (box, route.leaves) in seen):
                continue
            seen.add((box, route.leaves))
            if route.start.row == 0:
                x, y = box.right + STUB, box.cy - 7.5
            elif route.way == "along":
                x, y = box.cx + BESIDE, min(box.bottom, grid.box(route.end).bottom) + 7
            else:
                x, y = box.right + STUB, grid.end(route.start, route.leaves)
            yield label(route.weights.name, SMALL, x, y, owner=_arrow_name(route, goes_on))
