"""Plan → torch.fx GraphModule with the parameters it needs."""

from __future__ import annotations

import hashlib
import importlib
import math
import operator
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import torch
from torch import fx, nn

from graphnet.backends.spectral import Divisor, random_unit
from graphnet.backends.torch_calls import say
from graphnet.ir.network import Tensor
from graphnet.ir.ops import KINDS, Shape
from graphnet.ir.plan import IMAGE, Line, Plan
from graphnet.passes import DEFAULT, run_passes


def build(
    plan: Plan, seed: int = 0, given: Mapping[str, torch.Tensor] | None = None, optimize: int = DEFAULT
) -> fx.GraphModule:
    """The net of a plan, optimised; draws its initial weights from `seed` and nothing else at random.

    Tensors that are `given`, by name, are those of another net: they share its storage.
    """
    given = given or {}
    executed = run_passes(plan, optimize)
    root = nn.Module()
    for tensor in plan.tensors:
        if tensor.name in given:
            _own(root, tensor, given[tensor.name].detach(), given[tensor.name].requires_grad)
        else:
            values = initial(tensor, seed)
            is_last = executed.layout == "channels_last" and values.dim() == 4
            _own(root, tensor, values.contiguous(memory_format=torch.channels_last) if is_last else values)
    for line in plan.lines:
        if line.op.kind == "value":
            holder = _module(root, line.place)
            if not hasattr(holder, "output"):
                holder.add_module("output", nn.Identity())
        elif line.op.kind == "lipschitz":
            _module(root, line.place).add_module(line.name, Divisor(line.op))
    net = fx.GraphModule(root, _Writer(executed).graph(), class_name="Net")
    net.meta |= {"plan": plan, "executed": executed, "optimize": optimize}
    settle_divisors(net, FIRST_ITERATIONS, given)
    return net


FIRST_ITERATIONS = 15
"""As many power iterations as PyTorch's spectral norm makes when it is put on a layer."""


def settle_divisors(net: nn.Module, iterations: int, known: Container[str] = ()) -> None:
    """Bring the singular vectors of a net's Lipschitz bounds nearer to those of its weights, unless they are known."""
    tensors = dict(net.named_parameters()) | dict(net.named_buffers())
    plan = getattr(net, "meta", {}).get("plan")
    for line in plan.lines if isinstance(plan, Plan) else ():
        if line.op.kind == "lipschitz" and line.tensors[-1] not in known:
            given = [tensors[name] for name in line.tensors]
            divisor = net.get_submodule(f"{line.place}.{line.name}")
            assert isinstance(divisor, Divisor)
            divisor.improve(given, iterations)


def initial(tensor: Tensor, seed: int) -> torch.Tensor:
    """A tensor's first values, from a generator of its own (rule 17), drawn in float32; in torch's default type."""
    return _first_values(tensor, seed).to(torch.get_default_dtype())


