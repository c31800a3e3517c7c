"""Layout of a recurrent graph without Graphviz: the units in one column, in order.

Arrows down run on the right, arrows up on the left: straight between neighbours, else in separate lanes around the
units in between. Labels lie in the gaps between boxes, where nothing leaves or enters a lane, so no arrow ever crosses
a label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from graphnet.pictures.elements import DOWN, HEAD, LEFT, RIGHT, UP, Anchor, Box, Path, Point, rounded
from graphnet.pictures.recurrent.wiring import Wiring

PORT, GAP, LANE_GAP, BEND = 11.0, 24.0, 10.0, 6.0
"""Distances between ports, boxes (at least) and lanes; radius of bends."""

LOOP, BESIDE, APART = 17.0, 5.0, 7.0
"""Reach of a loop; from a line to its label; from the middle to each of two lines between neighbours."""

FRAME_PAD, CAPTION = 9.0, 13.0

Size = tuple[float, float]


class Way(NamedTuple):
    """An arrow's path, the direction of its head, the upper left corner of its label, and the label's alignment."""

    path: Path
    head: Point
    label: Point
    anchor: Anchor = "middle"


@dataclass(frozen=True)
class Placed:
    """A complete layout: boxes of units and frames of parts by name, ways in the order of the wires.

    `captions` are the boxes for the frames' names.
    """

    boxes: Mapping[str, Box]
    ways: tuple[Way, ...]
    frames: Mapping[str, Box]
    captions: Mapping[str, Box] = field(default_factory=dict)


@dataclass
class _Arc:
    """A wire around units: the numbers of the units at its upper and lower end, its side and lane."""

    number: int
    upper: int
    lower: int
    right: bool
    lane: int = 0

    @property
    def gap(self) -> int:
        """The gap of its label: the middle one."""
        return (self.upper + self.lower - 1) // 2

    def meets(self, other: _Arc) -> bool:
        """Whether the two need different lanes."""
        return self.upper < other.lower and other.upper < self.lower


def column(wiring: Wiring, sizes: Mapping[str, Size], labels: Sequence[Size]) -> Placed:
    """Place units and wires; `sizes` are the least sizes of units, `labels` the sizes of the wires' labels."""
    return _Column(wiring, sizes, labels).placed()


