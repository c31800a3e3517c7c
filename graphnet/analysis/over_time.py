"""A trained net over time, for pictures: accuracy at each readout time, and activity of the states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from graphnet.analysis.interpreter import steps, tensors_of
from graphnet.analysis.perturb import origin_of
from graphnet.analysis.time.readouts import Times
from graphnet.analysis.time.sweep import sweep
from graphnet.planning.plan import IMAGE, Fate, Plan
from graphnet.spec.model import Spec
from graphnet.training.loop.evaluation import EVALUATION_BATCH


@dataclass(frozen=True)
class Measures:
    """Measurements of a net.

    Attributes:
        images: their number.
        accuracy: by readout time, from 0 to 1.
        calibrated: the readout times whose statistics were calibrated, as the net lacks them.
        chance: the accuracy of guessing.
        norms: the root mean square of each value, over images and units, by the value's name.
        left_out: times at which the net cannot be read out.
    """

    images: int
    accuracy: dict[int, float]
    calibrated: tuple[int, ...]
    chance: float
    norms: dict[str, float]
    left_out: tuple[int, ...] = ()


def measure(
    net: nn.Module, images: Tensor, labels: Tensor, training: Iterable[Tensor], times: Times | None = None
) -> Measures:
    """Measure a compiled net in evaluation mode, on images `[N, C, H, W]` of `labels` `[N]`; the net does not change.

    Args:
        training: batches of training images, on which missing statistics are calibrated (rule 19).
        times: readout times; by default all up to the net's last one. Those that would need weights that the net does
            not have are left out.

    Raises:
        EditError: the net cannot be read out at any of the times.
    """
    plan, spec = origin_of(net)
    batches = zip(torch.split(images, EVALUATION_BATCH), torch.split(labels, EVALUATION_BATCH), strict=True)
    found = sweep(net, batches, _possible(plan, spec) if times is None else times, training)
    norms, left_out = _norms(net, plan, images), tuple(found.left_out)
    return Measures(len(labels), found.accuracy, found.calibrated, 1 / plan.classes, norms, left_out)


def _possible(plan: Plan, spec: Spec) -> list[int]:
    """The times up to the last readout at which something arrives at the state that is read."""
    state, fates = spec.readout.state or plan.areas[-1].name, (Fate.FIRES, Fate.UNREAD)
    arrivals = {each.t for each in plan.firings if each.target == state and each.fate in fates}
    return sorted(arrivals | {t for t, _ in plan.outputs})


def _norms(net: nn.Module, plan: Plan, images: Tensor) -> dict[str, float]:
    tensors = tensors_of(net)
    like = next(iter(tensors.values()), images)
    values = steps(plan.lines, tensors, {IMAGE: images.to(like)})
    return {line.name: float(value.square().mean().sqrt()) for line, value in values if line.op.kind == "value"}
