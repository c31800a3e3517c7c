"""Test a net on labelled images; N images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain

import torch
from torch import Tensor, nn

from graphnet.training.events import ByTime
from graphnet.training.loop.settings import in_mode
from graphnet.training.tasks import TASKS, Task, by_time

EVALUATION_BATCH = 256


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Loss and error of a net on labelled images.

    Attributes:
        loss, error: for each readout time, in order of time; the key is None if there is a single readout.
            The task defines both; of classes they are the cross-entropy in nats and the share of wrong answers.
        predictions: the task's, at the last readout; `[N, …]`, on the CPU.
        outputs: the net's outputs by readout time, `[N, …]`, on the CPU; empty unless asked for.
    """

    loss: ByTime
    error: ByTime
    predictions: Tensor
    outputs: dict[int | None, Tensor] = field(default_factory=dict)

    @property
    def accuracy(self) -> ByTime:
        """Share of right answers, for each readout time."""
        return {t: 1 - error for t, error in self.error.items()}

    @property
    def final_error(self) -> float:
        """The error of the last readout."""
        return list(self.error.values())[-1]

    @property
    def final_accuracy(self) -> float:
        """The accuracy of the last readout."""
        return 1 - self.final_error


def evaluate(
    net: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    task: Task = TASKS["classes"],
    *,
    keep_outputs: bool = False,
    pulse: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Test `net` in evaluation mode on its device; restore its modes.

    Args:
        batches: images `[N, C, H, W]` and targets, at least one batch. The same batches give the same bits.
        keep_outputs: keep the outputs for all images.
        pulse: called before each batch; it may raise.

    Raises:
        ValueError: there are no images.
    """
    like = next((each for each in chain(net.parameters(), net.buffers()) if each.is_floating_point()), torch.empty(0))
    sums: dict[int | None, list[Tensor]] = {}
    outputs: dict[int | None, list[Tensor]] = {}
    predictions: list[Tensor] = []
    count = 0
    with in_mode(net, training=False), torch.no_grad():
        for images, given in batches:
            pulse()
            targets = given.to(like.device)
            count += len(targets)
            for t, output in by_time(net(images.to(like))).items():
                if keep_outputs:
                    outputs.setdefault(t, []).append(output.cpu())
                found = torch.stack([task.losses(output, targets).double(), task.errors(output, targets).double()])
                sums.setdefault(t, []).append(found.sum(1))
            predictions.append(task.predictions(output).cpu())
    if not count:
        raise ValueError("no images to evaluate on")
    totals = {t: (torch.stack(each).sum(0) / count).tolist() for t, each in sums.items()}
    return Evaluation(
        {t: loss for t, (loss, _) in totals.items()},
        {t: task.summarised(error) for t, (_, error) in totals.items()},
        torch.cat(predictions),
        {t: torch.cat(each) for t, each in outputs.items()},
    )
