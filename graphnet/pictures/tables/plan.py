"""Plan → a picture of its lines: a panel for each distinct step, with how often it recurs, and what its ops cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from graphnet.network.functions.ops import KINDS, Op, Shape
from graphnet.pictures.captions import MARGIN, SMALL, TEXT, heading, row_names, shape_text, times_text
from graphnet.pictures.elements import FAINT, PALE, PAPER, Box, Label, Node, Picture, fitted, label, text_width, wrapped
from graphnet.planning.body import NOW, inlined
from graphnet.planning.plan import IMAGE, Line, Plan
from graphnet.planning.programs import Program, Run, runs_of

LEADING, PAD, TAB, APART = 12.5, 6.0, 10.0, 12.0
MOST_ROWS = 400
"""So many lines are shown; of a plan with more distinct ones, the first steps."""

TALL = 1.35
"""Panels stand in more columns where the page gets higher than so many times its width."""

HEADS = ("transition", "op", "shape", "parameters", "FLOPs")
NUMBERS = (3, 4)
"""The columns that stand at the right."""


@dataclass
class Panel:
    """A distinct step: its rows, the values that it makes, the times at which it runs."""

    rows: list[tuple[str, ...]]
    makes: dict[str, None] = field(default_factory=dict)
    times: list[int] = field(default_factory=list)

    @property
    def titles(self) -> tuple[str, str]:
        """When it runs, and what it makes."""
        often = f" ({len(self.times)} times)" if len(self.times) > 1 else ""
        return f"t = {times_text(sorted(set(self.times)))}{often}", f"makes {', '.join(self.makes)}"


def panels(plan: Plan) -> list[Panel]:
    """The distinct steps in the order in which they run first."""
    shapes: dict[str, Shape] = {line.name: line.shape for line in plan.lines} | {IMAGE: plan.input_shape}
    sizes = {tensor.name: math.prod(tensor.shape) * tensor.trainable for tensor in plan.tensors}
    names = row_names(plan)
    between = {
        cell.place: f"{names.get(cell.source, cell.source)} → {names.get(cell.target, cell.target)}"
        for cell in plan.cells
    }
    found: dict[Program, Panel] = {}
    panel: Panel | None = None
    for t, piece in runs_of(plan):
        if not isinstance(piece, Run):
            if panel and isinstance(piece, Line) and piece.op.kind == "value":
                panel.makes[names.get(piece.place, piece.place)] = None
            continue
        if piece.program not in found:
            lines = [inlined(line, t) for line in piece.lines]
            found[piece.program] = Panel(list(_rows(lines, shapes, sizes, between | names)))
        panel = found[piece.program]
        panel.times.append(t if piece.lines[0].t == NOW else piece.lines[0].t)
    return list(found.values())


def _rows(
    lines: Sequence[Line], shapes: Mapping[str, Shape], sizes: Mapping[str, int], between: Mapping[str, str]
) -> Iterator[tuple[str, ...]]:
    place = ""
    for line in lines:
        known = between.get(line.place, line.place)
        parameters = sum(sizes.get(name, 0) for name in dict.fromkeys(line.tensors))
        flops = KINDS[line.op.kind].flops(line.op, tuple(shapes[name] for name in line.arguments), line.shape)
        yield (
            known if line.place != place else "",
            op_text(line.op, len(line.arguments)),
            shape_text(line.shape),
            f"{parameters:,}" if parameters else "",
            rounded_count(flops) if flops else "",
        )
        place = line.place


def op_text(op: Op, arguments: int) -> str:
    """An op as in `conv 3×3, stride 2` or `mean of 3`."""
    known = dict(op.attributes)
    text = op.kind.replace("conv_transpose", "deconv").replace("_", " ")
    if isinstance(kernel := known.get("kernel"), int):
        text += f" {kernel}×{kernel}"
    text += "".join(f", {name} {known[name]}" for name in ("stride", "dilation", "groups") if known.get(name, 1) != 1)
    return f"{text} of {arguments}" if arguments > 1 else text


def rounded_count(number: int) -> str:
    """To three digits, as in `75.5M`."""
    for power, letter in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if number >= 10**power:
            value = number / 10**power
            return f"{value:.{(value < 10) + (value < 100)}f}{letter}"
    return str(number)


def summary(plan: Plan) -> str:
    """The figures of a net in a line."""
    low, high = plan.milliseconds
    flops = rounded_count(plan.flops)
    return f"{plan.parameters:,} parameters, {flops} FLOPs an image, depth {plan.depth}, {low}–{high} ms"


def layout(plan: Plan, width: float = math.inf) -> Picture:
    """The picture, as boxes and labels, if it can be on a page of this width."""
    found = panels(plan)
    shown = _first(found)
    tabs, inner = _tabs(shown)
    columns = _columns([_height(panel) for panel in shown], inner + 2 * PAD, width)
    width = len(columns) * (inner + 2 * PAD + APART) - APART + 2 * MARGIN
    labels = list(heading(plan, width - 2 * MARGIN))
    y = labels[-1].box.bottom + 5
    count = f"{len(found)} distinct step{'s' * (len(found) > 1)} of {sum(len(panel.times) for panel in found)}"
    for text in (summary(plan), f"{len(plan.lines):,} lines in {count}"):
        for line in wrapped(text, SMALL, width - 2 * MARGIN):
            labels.append(label(line, SMALL, MARGIN, y + LEADING / 2))
            y += LEADING
    top = bottom = y + 6
    nodes: list[Node] = []
    panel_of = iter(shown)
    for number, heights in enumerate(columns):
        x, y = MARGIN + number * (inner + 2 * PAD + APART), top
        for height in heights:
            node = Node(
                f"step{len(nodes)}", Box(x, y, inner + 2 * PAD, height), "", kind="step", fill=PAPER, frame=FAINT
            )
            labels += _texts(next(panel_of), node, tabs, inner)
            nodes.append(node)
            y += height + APART
        bottom = max(bottom, y - APART)
    if len(shown) < len(found):
        text = f"… and {len(found) - len(shown)} more distinct steps; `graphnet plan --json` lists every line."
        for line in wrapped(text, SMALL, width - 2 * MARGIN):
            bottom += LEADING
            labels.append(label(line, SMALL, MARGIN, bottom, colour=PALE))
        bottom += LEADING / 2
    return Picture(plan.name, width, bottom + MARGIN, (), tuple(nodes), tuple(labels))


def _first(found: Sequence[Panel]) -> list[Panel]:
    """The first panels, at least one, with no more rows than are shown."""
    rows = 0
    for number, panel in enumerate(found):
        rows += len(panel.rows)
        if rows > MOST_ROWS and number:
            return list(found[:number])
    return list(found)


def _height(panel: Panel) -> float:
    return 2 * PAD + (len(panel.rows) + 3) * LEADING + 2


def _tabs(shown: Sequence[Panel]) -> tuple[list[float], float]:
    """Where the columns of a panel begin, or end where they stand at the right; and the width of all."""
    rows = [row for panel in shown for row in (HEADS, *panel.rows)]
    widths = [max(text_width(row[k], SMALL) for row in rows) for k in range(len(HEADS))]
    ends = [sum(widths[: k + 1]) + k * TAB for k in range(len(HEADS))]
    tabs = [end if k in NUMBERS else end - widths[k] for k, end in enumerate(ends)]
    return tabs, max(ends[-1], *(text_width(panel.titles[0], TEXT, bold=True) for panel in shown))


def _columns(heights: Sequence[float], width: float, page: float) -> list[list[float]]:
    """Panels, top to bottom and left to right, in as many columns as make a page that is not too tall.

    What would fit a page of the given width in fewer columns, and in height, is not made wider.
    """
    for count in range(1, len(heights) + 1):
        columns = _packed(heights, count)
        wider = (count + 1) * (width + APART) - APART + 2 * MARGIN
        tall = max(map(_stack, columns))
        if tall <= TALL * len(columns) * width or (wider > page and tall <= TALL * page):
            break
    return columns


def _packed(heights: Sequence[float], count: int) -> list[list[float]]:
    """Panels in no more than so many columns, which are about as tall as each other."""
    most = max(_stack(heights) / count, *heights)
    while True:
        columns: list[list[float]] = [[]]
        for height in heights:
            if columns[-1] and _stack([*columns[-1], height]) > most:
                columns.append([])
            columns[-1].append(height)
        if len(columns) <= count:
            return columns
        most += LEADING


def _stack(heights: Sequence[float]) -> float:
    return sum(heights) + APART * (len(heights) - 1)


def _texts(panel: Panel, node: Node, tabs: Sequence[float], inner: float) -> Iterator[Label]:
    x, y = node.box.x + PAD, node.box.y + PAD + LEADING / 2
    first, second = panel.titles
    yield label(first, TEXT, x, y, bold=True, owner=node.name)
    y += LEADING
    yield label(fitted(second, SMALL, inner, SMALL)[0], SMALL, x, y, colour=PALE, owner=node.name)
    y += LEADING + 2
    for row in (HEADS, *panel.rows):
        for k, (text, tab) in enumerate(zip(row, tabs, strict=True)):
            colour = {"colour": PALE} if row is HEADS else {}
            if text:
                anchor = "end" if k in NUMBERS else "start"
                yield label(text, SMALL, x + tab, y, anchor=anchor, owner=node.name, **colour)  # type: ignore[arg-type]
        y += LEADING
