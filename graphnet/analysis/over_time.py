"""A trained net over time, for pictures: accuracy at each readout time, and activity of the states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from graphnet.analysis.interpreter import steps, tensors_of
from graphnet.analysis.perturb import origin_of
from graphnet.errors import SpecError
from graphnet.pipeline import compile, load
from graphnet.planning.plan import IMAGE, Fate, Plan
from graphnet.spec.model import Spec
from graphnet.training.calibrate import calibrate
from graphnet.training.errors import TrainingError
from graphnet.training.loop.evaluation import EVALUATION_BATCH, evaluate
from graphnet.training.runs.checkpoint import load_into


@dataclass(frozen=True)
class Measures:
    """Measurements of a net.

    Attributes:
        images: their number.
        accuracy: by readout time, from 0 to 1.
        calibrated: the readout times that the net was not trained for; their statistics were calibrated.
        chance: the accuracy of guessing.
        norms: the root mean square of each value, over images and units, by the value's name.
    """

    images: int
    accuracy: dict[int, float]
    calibrated: tuple[int, ...]
    chance: float
    norms: dict[str, float]


def measure(net: nn.Module, images: Tensor, labels: Tensor, training: Iterable[Tensor]) -> Measures:
    """Measure a compiled net in evaluation mode, on images `[N, C, H, W]` of `labels` `[N]`.

    Read it out at every possible time, with its weights. If norms have no trained statistics for a time, calibrate them
    on batches of `training` images (rule 19); the net itself does not change. If other readout times would need
    weights that the net does not have, measure only the times it was trained for.
    """
    plan, spec = origin_of(net)
    times = tuple(t for t, _ in plan.outputs)
    read = _read_at_all_times(net, plan, spec, training)
    found = evaluate(read or net, _batches(images, labels)).accuracy
    accuracy = {times[-1] if t is None else t: value for t, value in found.items()}
    return Measures(
        len(labels),
        accuracy,
        tuple(t for t in accuracy if t not in times),
        1 / plan.classes,
        _norms(net, plan, images),
    )


def _batches(images: Tensor, labels: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
    return zip(torch.split(images, EVALUATION_BATCH), torch.split(labels, EVALUATION_BATCH), strict=True)


def _norms(net: nn.Module, plan: Plan, images: Tensor) -> dict[str, float]:
    tensors = tensors_of(net)
    like = next(iter(tensors.values()), images)
    values = steps(plan.lines, tensors, {IMAGE: images.to(like)})
    return {line.name: float(value.square().mean().sqrt()) for line, value in values if line.op.kind == "value"}


def _read_at_all_times(net: nn.Module, plan: Plan, spec: Spec, training: Iterable[Tensor]) -> nn.Module | None:
    """The net with all possible readouts; None if it lacks the weights, or already has them all."""
    state, fates = spec.readout.state or plan.areas[-1].name, (Fate.FIRES, Fate.UNREAD)
    times = sorted({each.t for each in plan.firings if each.target == state and each.fate in fates})
    if times == [t for t, _ in plan.outputs]:
        return None
    try:
        made = compile(load(spec.as_data() | {"readout": {"t": times, "state": state}}))
        report = load_into(made, net.state_dict(), calibrate=True)
    except (SpecError, TrainingError):
        return None
    made.to(next((each.device for each in net.parameters()), torch.device("cpu")))
    if report.uncalibrated:
        calibrate(made, training, report.uncalibrated)
    return made.eval()
