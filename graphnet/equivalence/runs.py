"""Run two nets on the same weights and images, and compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from graphnet.equivalence.tensor_tables import NoTable, flat, floats_of, plan_of
from graphnet.rewrite.unroll import origin

TOLERANCE = 1e-10
"""Default bound on a tensor's largest difference over its largest value, in float64; fits a few hundred layers."""


@dataclass(frozen=True)
class Difference:
    """The difference of one tensor between the two nets.

    Attributes:
        what: `output`, `gradient of …` or `statistic …`.
        mode: `train` or `eval`.
        seed, batch: of the random weights and images.
        size: the largest difference over the largest value; infinite if shapes differ.
    """

    what: str
    mode: str
    seed: int
    batch: int
    size: float


@dataclass(frozen=True)
class Parting:
    """The first value at which two compiled nets differ: a state at a time, and the size of the difference."""

    state: str
    t: int
    size: float


Names = Mapping[str, tuple[str, Any]]
"""Tensor of the second net → name of a tensor of the first, and an index into it."""
Loss = Callable[[Mapping[int | None, Tensor]], Tensor]
"""Outputs by readout time → a scalar."""


class Run:
    """One run of copies of both nets, with the weights that they have, on the same images, in float64.

    Args:
        names: tensor of b → name of a tensor of a, and an index into it.
        images: `[N, C, H, W]`.
        seed: of the noise, and of the random weights, if they are.
        training: whether the nets run in training mode.
        loss: what the gradients are of.
    """

    def __init__(
        self,
        a: nn.Module,
        b: nn.Module,
        names: Names,
        images: Tensor,
        seed: int,
        training: bool,
        loss: Loss | None = None,
    ) -> None:
        self.names, self.seed, self.training, self.loss = names, seed, training, loss or _loss
        self.a, self.b = (deepcopy(net).double().train(training) for net in (a, b))
        self.images, self.batch = images.double(), len(images)

    @classmethod
    def drawn(
        cls, a: nn.Module, b: nn.Module, names: Names, size: tuple[int, ...], seed: int, batch: int, training: bool
    ) -> Run:
        """A run on random weights, statistics and images. Raises NoTable."""
        generator = torch.Generator().manual_seed(seed)
        run = cls(a, b, names, torch.empty(batch, *size), seed, training)
        _shake(run.a, generator)
        copy_weights(run.a, run.b, names)
        run.images = torch.randn(batch, *size, generator=generator, dtype=torch.float64)
        return run

    def differences(self) -> Iterator[Difference]:
        """Differences of outputs, of the gradients of images and weights, and of statistics."""
        image_a, image_b = (self.images.clone().requires_grad_() for _ in range(2))
        outputs_a, outputs_b = self._outputs(self.a, image_a), self._outputs(self.b, image_b)
        if list(outputs_a) != list(outputs_b):
            yield self._found("the readout times", float("inf"))
            return
        for t, output in outputs_a.items():
            yield self._found("the output" if t is None else f"the output at t = {t}", apart(output, outputs_b[t]))
        if any(output.shape != outputs_b[t].shape for t, output in outputs_a.items()):
            return
        for outputs in (outputs_a, outputs_b):
            torch.autograd.backward(self.loss(outputs))
        gradients = {name: parameter.grad for name, parameter in self.a.named_parameters()}
        sums = self._gradients_of_b()
        largest = max((float(each.abs().max()) for each in gradients.values() if each is not None), default=0.0)
        yield self._found("the gradient of the image", apart(image_a.grad, image_b.grad, largest))
        for name, gradient in gradients.items():
            yield self._found(f"the gradient of {name}", apart(gradient, sums.get(name), largest))
        if self.training:
            ours = dict(self.a.named_buffers())
            for name, buffer in self.b.named_buffers():
                if buffer.is_floating_point() and name in self.names and self.names[name][0] in ours:
                    source, index = self.names[name]
                    yield self._found(f"the statistic {source}", apart(ours[source][index], buffer))

    def _outputs(self, net: nn.Module, images: Tensor) -> dict[int | None, Tensor]:
        with torch.random.fork_rng([images.device] if images.is_cuda else []):
            torch.manual_seed(self.seed)  # both nets draw the same noise
            return _by_time(net(images))

    def _gradients_of_b(self) -> dict[str, Tensor]:
        """The gradients of the second net's weights, summed over the copies of each weight of the first."""
        sums: dict[str, Tensor] = {}
        parameters = dict(self.a.named_parameters())
        for name, parameter in self.b.named_parameters():
            source, index = self.names[name]
            if parameter.grad is not None and source in parameters:
                total = sums.setdefault(source, torch.zeros_like(parameters[source]))
                total[index] += parameter.grad
        return sums

    def _found(self, what: str, size: float) -> Difference:
        return Difference(what, "train" if self.training else "eval", self.seed, self.batch, size)

    def parting(self, tolerance: float) -> Parting | None:
        """The first value, in order of time, that differs; None if either net has no plan."""
        if plan_of(self.a) is None or plan_of(self.b) is None:
            return None
        ours, theirs = (values_of(net, self.images) for net in (self.a, self.b))
        unrolled = {(origin(flat(state)), t): value for (state, t), value in theirs.items()}
        for (state, t), value in sorted(ours.items(), key=lambda item: item[0][1]):
            other = theirs.get((state, t), unrolled.get((flat(state), t)))
            if other is not None and (size := apart(value, other)) > tolerance:
                return Parting(state, t, size)
        return None


