"""Plan → a picture of the recurrent graph, states and transitions without time, as DOT text (LP Figure 2 A and C)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

import graphviz  # type: ignore[import-untyped]

from graphnet.backends.grid import row_names, shape_text
from graphnet.backends.picture import PALE, clean
from graphnet.ir.network import INPUT, LOGITS
from graphnet.ir.ops import Shape
from graphnet.ir.plan import Cell, Fate, Plan

FONT = "Helvetica"
FEW = 3
"""So many time ranges of a transition are shown; of more, the first and the last."""

DEAD = {"style": "dotted", "color": PALE, "fontcolor": PALE}


def draw_recurrent(plan: Plan) -> str:
    """DOT text: input → pre-net → states and the transitions between them → post-net → logits.

    A transition is labelled with its function, its times unless it holds always, and its delay unless it is 1.
    One that never fires is dotted. The state that is read has a double frame.
    """
    graph = graphviz.Digraph(
        graph_attr={"fontname": FONT, "labelloc": "t", "label": _literal(*filter(None, (plan.name, plan.cite)))},
        node_attr={"fontname": FONT, "shape": "box", "style": "rounded,filled", "fillcolor": "#f2f2f2"},
        edge_attr={"fontname": FONT, "fontsize": "11"},
    )
    ids = {INPUT: "input", **{area.name: f"state{n}" for n, area in enumerate(plan.areas)}, LOGITS: "logits"}
    between: dict[tuple[str, str], list[Cell]] = {}
    for cell in plan.cells:
        between.setdefault((cell.source, cell.target), []).append(cell)
    for name, text, shape in _boxes(plan):
        frames = {"peripheries": "2"} if name in _read(plan) else {}
        graph.node(ids[name], _literal(text, shape_text(shape)), **frames)
    alive = {(firing.source, firing.target) for firing in plan.firings if firing.fate is Fate.FIRES}
    order = list(ids)
    for (source, target), cells in between.items():
        ends = [ids[source], ids[target]]
        look = {} if (source, target) in alive else DEAD
        if order.index(target) < order.index(source):  # written backwards, feedback does not move the states
            ends, look = ends[::-1], {**look, "dir": "back"}
        graph.edge(*ends, label=_literal(*(f" {line} " for line in _lines(cells))), **look)
    return str(graph.source)


def recurrent_svg(plan: Plan) -> str | None:
    """SVG text as `dot` renders it, or None where there is no `dot` on the PATH."""
    dot = shutil.which("dot")
    if dot is None:
        return None
    done = subprocess.run([dot, "-Tsvg"], input=draw_recurrent(plan).encode(), capture_output=True, check=True)
    return done.stdout.decode()


def _boxes(plan: Plan) -> list[tuple[str, str, Shape]]:
    """Name, text and shape of the image, the states and the logits."""
    boxes = [(INPUT, INPUT, plan.input_shape)]
    boxes += [(area.name, row_names(plan)[area.name], area.shape) for area in plan.areas]
    logits = {line.shape: None for line in plan.lines if line.place == LOGITS and line.op.kind == "value"}
    return boxes + [(LOGITS, LOGITS, shape) for shape in logits]


def _read(plan: Plan) -> set[str]:
    """The states whose values are the outputs."""
    outputs = {name for _, name in plan.outputs}
    return {line.place for line in plan.lines if line.name in outputs}


def _lines(cells: Sequence[Cell]) -> list[str]:
    """What is written on a transition: a line for each function and delay."""
    when: dict[tuple[str, int], list[str]] = {}
    for cell in cells:
        when.setdefault((cell.ops, cell.delay), []).append(cell.times)
    return [_line(cells[0], ops, delay, times) for (ops, delay), times in when.items()]


def _line(cell: Cell, ops: str, delay: int, times: Sequence[str]) -> str:
    ends = {"pre_net": "pre-net ", "post_net": "post-net "}
    text = ends.get(cell.place, "") + ops
    if len(times) > FEW:
        times = (times[0], "…", times[-1])
    if times not in (["0..inf"], ["1..inf"]) and not (cell.source == INPUT and times == ["0"]):
        text += f" at t = {', '.join(times)}"
    if delay != 1 and cell.place not in ends:
        text += f", delay {delay}"
    return text


def _literal(*lines: str) -> str:
    """Lines of a label in DOT, each shown as it is: no HTML, entities or escapes of Graphviz."""
    shown = (graphviz.escape(clean(line).replace("&", "&amp;")) for line in lines)
    text: str = graphviz.nohtml("\\n".join(shown))
    return text
