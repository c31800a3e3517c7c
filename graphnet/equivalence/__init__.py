"""Equivalence of two nets: outputs, gradients, running statistics, in training and evaluation, in float64.

`compare` takes specs, compiled nets or any module, and a table of weights, and draws random weights; its report names
the largest difference, and the state and time at which two compiled nets first diverge. `compare_trained` compares two
nets with the weights that they have. `unrolled` unrolls a net in time with its weights, and `transferred` compiles any
spec with them whose transitions correspond.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from graphnet.equivalence.runs import TOLERANCE, Difference, Parting, Run, values_of
from graphnet.equivalence.tensor_tables import NoTable, Weights, corresponding, names_of, plan_of
from graphnet.equivalence.trained import TrainedReport, compare_trained
from graphnet.equivalence.transfer import transferred, unrolled
from graphnet.pipeline import compile as compiled
from graphnet.pipeline import load
from graphnet.spec.model import Spec

__all__ = [
    "Difference",
    "NoTable",
    "Parting",
    "Report",
    "TrainedReport",
    "Weights",
    "compare",
    "compare_trained",
    "corresponding",
    "transferred",
    "unrolled",
    "values_of",
]


NetLike = Spec | Mapping[str, Any] | str | os.PathLike[str] | nn.Module


@dataclass(frozen=True)
class Report:
    """Result of a comparison; true if the nets agree in all runs."""

    differences: tuple[Difference, ...]
    tolerance: float
    parting: Parting | None = None
    names: tuple[str, str] = field(default=("the first net", "the second net"))

    @property
    def worst(self) -> Difference:
        """The largest difference."""
        return max(self.differences, key=lambda each: each.size)

    @property
    def equal(self) -> bool:
        return self.worst.size <= self.tolerance

    def __bool__(self) -> bool:
        return self.equal

    def __str__(self) -> str:
        runs = {(each.mode, each.seed, each.batch) for each in self.differences}
        worst = f"largest difference {self.worst.size:.1e} of {self.worst.what} ({self.worst.mode})"
        if self.equal:
            return f"{self.names[0]} and {self.names[1]} are equal: {len(runs)} runs, {worst}"
        text = f"{self.names[0]} and {self.names[1]} differ: {worst}"
        if self.parting:
            text += f"\nthey part at {self.parting.state} at t = {self.parting.t} (difference {self.parting.size:.1e})"
        return text


def compare(
    first: NetLike,
    second: NetLike,
    weights: Weights | None = None,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    batches: Sequence[int] = (2, 3),
    sizes: Sequence[Sequence[int]] | None = None,
    tolerance: float = TOLERANCE,
) -> Report:
    """Run both nets in float64 from the same random weights, statistics and images.

    Args:
        first, second: specs (or what `graphnet.load` takes) or modules; modules are copied, not changed.
        weights: tensor of the second net → tensor of the first. None: equal names, or for two specs whose transitions
            correspond in time, one perhaps unrolled (`graphnet.unroll`), the tensors of equal layers.
        seeds: of the random weights, statistics and images.
        batches: batch sizes.
        sizes: shapes of the images, `[C, H, W]`; None takes the shape from a spec.
        tolerance: bound on a tensor's largest difference over its largest value; for a tiny gradient, over the largest
            gradient of the net.

    Raises:
        SpecError: a spec is wrong.
        NoTable: the tensors do not correspond without a table.
    """
    a, b = _net(first), _net(second)
    names = names_of(a, b, weights)
    differences: list[Difference] = []
    parting: Parting | None = None
    for size in sizes or [_image_shape(a, b)]:
        for seed in seeds:
            for batch in batches:
                for training in (True, False):
                    run = Run.drawn(a, b, names, tuple(size), seed, batch, training)
                    found = list(run.differences())
                    differences += found
                    if parting is None and max(each.size for each in found) > tolerance:
                        parting = run.parting(tolerance)
    return Report(tuple(differences), tolerance, parting, (_title(first, "first"), _title(second, "second")))


def _net(given: NetLike) -> nn.Module:
    if isinstance(given, nn.Module):
        return given
    return compiled(given)


def _title(given: NetLike, place: str) -> str:
    net = None if not isinstance(given, nn.Module) else plan_of(given)
    if isinstance(given, nn.Module):
        return f"'{net.name}'" if net else f"the {place} net ({type(given).__name__})"
    if isinstance(given, Spec | Mapping):
        return f"'{load(given).name}'"
    return os.fspath(given)


def _image_shape(a: nn.Module, b: nn.Module) -> tuple[int, ...]:
    plan = plan_of(a) or plan_of(b)
    if plan is None:
        raise ValueError("neither net has an image shape: give sizes")
    return plan.input_shape
