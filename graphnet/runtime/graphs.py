"""Plan → torch.fx graphs: all lines as nodes, or calls of recurring programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import fx

from graphnet.network.functions.ops import Line
from graphnet.planning.body import IMAGE, at, inlined
from graphnet.planning.holders import Holder, flags_of
from graphnet.planning.plan import Plan
from graphnet.planning.programs import LayerCall, Piece, Program, Run, cut, runs_of
from graphnet.runtime.fx_writer import GraphWriter
from graphnet.runtime.generated_code import Forward, PartedCode, Statement, local
from graphnet.runtime.lowering_rules import AFFINE, CHANNELS_LAST

PROGRAMS = "_programs"
"""The module that holds the programs; no state can have this name, as state names begin with letters."""


class _Nodes:
    """Builder for the graph of a net; each node's meta holds its time."""

    def __init__(self, plan: Plan) -> None:
        self.graph = fx.Graph()
        self.graph.set_codegen(PartedCode())
        self.plan = plan
        self.maps = {tensor.name for tensor in plan.tensors if tensor.is_weight_of_maps}
        self.values: dict[str, fx.Node] = {}
        self.writer = GraphWriter(self.graph, self.values)
        image = self.graph.placeholder(IMAGE, type_expr=torch.Tensor)
        image.name = IMAGE
        self.values[IMAGE] = image if plan.is_sequence else self._laid_out(image)

    def _laid_out(self, node: fx.Node) -> fx.Node:
        """An image or a weight in the layout of the maps."""
        if self.plan.layout != "channels_last":
            return node
        made = self.writer.call(CHANNELS_LAST, node)
        made.name = f"{node.name}_channels_last"
        return made

    def tensors(self, names: Iterable[str]) -> None:
        """Read the parameters, statistics and flags of these names, each once."""
        for name in dict.fromkeys(names):
            self.values[name] = self.graph.create_node("get_attr", name, name=local(name))

    def lay_out(self, names: Iterable[str]) -> None:
        """Convert weights to the layout of maps at their first use."""
        for name in names:
            if name in self.maps and self.values[name].op == "get_attr":
                self.values[name] = self._laid_out(self.values[name])

    def line(self, line: Line, t: int, layer: Holder | None = None) -> None:
        """Append a line by its lowering rule, or as a call of its layer."""
        start = len(self.graph.nodes)
        if layer is None:
            self.lay_out(line.tensors)
        self.writer.write(line, layer)
        if line.op.kind == "slice":
            self.values[line.name].meta["frame"] = True
            self.values[line.name] = self._laid_out(self.values[line.name])
        self._mark(start, t)

    def call(self, run: Run, number: int, t: int) -> None:
        """Append a call of a program at a time; its results are one value or several."""
        start = len(self.graph.nodes)
        self.lay_out(run.tensors)
        arguments = [self.values[name] for name in (*run.given, *run.tensors)]
        made = self.graph.call_module(f"{PROGRAMS}.program{number}", tuple(arguments))
        if len(run.results) == 1:
            made.name = run.results[0]
            self.values[run.results[0]] = made
        else:
            made.name = f"_program{number}_{run.results[0]}"
            for k, name in enumerate(run.results):
                self.values[name] = node = self.writer.call("operator.getitem", made, k)
                node.name = name
        self._mark(start, t)

    def _mark(self, start: int, t: int) -> None:
        for node, _ in zip(reversed(self.graph.nodes), range(len(self.graph.nodes) - start), strict=False):
            node.meta["t"] = t

    def finish(self) -> fx.Graph:
        outputs = {t: self.values[name] for t, name in self.plan.outputs}
        result: Any = next(iter(outputs.values())) if len(outputs) == 1 else outputs
        self.graph.output(result)
        self.graph.lint()
        return self.graph


def flat_graph(plan: Plan) -> fx.Graph:
    """Build a graph with all lines of a plan as nodes, under their names."""
    nodes = _Nodes(plan)
    lines: list[tuple[Line, Holder | None]] = []
    for body, t in plan.calls:
        for line in body.lines:
            layer = plan.called(body, line)
            lines.append((inlined(line, t), None if layer is None else layer.at(t)))
    nodes.tensors(name for line, layer in lines for name in _read(line, layer))
    for line, layer in lines:
        nodes.line(line, line.t, layer)
    return nodes.finish()


