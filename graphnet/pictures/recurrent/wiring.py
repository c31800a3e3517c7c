"""A net's wiring without time: states, transitions between them, and parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphnet.network.network import INPUT, LOGITS
from graphnet.pictures.captions import row_names, shape_text
from graphnet.pictures.states import arrivals, computed_texts, read_values
from graphnet.planning.plan import CellInfo, Fate, Plan

FEW = 3
"""Most time ranges of a transition to show; of more, show the first and last."""


@dataclass(frozen=True)
class Unit:
    """The image, a state or the logits: its name and texts; `part` is the state that contains it."""

    name: str
    texts: tuple[str, ...]
    read: bool = False
    part: str = ""


@dataclass(frozen=True)
class Wire:
    """All transitions from one state to another, one text per function and delay; a dead wire never fires."""

    source: str
    target: str
    place: str
    texts: tuple[str, ...]
    dead: bool = False


@dataclass(frozen=True)
class Wiring:
    """Units from the image to the logits, in the order of the spec, and the wires between them."""

    units: tuple[Unit, ...]
    wires: tuple[Wire, ...]

    @property
    def order(self) -> dict[str, int]:
        """The number of each unit."""
        return {unit.name: number for number, unit in enumerate(self.units)}

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """States made of parts, and their units."""
        found: dict[str, list[str]] = {}
        for unit in self.units:
            if unit.part:
                found.setdefault(unit.part, []).append(unit.name)
        return {part: tuple(names) for part, names in found.items()}


def wire(plan: Plan) -> Wiring:
    """The wiring of a net."""
    between: dict[tuple[str, str], list[CellInfo]] = {}
    for cell in plan.cells:
        between.setdefault((cell.source, cell.target), []).append(cell)
    alive = {(firing.source, firing.target) for firing in plan.firings if firing.fate is Fate.FIRES}
    wires = [
        Wire(*ends, cells[0].place, tuple(_texts(cells)), dead=ends not in alive) for ends, cells in between.items()
    ]
    return Wiring(tuple(_units(plan)), tuple(wires))


def _units(plan: Plan) -> Iterator[Unit]:
    outputs = read_values(plan)
    read = {line.place for line in plan.lines if line.name in outputs}
    arriving, names = arrivals(plan), row_names(plan)
    yield Unit(INPUT, (INPUT, shape_text(plan.input_shape)))
    for area in plan.areas:
        texts = names[area.name], shape_text(area.shape), *computed_texts(area, arriving.get(area.name, 0))
        yield Unit(area.name, texts, area.name in read, area.name.rpartition(".")[0])
    for shape in {line.shape: None for line in plan.lines if line.place == LOGITS and line.op.kind == "value"}:
        yield Unit(LOGITS, (LOGITS, shape_text(shape)), LOGITS in read)


def _texts(cells: Sequence[CellInfo]) -> list[str]:
    """Texts of a transition, one per function and delay."""
    when: dict[tuple[str, int], list[str]] = {}
    for cell in cells:
        when.setdefault((cell.ops, cell.delay), []).append(cell.times)
    return [_text(cells[0], ops, delay, times) for (ops, delay), times in when.items()]


def _text(cell: CellInfo, ops: str, delay: int, times: Sequence[str]) -> str:
    ends = {"pre_net": "pre-net ", "post_net": "post-net "}
    text = ends.get(cell.place, "") + ops
    if len(times) > FEW:
        times = (times[0], "…", times[-1])
    if times not in (["0..inf"], ["1..inf"]) and not (cell.source == INPUT and times == ["0"]):
        text += f" at t = {', '.join(times)}"
    if delay != 1 and cell.place not in ends:
        text += f", delay {delay}"
    return text
