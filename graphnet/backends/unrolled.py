"""Plan → a picture of the net unrolled in time, as SVG: time runs to the right, states from top to bottom.

Arrows that use the same weights have one letter, colour and dash. They run between the columns and rows of values,
never over a value. The time it takes grows linearly with the number of arrows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from graphnet.backends.arrows import feeds, is_value, weigh
from graphnet.backends.captions import MARGIN, SMALL, TEXT, TINY, heading, row_names, shape_text
from graphnet.backends.ghosts import GHOST, ghosts
from graphnet.backends.grid import BESIDE, PAD, STUB, TURN, Grid, first_time, make_grid, milliseconds, value_texts
from graphnet.backends.legend import NEVER, NOTE, coupled_notes, entries, least_width, legend, letter_order, ops_text
from graphnet.backends.picture import (
    DOWN,
    HEAD,
    INK,
    LEFT,
    PALE,
    PAPER,
    RIGHT,
    UP,
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
)
from graphnet.backends.routes import Port, Route, Spot, routes, spots
from graphnet.backends.svg import to_svg
from graphnet.ir.network import INPUT
from graphnet.ir.plan import IMAGE, Plan

LEAST_WIDTH = 370.0


def draw_unrolled(plan: Plan) -> str:
    """SVG text: the values that are computed, at their times, and the transitions between them."""
    return to_svg(layout(plan))


def layout(plan: Plan, dead: bool = False) -> Picture:
    """The picture, as boxes, curves and labels; also of what never runs if `dead`."""
    found = feeds(plan)
    weights = weigh(plan, found)
    lines = entries(plan, found, weights)
    never, unmade = ghosts(plan) if dead else ([], [])
    plan = replace(plan, lines=(*plan.lines, *unmade))
    where = spots(plan)
    drawn = routes([*found, *never], [*weights, *(GHOST for _ in never)], where)
    grid = make_grid(plan, where, drawn)
    dim = {line.name for line in unmade}
    width = max(grid.right + MARGIN, LEAST_WIDTH, least_width(lines) + 2 * MARGIN)
    head = list(heading(plan, width - 2 * MARGIN))
    grid = grid.below(head[-1].box.bottom + 4)
    axis, times = _axis(plan, grid)
    notes = [NOTE, *([NEVER] if never else []), *coupled_notes(plan, found, weights)]
    key, texts, end = legend(lines, notes, MARGIN, max(each.box.bottom for each in times) + 8, width - 2 * MARGIN)
    return Picture(
        plan.name,
        width,
        end + MARGIN,
        tuple(_arrows(plan, drawn, grid)) + tuple(axis) + tuple(key),
        tuple(_nodes(plan, where, drawn, grid, dim)),
        (*head, *_names(plan, where, grid, dim), *_letters(drawn, grid), *times, *texts),
    )


def _nodes(
    plan: Plan, where: Mapping[str, Spot], drawn: Sequence[Route], grid: Grid, dim: Collection[str]
) -> Iterator[Node]:
    arriving = Counter(route.feed.target for route in drawn)
    merges = {area.name: area.merge for area in plan.areas}
    read = {name for _, name in plan.outputs}
    given = (("name", IMAGE), ("state", INPUT))
    yield Node(IMAGE, grid.image, f"{IMAGE}: {shape_text(plan.input_shape)}", facts=given)
    for line in filter(is_value, plan.lines):
        title = f"{line.name}: {shape_text(line.shape)}"
        if arriving[line.name] > 1:
            title += f", {merges[line.place]} of {arriving[line.name]} arrivals"
        facts = (("name", line.name), ("state", line.place), ("t", str(line.t)))
        box = grid.box(where[line.name])
        if line.name in dim:
            yield Node(line.name, box, f"{line.name}: never used", facts=facts, fill=PAPER, frame=PALE, dash="1.3 1.7")
        else:
            yield Node(line.name, box, title, heavy=line.name in read, facts=facts)


def _names(plan: Plan, where: Mapping[str, Spot], grid: Grid, dim: Collection[str]) -> Iterator[Label]:
    """Names of rows, at their left, and of values, in their boxes."""
    names, seen = row_names(plan), set()
    image = grid.image
    yield label(INPUT, TEXT, image.cx, image.cy - 6, anchor="middle", owner=IMAGE)
    shape = shape_text(plan.input_shape)
    yield label(shape, SMALL, image.cx, image.cy + 7, anchor="middle", owner=IMAGE)
    texts = value_texts(plan)
    for line in filter(is_value, plan.lines):
        box = grid.box(where[line.name])
        if line.place not in seen:
            seen.add(line.place)
            y = box.cy
            yield label(names[line.place], TEXT, MARGIN, y - 6, bold=True)
            yield label(shape_text(line.shape), SMALL, MARGIN, y + 7, colour=PALE)
        text, size = fitted(texts[line.name], TEXT, box.w - PAD, TINY)
        colour = PALE if line.name in dim else INK
        yield label(text, size, box.cx, box.cy, anchor="middle", owner=line.name, colour=colour)


def _axis(plan: Plan, grid: Grid) -> tuple[list[Curve], list[Label]]:
    """The time axis below the last row: time steps, and biological time."""
    y = grid.tops[-1] + 10
    read = {t for t, _ in plan.outputs}
    ends = ((grid.left - 4, y), (max(grid.right - HEAD, grid.left + grid.width), y))
    curves = [Curve((("M", ends[:1]), ("L", ends[1:])), Stroke(PALE, width=0.8), RIGHT)]
    labels = [label("time t", SMALL, MARGIN, y + 10), label("ms", SMALL, MARGIN, y + 22, colour=PALE)]
    times = range(first_time(plan), plan.last_time + 1)
    widest = max(text_width(milliseconds(t), TINY) for t in times)
    every = int((widest + 4) // grid.pitch) + 1
    for column, t in enumerate(times):
        x = grid.left + column * grid.pitch + grid.width / 2
        curves.append(Curve((("M", ((x, y - 2),)), ("L", ((x, y + 2),))), Stroke(PALE, width=0.8)))
        text = str(t) if t >= 0 else "before"
        labels.append(label(text, TEXT, x, y + 10, anchor="middle", bold=t in read))
        if t >= 0 and column % every == 0:
            labels.append(label(milliseconds(t), TINY, x, y + 22, anchor="middle", colour=PALE))
    return curves, labels


def _arrows(plan: Plan, drawn: Sequence[Route], grid: Grid) -> Iterator[Curve]:
    """The arrows, those with the same weights after one another."""
    ops = {cell.place: ops_text(plan, cell.place) for cell in plan.cells}
    trainable = {tensor.name for tensor in plan.tensors if tensor.trainable}
    for route in sorted(drawn, key=lambda each: (letter_order(each.weights.letter), each.weights.name)):
        feed = route.feed
        tensors = ", ".join(name for name in feed.tensors if name in trainable) or "no weights"
        path, head = _WAYS[route.way](route, grid)
        name = f"{feed.source}-{feed.target}"
        title = f"{feed.source} → {feed.target}: {ops[feed.place]} ({tensors if route.weights.name else 'never runs'})"
        facts = {"source": feed.source, "target": feed.target, "place": feed.place, "t": str(feed.t)}
        facts["set"] = route.weights.name
        yield Curve(
            path, route.weights.stroke, head, name, title, route.weights.name, kind="arrow", facts=tuple(facts.items())
        )


def _letters(drawn: Sequence[Route], grid: Grid) -> Iterator[Label]:
    """The name of its weights on each arrow; once where several arrows leave a value together."""
    seen: set[tuple[str, Port]] = set()
    for route in drawn:
        if not route.weights.name:
            continue
        place = (route.feed.source, route.leaves)
        if route.way != "along" and place in seen:
            continue
        seen.add(place)
        box = grid.box(route.start)
        if route.start.row == 0:
            x, y = box.right + STUB, box.cy - 7.5
        elif route.way == "along":
            x, y = box.cx + BESIDE, min(box.bottom, grid.box(route.end).bottom) + 7
        else:
            x, y = box.right + STUB, grid.end(route.start, route.leaves)
        yield label(route.weights.name, SMALL, x, y, owner=f"{route.feed.source}-{route.feed.target}")


def _across(route: Route, grid: Grid) -> tuple[Path, Point]:
    """Past the letter, then to the height of the target in the gap before it, or to a track and then so."""
    start, end = grid.box(route.start), grid.box(route.end)
    enters = end.x - HEAD, grid.end(route.end, route.enters)
    if route.start.row == 0:
        lane = grid.image.cy
        return (
            ("M", ((start.right, lane),)),
            ("L", ((enters[0] - grid.curve, lane),)),
            _bend((enters[0] - grid.curve, lane), enters),
        ), RIGHT
    path = _past_letter(route, grid)
    here = path[-1][1][-1]
    if route.track:
        lane = grid.track(*route.track)
        path += (_bend(here, (here[0] + grid.curve, lane)), ("L", ((enters[0] - grid.curve, lane),)))
        here = path[-1][1][-1]
    return (*path, _bend(here, enters)), RIGHT


def _along(route: Route, grid: Grid) -> tuple[Path, Point]:
    """Straight down, or up."""
    start, end = grid.box(route.start), grid.box(route.end)
    if start.y < end.y:
        return (("M", ((start.cx, start.bottom),)), ("L", ((end.cx, end.y - HEAD),))), DOWN
    return (("M", ((start.cx, start.y),)), ("L", ((end.cx, end.bottom + HEAD),))), UP


def _bow(route: Route, grid: Grid) -> tuple[Path, Point]:
    """Past the letter, around the values in between, and back."""
    end = grid.box(route.end)
    path = _past_letter(route, grid)
    x, y = path[-1][1][-1]
    back = grid.end(route.end, route.enters)
    reach = x + 1.2 * grid.curve
    return (*path, ("C", ((reach, y), (reach, back), (x, back))), ("L", ((end.right + HEAD, back),))), LEFT


def _drop(route: Route, grid: Grid) -> tuple[Path, Point]:
    """From the image to the right, and down into the value."""
    end, y = grid.box(route.end), grid.image.cy
    return (
        ("M", ((grid.image.right, y),)),
        ("L", ((end.cx - TURN, y),)),
        ("C", ((end.cx, y), (end.cx, y), (end.cx, y + TURN))),
        ("L", ((end.cx, end.y - HEAD),)),
    ), DOWN


_WAYS = {"across": _across, "along": _along, "bow": _bow, "drop": _drop}


def _past_letter(route: Route, grid: Grid) -> Path:
    """From the value's side to where arrows bend, with room for the letter."""
    box, y = grid.box(route.start), grid.end(route.start, route.leaves)
    after = box.right + STUB + text_width(route.weights.name, SMALL)
    return (
        ("M", ((box.right, y),)),
        ("L", ((box.right + STUB - 1, y),)),
        ("M", ((after + 1, y),)),
        ("L", ((box.right + STUB + grid.letter + 2, y),)),
    )


def _bend(start: Point, end: Point) -> tuple[str, tuple[Point, ...]]:
    """A curve that is level at both ends."""
    middle = (start[0] + end[0]) / 2
    return "C", ((middle, start[1]), (middle, end[1]), end)
