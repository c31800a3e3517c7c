"""Maps laid out with the channels last, where a net runs faster so, and weights that recur with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from graphnet.ir.cost import LAYOUTS, Target, sizes_of
from graphnet.ir.ops import Op
from graphnet.ir.plan import Line, Plan
from graphnet.ir.verify import READY
from graphnet.passes.ready import ready


def channels_last(plan: Plan, target: Target) -> Plan:
    """Lay maps out as N, H, W, C where the target is predicted to be faster so; weights too, if they are used twice.

    A convolution of such maps turns its weights first: those that recur are turned once for all times.
    Values do not change, but for the order in which convolutions add up. Parameters stay as they are: checkpoints and
    `state_dict()` do not see it.
    """
    sizes = sizes_of(plan)
    if len(plan.input_shape) != 3 or target.seconds(plan.lines, sizes, LAYOUTS[0]) <= target.seconds(
        plan.lines, sizes, LAYOUTS[1]
    ):
        return plan
    made_ready, lines = ready(plan), []
    uses = Counter(line.tensors[0] for line in plan.lines if line.op.kind in READY and line.tensors)
    for line in plan.lines:
        if line.op.kind in READY and len(line.arguments) == 1 and uses[line.tensors[0]] > 1:
            weights = made_ready.weights(line.tensors[:1], 0, line.place)
            line = line._replace(arguments=(*line.arguments, weights.name), tensors=line.tensors[1:])
        lines.append(line)
    laid = (_laid(line) if line.op.kind == "weights" else line for line in made_ready.within(lines))
    return replace(plan, lines=tuple(laid), layout="channels_last")


def _laid(line: Line) -> Line:
    """Weights with channels last; biases have no layout."""
    settings = tuple((key, "channels_last" if key == "layout" else value) for key, value in line.op.attributes)
    return line._replace(op=Op("weights", settings)) if len(line.shape) == 4 else line