def _read(line: Line, layer: Holder | None) -> tuple[str, ...]:
    """The names of the tensors and flags that a line reads."""
    return (*line.tensors, *flags_of(line)) if layer is None else layer.left_by(line)


def weights_of_maps(plan: Plan) -> frozenset[str]:
    """The names, as in bodies, of the weights that follow the layout of maps."""
    if plan.layout != "channels_last":
        return frozenset()
    return frozenset(tensor.name for body in plan.bodies for tensor in body.tensors if tensor.is_weight_of_maps)


def numbered_programs(plan: Plan) -> dict[Program, int]:
    """Distinct program of a plan → its number, in the order of first run."""
    numbers: dict[Program, int] = {}
    for body in plan.bodies:
        for piece in cut(plan, body):
            if isinstance(piece, Run):
                numbers.setdefault(piece.program, len(numbers))
    return numbers


def graph_of_calls(plan: Plan) -> fx.Graph:
    """Build a graph of a plan's program calls, with the values of states and the calls of layers between them."""
    nodes = _Nodes(plan)
    numbers = numbered_programs(plan)
    pieces = [(t, inlined(piece, t) if isinstance(piece, Line) else piece.at(t)) for t, piece in runs_of(plan)]
    nodes.tensors(name for _, piece in pieces for name in _read_by(piece))
    for t, piece in pieces:
        if isinstance(piece, Run):
            nodes.call(piece, numbers[piece.program], t)
        elif isinstance(piece, LayerCall):
            nodes.line(piece.line, t, piece.layer)
        else:
            nodes.line(piece, t)
    return nodes.finish()


def _read_by(piece: Piece) -> tuple[str, ...]:
    if isinstance(piece, Run):
        return piece.tensors
    return _read(*piece) if isinstance(piece, LayerCall) else _read(piece, None)


def forward_of_calls(plan: Plan) -> Forward:
    """The same forward pass as `graph_of_calls`, as statements: ten times faster to write for a long net."""
    numbers = numbered_programs(plan)
    statements: list[Statement] = []
    laid_out: dict[str, str] = {}

    def lay_out(name: str, t: int) -> None:
        if plan.layout == "channels_last":
            laid_out[name] = made = f"{name}_channels_last"
            statements.append(Statement((made,), "", name, (name,), t, function=_short(CHANNELS_LAST)))

    if not plan.is_sequence:
        lay_out(IMAGE, -1)
    for t, piece in runs_of(plan):
        if isinstance(piece, Run):
            reads = tuple([laid_out.get(name, name) for name in (at(each, t) for each in piece.given)])
            made = tuple([at(name, t) for name in piece.results])
            module = f"{PROGRAMS}.program{numbers[piece.program]}"
            statements.append(Statement(made, module, ", ".join(reads), reads, t, piece.tensors))
            continue
        line, layer = piece.at(t) if isinstance(piece, LayerCall) else (inlined(piece, t), None)
        reads = tuple([laid_out.get(name, name) for name in line.arguments])
        if layer is not None:
            left = layer.left_by(line)
            called = f"{line.name}_normed" if left else line.name
            statements.append(Statement((called,), layer.name, ", ".join(reads), reads, t))
            if left:
                statements.append(Statement((line.name,), "", called, (called,), t, left, _short(AFFINE)))
        elif line.op.kind == "slice":
            text = f"torch.select({IMAGE}, 1, {line.op['index']})"
            statements.append(Statement((line.name,), "", text, (IMAGE,), t))
            lay_out(line.name, t)
        elif line.op.kind == "value":
            statements.append(Statement((line.name,), f"{line.place}.output", reads[0], reads, t))
        else:  # a Lipschitz divisor
            statements.append(Statement((line.name,), f"{line.place}.{line.name}", "", (), t, line.tensors))
    outputs = {t: laid_out.get(name, name) for t, name in plan.outputs}
    several = "{" + ", ".join(f"{t}: {name}" for t, name in outputs.items()) + "}"
    result = next(iter(outputs.values())) if len(outputs) == 1 else several
    return Forward({IMAGE: IMAGE}, {}, statements, f"return {result}", list(outputs.values()), weights_of_maps(plan))


def _short(function: str) -> str:
    return function.removeprefix("graphnet.runtime.")
