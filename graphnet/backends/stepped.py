"""Plan → a module whose recurring steps are generated once and called for each time (design, section 3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from graphnet.backends.graph import TRAINED, GraphWriter
from graphnet.ir.plan import IMAGE, Line, Plan
from graphnet.ir.steps import Call, Entry, Step


class Stepped(nn.Module):
    """A net that calls its steps one after the other.

    Each distinct step is one `fx.GraphModule` in `steps`, which is given values, weights and statistics; they are those
    of the modules beside it, under the names of the plan. The value of a state goes through its `output`.
    """

    def __init__(self, root: nn.Module, executed: Plan, entries: Sequence[Entry]) -> None:
        super().__init__()
        self.meta: dict[str, Any] = {}
        for name, module in root.named_children():
            self.add_module(name, module)
        known: dict[Step, int] = {}
        self.steps = nn.ModuleList()
        self.program: list[tuple[Entry, int]] = []
        for entry in entries:
            if isinstance(entry, Call):
                if entry.step not in known:
                    known[entry.step] = len(self.steps)
                    self.steps.append(step_module(entry))
                self.program.append((entry, known[entry.step]))
            else:
                self.program.append((entry, -1))
        self.outputs = dict(executed.outputs)
        self.channels_last = executed.layout == "channels_last" and len(executed.input_shape) == 3
        self.last = _last_uses(entries, set(self.outputs.values()))
        self.run: list[Callable[..., Sequence[Tensor]]] = list(self.steps)
        self.homes: dict[str, tuple[dict[str, Any], str]] = {}

    def compile_steps(self, **settings: Any) -> None:
        """Compile, by torch.compile, each distinct step that makes a tenth of all values or more.

        Compiling takes seconds for each, and what runs once among many is not worth them.
        """
        made = [0] * len(self.steps)
        for entry, number in self.program:
            if isinstance(entry, Call):
                made[number] += sum(math.prod(shape) for op, *_, shape in entry.step.lines if op.kind != "weights")
        for number, step in enumerate(self.steps):
            if 10 * made[number] >= sum(made):
                self.run[number] = torch.compile(step, dynamic=False, **settings)

    def forward(self, input: Tensor) -> Any:
        values = {IMAGE: input.contiguous(memory_format=torch.channels_last) if self.channels_last else input}
        for k, (entry, number) in enumerate(self.program):
            if isinstance(entry, Call):
                made = self.run[number](*map(values.__getitem__, entry.given), *map(self._tensor, entry.tensors))
                values.update(zip(entry.results, made, strict=True))
            else:
                values[entry.name] = self._alone(entry, values)
            for name in self.last.get(k, ()):
                del values[name]
        outputs = {t: values[name] for t, name in self.outputs.items()}
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def _alone(self, line: Line, values: dict[str, Tensor]) -> Tensor:
        if line.op.kind == "value":
            value: Tensor = self.get_submodule(f"{line.place}.output")(values[line.arguments[0]])
            return value
        divisor: Tensor = self.get_submodule(f"{line.place}.{line.name}")(*map(self._tensor, line.tensors))
        return divisor

    def _tensor(self, name: str) -> Tensor:
        """A parameter or buffer as it is now: moving a net puts others in their place."""
        if name not in self.homes:
            place, _, role = name.rpartition(".")
            module = self.get_submodule(place)
            self.homes[name] = (module._parameters if role in module._parameters else module._buffers, role)
        home, role = self.homes[name]
        tensor: Tensor = home[role]
        return tensor


def step_module(call: Call) -> fx.GraphModule:
    """A step as a module of its own: values, then tensors → its results."""
    graph = fx.Graph()
    values = [graph.placeholder(f"value{k}") for k in range(len(call.given))]
    tensors = [graph.placeholder(f"tensor{k}") for k in range(len(call.tensors))]
    names = {f"value{k}": node for k, node in enumerate(values)} | {
        f"tensor{k}": node for k, node in enumerate(tensors)
    }
    if any(op.kind in TRAINED for op, *_ in call.step.lines):
        names["training"] = graph.create_node("get_attr", "training", name="training")
    writer = GraphWriter(graph, names)
    for number, (op, arguments, used, shape) in enumerate(call.step.lines):
        given = tuple(f"line{at}" if at >= 0 else f"value{-1 - at}" for at in arguments)
        writer.write(Line(f"line{number}", op, given, tuple(f"tensor{at}" for at in used), shape, 0, ""))
    graph.output(tuple(writer.values[f"line{number}"] for number in call.step.results))
    return fx.GraphModule(nn.Module(), graph, class_name="Step")


def _last_uses(entries: Sequence[Entry], kept: set[str]) -> dict[int, list[str]]:
    """After which entry each value is let go."""
    last: dict[str, int] = {}
    for k, entry in enumerate(entries):
        for name in entry.given if isinstance(entry, Call) else entry.arguments:
            last[name] = k
        for name in entry.results if isinstance(entry, Call) else (entry.name,):
            last.setdefault(name, k)
    uses: dict[int, list[str]] = {}
    for name, k in last.items():
        if name not in kept:
            uses.setdefault(k, []).append(name)
    return uses
