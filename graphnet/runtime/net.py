"""Compiled nets: one class for every spec, size, level and mode."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import cached_property, update_wrapper
from typing import Any, Protocol

import torch
from torch import Tensor, fx, nn

from graphnet.network.functions.ops import Shape
from graphnet.planning.plan import Plan
from graphnet.planning.programs import Run, runs_of
from graphnet.runtime.activations import Activations, activations
from graphnet.runtime.checks import LayerCheck, refuse_input
from graphnet.runtime.generated_code import with_room
from graphnet.runtime.graphs import (
    PROGRAMS,
    flat_graph,
    forward_of_calls,
    graph_of_calls,
    numbered_programs,
)
from graphnet.runtime.loading import misfits
from graphnet.runtime.program_code import ProgramModule, function_of
from graphnet.runtime.stepping import Memory as Memory
from graphnet.runtime.stepping import Timeline, step


class Origin(Protocol):
    """The origin of a net: it can rebuild the net, without its weights."""

    def structure(self) -> Net: ...


class Net(fx.GraphModule):
    """Images `[N, C, H, W]` to logits `[N, classes]`, or to a dict of them by readout time if there are several.

    Its graph has every value as a node, or calls recurring programs; states are modules under their names, which hold
    parameters and statistics. `meta` holds the plan, the executed plan, the spec and the options.
    """

    def __init__(
        self,
        plan: Plan,
        executed: Plan,
        stepwise: bool,
        modules: nn.Module,
        origin: Origin,
        like: Net | None = None,
    ) -> None:
        super().__init__(nn.Module(), _nothing(), class_name="Net")
        self.__dict__["_origin"] = origin
        self.meta |= {"plan": plan, "executed": executed, "stepwise": stepwise}
        self._modules |= modules._modules  # any name works, even that of an attribute of this class
        if not stepwise:
            self.graph = flat_graph(executed)
        else:
            numbers = numbered_programs(executed)
            held = nn.Module()
            held._modules |= {f"program{number}": ProgramModule(program) for program, number in numbers.items()}
            self._modules[PROGRAMS] = held
            self._write(like)
        self.__dict__["_generated"] = self._code

    def _write(self, like: Net | None) -> None:
        """Reuse the forward pass of a net with the same structure, or write it; the graph is built on demand."""
        if like is None:
            source = forward_of_calls(self.meta["executed"]).source("def forward(self, input):")
            type(self).forward = _checked(with_room(function_of(source)))
        else:
            source = like._code
            type(self).forward = type(like).forward
        self.__dict__ |= {"_code": source, "_graph": None}

    @property
    def graph(self) -> fx.Graph:
        """Every value as a node, or program calls with the values of states between them."""
        if self._graph is None:
            self.__dict__["_graph"] = made = graph_of_calls(self.meta["executed"])
            made.owning_module = self
        return self._graph

    @graph.setter
    def graph(self, graph: fx.Graph) -> None:
        self.__dict__["_graph"] = graph
        graph.owning_module = self
        self.recompile()

    def recompile(self) -> Any:
        """Rewrite the forward pass from the graph after an edit."""
        assert self.graph is not None
        code = super().recompile()
        type(self).forward = _checked(with_room(type(self).forward))
        return code

    def _check(self, image: Any, shape: Shape) -> None:
        """Raise ValueError if the image does not have the shape, RuntimeError if layers have changed."""
        if not (isinstance(image, Tensor) and image.shape[1:] == shape and image.is_floating_point()):
            refuse_input(image, shape)
        if torch.compiler.is_compiling():
            return
        known: LayerCheck | None = self.__dict__.get("_layers")
        if known is None or not known.holds():
            plan, executed = self.meta["plan"], self.meta["executed"]
            self.__dict__["_layers"] = LayerCheck(self, plan, executed, self.meta["mode"])

    # ---- modules by name

    def get_submodule(self, target: str) -> nn.Module:
        """Return the module of that name, even if this class has such an attribute. Raises AttributeError."""
        module: nn.Module = self
        for name in filter(None, target.split(".")):
            found = module._modules.get(name)
            if found is None:
                raise AttributeError(f"{type(module).__name__} has no module '{name}'")
            module = found
        return module

    @property
    def code(self) -> str:
        """The generated forward pass and the programs it calls; for readability, modules appear as attributes."""
        held = self._modules.get(PROGRAMS)
        programs = held._modules.items() if held is not None else ()
        texts = (f"# {name}\n{module.code}" for name, module in programs if isinstance(module, ProgramModule))
        text = "\n\n\n".join([self._code.strip("\n"), *texts])
        return re.sub(r"\._modules\['(\w+)'\]", r".\1", text)

    @property
    def programs(self) -> tuple[nn.Module, ...]:
        """The recurring programs; none if every value is a node."""
        held = self._modules.get(PROGRAMS)
        return tuple(module for module in held._modules.values() if module is not None) if held is not None else ()

    def compile(self, *given: Any, **settings: Any) -> None:
        """Compile with torch.compile: the whole net, or each program that makes at least a tenth of all values.

        Each compilation takes seconds, too long for a program that runs once among many.
        """
        if not self.meta["stepwise"]:
            super().compile(*given, **settings)
            return
        self.__dict__["_compiled"] = given, settings
        work = work_of_programs(self.meta["executed"])
        for mine, program in zip(work, self.programs, strict=True):
            if 10 * mine >= sum(work):
                program.compile(*given, **{"dynamic": False, **settings})

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As in PyTorch; for weights trained for other times, the error gives the fix."""
        found = super().load_state_dict(state_dict, strict=False, assign=assign)
        if strict and any(found):
            readouts = [t for t, _ in self.meta["plan"].outputs]
            raise RuntimeError("\n".join(misfits(found.missing_keys, found.unexpected_keys, readouts)))
        return found

    # ---- copies

    def _own_state(self) -> dict[str, Any]:
        """State beyond the structure: modules of states, hooks, mode, user attributes."""
        if self._code != self._generated:
            raise RuntimeError(
                "the graph of this net was edited, and only unedited graphs can be copied or pickled\n"
                "  wrap it as torch.fx.GraphModule(net, net.graph)"
            )
        state = {key: value for key, value in self.__dict__.items() if key not in GENERATED}
        state["_modules"] = {key: value for key, value in self._modules.items() if key != PROGRAMS}
        state["meta"] = {key: value for key, value in self.meta.items() if key not in STRUCTURE}
        return state

    def _adopt(self, state: Mapping[str, Any]) -> None:
        programs = self._modules.get(PROGRAMS)
        meta = self.meta | state["meta"]
        self.__dict__ |= {**state, "meta": meta, "_modules": dict(state["_modules"])}
        if programs is not None:
            self._modules[PROGRAMS] = programs

    def __deepcopy__(self, memo: dict[int, Any]) -> Net:
        """A separate net with the same structure, and copies of modules, hooks and mode."""
        made = Net(
            self.meta["plan"], self.meta["executed"], self.meta["stepwise"], nn.Module(), self.__dict__["_origin"], self
        )
        made.meta |= {key: self.meta[key] for key in STRUCTURE if key in self.meta}
        memo[id(self)] = made
        made._adopt(deepcopy(self._own_state(), memo))
        if "_compiled" in self.__dict__:
            given, settings = self.__dict__["_compiled"]
            made.compile(*given, **settings)
        return made

    def __copy__(self) -> Net:
        """Another net object that shares the modules."""
        made: Net = object.__new__(type(self))
        made.__dict__ |= self.__dict__ | {"_modules": dict(self._modules), "_layers": None}
        return made

    def _replicate_for_data_parallel(self) -> Net:
        made = self.__copy__()
        made.__dict__ |= {"_parameters": {}, "_buffers": dict(self._buffers), "_is_replica": True}
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._origin, self._own_state())

    def activations(self, images: Tensor, at: str | Iterable[str]) -> Activations:
        """Return the values of states at times, from a forward pass in the net's current mode.

            net.activations(images, ["V2@3", "IT@*"])["V2", 3]

        Args:
            images: as for a call of the net.
            at: states and times: `V2@3`, `V2@2..4`, `V2@T-1`; `V2@*` or `V2` for all times at which V2 is computed.

        Returns:
            (state, t) → `[N, C, H, W]` or `[N, C]`, in the order of `at`; part of the autograd graph unless autograd is
            off. `net.V2.times` lists the times at which V2 is computed and its `output` called.

        Raises:
            ValueError: no state of that name, or it is not computed at that time.
        """
        return activations(self, self.meta["executed"], images, at)

    # ---- step by step

    def step(self, image: Tensor | None = None, memory: Memory | None = None) -> tuple[Tensor | None, Memory]:
        """Run the net for one time step: for streams, and for inspecting a net while it runs.

            logits, memory = net.step(frame)
            logits, memory = net.step(frame, memory)

        The first call, without memory, runs everything up to the first time of the input; each further call runs the
        next time. Together the steps compute the same as `forward`.

        Args:
            image: `[N, C, H, W]`, at the first time; for a sequence, the next frame at each time at which one arrives.
                Frames too late for any readout are ignored.
            memory: from the previous call; it is not modified, so several runs can continue from it.

        Returns:
            The output `[N, classes]` at a readout time, else None, and the memory for the next call.

        Raises:
            ValueError: the net has ended, an image is missing, or one is passed at a time when none arrives.
        """
        if image is not None:
            self._check(image, self.meta["plan"].arriving_shape)
        return step(self, self._timeline, image, memory)

    @cached_property
    def _timeline(self) -> Timeline:
        return Timeline.of(self.graph, self.meta["executed"])


