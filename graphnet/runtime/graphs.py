"""Plan → torch.fx graphs: all lines as nodes, or calls of the programs that recur."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import fx

from graphnet.network.functions.ops import Line
from graphnet.planning.body import IMAGE, at, inlined
from graphnet.planning.plan import Plan
from graphnet.planning.programs import Program, Run, cut, runs_of
from graphnet.runtime.fx_writer import TRAINED, GraphWriter
from graphnet.runtime.generated_code import Forward, PartedCode, Statement, local
from graphnet.runtime.program_code import asks_for_training

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
        """Append a line by its lowering rule."""
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


def numbered_programs(plan: Plan) -> dict[Program, int]:
    """The distinct programs of a plan in the order of their first run."""
    numbers: dict[Program, int] = {}
    for body in plan.bodies:
        for piece in cut(body):
            if isinstance(piece, Run):
                numbers.setdefault(piece.program, len(numbers))
    return numbers


def graph_of_calls(plan: Plan) -> fx.Graph:
    """The calls of a plan's programs, and the values of states between them."""
    nodes = _Nodes(plan)
    nodes.tensors(tensor.name for tensor in plan.tensors)
    numbers = numbered_programs(plan)
    if any(map(asks_for_training, numbers)):
        nodes.training()
    for t, piece in runs_of(plan):
        if isinstance(piece, Run):
            nodes.call(piece.at(t), numbers[piece.program], t)
        else:
            nodes.line(inlined(piece, t), t)
    return nodes.finish()


def forward_of_calls(plan: Plan) -> Forward:
    """What `graph_of_calls` does as statements: of a long net they are written ten times as fast."""
    numbers = numbered_programs(plan)
    tensors = {local(tensor.name): tensor.name for tensor in plan.tensors}
    statements: list[Statement] = []
    laid_out: dict[str, str] = {}

    def lay_out(name: str, t: int) -> None:
        if plan.layout == "channels_last":
            laid_out[name] = made = f"{name}_channels_last"
            text = f"{name}.contiguous(memory_format = torch.channels_last)"
            statements.append(Statement((made,), "", text, (name,), t))

    if not plan.is_sequence:
        lay_out(IMAGE, -1)
    for t, piece in runs_of(plan):
        if isinstance(piece, Run):
            reads = tuple([laid_out.get(name, name) for name in (at(each, t) for each in piece.given)])
            made = tuple([at(name, t) for name in piece.results])
            module = f"{PROGRAMS}.program{numbers[piece.program]}"
            tail = "self.training" if asks_for_training(piece.program) else ""
            statements.append(Statement(made, module, ", ".join(reads), reads, t, piece.tensors, tail))
            continue
        line = inlined(piece, t)
        if line.op.kind == "slice":
            text = f"torch.select({IMAGE}, 1, {line.op['index']})"
            statements.append(Statement((line.name,), "", text, (IMAGE,), t))
            lay_out(line.name, t)
        elif line.op.kind == "value":
            read = laid_out.get(line.arguments[0], line.arguments[0])
            statements.append(Statement((line.name,), f"{line.place}.output", read, (read,), t))
        else:  # what a function is divided by
            statements.append(Statement((line.name,), f"{line.place}.{line.name}", "", (), t, line.tensors))
    outputs = {t: laid_out.get(name, name) for t, name in plan.outputs}
    several = "{" + ", ".join(f"{t}: {name}" for t, name in outputs.items()) + "}"
    result = next(iter(outputs.values())) if len(outputs) == 1 else several
    return Forward({IMAGE: IMAGE}, tensors, statements, f"return {result}", list(outputs.values()))
