"""Paths of an unrolled net's arrows: lines and curves along the routes found by `routes`."""

from __future__ import annotations

from graphnet.pictures.captions import SMALL
from graphnet.pictures.elements import DOWN, HEAD, LEFT, RIGHT, UP, Path, Point, text_width
from graphnet.pictures.unrolled.grid import OUT, STUB, TURN, Grid
from graphnet.pictures.unrolled.routes import Route


def path_of(route: Route, grid: Grid) -> tuple[Path, Point]:
    """Return the arrow's path and the direction of its head."""
    return _WAYS[route.way](route, grid)


def path_out(route: Route, grid: Grid) -> tuple[Path, Point]:
    """The path of an arrow that continues elsewhere: past its letter or along its track, beyond the last column."""
    path = _past_letter(route, grid)
    edge = grid.box(route.end).x - grid.pitch + grid.width + STUB + grid.letter + 2 + OUT
    if route.track:
        x, y = path[-1][1][-1]
        lane = grid.track(*route.track)
        path += (_bend((x, y), (x + grid.curve, lane)),)
        edge = max(edge, x + grid.curve)
        return (*path, ("L", ((edge, lane),))), RIGHT
    return (*path, ("L", ((edge, path[-1][1][-1][1]),))), RIGHT


def _across(route: Route, grid: Grid) -> tuple[Path, Point]:
    """Past the letter, optionally along a track, then to the target's height in the gap before it."""
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
    """From the value's side to the bend, with room for the letter."""
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
