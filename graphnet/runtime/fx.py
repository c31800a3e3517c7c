"""Plan → torch.fx GraphModule with the parameters it needs: one graph, or one for each distinct step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx

from graphnet.passes import DEFAULT, Mode, run_passes, run_stepwise
from graphnet.planning.cost import Target
from graphnet.planning.plan import IMAGE, Plan
from graphnet.runtime.fx_writer import TRAINED, GraphWriter
from graphnet.runtime.parameters import FIRST_ITERATIONS, modules_of, settle_divisors
from graphnet.runtime.stepped import Stepped


def build(
    plan: Plan,
    seed: int = 0,
    given: Mapping[str, torch.Tensor] | None = None,
    optimize: int = DEFAULT,
    stepwise: bool = False,
    mode: Mode = "train",
    target: Target | None = None,
) -> fx.GraphModule | Stepped:
    """The net of a plan, optimised; draws its initial weights from `seed` and nothing else at random.

    Tensors that are `given`, by name, are those of another net: they share its storage. `stepwise` generates each
    distinct step once, and gives a `Stepped`; else one graph is all of the net. A net to `infer` is in evaluation
    mode and is to stay there. Level 3 chooses what is faster on a `target`.
    """
    net: fx.GraphModule | Stepped
    if stepwise:
        executed, entries = run_stepwise(plan, optimize, mode, target)
        net = Stepped(modules_of(plan, seed, given or {}, executed.layout), executed, entries)
    else:
        executed = run_passes(plan, optimize, mode, target)
        root = modules_of(plan, seed, given or {}, executed.layout)
        net = fx.GraphModule(root, flat_graph(executed), class_name="Net")
    net.meta |= {"plan": plan, "executed": executed, "optimize": optimize, "stepwise": stepwise, "mode": mode}
    settle_divisors(net, FIRST_ITERATIONS, given or {})
    return net.eval() if mode == "infer" else net


def flat_graph(plan: Plan) -> fx.Graph:
    """All lines of a plan as nodes under their names."""
    nodes = fx.Graph()
    values: dict[str, fx.Node] = {}
    values[IMAGE] = image = nodes.placeholder(IMAGE, type_expr=torch.Tensor)
    image.name = IMAGE
    if plan.layout == "channels_last" and len(plan.input_shape) == 3:
        values[IMAGE] = nodes.call_method("contiguous", (image,), {"memory_format": torch.channels_last})
        values[IMAGE].name = f"{IMAGE}_channels_last"
    for tensor in plan.tensors:
        values[tensor.name] = nodes.create_node("get_attr", tensor.name, name=tensor.name.replace(".", "_"))
    if any(line.op.kind in TRAINED for line in plan.lines):
        values["training"] = nodes.create_node("get_attr", "training", name="training")
    writer = GraphWriter(nodes, values)
    for line in plan.lines:
        writer.write(line)
    outputs = {t: values[name] for t, name in plan.outputs}
    result: Any = next(iter(outputs.values())) if len(outputs) == 1 else outputs
    nodes.output(result)
    nodes.on_generate_code(_readable(plan))
    nodes.lint()
    return nodes


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