def _first_values(tensor: Tensor, seed: int) -> torch.Tensor:
    scheme, fan_in, fan_out, value = tensor.init
    if scheme == "constant":
        return torch.tensor(value, dtype=torch.float64).expand(tensor.shape).clone()
    if scheme in ("zeros", "ones"):
        return torch.full(tensor.shape, float(scheme == "ones"))
    if scheme == "identity":
        return _identity(tensor.shape)
    digest = hashlib.sha256(f"{seed} {tensor.seed}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
    if scheme == "unit":
        return random_unit(tensor.shape, generator)
    return torch.randn(tensor.shape, generator=generator) * math.sqrt(VARIANCES[scheme](fan_in, fan_out))


VARIANCES: dict[str, Callable[[int, int], float]] = {
    "he": lambda fan_in, fan_out: 2 / fan_in,
    "he-fan-out": lambda fan_in, fan_out: 2 / fan_out,
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "lecun": lambda fan_in, fan_out: 1 / fan_in,
}


def _identity(shape: Shape) -> torch.Tensor:
    """Weights that copy channel k to channel k, through the middle of the kernel."""
    values = torch.zeros(shape)
    middle = tuple(size // 2 for size in shape[2:])
    for channel in range(min(shape[:2])):
        values[(channel, channel, *middle)] = 1
    return values


def _own(root: nn.Module, tensor: Tensor, values: torch.Tensor, learns: bool = True) -> None:
    place, _, role = tensor.name.rpartition(".")
    holder = _module(root, place)
    if tensor.trainable:
        holder.register_parameter(role, nn.Parameter(values, learns))
    else:
        holder.register_buffer(role, values)


def _module(root: nn.Module, path: str) -> nn.Module:
    """The module at a dotted path, made where it is missing."""
    for name in path.split("."):
        if not hasattr(root, name):
            root.add_module(name, nn.Module())
        root = getattr(root, name)
    return root


class _Writer:
    """Writes a plan's lines as fx nodes under the lines' names."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.nodes = fx.Graph()
        self.values: dict[str, fx.Node] = {}

    def graph(self) -> fx.Graph:
        self.values[IMAGE] = self.nodes.placeholder(IMAGE, type_expr=torch.Tensor)
        self.values[IMAGE].name = IMAGE
        if self.plan.layout == "channels_last" and len(self.plan.input_shape) == 3:
            image = self.values[IMAGE]
            laid = self.nodes.call_method("contiguous", (image,), {"memory_format": torch.channels_last})
            laid.name = f"{IMAGE}_channels_last"
            self.values[IMAGE] = laid
        for tensor in self.plan.tensors:
            name = tensor.name.replace(".", "_")
            self.values[tensor.name] = self.nodes.create_node("get_attr", tensor.name, name=name)
        if any(line.op.kind == "batch_norm" for line in self.plan.lines):
            self.values["training"] = self.nodes.create_node("get_attr", "training", name="training")
        for line in self.plan.lines:
            self._write(line)
        outputs = {t: self.values[name] for t, name in self.plan.outputs}
        result: Any = next(iter(outputs.values())) if len(outputs) == 1 else outputs
        self.nodes.output(result)
        self.nodes.on_generate_code(_readable(self.plan))
        self.nodes.lint()
        return self.nodes

    def _write(self, line: Line) -> None:
        given = [self.values[name] for name in line.arguments] + [self.values[name] for name in line.tensors]
        if line.op.kind == "value":
            node = self.nodes.call_module(f"{line.place}.output", tuple(given))
        else:
            node = say(self, line, given)
        node.name = line.name
        self.values[line.name] = node

    def call(self, function: str, *arguments: Any, **settings: Any) -> fx.Node:
        return self.nodes.call_function(_function(function), arguments, settings)

    def method(self, name: str, *arguments: Any) -> fx.Node:
        return self.nodes.call_method(name, arguments)

    def custom(self, kind: str, *arguments: Any, **settings: Any) -> fx.Node:
        function = KINDS[kind].function
        assert function is not None
        return self.nodes.call_function(function, arguments, settings)

    def divisor(self, line: Line, given: Sequence[fx.Node]) -> fx.Node:
        return self.nodes.call_module(f"{line.place}.{line.name}", tuple(given))

    def training(self) -> fx.Node:
        return self.values["training"]


def _function(name: str) -> Any:
    if name.startswith("graphnet."):
        module, _, function = name.rpartition(".")
        return getattr(importlib.import_module(module), function)
    modules: dict[str, Any] = {"torch": torch, "operator": operator}
    first, *rest = name.split(".")
    found = modules[first]
    for part in rest:
        found = getattr(found, part)
    return found


def _readable(plan: Plan) -> Any:
    """A code transformer: headings for the weights and the time steps, and no freeing of weights, which stay."""
    times = {line.name: line.t for line in plan.lines if line.t >= 0}
    weights = {tensor.name.replace(".", "_") for tensor in plan.tensors} | {"training"}

    def transform(code: list[str]) -> list[str]:
        headed: list[str] = []
        now: str | None = None
        for text in code:
            name = text.split(" = ", 1)[0].strip()
            heading = "parameters and statistics" if name in weights else f"t = {times[name]}" if name in times else now
            if heading != now:
                now = heading
                headed.append(f"\n# {heading}\n")
            headed.append(_kept(text, weights))
        return headed

    return lambda current: transform if current is None else lambda code: transform(current(code))


def _kept(text: str, weights: set[str]) -> str:
    """A line of code without `weight = None` at its end."""
    code, freed, names = text.rstrip("\n").partition(";  ")
    if not freed:
        return text
    left = [name for name in names.split(" = ")[:-1] if name not in weights]
    return code + (f";  {' = '.join(left)} = None" if left else "") + "\n"
