"""Recompute running statistics from data, without training (rule 19)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from graphnet.errors import did_you_mean
from graphnet.runtime.fused_ops import shared_norm
from graphnet.runtime.lipschitz_divisor import Divisor
from graphnet.runtime.parameters import FIRST_ITERATIONS, settle_divisors
from graphnet.training.loop.settings import in_mode

Batch = Tensor | tuple[Tensor, ...] | list[Tensor]
"""Images `[N, …]`, or a tuple of images and ignored items such as labels."""


def calibrate(net: nn.Module, batches: Iterable[Batch], names: Iterable[str] | None = None) -> tuple[str, ...]:
    """Set running statistics to the exact mean and unbiased variance over all values of one pass over the data.

    Each batch passes through the net as in training: every batch norm, calibrated or not, normalises by the mean and
    variance of the batch, so later times see what they see in training. No momentum: each value of each batch has
    equal weight for any batch size, but the inputs of a norm depend on the batch size, as in training. Use the batch
    size of training. A statistic that several places or times share is taken over all of them.

    Lipschitz divisors depend on the statistics, so a net with Lipschitz bounds repeats the pass until the statistics
    agree, at most ten times; its singular vectors are updated.

    Weights, other statistics and the net's mode do not change, and no gradients are computed. If the pass fails,
    nothing changes.

    Args:
        net: from `graphnet.compile`; it stays on its device.
        batches: images, or pairs of images and labels as from a data loader; read once. Images are moved to the net's
            device and cast to the type of its weights.
        names: statistics to set, by their names in `state_dict()`, such as the `uncalibrated` of a `LoadReport`, or by
            their norms, `h1.from_h1.norm1.t6`; None takes all.

    Returns:
        The names of the statistics set, in the net's order.

    Raises:
        ValueError: a name is unknown, `batches` is empty, a batch has one value per channel, or statistics are not
            finite.
    """
    buffers = {name: buffer for name, buffer in net.named_buffers() if name.rpartition(".")[2] in ROLES}
    chosen = _chosen(list(buffers), names)
    known = {id(buffer): name.rpartition(".")[0] for name, buffer in buffers.items()}
    if not any(isinstance(module, Divisor) for module in net.modules()):
        found = _pass(net, batches, chosen, known)
        _set(buffers, found)
        return tuple(chosen)
    batches, before = list(batches), {name: buffer.clone() for name, buffer in net.named_buffers()}
    try:
        for _ in range(MOST_PASSES):
            found = _pass(net, batches, chosen, known)
            apart = max((_apart(buffers[name], value) for name, value in found.items()), default=0.0)
            _set(buffers, found)
            settle_divisors(net, FIRST_ITERATIONS, among=chosen)
            if apart < 1e-4:
                break
    except BaseException:
        _set(dict(net.named_buffers()), before)
        raise
    return tuple(chosen)


MOST_PASSES = 10


def _pass(net: nn.Module, batches: Iterable[Batch], chosen: list[str], known: dict[int, str]) -> dict[str, Tensor]:
    """Return the statistics of one pass over the data; change nothing."""
    moments = {name.rpartition(".")[0]: Moments() for name in chosen}
    like = next((each for each in net.parameters()), None)
    empty = True
    with in_mode(net, training=False), torch.no_grad(), _BatchStatistics(known, moments):
        for batch in batches:
            empty = False
            images = batch if isinstance(batch, Tensor) else batch[0]
            net(images if like is None else images.to(like))
    if empty:
        raise ValueError("no batches to calibrate on")
    found = {name: moments[name.rpartition(".")[0]].statistic(name.rpartition(".")[2]) for name in chosen}
    if wrong := [name for name, value in found.items() if not bool(value.isfinite().all())]:
        raise ValueError(f"the data give no finite statistics for {', '.join(wrong)}")
    return found


def _set(buffers: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in found.items():
            buffers[name].copy_(value)


def _apart(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max().clamp_min(1e-12))


ROLES = ("running_mean", "running_var")


@dataclass
class Moments:
    """Running mean `[C]` and sum of squared deviations `[C]`, in float64 (Chan et al. 1979)."""

    count: int = 0
    mean: Tensor | None = None
    squares: Tensor | None = None

    def add(self, x: Tensor) -> None:
        """Add the values `[N, C, …]` of a batch."""
        values = x.detach().double().transpose(0, 1).flatten(1)
        count, mean = values.shape[1], values.mean(1)
        squares = (values - mean[:, None]).square().sum(1)
        if self.mean is None or self.squares is None:
            self.count, self.mean, self.squares = count, mean, squares
            return
        total, apart = self.count + count, mean - self.mean
        self.mean = self.mean + apart * (count / total)
        self.squares = self.squares + squares + apart.square() * (self.count * count / total)
        self.count = total

    def statistic(self, role: str) -> Tensor:
        """The mean, or the unbiased variance."""
        assert self.mean is not None, "a batch norm that never runs"
        assert self.squares is not None
        return self.mean if role == "running_mean" else self.squares / (self.count - 1)


class _BatchStatistics(TorchFunctionMode):
    """Makes every batch norm normalise by its batch without updating statistics, and collects moments."""

    def __init__(self, known: dict[int, str], moments: dict[str, Moments]) -> None:
        super().__init__()
        self.known, self.moments = known, moments

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is shared_norm:
            x, _, relu, _, eps, *statistics = args
            pairs = zip(statistics[::2], statistics[1::2], strict=True)
            normed = [self._normalise(x, mean, variance, eps=eps) for mean, variance in pairs]
            return [torch.relu(each) for each in normed] if relu else normed
        if func is not F.batch_norm:
            return func(*args, **kwargs)
        return self._normalise(*args, **kwargs)

    def _normalise(
        self,
        x: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        norm = self.known.get(id(running_mean))
        if norm in self.moments:
            self.moments[norm].add(x)
        return F.batch_norm(x, None, None, weight, bias, True, 0.0, eps)


def _chosen(known: list[str], names: Iterable[str] | None) -> list[str]:
    """The selected statistics, in the net's order."""
    if names is None:
        return known
    wanted: set[str] = set()
    for name in names:
        found = [each for each in known if name in (each, each.rpartition(".")[0])]
        if not found:
            what = f"the net has no running statistics called '{name}'"
            raise ValueError("\n  ".join(filter(None, (what, did_you_mean(name, known)))))
        wanted.update(found)
    return [name for name in known if name in wanted]
