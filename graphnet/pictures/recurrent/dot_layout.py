"""Layout of a recurrent graph by Graphviz's `dot`; graphnet draws the picture."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from graphnet.pictures.elements import HEAD, Box, Path, PictureWarning, Point
from graphnet.pictures.recurrent.fallback_layout import CAPTION, Placed, Size, Way
from graphnet.pictures.recurrent.label_placement import Room, captioned, nudged
from graphnet.pictures.recurrent.wiring import Wiring

SECONDS = 10
"""Time limit for dot."""

INCH = 72.0
"""Our units in an inch of dot's."""


def find_dot() -> str | None:
    """Return the path of `dot` if it is on the PATH."""
    return shutil.which("dot")


def place_with_dot(wiring: Wiring, sizes: Mapping[str, Size], labels: Sequence[Size]) -> Placed | None:
    """Place units and wires. Return None if there is no `dot`, or, with a warning, if it fails."""
    command = find_dot()
    if command is None:
        return None
    try:
        done = subprocess.run(
            [command, "-Tjson0"],
            input=_sizes_only(wiring, sizes, labels).encode(),
            capture_output=True,
            check=True,
            timeout=SECONDS,
        )
        return _placed(json.loads(done.stdout), wiring, sizes, labels)
    except subprocess.TimeoutExpired:
        failed = f"'dot' took more than {SECONDS} s"
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):  # another program of that name, or too old
        failed = f"'{command}' is not a usable Graphviz"
    warnings.warn(f"{failed}: laid out in a column", PictureWarning, stacklevel=2)
    return None


def _sizes_only(wiring: Wiring, sizes: Mapping[str, Size], labels: Sequence[Size]) -> str:
    """DOT text of empty boxes and labels of these sizes: no text of a spec reaches dot."""
    lines = ["digraph {", 'node [shape=box fixedsize=true label=""]', f"edge [arrowsize={HEAD / 10}]"]
    order = wiring.order
    for name, number in order.items():
        width, height = sizes[name]
        lines.append(f"n{number} [width={width / INCH:.4f} height={height / INCH:.4f}]")
    for number, (part, names) in enumerate(wiring.parts.items()):
        caption = _blank(sizes[part][0], CAPTION)
        inner = "; ".join(f"n{order[name]}" for name in names)
        lines.append(f"subgraph cluster{number} {{ label={caption}; labeljust=l; {inner} }}")
    for number, wire in enumerate(wiring.wires):
        source, target = order[wire.source], order[wire.target]
        ends, back = ((target, source), " dir=back") if target < source else ((source, target), "")
        lines.append(f"n{ends[0]} -> n{ends[1]} [id={number} label={_blank(*labels[number])}{back}]")
    return "\n".join([*lines, "}"])


def _blank(width: float, height: float) -> str:
    """An empty label of the given size."""
    size = f'FIXEDSIZE="TRUE" WIDTH="{math.ceil(width) + 6}" HEIGHT="{math.ceil(height) + 4}"'
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="0" {size}><TR><TD></TD></TR></TABLE>>'


def _placed(found: Mapping[str, Any], wiring: Wiring, sizes: Mapping[str, Size], labels: Sequence[Size]) -> Placed:
    objects = {each["name"]: each for each in found["objects"]}
    boxes = {}
    for name, number in wiring.order.items():
        (x, y), (width, height) = _point(objects[f"n{number}"]["pos"]), sizes[name]
        boxes[name] = Box(x - width / 2, y - height / 2, width, height)
    frames = {}
    for number, part in enumerate(wiring.parts):
        left, low, right, high = map(float, objects[f"cluster{number}"]["bb"].split(","))
        frames[part] = Box(left, -high, right - left, high - low)
    edges = {int(each["id"]): each for each in found["edges"]}
    ways = tuple(_way(edges[number], size) for number, size in enumerate(labels))
    placed = Placed(boxes, ways, frames)
    room = Room(placed)
    placed = nudged(placed, labels, room)
    texts = [Box(*way.label, *size) for way, size in zip(placed.ways, labels, strict=True)]
    placed = replace(placed, frames={part: _around(frame, texts) for part, frame in frames.items()})
    return captioned(placed, sizes, room)


def _around(frame: Box, texts: Sequence[Box]) -> Box:
    """Extend a frame around labels on its outline: dot leaves room only for units."""
    for text in texts:
        if frame.meets(text):
            left, top = min(frame.x, text.x - 3), min(frame.y, text.y - 3)
            right, bottom = max(frame.right, text.right + 3), max(frame.bottom, text.bottom + 3)
            frame = Box(left, top, right - left, bottom - top)
    return frame


def _way(edge: Mapping[str, Any], size: Size) -> Way:
    """Make an arrow from dot's spline; reverse those that dot drew backwards."""
    tips = {part[0]: _point(part[2:]) for part in edge["pos"].split(" ") if part[0] in "se"}
    points = [_point(part) for part in edge["pos"].split(" ") if part[0] not in "se"]
    if "s" in tips:
        points.reverse()
    tip, last = next(iter(tips.values())), points[-1]
    length = max(math.dist(tip, last), 1e-6)
    head = (tip[0] - last[0]) / length, (tip[1] - last[1]) / length
    curves = [("C", tuple(points[k : k + 3])) for k in range(1, len(points), 3)]
    path: Path = (("M", (points[0],)), *curves)
    x, y = _point(edge["lp"])
    return Way(path, head, (x - size[0] / 2, y - size[1] / 2), "start")


def _point(text: str) -> Point:
    """Parse a point; dot's y points up."""
    x, y = map(float, text.rstrip("!").split(","))
    return x, -y
