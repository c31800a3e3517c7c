"""Lines of a plan → nodes of a torch.fx graph."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from graphnet.network.functions.ops import KINDS
from graphnet.planning.plan import Line
from graphnet.runtime.lowering_rules import say

TRAINED = ("batch_norm", "shared_norm", "convs")
"""Ops that are others in training: they ask for `values["training"]`."""


class GraphWriter:
    """Writes lines as nodes; `values` has the nodes of what they are made of, by name."""

    def __init__(self, nodes: fx.Graph, values: dict[str, fx.Node]) -> None:
        self.nodes, self.values = nodes, values

    def write(self, line: Line) -> None:
        given = [self.values[name] for name in line.arguments] + [self.values[name] for name in line.tensors]
        if line.op.kind == "value":
            node = self.nodes.call_module(f"{line.place}.output", tuple(given))
        else:
            node = say(self, line, given)
        if node not in given:  # a sum of one thing is that thing
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
