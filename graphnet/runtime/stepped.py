"""Plan → a module whose recurring steps are generated once and called for each time (design, section 3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from graphnet.planning.plan import IMAGE, Line, Plan
from graphnet.planning.steps import Call, Instruction, Step
from graphnet.runtime.fx_writer import TRAINED, GraphWriter


class Memory(NamedTuple):
    """Where a net is that runs step by step: the time that was run last, and the values that later times read."""

    t: int
    values: dict[str, Tensor]


class Stepped(nn.Module):
    """A net that calls its steps one after the other.

    Each distinct step is one `fx.GraphModule` in `steps`, which is given values, weights and statistics; they are those
    of the modules beside it, under the names of the plan. The value of a state goes through its `output`.
    """

    def __init__(self, root: nn.Module, executed: Plan, entries: Sequence[Instruction]) -> None:
        super().__init__()
        self.meta: dict[str, Any] = {}
        for name, module in root.named_children():
            self.add_module(name, module)
        known: dict[Step, int] = {}
        self.steps = nn.ModuleList()
        self.program: list[tuple[Instruction, int]] = []
        for entry in entries:
            if isinstance(entry, Call):
                if entry.step not in known:
                    known[entry.step] = len(self.steps)
                    self.steps.append(step_module(entry))
                self.program.append((entry, known[entry.step]))
            else:
                self.program.append((entry, -1))
        self.outputs = dict(executed.outputs)
        self.sequence = any(not isinstance(entry, Call) and entry.op.kind == "slice" for entry in entries)
        self.channels_last = executed.layout == "channels_last" and len(executed.input_shape) == 3
        self.last = _last_uses(entries, set(self.outputs.values()))
        self.run: list[Callable[..., Sequence[Tensor]]] = list(self.steps)
        self.homes: dict[str, tuple[dict[str, Any], str]] = {}

    @cached_property
    def arrivals(self) -> list[int]:
        """The times at which `step` needs an image: those of a sequence that are read, or the first."""
        if self.sequence:
            return [entry.t for entry, _ in self.program if not isinstance(entry, Call) and entry.op.kind == "slice"]
        return [next(entry.t for entry, _ in self.program if entry.t >= 0)]

    @cached_property
    def ends(self) -> dict[int, int]:
        """Time → how much of the program is run when it is over."""
        ends, end = {}, 0
        for t in range(max(self.outputs) + 1):
            while end < len(self.program) and self.program[end][0].t <= t:
                end += 1
            ends[t] = end
        return ends

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
        values = {IMAGE: self._laid(input)}
        for k in range(len(self.program)):
            self._run(k, values)
        outputs = {t: values[name] for t, name in self.outputs.items()}
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def step(self, image: Tensor | None = None, memory: Memory | None = None) -> tuple[Tensor | None, Memory]:
        """Run the net for one time step, as it goes along: for streams, and to look at a net while it runs.

            logits, memory = net.step(frame)
            logits, memory = net.step(frame, memory)

        The first call, without memory, runs all up to the first time of the input; each further call runs the next
        time. Steps together compute what `forward` does of the whole.

        Args:
            image: `[N, C, H, W]`, at the first time; of a sequence at each time at which one arrives, the next one.
                What comes too late for any readout is not looked at.
            memory: what the call before gave back; it is not changed, and can be gone on from more than once.

        Returns:
            The output `[N, classes]` if this is a readout time, or None, and the memory for the next call.

        Raises:
            ValueError: the net is at its end, an image is missing, or one is given that does not arrive.
        """
        first = min(self.arrivals)
        t = first if memory is None else memory.t + 1
        if t > max(self.outputs):
            raise ValueError(f"the net ends at t = {max(self.outputs)}: it has no step t = {t}")
        if image is None and t in self.arrivals:
            raise ValueError(f"t = {t}: an image arrives, give it")
        if image is not None and t not in self.arrivals and not self.sequence:
            raise ValueError(f"t = {t}: no image arrives; the one at t = {first} stays")
        values = {} if memory is None else dict(memory.values)
        if image is not None:
            values[IMAGE] = self._laid(image)
        ends = self.ends
        for k in range(0 if memory is None else ends.get(t - 1, 0), ends.get(t, 0)):
            self._run(k, values, self.sequence)
        output = values[self.outputs[t]] if t in self.outputs else None
        return output, Memory(t, values)

    def _laid(self, image: Tensor) -> Tensor:
        return image.contiguous(memory_format=torch.channels_last) if self.channels_last else image

    def _run(self, k: int, values: dict[str, Tensor], frame: bool = False) -> None:
        """Run an entry of the program; of a `frame` a slice is all there is of its sequence."""
        entry, number = self.program[k]
        if isinstance(entry, Call):
            made = self.run[number](*map(values.__getitem__, entry.given), *map(self._tensor, entry.tensors))
            values.update(zip(entry.results, made, strict=True))
        elif entry.op.kind == "slice":
            image = values[IMAGE]
            values[entry.name] = image if frame else image.select(1, entry.op.number("index"))
        elif entry.op.kind == "value":
            values[entry.name] = self.get_submodule(f"{entry.place}.output")(values[entry.arguments[0]])
        else:
            divisor = self.get_submodule(f"{entry.place}.{entry.name}")
            values[entry.name] = divisor(*map(self._tensor, entry.tensors))
        for name in self.last.get(k, ()):
            del values[name]

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


def _last_uses(entries: Sequence[Instruction], kept: set[str]) -> dict[int, list[str]]:
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
