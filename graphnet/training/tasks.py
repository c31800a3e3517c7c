"""What a net is trained for: the loss, the error and the chance level of each kind of target.

N images, K classes, labels or values, H W pixels. Losses are means over what an image has; a mean over images follows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from graphnet.training.errors import DataError, RecipeError

IGNORED = -100
"""Pixels of this class count neither in the loss nor in the error."""


@dataclass(frozen=True)
class Task:
    """Classes: one of K for each image, int64 `[N]`.

    Loss: cross-entropy in nats. Error: share of images whose largest logit is not that of their class. Chance: the
    error of always naming the most frequent class, 1 - 1/K for classes of equal size.
    """

    name: str = "classes"
    error_name: str = "error"
    takes_smoothing: bool = True

    def losses(self, output: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """The loss of each image, `[N]`."""
        return F.cross_entropy(output, targets, reduction="none", label_smoothing=smoothing)

    def errors(self, output: Tensor, targets: Tensor) -> Tensor:
        """The error of each image, `[N]`, before `summarised`."""
        return (output.argmax(1) != targets).to(torch.float32)

    def summarised(self, mean: float) -> float:
        """The error of a set of images, given the mean of `errors`."""
        return mean

    def predictions(self, output: Tensor) -> Tensor:
        """What the net says: the most likely class, `[N]`."""
        return output.argmax(1)

    def chance(self, targets: Tensor) -> float:
        """The error of guessing without looking at an image."""
        return 1 - float(torch.bincount(targets).max()) / len(targets)

    def wanted(self, classes: int, targets: Tensor) -> tuple[int, ...]:
        """The shape of the net's output for one image."""
        return (classes,)


