"""Step-by-step execution: the nodes of a graph by time, and the values kept between steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, fx, nn

from graphnet.planning.body import IMAGE
from graphnet.planning.plan import Plan
from graphnet.runtime.graphs import PROGRAMS


class Memory(NamedTuple):
    """State of a net between steps: the last time run, and the values that later times read."""

    t: int
    values: dict[str, Tensor]


class Timeline(NamedTuple):
    """Times at which nodes run, values are last read, images arrive and outputs are ready.

    Attributes:
        nodes: time → its nodes.
        weights: nodes that depend on weights alone; every step runs them, to use the current weights.
    """

    nodes: dict[int, list[fx.Node]]
    weights: list[fx.Node]
    ends: dict[str, int]
    arrivals: list[int]
    outputs: dict[int, str]
    last: int
    sequence: bool

    @classmethod
    def of(cls, graph: fx.Graph, executed: Plan) -> Timeline:
        times: dict[int, list[fx.Node]] = {}
        arrivals: dict[int, None] = {}
        start = min(t for call in executed.calls if (t := call.t) >= 0)
        weights = _of_weights_alone(graph)
        for node in graph.nodes:
            if node.op not in ("placeholder", "get_attr", "output") and node not in weights:
                t = node.meta.get("t", start)
                times.setdefault(t, []).append(node)
                if node.meta.get("frame"):
                    arrivals[t] = None
        when = {node: t for t, nodes in times.items() for node in nodes}
        ends: dict[str, int] = {}
        for node in graph.nodes:
            read = [when[user] for user in node.users if user in when]
            ends[node.name] = max(read, default=-1)
        result = next(node for node in graph.nodes if node.op == "output").args[0]
        found = result if isinstance(result, dict) else {executed.outputs[0][0]: result}
        outputs = {t: node.name for t, node in found.items()}
        for t, name in outputs.items():
            ends[name] = max(ends[name], t)
        if executed.is_sequence:
            ends[IMAGE] = -1
        return cls(times, list(weights), ends, list(arrivals) or [start], outputs, max(outputs), executed.is_sequence)


def _of_weights_alone(graph: fx.Graph) -> dict[fx.Node, None]:
    """Nodes computed from parameters alone, by functions or programs; Lipschitz divisors have state, so not they."""
    found: dict[fx.Node, None] = {}
    for node in graph.nodes:
        pure = node.op == "call_function" or (node.op == "call_module" and str(node.target).startswith(PROGRAMS))
        if pure and all(given.op == "get_attr" or given in found for given in node.all_input_nodes):
            found[node] = None
    return found


def step(net: nn.Module, times: Timeline, image: Tensor | None, memory: Memory | None) -> tuple[Tensor | None, Memory]:
    """Run the nodes of a net's next time; see `Net.step`."""
    t = times.arrivals[0] if memory is None else memory.t + 1
    if t > times.last:
        raise ValueError(f"the net ends at t = {times.last}: it has no step t = {t}")
    if image is None and t in times.arrivals:
        raise ValueError(f"t = {t}: an image arrives, pass it")
    if image is not None and t not in times.arrivals and not times.sequence:
        raise ValueError(f"t = {t}: no image arrives; the one at t = {times.arrivals[0]} stays")
    values: dict[str, Any] = {} if memory is None else dict(memory.values)
    if image is not None:
        values[IMAGE] = image
    for node in times.weights:
        values[node.name] = _run(net, node, values)
    for now in range(-1 if memory is None else t, t + 1):
        for node in times.nodes.get(now, ()):
            values[node.name] = _run(net, node, values)
    kept = {name: value for name, value in values.items() if times.ends.get(name, -1) > t}
    return values[times.outputs[t]] if t in times.outputs else None, Memory(t, kept)


def _run(net: nn.Module, node: fx.Node, values: Mapping[str, Any]) -> Any:
    """The value of a node; in a stream, the current frame replaces the sequence."""
    if node.meta.get("frame"):
        return values[IMAGE]

    def value(given: fx.Node) -> Any:
        return _read(net, str(given.target)) if given.op == "get_attr" else values[given.name]

    arguments = fx.map_arg(node.args, value)
    settings = fx.map_arg(node.kwargs, value)
    if node.op == "call_function":
        assert callable(node.target)
        return node.target(*arguments, **settings)
    if node.op == "call_method":
        owner, *rest = arguments
        return getattr(owner, str(node.target))(*rest, **settings)
    return net.get_submodule(str(node.target))(*arguments, **settings)


def _read(net: nn.Module, target: str) -> Any:
    place, _, role = target.rpartition(".")
    return getattr(net.get_submodule(place), role)
