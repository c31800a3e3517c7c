"""Plan → its distinct steps as tables: ops, places, shapes and costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from graphnet.network.functions.ops import Line, Op
from graphnet.network.network import INPUT
from graphnet.pictures.captions import row_names, shape_text, times_text
from graphnet.planning.body import BEFORE, IMAGE, Body, at, inlined, steps_back
from graphnet.planning.plan import Plan

UPDATE = ".update"
"""Suffix of the places of a state's update ops."""


@dataclass
class Row:
    """An op of a step.

    Attributes:
        place: the transition, or the state whose arrivals are merged or updated.
        op: as in `conv 3×3, stride 2`.
        shape: of its result.
        flops: floating-point operations at one time, rounded; empty if negligible.
        tensors: the names of its parameters in the body.
        new, times: parameters not counted in a row above, at one time; number of times with their own parameters.
        shared: parameters already counted in a row above.
    """

    place: str
    op: str
    shape: str
    flops: str
    tensors: tuple[str, ...] = ()
    new: int = 0
    times: int = 0
    shared: int = 0

    @property
    def counted(self) -> int:
        """The parameters counted in this row."""
        return self.new * self.times

    @property
    def parameters(self) -> str:
        """Text as in `2,304`; `10×2,304` if each time has its own; `(2,304)` if counted in a row above."""
        often = f"{self.times}×" if self.times > 1 else ""
        texts = [f"{often}{self.new:,}"] if self.counted else []
        return " ".join([*texts, f"({self.shared:,})"] if self.shared else texts)


@dataclass
class Panel:
    """A distinct step: its rows, the values it makes, and its times."""

    rows: list[Row]
    makes: tuple[str, ...]
    times: list[int] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The times of the step."""
        if self.times == [BEFORE]:
            return "before the first step"
        often = f" ({len(self.times)} times)" if len(self.times) > 1 else ""
        return f"t = {times_text(self.times)}{often}"


def panels(plan: Plan) -> list[Panel]:
    """Return the distinct steps in order of their first run."""
    sizes = {tensor.name: math.prod(tensor.shape) for tensor in plan.trainable}
    places = _places(plan)
    found: dict[Body, Panel] = {}
    counted: dict[str, Row] = {}
    lines = {line.name: line for line in plan.lines}
    for body, t in plan.calls:
        if body not in found:
            makes = dict.fromkeys(places.get(line.place, line.place) for line in body.lines if line.op.kind == "value")
            found[body] = Panel(list(_rows(body, t, places, lines)), tuple(makes))
        panel = found[body]
        panel.times.append(t)
        if len(panel.times) == 1 or any("{t" in name for row in panel.rows for name in row.tensors):
            for row in panel.rows:
                _count(row, t, sizes, counted)
    return list(found.values())


def _count(row: Row, t: int, sizes: Mapping[str, int], counted: dict[str, Row]) -> None:
    """Count a row's parameters at a time, unless a row above counts them."""
    names = [name for name in dict.fromkeys(at(each, t) for each in row.tensors) if name in sizes]
    new = sum(sizes[name] for name in names if name not in counted)
    if new:
        row.new, row.times = new, row.times + 1
    row.shared = max(row.shared, sum(sizes[name] for name in names if counted.get(name, row) is not row))
    counted.update((name, row) for name in names if name not in counted)


def _places(plan: Plan) -> dict[str, str]:
    """Names of places: `V1 → V2` for transitions, labels for states."""
    names = row_names(plan)
    between = {
        cell.place: f"{names.get(cell.source, cell.source)} → {names.get(cell.target, cell.target)}"
        for cell in plan.cells
    }
    return between | {f"{name}{UPDATE}": f"{text} update" for name, text in names.items()} | names


def _rows(body: Body, t: int, places: Mapping[str, str], lines: Mapping[str, Line]) -> Iterator[Row]:
    """The rows of a body; equal ops before the first step share a row, with their number."""
    before: dict[tuple[str, str, str], int] = {}
    for line in body.lines:
        if line.t == BEFORE:
            key = places.get(line.place, line.place), op_text(line.op, 1), shape_text(line.shape)
            before[key] = before.get(key, 0) + 1
    for (place, text, shape), count in before.items():
        yield Row(place, f"{text}, {count} times" if count > 1 else text, shape, "")
    made = {line.name for line in body.lines if line.op.kind != "value"}
    for line, flops in zip(body.lines, body.work, strict=True):
        place, shape = places.get(line.place, line.place), shape_text(line.shape)
        if line.t != BEFORE and line.op.kind != "value":
            text = op_text(inlined(line, t).op, len(line.arguments))
            yield Row(place, text, shape, rounded_count(flops) if flops else "", line.tensors)
        elif line.op.kind == "value" and not made & set(line.arguments):
            yield Row(place, f"as {_read(line.arguments[0], t, places, lines)}", shape, "")


def _read(name: str, t: int, places: Mapping[str, str], lines: Mapping[str, Line]) -> str:
    """Name a value of another step, as in `V1 at t − 1`; a value made only once has its time."""
    if name == IMAGE:
        return INPUT
    line, back = lines[at(name, t)], steps_back(name)
    when = f" at t − {back}" if back else f" at t = {line.t}" if back is None else ""
    return f"{places.get(line.place, line.place)}{when}"


def op_text(op: Op, arguments: int) -> str:
    """Format an op, as in `conv 3×3, stride 2` or `mean of 3`."""
    known = dict(op.attributes)
    text = op.kind.replace("conv_transpose", "deconv").replace("_", " ")
    if isinstance(kernel := known.get("kernel"), int):
        text += f" {kernel}×{kernel}"
    text += "".join(f", {name} {known[name]}" for name in ("stride", "dilation", "groups") if known.get(name, 1) != 1)
    return f"{text} of {arguments}" if arguments > 1 else text


def rounded_count(number: int) -> str:
    """Format a number to three digits, as in `75.5M`."""
    for power, letter in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if number >= 10**power:
            value = number / 10**power
            return f"{value:.{(value < 10) + (value < 100)}f}{letter}"
    return str(number)
