"""Legibility checks for pictures: which elements overlap."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from graphnet.pictures.elements import HEAD, NOWHERE, Box, Curve, Picture

CELL = 64.0
"""Cell size of the grid that finds nearby boxes."""


def points(curve: Curve, steps: int = 16) -> Iterator[tuple[float, float]]:
    """Points on the drawn part of the curve, including its head."""
    here = (0.0, 0.0)
    for code, through in curve.path:
        if code != "M":
            corners = (here, *through) if code == "C" else (here, here, *through, *through)
            for s in (n / steps for n in range(steps + 1)):
                parts = ((1 - s) ** 3, 3 * s * (1 - s) ** 2, 3 * s**2 * (1 - s), s**3)
                x, y = (
                    sum(part * each for part, each in zip(parts, axis, strict=True))
                    for axis in zip(*corners, strict=True)
                )
                yield x, y
        here = through[-1]
    yield here[0] + HEAD * curve.head[0], here[1] + HEAD * curve.head[1]


def within(box: Box, x: float, y: float, slack: float = 0.05) -> bool:
    return box.x + slack < x < box.right - slack and box.y + slack < y < box.bottom - slack


def steps_of(curve: Curve) -> int:
    """Number of points per piece such that consecutive points are at most three units apart."""
    ends = [point for _, through in curve.path for point in through]
    reach = max(max(each) for each in zip(*ends, strict=True)) - min(min(each) for each in zip(*ends, strict=True))
    return min(max(16, int(abs(reach) / 3)), 400)


def cells(box: Box) -> Iterator[tuple[int, int]]:
    for column in range(int(box.x // CELL), int(box.right // CELL) + 1):
        for row in range(int(box.y // CELL), int(box.bottom // CELL) + 1):
            yield column, row


def contains(outer: Box, box: Box) -> bool:
    return outer.x <= box.x < box.right <= outer.right and outer.y <= box.y < box.bottom <= outer.bottom


def faults(picture: Picture) -> list[str]:
    """Flaws of a picture: overlapping labels, arrows through labels or boxes, elements off the page."""
    page = Box(0, 0, picture.width, picture.height)
    found: dict[str, None] = {}
    texts: dict[tuple[int, int], list[int]] = {}
    boxes: dict[tuple[int, int], list[int]] = {}
    for number, label in enumerate(picture.labels):
        if not contains(page, label.box):
            found[f"'{label.text}' is off the page"] = None
        for cell in cells(label.box):
            texts.setdefault(cell, []).append(number)
    for number, node in enumerate(picture.nodes):
        if not contains(page, node.box):
            found[f"{node.name} is off the page"] = None
        for cell in cells(node.box):
            boxes.setdefault(cell, []).append(number)
    for cell, here in texts.items():
        for a, b in combinations(here, 2):
            one, other = picture.labels[a], picture.labels[b]
            if one.box.meets(other.box):
                found[f"'{one.text}' and '{other.text}' meet"] = None
        for n in boxes.get(cell, ()):
            node = picture.nodes[n]
            for a in here:
                label = picture.labels[a]
                if label.owner == node.name:
                    if not (node.box.x <= label.box.x and label.box.right <= node.box.right):
                        found[f"'{label.text}' does not fit its box {node.name}"] = None
                elif label.box.meets(node.box):
                    found[f"'{label.text}' and the box {node.name} meet"] = None
    for here in boxes.values():
        for a, b in combinations(here, 2):
            one_box, other_box = picture.nodes[a].box, picture.nodes[b].box
            if Box(one_box.x + 0.01, one_box.y + 0.01, one_box.w - 0.02, one_box.h - 0.02).meets(other_box):
                found[f"the boxes {picture.nodes[a].name} and {picture.nodes[b].name} meet"] = None
    for curve in picture.curves:
        for x, y in points(curve, steps_of(curve)):
            cell = int(x // CELL), int(y // CELL)
            if not within(page, x, y):
                found[f"{curve.name} leaves the page"] = None
            for a in texts.get(cell, ()):
                if within(picture.labels[a].box, x, y):
                    found[f"{curve.name or 'a line'} runs through '{picture.labels[a].text}'"] = None
            for n in boxes.get(cell, ()):
                if curve.kind == "arrow" and within(picture.nodes[n].box, x, y, 0.5):
                    found[f"{curve.name} runs through the box {picture.nodes[n].name}"] = None
        if curve.kind == "arrow":
            assert curve.head != NOWHERE, curve.name
    return list(found)