def copy_weights(a: nn.Module, b: nn.Module, names: Names) -> None:
    """Copy weights and statistics of a into b. Raises NoTable if shapes differ."""
    check_shapes(a, b, names)
    theirs, ours = dict(floats_of(b)), dict(floats_of(a))
    with torch.no_grad():
        for name, (source, index) in names.items():
            theirs[name].copy_(ours[source][index])


def check_shapes(a: nn.Module, b: nn.Module, names: Names) -> None:
    """Raise NoTable if tensors that correspond differ in shape."""
    theirs, ours = dict(floats_of(b)), dict(floats_of(a))
    for name, (source, index) in names.items():
        one, other = list(ours[source][index].shape), list(theirs[name].shape)
        if one != other:
            also = "" if name == source else f"{name} "
            raise NoTable(f"{source} has shape {one} in one net, {also}{other} in the other")


def values_of(net: nn.Module, images: Tensor) -> dict[tuple[str, int], Tensor]:
    """The value of every state at every time of a compiled net on given images, in the order of execution.

    Of values that differ only by the readout time they are relative to, the first counts.
    """
    plan = plan_of(net)
    assert plan is not None, "only compiled nets have states"
    times: dict[str, list[int]] = {}
    for line in plan.lines:
        if line.op.kind == "value":
            times.setdefault(line.place, []).append(line.t)
    values: dict[tuple[str, int], Tensor] = {}
    handles = []
    for place, when in times.items():
        coming = iter(when)

        def keep(_: nn.Module, __: Any, value: Tensor, place: str = place, coming: Iterator[int] = coming) -> None:
            values.setdefault((place, next(coming)), value.detach())

        handles.append(net.get_submodule(f"{place}.output").register_forward_hook(keep))
    try:
        net(images)
    finally:
        for handle in handles:
            handle.remove()
    return values


def _shake(net: nn.Module, generator: torch.Generator) -> None:
    """Perturb parameters at random, and set statistics to values other than 0 and 1."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64), alpha=0.1)
        for buffer in net.buffers():
            if buffer.is_floating_point():
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator, dtype=torch.float64))


def _by_time(output: Any) -> dict[int | None, Tensor]:
    return dict(output) if isinstance(output, Mapping) else {None: output}


def _loss(outputs: Mapping[int | None, Tensor]) -> Tensor:
    """A loss that depends on every output, on each readout differently."""
    terms = [(value.square().sum() + value.sum()) / (k + 1) for k, value in enumerate(outputs.values())]
    return torch.stack(terms).sum()


TINY = 1e-3
"""Share of a net's largest gradient below which rounding no longer scales with the gradient.

A gradient that is zero in theory, or nearly (a convolution before a layer norm, which removes its scale), is a sum of
cancelling terms. Its rounding error is that of the terms: about 1e-13 of the net's largest gradient (1e-16 times some
hundred terms), which is the tolerance of 1e-10 times this share.
"""


def apart(a: Tensor | None, b: Tensor | None, largest: float = 0.0) -> float:
    """The largest difference over the largest value; for a tiny gradient, over `TINY` times the net's largest."""
    if a is None and b is None:
        return 0.0
    zero = torch.zeros_like(b if a is None else a)  # type: ignore[arg-type]
    a, b = zero if a is None else a.detach(), zero if b is None else b.detach()
    if a.shape != b.shape:
        return float("inf")
    difference, scale = float((a - b).abs().max()), max(float(a.abs().max()), float(b.abs().max()), TINY * largest)
    return difference / scale if scale else 0.0
