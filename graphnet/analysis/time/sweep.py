"""A trained net at every readout time: error, loss, confidence, and when it would answer; T times, N images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from graphnet.analysis.perturb import origin_of
from graphnet.analysis.time.readouts import Calibration, Readouts, Times, read_out
from graphnet.analysis.time.stopping import Rule, Stopping, stop, thresholds
from graphnet.training.calibrate import Batch
from graphnet.training.tasks import TASKS, Task

Combine = Literal["none", "cumulative", "cumulative-sum"]
COMBINES: tuple[Combine, ...] = ("none", "cumulative", "cumulative-sum")
"""What is evaluated at a time, in the words of `readout.combine`: the output at that time, the mean of the outputs at
the times of the sweep up to it, or their sum."""


@dataclass(frozen=True, eq=False)
class Responses:
    """Responses to each image at each readout time.

    Attributes:
        loss, error: `[T, N]`, as the task defines them for an image; of classes 0 or 1.
        answers: `[T, N]`, the class answered; None unless the task is classes, as for the next two.
        confidence: `[T, N]`, the largest softmax.
        entropy: `[T, N]`, of the softmax, in nats.
    """

    loss: NDArray[np.float64]
    error: NDArray[np.float64]
    answers: NDArray[np.int64] | None = None
    confidence: NDArray[np.float64] | None = None
    entropy: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Point:
    """Means over the images at one readout time; confidence and entropy are None unless the task is classes."""

    t: int
    error: float
    loss: float
    confidence: float | None = None
    entropy: float | None = None

    @property
    def accuracy(self) -> float:
        return 1 - self.error


@dataclass(frozen=True, eq=False)
class Sweep:
    """A net at several readout times.

    Attributes:
        times: the readout times, ascending.
        trained: the readout times of the net as it was given.
        untrained: times whose output depends on running statistics that the net lacks.
        calibrated: times whose output depends on statistics that were calibrated for the sweep.
        left_out: time → why the net cannot be read out then.
        task: a name in `graphnet.training.tasks.TASKS`.
        chance: the error of guessing, on these images.
        targets: of the images, `[N, …]`.
        responses: by what is evaluated, a word of `COMBINES`.
        outputs: `[N, T, …]`, the net's outputs; None unless kept.
    """

    times: tuple[int, ...]
    trained: tuple[int, ...]
    untrained: tuple[int, ...]
    calibrated: tuple[int, ...]
    left_out: Mapping[int, str]
    task: str
    chance: float
    classes: int
    targets: NDArray[np.generic]
    responses: Mapping[str, Responses]
    outputs: NDArray[np.floating] | None = None

    @property
    def images(self) -> int:
        """The number of images."""
        return len(self.targets)

    def points(self, combine: Combine = "none") -> tuple[Point, ...]:
        """Error, loss and confidence at each readout time."""
        found, summarised = self.responses[combine], TASKS[self.task].summarised
        sure, spread = found.confidence, found.entropy
        return tuple(
            Point(
                t,
                summarised(float(found.error[k].mean())),
                float(found.loss[k].mean()),
                None if sure is None else float(sure[k].mean()),
                None if spread is None else float(spread[k].mean()),
            )
            for k, t in enumerate(self.times)
        )

    @property
    def accuracy(self) -> dict[int, float]:
        """Share of right answers by readout time."""
        return {point.t: point.accuracy for point in self.points()}

    def stopping(self, rule: Rule, threshold: float | None = None, combine: Combine = "none") -> Stopping:
        """Apply a stopping rule. Raises ValueError if the task is not classes, and as `stop`."""
        found = self.responses[combine]
        if found.confidence is None or found.entropy is None:
            raise ValueError(f"stopping rules need classes; the task of these data is {self.task}")
        return stop(self.times, found.confidence, found.entropy, found.error, rule, threshold)

    def speed_accuracy(
        self, rule: Rule, combine: Combine = "none", at: Sequence[float | None] | None = None
    ) -> tuple[Stopping, ...]:
        """Apply a stopping rule at several thresholds, by default those of `thresholds`."""
        return tuple(
            self.stopping(rule, each, combine) for each in (thresholds(rule, self.classes) if at is None else at)
        )


def sweep(
    net: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    times: Times,
    training: Iterable[Batch] | None = None,
    *,
    calibrate: Calibration = "missing",
    task: Task = TASKS["classes"],
    keep_outputs: bool = False,
) -> Sweep:
    """Test a net at every readout time, in one pass over the data; the net does not change.

        found = graphnet.sweep(net, test_batches, "1..12", training_batches)
        found.accuracy[9]

    Where no slab names `T`, one net is read out at all times. Where slabs do, each time has a net of its own with the
    same weights, and all run on each batch.

    Args:
        net: from `graphnet.compile`.
        batches: images `[N, C, H, W]` and targets; read once.
        times: as in a spec, such as "1..12", "3, 6, 9..T" or [4, 5]; `T` is the net's last readout time.
        training: training images in batches of the size of training, to calibrate statistics on.
        calibrate: which running statistics: "missing" ones; "all"; or "none", so that norms without trained statistics
            have mean 0 and variance 1.
        keep_outputs: keep the outputs at all times for all images.

    Raises:
        EditError: the net was not compiled by graphnet, it can be read out at none of the times, or calibration needs
            training images.
        ValueError: there are no images, or calibration fails.
    """
    trained = tuple(t for t, _ in origin_of(net)[0].outputs)
    read = read_out(net, times, training, calibrate)
    like = next((each for each in chain(net.parameters(), net.buffers()) if each.is_floating_point()), torch.empty(0))
    pieces: dict[str, list[Responses]] = {combine: [] for combine in COMBINES}
    outputs: list[Tensor] = []
    targets: list[Tensor] = []
    with torch.no_grad():
        for images, given in batches:
            found = torch.stack(list(read.outputs(images.to(like)).values()))
            for combine, combined in _combined(found).items():
                pieces[combine].append(_responses(combined, given.to(like.device), task))
            targets.append(given.cpu())
            outputs += [found.transpose(0, 1).cpu()] if keep_outputs else []
    if not targets:
        raise ValueError("no images to evaluate on")
    return _swept(read, trained, task, torch.cat(targets), pieces, outputs)


def _swept(
    read: Readouts,
    trained: tuple[int, ...],
    task: Task,
    targets: Tensor,
    pieces: Mapping[str, Sequence[Responses]],
    outputs: Sequence[Tensor],
) -> Sweep:
    return Sweep(
        read.times,
        trained,
        read.untrained,
        read.calibrated,
        read.left_out,
        task.name,
        task.chance(targets),
        read.nets[0].meta["plan"].classes,
        targets.numpy(),
        {combine: _joined(each) for combine, each in pieces.items()},
        torch.cat(list(outputs)).numpy() if outputs else None,
    )


def _combined(outputs: Tensor) -> dict[Combine, Tensor]:
    """Outputs `[T, N, …]`, their means and their sums over the times so far."""
    sums = outputs.cumsum(0)
    counts = torch.arange(1, len(outputs) + 1, device=outputs.device, dtype=outputs.dtype)
    return {
        "none": outputs,
        "cumulative": sums / counts.reshape(-1, *[1] * (outputs.dim() - 1)),
        "cumulative-sum": sums,
    }


def _responses(outputs: Tensor, targets: Tensor, task: Task) -> Responses:
    """Evaluate outputs `[T, N, …]` of a batch."""
    times, count = outputs.shape[:2]
    flat, repeated = outputs.flatten(0, 1), targets.repeat(times, *[1] * (targets.dim() - 1))

    def by_image(values: Tensor) -> NDArray[np.float64]:
        found: NDArray[np.float64] = values.reshape(times, count).double().cpu().numpy()
        return found

    loss, error = by_image(task.losses(flat, repeated)), by_image(task.errors(flat, repeated))
    if task.name != "classes":
        return Responses(loss, error)
    logs = flat.log_softmax(1)
    shares = logs.exp()
    answers: NDArray[np.int64] = task.predictions(flat).reshape(times, count).cpu().numpy()
    return Responses(loss, error, answers, by_image(shares.amax(1)), by_image(torch.special.entr(shares).sum(1)))


def _joined(pieces: Sequence[Responses]) -> Responses:
    """Join batches along the images."""
    first = pieces[0]
    names = [name for name, value in vars(first).items() if value is not None]
    return Responses(**{name: np.concatenate([getattr(each, name) for each in pieces], axis=1) for name in names})
