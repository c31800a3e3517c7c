"""One step of training: forward, loss, backward, update; and what is summed up and checked along the way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from graphnet.spec.recipe import Recipe
from graphnet.training.gradient_coupling import couple_gradients
from graphnet.training.loop.averaging import Average
from graphnet.training.loop.not_finite import why_not_finite
from graphnet.training.loop.optimizers import optimizers_of
from graphnet.training.loop.settings import autocast, dtype_of
from graphnet.training.tasks import Task, by_time, readout_loss


class NotFinite(Exception):  # noqa: N818 - the trainer says where
    """Raised when a loss is not finite; the net is as before the step."""

    def __init__(self, loss: float, why: str) -> None:
        super().__init__(f"the loss is {loss}: {why}")
        self.loss, self.why = loss, why


class Stepper:
    """Takes steps of the optimisers of a recipe, without waiting for the device.

    Attributes:
        average: the moving average of the parameters, if the recipe has one.
        checks_each: whether each loss is checked before the update. On a CPU that costs nothing; elsewhere a look at
            the loss would wait for the device. There the device leaves out all updates after a loss that is not
            finite, and `all_finite` looks at all losses at once.
        images: images since the last `read`.
    """

    def __init__(self, net: nn.Module, recipe: Recipe, device: torch.device, task: Task) -> None:
        self.net, self.recipe, self.device, self.task = net, recipe, device, task
        self._dtype = dtype_of(recipe)
        net.to(device=device, dtype=self._dtype)
        if recipe.channels_last:
            net.to(memory_format=torch.channels_last)
        self._weights = recipe.readout_weights or weights_of(net)
        self.optimizers = optimizers_of(net, recipe, fused=device.type == "cuda")
        if is_coupled(net):
            couple_gradients(net, self.optimizers.each[0])
        self.average = Average(net, recipe.ema) if recipe.ema is not None else None
        self._sums = torch.zeros(2, dtype=torch.float64, device=device)
        self._all_finite = torch.ones((), dtype=torch.bool, device=device)
        self._last: Tensor | None = None
        self.images = 0
        self.check_each(device.type == "cpu")

    def check_each(self, on: bool) -> None:
        """Check each loss before the update, or not."""
        self.checks_each = on
        self._buffers = list(self.net.buffers()) if on else []
        self._before = [buffer.clone() for buffer in self._buffers]

    def step(self, batches: Iterator[tuple[Tensor, Tensor]], rate: float) -> None:
        """Take one step with the learning rate `rate`.

        Raises:
            NotFinite: a loss is not finite, where each is checked.
        """
        recipe = self.recipe
        self.optimizers.set_rate(rate / recipe.lr)
        self.optimizers.zero_grad()
        if self._buffers:
            torch._foreach_copy_(self._before, self._buffers)
        for _ in range(recipe.accumulate):
            images, targets = next(batches)
            images = images.to(device=self.device, dtype=self._dtype)
            if recipe.channels_last and images.ndim == 4:
                images = images.contiguous(memory_format=torch.channels_last)
            with autocast(recipe, self.device):
                output = self.net(images)
                loss = readout_loss(output, targets, self._weights, self.task, recipe.label_smoothing)
            self._check(loss.detach(), images)
            torch.autograd.backward(loss / recipe.accumulate if recipe.accumulate > 1 else loss)
            last = list(by_time(output).values())[-1].detach()
            found = torch.stack([loss.detach().double(), self.task.errors(last, targets).double().mean()])
            self._sums += found * len(targets)
            self.images += len(targets)
        if recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.optimizers.parameters, recipe.clip_norm)
        self.optimizers.step(None if self.checks_each else (~self._all_finite).float())
        if self.average is not None:
            self.average.update(self.net)

    def _check(self, loss: Tensor, images: Tensor) -> None:
        self._last = loss
        if not self.checks_each:
            self._all_finite &= loss.isfinite()
        elif not math.isfinite(value := loss.item()):
            with torch.no_grad(), autocast(self.recipe, self.device):
                why = why_not_finite(self.net, images)
            if self._buffers:
                torch._foreach_copy_(self._buffers, self._before)
            raise NotFinite(value, why)

    def all_finite(self) -> bool:
        """Whether every loss was finite so far; waits for the device."""
        return bool(self._all_finite)

    def last_loss(self) -> float | None:
        """The loss of the last batch; waits for the device."""
        return None if self._last is None else float(self._last)

    def read(self) -> tuple[float, float, int]:
        """Sums of loss and error over the images since the last call, and their number; waits for the device."""
        losses, errors = self._sums.tolist()
        images, self.images = self.images, 0
        self._sums.zero_()
        return losses, errors, images

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, beside the net and the batches."""
        tensors = {f"optimizer/{name}": tensor for name, tensor in self.optimizers.state().items()}
        if self.average is not None:
            tensors |= {f"average/{name}": tensor for name, tensor in self.average.state().items()}
        tensors["random/cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state(self.device)
        return tensors

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned, torch's random state included."""
        self.optimizers.restore(_below("optimizer", tensors))
        if self.average is not None:
            self.average.restore(_below("average", tensors))
        torch.set_rng_state(tensors["random/cpu"])
        if "random/cuda" in tensors and self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random/cuda"], self.device)
        self._sums.zero_()
        self._all_finite.fill_(True)
        self.images = 0


def _below(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}/"): tensor for key, tensor in tensors.items() if key.startswith(f"{name}/")}


def weights_of(net: nn.Module) -> tuple[float, ...] | None:
    """The spec's weights of the readout times; None where all are equal, or for other nets."""
    plan = getattr(net, "meta", {}).get("plan")
    return tuple(plan.weights) or None if plan is not None and len(plan.outputs) > 1 else None


def is_coupled(net: nn.Module) -> bool:
    """Whether the net has softly coupled weights; only compiled nets can."""
    plan = getattr(net, "meta", {}).get("plan")
    return plan is not None and bool(plan.couplings)
