"""The blocks of a net's stages: at which times they compute, and with which weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from graphnet.analysis.perturb import origin_of
from graphnet.planning.plan import Fate, Plan
from graphnet.planning.time_expansion import expand_in_time
from graphnet.rewrite.spec_editor import EditError, stages


@dataclass(frozen=True)
class Block:
    """One firing of a stage's self-transition.

    Attributes:
        t: the time of its result.
        read: the time of its input.
        weights: names of the weights of its layers, in the order of computation; no scales, shifts and biases.
    """

    t: int
    read: int
    weights: tuple[str, ...]


def stage_blocks(net: nn.Module) -> dict[str, tuple[Block, ...]]:
    """Return the blocks of each stage, in the order of time.

    A stage is a state whose self-transition fires at least twice.

    Raises:
        EditError: there is no stage, or the net was not compiled by graphnet.
    """
    plan, spec = origin_of(net)
    known = stages(expand_in_time(spec))
    if not known:
        raise EditError("no stages: no state has a self-transition that fires at least twice")
    return {stage: tuple(_blocks(plan, stage)) for stage in known}


def _blocks(plan: Plan, stage: str) -> Iterator[Block]:
    places = {cell.place for cell in plan.cells if (cell.source, cell.target) == (stage, stage)}
    times = {line.name: line.t for line in plan.lines if line.place == stage}
    layers = {tensor.name for tensor in plan.tensors if tensor.trainable and len(tensor.shape) > 1}
    for firing in plan.firings:
        if (firing.source, firing.target) == (stage, stage) and firing.fate is Fate.FIRES:
            lines = [line for line in plan.lines if line.place in places and line.t == firing.t]
            weights = dict.fromkeys(name for line in lines for name in line.tensors if name in layers)
            yield Block(firing.t, times[firing.reads], tuple(weights))
