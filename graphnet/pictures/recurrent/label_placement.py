"""Move labels off arrows and boxes that dot placed over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from graphnet.pictures.elements import Box, Path, Point
from graphnet.pictures.recurrent.fallback_layout import Placed, Size

CELL = 40.0
"""Cell size of the grid that finds what is near a label."""

STEP, FARTHEST = 4.0, 10
"""Step by which labels move, and most steps to either side."""

CLOSE = 2.5
"""Distance of points sampled on an arrow; no label is thinner."""

Square = tuple[int, int]


class Room:
    """The area taken by arrows, boxes and labels."""

    def __init__(self, placed: Placed) -> None:
        self.dots: dict[Square, list[Point]] = {}
        self.taken: dict[Square, list[Box]] = {}
        for way in placed.ways:
            for x, y in _along(way.path):
                self.dots.setdefault((int(x // CELL), int(y // CELL)), []).append((x, y))
        for box in placed.boxes.values():
            self.take(box)

    def take(self, box: Box) -> None:
        for cell in _squares(box):
            self.taken.setdefault(cell, []).append(box)

    def is_free(self, box: Box) -> bool:
        return not any(
            any(other.meets(box) for other in self.taken.get(cell, ()))
            or any(box.x - 1 < x < box.right + 1 and box.y - 1 < y < box.bottom + 1 for x, y in self.dots.get(cell, ()))
            for cell in _squares(box)
        )

    def first_free(self, boxes: Iterable[Box], otherwise: Box) -> Box:
        """Take and return the first free box; `otherwise` if none is free."""
        box = next(filter(self.is_free, boxes), otherwise)
        self.take(box)
        return box


def nudged(placed: Placed, labels: Sequence[Size], room: Room) -> Placed:
    """Move each label to the nearest free place; it stays if there is none."""
    ways = []
    for way, size in zip(placed.ways, labels, strict=True):
        box = Box(*way.label, *size)
        box = room.first_free(_near(box), box)
        ways.append(way._replace(label=(box.x, box.y)))
    return replace(placed, ways=tuple(ways))


def captioned(placed: Placed, sizes: Mapping[str, Size], room: Room) -> Placed:
    """Put the names of frames at their top, as far left as there is room."""
    captions = {}
    for part, frame in placed.frames.items():
        width, height = sizes[part]
        first = Box(frame.x + 6, frame.y + 1, min(width, frame.w - 12), height)
        steps = range(int((frame.w - 12 - first.w) // STEP) + 1)
        captions[part] = room.first_free((first._replace(x=first.x + n * STEP) for n in steps), first)
    return replace(placed, captions=captions)


def _near(box: Box) -> Iterator[Box]:
    """The box, then shifted copies from near to far."""
    steps = range(-FARTHEST, FARTHEST + 1)
    for across, down in sorted(((a, b) for a in steps for b in steps), key=lambda each: each[0] ** 2 + each[1] ** 2):
        yield box._replace(x=box.x + across * STEP, y=box.y + down * STEP)


def _squares(box: Box) -> Iterator[Square]:
    for column in range(int((box.x - 1) // CELL), int((box.right + 1) // CELL) + 1):
        for row in range(int((box.y - 1) // CELL), int((box.bottom + 1) // CELL) + 1):
            yield column, row


def _along(path: Path) -> Iterator[Point]:
    """Closely spaced points on a path."""
    here = path[0][1][0]
    for code, through in path:
        if code != "M":
            first, second, last = through if code == "C" else (here, *through, *through)
            spread = max(abs(a - b) for point in through for a, b in zip(point, here, strict=True))
            count = max(int(spread / CLOSE * 1.5), 4)
            for s in (number / count for number in range(count + 1)):
                parts = (1 - s) ** 3, 3 * s * (1 - s) ** 2, 3 * s**2 * (1 - s), s**3
                corners = here, first, second, last
                yield (
                    sum(part * x for part, (x, _) in zip(parts, corners, strict=True)),
                    sum(part * y for part, (_, y) in zip(parts, corners, strict=True)),
                )
        here = through[-1]
