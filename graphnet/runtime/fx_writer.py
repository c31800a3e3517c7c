"""Lines of a plan → nodes of a torch.fx graph."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from graphnet.network.functions.ops import KINDS
from graphnet.planning.holders import Holder, flags_of
from graphnet.planning.plan import Line
from graphnet.runtime.lowering_rules import AFFINE, say


class GraphWriter:
    """Writes lines as nodes; `values` maps names to the nodes they read."""

    def __init__(self, nodes: fx.Graph, values: dict[str, fx.Node]) -> None:
        self.nodes, self.values = nodes, values

    def write(self, line: Line, layer: Holder | None = None) -> None:
        """Write a line, as a call of its layer if given."""
        given = [self.values[name] for name in line.arguments]
        if layer is not None:
            node = self.nodes.call_module(layer.name, tuple(given))
            affine = [self.values[name] for name in layer.left_by(line)]
            if affine:
                node.name = f"{line.name}_normed"
                node = self.call(AFFINE, node, *affine)
        elif line.op.kind == "value":
            node = self.nodes.call_module(f"{line.place}.output", tuple(given))
        else:
            node = say(self, line, [*given, *(self.values[name] for name in (*line.tensors, *flags_of(line)))])
        if node not in given:  # a sum of one value is that value
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