class Labels(Task):
    """Labels: any of K for each image, float32 `[N, K]` of 0 and 1 (multi-label classification).

    Loss: binary cross-entropy in nats, averaged over the labels. Error: share of images whose n highest logits are not
    exactly their n labels. Chance: the error of naming any n labels, 1 - 1/C(K, n), averaged over the images: 0.9,
    0.978, 0.992, 0.995 and 0.996 for 1 to 5 of ten digits.
    """

    def losses(self, output: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        return F.binary_cross_entropy_with_logits(output, targets.to(output.dtype), reduction="none").mean(1)

    def errors(self, output: Tensor, targets: Tensor) -> Tensor:
        return _wrong_labels(output, targets).any(1).to(torch.float32)

    def predictions(self, output: Tensor) -> Tensor:
        """Whether each label is more likely than not, `[N, K]`."""
        return output > 0

    def chance(self, targets: Tensor) -> float:
        counts = targets.sum(1).long().tolist()
        return 1 - sum(1 / math.comb(targets.shape[1], count) for count in counts) / len(counts)


def label_errors(output: Tensor, targets: Tensor) -> Tensor:
    """Share of each image's labels that are wrong if its n highest logits are named, `[N]`, for `Labels`.

    Each label that is missed stands against one that is named wrongly. Chance: 2 n (K - n) / K², the mean of naming any
    n labels: 0.18, 0.32, 0.42, 0.48 and 0.5 for 1 to 5 of ten digits.
    """
    return _wrong_labels(output, targets).to(torch.float32).mean(1)


def _wrong_labels(output: Tensor, targets: Tensor) -> Tensor:
    """Where the n highest logits of an image differ from its n labels, `[N, K]`."""
    rank = output.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return (rank < targets.sum(1, keepdim=True)) != targets.bool()


class Values(Task):
    """Values: K numbers for each image, float32 `[N, K]` (regression).

    Loss: squared error, averaged over the values. Error: its root over all images (root-mean-square error). Chance: the
    error of always naming the mean, which is the standard deviation.
    """

    def losses(self, output: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        return (output - targets.to(output.dtype)).square().flatten(1).mean(1)

    def errors(self, output: Tensor, targets: Tensor) -> Tensor:
        return self.losses(output, targets).float()

    def summarised(self, mean: float) -> float:
        return math.sqrt(mean) if mean >= 0 else mean

    def predictions(self, output: Tensor) -> Tensor:
        """The values themselves, `[N, K]`."""
        return output

    def chance(self, targets: Tensor) -> float:
        return math.sqrt(float((targets - targets.mean(0)).square().mean()))


class Pixels(Task):
    """Pixels: one of K classes for each pixel, int64 `[N, H, W]`; -100 is ignored (semantic segmentation).

    Loss: cross-entropy in nats, averaged over an image's pixels. Error: share of an image's pixels whose largest logit
    is not that of their class. Chance: the share of pixels that are not of the most frequent class.
    """

    def losses(self, output: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        each = F.cross_entropy(output, targets, reduction="none", ignore_index=IGNORED, label_smoothing=smoothing)
        return _mean_over_pixels(each, targets)

    def errors(self, output: Tensor, targets: Tensor) -> Tensor:
        wrong = (output.argmax(1) != targets) & (targets != IGNORED)
        return _mean_over_pixels(wrong.to(torch.float32), targets)

    def chance(self, targets: Tensor) -> float:
        counted = targets[targets != IGNORED]
        return 1 - float(torch.bincount(counted).max()) / len(counted)

    def wanted(self, classes: int, targets: Tensor) -> tuple[int, ...]:
        return (classes, *targets.shape[1:])


def _mean_over_pixels(each: Tensor, targets: Tensor) -> Tensor:
    counted = (targets != IGNORED).flatten(1).sum(1).clamp_min(1)
    return each.flatten(1).sum(1) / counted


TASKS: Mapping[str, Task] = {
    "classes": Task(),
    "labels": Labels("labels", "set error", takes_smoothing=False),
    "values": Values("values", "rmse", takes_smoothing=False),
    "pixels": Pixels("pixels", "pixel error"),
}
"""Name of a data set's `task` → the task."""


def check_output(task: Task, data: str, classes: int, targets: Tensor, output: tuple[int, ...]) -> None:
    """Hold a net's output for one image against what a data set needs.

    Args:
        data: name of the data set.
        classes: its classes, labels or values.
        targets: of some images.
        output: the shape of the net's output, without the batch.

    Raises:
        DataError: the shapes differ; the message gives both, and says what would do.
    """
    wanted = task.wanted(classes, targets)
    if wanted == output:
        return
    what = f"{data} need an output {list(wanted)}, for {classes} {'classes' if task.name == 'pixels' else task.name}"
    what += f"{' at each pixel' if task.name == 'pixels' else ''}; the net's output is {list(output)}"
    if task.name == "pixels":
        width = f"a state of {wanted[1]} x {wanted[2]} pixels" if output[1:] != wanted[1:] else "the state"
        fix = f'read out {width}, through a post-net such as ops = "BRC1:{classes}"'
    elif len(output) == 1:
        fix = f"set post_net.classes = {classes}"
    else:
        fix = f'a post-net does it: [post_net] with ops = "BRGL" and classes = {classes}'
    raise DataError(f"{what}\n  {fix}")


def by_time(output: Tensor | Mapping[int, Tensor]) -> dict[int | None, Tensor]:
    """A net's output by readout time, in order of time; a single output has the key None."""
    if isinstance(output, Tensor):
        return {None: output}
    return {t: output[t] for t in sorted(output)}


def readout_loss(
    output: Tensor | Mapping[int, Tensor],
    targets: Tensor,
    weights: tuple[float, ...] | None = None,
    task: Task = TASKS["classes"],
    smoothing: float = 0.0,
) -> Tensor:
    """The loss averaged over the images and, by weight, over the readout times.

    Args:
        output: `[N, …]`, or a dict of them by readout time.
        weights: one per readout time, in order of time, with any positive sum; None weighs all equally.
        smoothing: of labels, for a cross-entropy.

    Returns:
        A scalar.

    Raises:
        RecipeError: the number of weights is not that of the readout times.
    """
    readouts = list(by_time(output).values())
    if weights is None:
        weights = (1.0,) * len(readouts)
    if len(weights) != len(readouts) or sum(weights) <= 0:
        times = ", ".join(map(str, by_time(output))) if len(readouts) > 1 else "one time"
        fix = "give a weight of at least 0 for each, one above 0"
        raise RecipeError(f"readout_weights has {len(weights)} weights; the net reads out at {times}\n  {fix}")
    total = sum(weights)
    parts = [
        task.losses(logits, targets, smoothing).mean() * (weight / total)
        for logits, weight in zip(readouts, weights, strict=True)
        if weight > 0
    ]
    return parts[0] if len(parts) == 1 else torch.stack(parts).sum()
