"""Layout of an unrolled net's picture: positions of rows and columns, and labels of rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from graphnet.network.network import INPUT, LOGITS
from graphnet.pictures.captions import MARGIN, SMALL, TEXT, TINY, row_names, shape_text
from graphnet.pictures.elements import HEAD, Box, text_width, wrapped
from graphnet.pictures.states import arrivals, computed_texts, takes_time
from graphnet.pictures.unrolled.arrows import is_value
from graphnet.pictures.unrolled.routes import Port, Route, Spot, ports
from graphnet.planning.plan import Line, Plan

PAD = 3.0
STUB, BESIDE, TURN, OUT = 3.0, 4.0, 6.0, 8.0
"""Length of an arrow before its letter; from an arrow down a column to its letter; radius of a drop; length after its
letter of an arrow that continues elsewhere."""

BOX_WIDTHS, BOX_HEIGHT, IMAGE_HEIGHT = (26.0, 48.0), 24.0, 29.0
ROW_GAP, LEVEL_GAP, LETTER_GAP, LEAD = 11.0, 8.0, 13.0, 8.0
PORT, TRACK = 11.5, 5.0
"""Distance between ports, and between tracks."""

AXIS, CLOCK = 25.0, 12.0
"""Height of the time axis below the last row, and of biological time below that."""

SIDE, SIDE_LINE = 84.0, 13.0
"""Widest caption of a state at the left before it wraps; distance of its lines."""


@dataclass(frozen=True)
class Grid:
    """Positions of rows and columns, with y = 0 at the top of row 0.

    Attributes:
        image: the image's box.
        left: x of the first column; pitch: from one column to the next; width: of a value's box.
        tops: y of each row, and of the end of the last one; heights: of a value's box in it.
        sides: number of caption lines at the left of each row.
        ports: of each row, from top to bottom.
        axis: height of the time axis.
        letter: width kept for letters at the right of a value; curve: width in which arrows change height.
        beyond: room after a last column that arrows leave, or that has bows.
        right: where the last column ends, with bows.
    """

    image: Box
    left: float
    pitch: float
    width: float
    tops: tuple[float, ...]
    heights: tuple[float, ...]
    sides: tuple[int, ...]
    ports: Mapping[int, tuple[Port, ...]]
    axis: float
    letter: float
    curve: float
    beyond: float
    right: float

    def of(self, where: Collection[Spot], drawn: Sequence[Route]) -> Grid:
        """The same columns, with rows just high enough for these values and arrows."""
        needed = ports(drawn)
        heights, tops = _rows(self.sides, where, drawn, needed)
        return replace(self, heights=heights, tops=tops, ports=needed)

    def shifted(self, first: int, last: int, slot: int) -> Grid:
        """The columns from first to last, the first one moved to a slot (a column position from the left)."""
        left = self.left + (slot - first) * self.pitch
        return replace(self, left=left, right=left + last * self.pitch + self.width + self.beyond)

    @property
    def bottom(self) -> float:
        """y where the time axis ends."""
        return self.tops[-1] + self.axis

    def below(self, y: float) -> Grid:
        """The same grid, moved down by y."""
        image = self.image._replace(y=self.image.y + y)
        return replace(self, image=image, tops=tuple(top + y for top in self.tops))

    def box(self, spot: Spot) -> Box:
        """The box of the value at a spot."""
        if spot.row == 0:
            return self.image
        height = self.heights[spot.row]
        y = self.tops[spot.row] + spot.level * (height + LEVEL_GAP)
        return Box(self.left + spot.column * self.pitch, y, self.width, height)

    def end(self, spot: Spot, port: Port) -> float:
        """y of a port of the value at a spot."""
        if spot.row == 0:
            return self.image.cy
        row = self.ports[spot.row]
        return self.box(spot).cy + (row.index(port) - (len(row) - 1) / 2) * PORT

    def track(self, row: int, number: int) -> float:
        """y of a track in the gap above a row."""
        return self.tops[row] - HEAD - 2 - TRACK * number


def make_grid(plan: Plan, where: Mapping[str, Spot], drawn: Sequence[Route], least: float = 0.0) -> Grid:
    """Return a grid with room for all arrows and names; values are at least `least` wide if possible."""
    aside = [route for route in drawn if route.way == "bow" or (route.way == "across" and route.start.row)]
    letter = max((text_width(route.weights.name, SMALL) for route in aside), default=0.0)
    needed = ports(drawn)
    texts = side_texts(plan)
    lines = {where[line.name].row: len(texts[line.place]) for line in plan.lines if is_value(line)}
    rows = tuple(lines.get(row, 0) for row in range(1 + max(lines)))
    heights, tops = _rows(rows, where.values(), drawn, needed)
    reach = max((abs(route.start.row - route.end.row) for route in drawn), default=1)
    curve = min(9.0 + 6.0 * reach, 31.0)
    width = min(max(BOX_WIDTHS[0], least, *_value_widths(plan)), BOX_WIDTHS[1])
    pitch = width + STUB + letter + 2 + curve + HEAD
    image_width = max(text_width(INPUT, TEXT), text_width(shape_text(plan.input_shape), SMALL)) + 2 * PAD
    image = Box(MARGIN, 0.0, image_width, IMAGE_HEIGHT)
    sides = [text_width(text, SMALL) for _, *others in texts.values() for text in others]
    sides += [text_width(name, TEXT, bold=True) for name in row_names(plan).values()]
    from_image = any(route.way == "across" and not route.start.row for route in drawn)
    left = MARGIN + max(image_width, *sides) + (curve + HEAD if from_image else LEAD)
    last = plan.last_time - first_time(plan)
    bowed = any(route.way == "bow" and route.end.column == last for route in drawn)
    beside = max((text_width(route.weights.name, SMALL) for route in drawn if route.way == "along"), default=0.0)
    axis, clock = AXIS, 0.0
    if takes_time(plan):
        axis, clock = AXIS + CLOCK, text_width(milliseconds(plan.last_time), TINY) / 2
    least = max(LEAD, BESIDE + beside - width / 2, clock - width / 2)
    beyond = max(STUB + letter + 2 + max(curve, OUT + HEAD), least)
    right = left + last * pitch + width + (beyond if bowed else least)
    return Grid(image, left, pitch, width, tops, heights, rows, needed, axis, letter, curve, beyond, right)


def side_texts(plan: Plan) -> dict[str, list[str]]:
    """The caption lines at the left of each row: the state's name, shape, merge and update."""
    names, arriving = row_names(plan), arrivals(plan)
    areas = {area.name: area for area in plan.areas}
    found: dict[str, list[str]] = {}
    for line in plan.lines:
        if is_value(line) and line.place not in found:
            area, shape = areas.get(line.place), shape_text(line.shape)
            texts = computed_texts(area, arriving.get(line.place, 0)) if area else []
            room = max(SIDE, text_width(shape, SMALL), text_width(names[line.place], TEXT, bold=True))
            found[line.place] = [names[line.place], shape, *wrapped(", ".join(texts), SMALL, room)]
    return found