GENERATED = frozenset(
    (
        *("_graph", "_code", "_lineno_map", "_prologue_start", "_tracer_cls", "_tracer_extras", "shape_env"),
        *("_replace_hooks", "_create_node_hooks", "_erase_node_hooks", "_deepcopy_hooks", "_compiled_call_impl"),
        *("_origin", "_generated", "_compiled", "_timeline", "_layers"),
    )
)
"""Attributes that follow from a net's origin."""


STRUCTURE = ("plan", "executed", "spec", "options", "optimize", "stepwise", "mode")
"""Keys of `meta` that also follow from the origin."""


def _restored(origin: Origin, state: Mapping[str, Any]) -> Net:
    """Restore a pickled net."""
    made = origin.structure()
    made._adopt(state)
    return made


def work_of_programs(plan: Plan) -> list[int]:
    """Elements that each distinct program computes per pass, over all its times."""
    work = dict.fromkeys(numbered_programs(plan), 0)
    for _, piece in runs_of(plan):
        if isinstance(piece, Run):
            work[piece.program] += sum(
                math.prod(shape) for op, *_, shape in piece.program.lines if op.kind != "weights"
            )
    return list(work.values())


def _checked(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a forward pass with checks of its input and the layers."""

    def checked_forward(self: Net, input: Tensor) -> Any:
        self._check(input, self.meta["plan"].input_shape)
        return forward(self, input)

    checked_forward.__code__ = checked_forward.__code__.replace()  # torch.compile limits recompilations per code object
    return update_wrapper(checked_forward, forward)


def _nothing() -> fx.Graph:
    graph = fx.Graph()
    graph.output(None)
    return graph


def recurs(plan: Plan) -> bool:
    """Whether any step repeats an earlier one."""
    return any(count > 1 for count in plan.bodies.values())