class _Column:
    def __init__(self, wiring: Wiring, sizes: Mapping[str, Size], labels: Sequence[Size]) -> None:
        self.wiring, self.labels = wiring, labels
        order = wiring.order
        self.ends = [(order[wire.source], order[wire.target]) for wire in wiring.wires]
        self.arcs = _in_lanes(
            [_Arc(n, min(ends), max(ends), ends[0] < ends[1]) for n, ends in enumerate(self.ends) if _apart(ends) > 1]
        )
        self.loops = {ends[0]: n for n, ends in enumerate(self.ends) if _apart(ends) == 0}
        self.width = max(width for width, _ in sizes.values())
        self.heights = [self._height(number, sizes[unit.name][1]) for number, unit in enumerate(wiring.units)]
        self.frames = [(order[names[0]], order[names[-1]]) for names in wiring.parts.values()]
        self.tops = self._tops()
        self.sides = self._side(right=False), self._side(right=True)
        self.lanes = self._lanes()

    def _height(self, number: int, least: float) -> float:
        """Height of a unit's box, with room for the ends of its arcs above and below its loop."""
        loop = max(2 * BEND, self.labels[self.loops[number]][1]) if number in self.loops else 0.0
        groups = [[len(self._group(number, right, upper)) for upper in (True, False)] for right in (False, True)]
        beside = max(sum(groups[0]) * PORT, 2 * max(groups[1]) * PORT + loop if loop else sum(groups[1]) * PORT)
        return max(least, beside + 4)

    def _group(self, number: int, right: bool, upper: bool) -> list[_Arc]:
        """The arcs that end in the upper half of a unit's side (coming from above) or in its lower half, top to bottom.

        Outer arcs end nearer to the middle, so that no two arcs of a unit cross.
        """
        found = [arc for arc in self.arcs if arc.right is right and number == (arc.lower if upper else arc.upper)]
        return sorted(found, key=lambda arc: arc.lane, reverse=not upper)

    def _tops(self) -> list[float]:
        """y of each unit's box, with room in between for labels, frames and their names."""
        tops, y = [], 0.0
        for number, height in enumerate(self.heights):
            if any(first == number for first, _ in self.frames):
                y += CAPTION + FRAME_PAD
            tops.append(y)
            y += height + self._gap(number)
        return tops

    def _gap(self, number: int) -> float:
        """Height of the gap below a unit, including its frame's pad."""
        here = [self.labels[arc.number][1] for arc in self.arcs if arc.gap == number]
        here += [self.labels[n][1] for n, ends in enumerate(self.ends) if _apart(ends) == 1 and min(ends) == number]
        pad = FRAME_PAD if any(last == number for _, last in self.frames) else 0.0
        return max(GAP, *(height + 2 * BEND + 2 for height in here), 0.0) + pad

    def _middle(self, gap: int) -> float:
        """y of the middle of the free part of the gap below a unit."""
        top = self.tops[gap] + self.heights[gap]
        top += FRAME_PAD if any(last == gap for _, last in self.frames) else 0.0
        bottom = self.tops[gap + 1]
        bottom -= CAPTION + FRAME_PAD if any(first == gap + 1 for first, _ in self.frames) else 0.0
        return (top + bottom) / 2

    def _side(self, right: bool) -> float:
        """Reach of boxes, loops and labels between neighbours from the middle."""
        reach = [self.width / 2]
        if right:
            reach += [self.width / 2 + LOOP + BESIDE + self.labels[n][0] for n in self.loops.values()]
        for number, (source, target) in enumerate(self.ends):
            if abs(source - target) == 1 and (source < target) is right:
                reach.append(self._beside(source, target) + BESIDE + self.labels[number][0])
        return max(reach) + (FRAME_PAD if self.frames else 0.0)

    def _beside(self, source: int, target: int) -> float:
        """Distance of a line between neighbours from the middle: 0 unless there are two lines."""
        return APART if (target, source) in self.ends else 0.0

    def _lanes(self) -> dict[tuple[bool, int], float]:
        """x of each lane, wide enough for the labels on it."""
        found = {}
        for right in (False, True):
            x = self.sides[right]
            for lane in range(1 + max((arc.lane for arc in self.arcs if arc.right is right), default=-1)):
                half = (
                    max(self.labels[arc.number][0] for arc in self.arcs if (arc.right, arc.lane) == (right, lane)) / 2
                )
                x += LANE_GAP + half
                found[right, lane] = x if right else -x
                x += half
        return found

    def placed(self) -> Placed:
        units = self.wiring.units
        boxes = {
            unit.name: Box(-self.width / 2, self.tops[n], self.width, self.heights[n]) for n, unit in enumerate(units)
        }
        arcs = {arc.number: arc for arc in self.arcs}
        ways = [
            self._around(arcs[n]) if n in arcs else self._loop(n) if ends[0] == ends[1] else self._straight(n)
            for n, ends in enumerate(self.ends)
        ]
        frames, captions = {}, {}
        for part, (first, last) in zip(self.wiring.parts, self.frames, strict=True):
            top = self.tops[first] - CAPTION - FRAME_PAD / 2
            bottom = self.tops[last] + self.heights[last] + FRAME_PAD
            left, right = self.sides
            frames[part] = Box(-left, top, left + right, bottom - top)
            captions[part] = Box(-left + 6, top + 1, left - APART - 12, CAPTION)
        return Placed(boxes, tuple(ways), frames, captions)

    def _straight(self, number: int) -> Way:
        """Route a straight line between neighbours."""
        source, target = self.ends[number]
        width, height = self.labels[number]
        x, y = self._beside(source, target), self._middle(min(source, target))
        top, bottom = self.tops[min(source, target)] + self.heights[min(source, target)], self.tops[max(source, target)]
        if source < target:
            return Way((("M", ((x, top),)), ("L", ((x, bottom - HEAD),))), DOWN, (x + BESIDE, y - height / 2), "start")
        return Way(
            (("M", ((-x, bottom),)), ("L", ((-x, top + HEAD),))), UP, (-x - BESIDE - width, y - height / 2), "end"
        )

    def _loop(self, number: int) -> Way:
        unit = self.ends[number][0]
        x, y = self.width / 2, self.tops[unit] + self.heights[unit] / 2
        out = x + LOOP
        path: Path = (
            ("M", ((x, y - BEND),)),
            ("C", ((out, y - 2 * BEND), (out, y + 2 * BEND), (x + HEAD, y + BEND))),
        )
        return Way(path, LEFT, (out + BESIDE - 3, y - self.labels[number][1] / 2), "start")

    def _around(self, arc: _Arc) -> Way:
        """Route an arc in its lane, with a break for the label."""
        source, target = self.ends[arc.number]
        side = self.width / 2 if arc.right else -self.width / 2
        x, (width, height) = self.lanes[arc.right, arc.lane], self.labels[arc.number]
        middle = self._middle(arc.gap)
        upper, lower = self._port(arc, arc.upper), self._port(arc, arc.lower)
        ends = [(side, upper), (x, upper)], [(x, lower), (side, lower)]
        halves = [
            [*ends[0], (x, middle - height / 2 - 1)],
            [(x, middle + height / 2 + 1), *ends[1]],
        ]
        if source > target:
            halves = [list(reversed(each)) for each in reversed(halves)]
        tip = halves[1][-1]
        halves[1][-1] = (tip[0] + (HEAD if arc.right else -HEAD), tip[1])
        path = (*rounded(halves[0], BEND), *rounded(halves[1], BEND))
        return Way(path, LEFT if arc.right else RIGHT, (x - width / 2, middle - height / 2))

    def _port(self, arc: _Arc, unit: int) -> float:
        """y of an arc's end at a unit's side."""
        upper = unit == arc.lower
        above, below = (self._group(unit, arc.right, half) for half in (True, False))
        loop = max(2 * BEND, self.labels[self.loops[unit]][1]) if arc.right and unit in self.loops else 0.0
        middle = self.tops[unit] + self.heights[unit] / 2
        if loop:
            place = above.index(arc) - len(above) + 0.5 if upper else below.index(arc) + 0.5
            return middle + place * PORT + (-loop / 2 if upper else loop / 2)
        row = [*above, *below]
        return middle + (row.index(arc) - (len(row) - 1) / 2) * PORT


def _apart(ends: tuple[int, int]) -> int:
    return abs(ends[0] - ends[1])


def _in_lanes(arcs: list[_Arc]) -> list[_Arc]:
    """Assign each arc the innermost lane free along its span, shorter arcs first."""
    taken: dict[tuple[bool, int], list[_Arc]] = {}
    for arc in sorted(arcs, key=lambda arc: (arc.lower - arc.upper, arc.upper)):
        while any(map(arc.meets, taken.get((arc.right, arc.lane), ()))):
            arc.lane += 1
        taken.setdefault((arc.right, arc.lane), []).append(arc)
    return arcs