def _rows(
    sides: Sequence[int], where: Collection[Spot], drawn: Sequence[Route], needed: Mapping[int, tuple[Port, ...]]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Heights of the boxes of each row, and the top of each row; a row without values takes no room."""
    rows = len(sides)
    levels, tracks, lettered = [0] * rows, [0] * rows, [0] * rows
    for spot in where:
        levels[spot.row] = max(levels[spot.row], spot.level + 1)
    for route in drawn:
        if route.track:
            tracks[route.track.row] = max(tracks[route.track.row], route.track.number + 1)
        if route.way == "along":
            lettered[min(route.start.row, route.end.row) + 1] = 1
    heights = [
        max(BOX_HEIGHT, len(needed.get(row, ())) * PORT + 4, lines * SIDE_LINE - 2) for row, lines in enumerate(sides)
    ]
    heights[0] = IMAGE_HEIGHT
    tops = [0.0]
    for row in range(rows):
        bottom = tops[-1] + max(levels[row] * (heights[row] + LEVEL_GAP) - LEVEL_GAP, 0.0)
        gap = 0.0
        if row + 1 < rows and (levels[row + 1] or tracks[row + 1] or lettered[row + 1]):
            gap = ROW_GAP + tracks[row + 1] * TRACK + lettered[row + 1] * LETTER_GAP
        tops.append(bottom + gap)
    return tuple(heights), tuple(tops)


def _value_widths(plan: Plan) -> list[float]:
    """Widths of the names in the boxes; `logits` may be set smaller."""
    least = text_width(LOGITS, TINY) + PAD
    return [least if text == LOGITS else text_width(text, TEXT) + 2 * PAD for text in set(value_texts(plan).values())]


def first_time(plan: Plan) -> int:
    """The time of the first column; -1 if states are zeros before t = 0."""
    return min(line.t for line in plan.lines if is_value(line))


def value_texts(plan: Plan) -> dict[str, str]:
    """The text in each value's box: its state's label, or its T."""
    names = row_names(plan)
    return {line.name: _value_text(line, names) for line in plan.lines if is_value(line)}


def copy_texts(plan: Plan) -> dict[str, str]:
    """The text in the box of a repeated value: its time, and its T."""
    return {line.name: _copy_text(line) for line in plan.lines if is_value(line)}


def _copy_text(line: Line) -> str:
    suffix = _suffix(line)
    return f"@{line.t}" + (f" T{suffix}" if suffix else "") if line.t >= 0 else "0"


def _suffix(line: Line) -> str:
    """The T of a value, if its state differs by T."""
    suffix = line.name.removeprefix(f"{line.place}_t{line.t}").removeprefix("_T")
    return suffix if suffix.isdigit() else ""


def _value_text(line: Line, names: Mapping[str, str]) -> str:
    if line.t < 0:
        return "0"
    suffix = _suffix(line)
    return f"T = {suffix}" if suffix else names[line.place]


def milliseconds(t: int) -> str:
    """Biological time at t: 20 to 50 ms per step (LP section 3)."""
    return f"{20 * t}–{50 * t}" if t else "0"
