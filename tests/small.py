"""Small specs for tests, and the faults of wrong ones."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import graphnet
from graphnet import pipeline, zoo
from graphnet.compile_options import Options
from graphnet.errors import Fault
from graphnet.network.functions.ops import Line
from graphnet.network.network import Tensor
from graphnet.planning.body import IMAGE, NOW, Body, Call
from graphnet.planning.cost import Target
from graphnet.planning.plan import Plan
from graphnet.planning.time_expansion import TimeExpansion, expand_in_time

if TYPE_CHECKING:
    from torch import Tensor as Values
    from torch import nn

    from graphnet.runtime.net import Net

SMALL: dict[str, Any] = {
    "graphnet": 1,
    "name": "small",
    "input": {"shape": [1, 8, 8]},
    "states": {"h1": [4, 8, 8], "h2": [6, 4, 4]},
    "transitions": [{"h1": {"h1": "BRC+I", "h2": "BRC"}, "h2": {"h1": "BRD", "h2": "BRC+I"}}],
    "pre_net": {"ops": "C"},
    "post_net": {"ops": "BRGL", "classes": 3},
    "readout": {"t": 3},
}
"""Two areas connected both ways; signals reach h2 at t = 1."""


def small(*slabs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The small spec with other slabs, if given, and other tables; None leaves a table out."""
    spec = deepcopy(SMALL) | ({"transitions": list(slabs)} if slabs else {}) | changes
    return {key: value for key, value in spec.items() if value is not None}


def recurrent(t: int, **more: Any) -> dict[str, Any]:
    """LP's three states, all to all, at a small size."""
    data = graphnet.load(zoo.path("frnn-3-state")).as_data()
    data["states"] = {"h1": [4, 8, 8], "h2": [6, 4, 4], "h3": [8, 2, 2]}
    return data | {"input": {"shape": [3, 8, 8], "t": 1}, "readout": {"t": t}} | more


def statistics(net: nn.Module) -> dict[str, Values]:
    """The running statistics and singular vectors of a net, without the counters of batch norms."""
    return {name: buffer for name, buffer in net.named_buffers() if buffer.is_floating_point()}


def expansion(spec: dict[str, Any]) -> TimeExpansion:
    """The network of a valid spec, expanded in time."""
    return expand_in_time(graphnet.load(spec))


def faults(spec: Any) -> tuple[Fault, ...]:
    """All faults of a spec, given as a path or a dict."""
    try:
        graphnet.plan(spec)
    except graphnet.SpecError as error:
        return error.faults
    return ()


def fault(spec: Any) -> Fault:
    """The only fault of a spec."""
    found = faults(spec)
    assert len(found) == 1, [str(each) for each in found]
    return found[0]


def flattened(plan: Plan, lines: Iterable[Line] | None = None, tensors: Iterable[Tensor] | None = None) -> Plan:
    """A plan of one body without times, with the lines and tensors of a plan, or others."""
    kept = plan.lines if lines is None else tuple(lines)
    results = dict.fromkeys(line.name for line in kept if line.op.kind == "value") | dict.fromkeys(
        name for _, name in plan.outputs if name in {line.name for line in kept}
    )
    made = {line.name for line in kept}
    known = {line.name: line.shape for line in plan.lines} | {IMAGE: plan.input_shape}
    reads = dict.fromkeys(name for line in kept for name in line.arguments if name in known and name not in made)
    shapes = tuple((name, known[name]) for name in reads)
    held = plan.tensors if tensors is None else tuple(tensors)
    return replace(plan, calls=(Call(Body(kept, tuple(results), held, shapes), NOW),))


def built(spec: Any, target: Target | None = None, **options: Any) -> Net:
    """Compile a spec; level 3 uses a fixed target instead of this machine."""
    with patch.object(pipeline, "_target", lambda _: target):
        return pipeline.compile_net(graphnet.load(spec), Options(**options))
