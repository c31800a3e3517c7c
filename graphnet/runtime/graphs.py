"""Plan → torch.fx graphs: all lines as nodes, or calls of the programs that recur."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import fx, nn

from graphnet.network.functions.ops import Line
from graphnet.planning.body import IMAGE, inlined
from graphnet.planning.plan import Plan
from graphnet.planning.programs import Program, Run, runs_of
from graphnet.runtime.fx_writer import TRAINED, GraphWriter
from graphnet.runtime.generated_code import PartedCode

PROGRAMS = "_programs"
"""The module that holds the programs; no state is called so, as their names begin with letters."""


class _Nodes:
    """The graph of a net while it is being written; each node says in its meta to which time it belongs."""

    def __init__(self, plan: Plan) -> None:
        self.graph = fx.Graph()
        self.graph.set_codegen(PartedCode())
        self.plan = plan
        self.values: dict[str, fx.Node] = {}
        image = self.graph.placeholder(IMAGE, type_expr=torch.Tensor)
        image.name = IMAGE
        self.values[IMAGE] = image if plan.is_sequence else self._laid_out(image)
        self.writer = GraphWriter(self.graph, self.values)

    def _laid_out(self, image: fx.Node) -> fx.Node:
        """An image in the layout of the maps."""
        if self.plan.layout != "channels_last":
            return image
        made = self.graph.call_method("contiguous", (image,), {"memory_format": torch.channels_last})
        made.name = f"{image.name}_channels_last"
        return made

    def tensors(self, names: Iterable[str]) -> None:
        """Read parameters and statistics, each once."""
        for name in names:
            self.values[name] = self.graph.create_node("get_attr", name, name=name.replace(".", "_"))

    def training(self) -> None:
        """Read whether the net is in training."""
        self.values["training"] = self.graph.create_node("get_attr", "training", name="training")

    def line(self, line: Line, t: int) -> None:
        """Append a line that is said by its rule."""
        start = len(self.graph.nodes)
        self.writer.write(line)
        if line.op.kind == "slice":
            self.values[line.name].meta["frame"] = True
            self.values[line.name] = self._laid_out(self.values[line.name])
        self._mark(start, t)

    def call(self, run: Run, number: int, t: int) -> None:
        """Append a call of a program, at a time; its results are one value or several."""
        start = len(self.graph.nodes)
        arguments = [self.values[name] for name in (*run.given, *run.tensors)]
        arguments += [self.values["training"]] if asks_for_training(run.program) else []
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
    """All lines of a plan as nodes under their names."""
    nodes = _Nodes(plan)
    nodes.tensors(tensor.name for tensor in plan.tensors)
    if any(line.op.kind in TRAINED for body in plan.bodies for line in body.lines):
        nodes.training()
    for call in plan.calls:
        for line in call.lines:
            nodes.line(line, line.t)
    return nodes.finish()


def graph_of_calls(plan: Plan) -> tuple[fx.Graph, dict[Program, fx.GraphModule]]:
    """The calls of a plan's programs, and the values of states between them; and the programs as modules."""
    nodes = _Nodes(plan)
    nodes.tensors(tensor.name for tensor in plan.tensors)
    programs: dict[Program, fx.GraphModule] = {}
    numbers: dict[Program, int] = {}
    for _, piece in runs_of(plan):
        if isinstance(piece, Run) and piece.program not in programs:
            numbers[piece.program] = len(programs)
            programs[piece.program] = program_module(piece.program)
    if any(map(asks_for_training, programs)):
        nodes.training()
    for t, piece in runs_of(plan):
        if isinstance(piece, Run):
            nodes.call(piece.at(t), numbers[piece.program], t)
        else:
            nodes.line(inlined(piece, t), t)
    return nodes.finish(), programs


def asks_for_training(program: Program) -> bool:
    """Whether a program is another one in training."""
    return any(op.kind in TRAINED for op, *_ in program.lines)


def program_module(program: Program) -> fx.GraphModule:
    """A program as a module: values, then tensors, then whether the net trains → its result, or a tuple of them."""
    graph = fx.Graph()
    given = 1 + max((-1 - each for _, arguments, _, _ in program.lines for each in arguments), default=-1)
    tensors = 1 + max((each for _, _, used, _ in program.lines for each in used), default=-1)
    names = [*(f"value{k}" for k in range(given)), *(f"tensor{k}" for k in range(tensors))]
    values = {name: graph.placeholder(name) for name in names}
    if asks_for_training(program):
        values["training"] = graph.placeholder("training")
    writer = GraphWriter(graph, values)
    for number, (op, arguments, used, shape) in enumerate(program.lines):
        read = tuple(f"line{each}" if each >= 0 else f"value{-1 - each}" for each in arguments)
        writer.write(Line(f"line{number}", op, read, tuple(f"tensor{each}" for each in used), shape, 0, ""))
    results = tuple(values[f"line{number}"] for number in program.results)
    graph.output(results[0] if len(results) == 1 else results)
    return fx.GraphModule(nn.Module(), graph, class_name="Program")
