"""Comparison of a compiled net with the oracle: outputs, gradients, running statistics and singular vectors."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

import graphnet
from tests.property.oracle import Oracle, tensor_shapes
from tests.small import statistics

TOLERANCE = 1e-10
"""Largest difference over largest value, in float64: rounding is 1e-16, and nets here are under 100 ops deep."""


WORST_CONDITION = 1e8
"""Largest condition at which a comparison is meaningful: norms of nearly equal values amplify rounding. Of 2,100 drawn
nets 10 % are above it in training, with differences from the oracle of up to 1e-6; below it they reach 2e-13."""


class IllConditioned(Exception):  # noqa: N818 - no mistake of anyone's
    """Raised when a net's norms amplify rounding too much for a comparison."""


class Difference(NamedTuple):
    """Largest differences, relative to the largest value (of all gradients, of all statistics and vectors)."""

    outputs: float
    gradients: float
    statistics: float


class Case(NamedTuple):
    """A compiled net with random weights and statistics, the same by name, and images for it."""

    net: torch.nn.Module
    tensors: dict[str, Tensor]
    image: Tensor


def make_case(spec: dict[str, Any], training: bool, seed: int = 0, batch: int = 3) -> Case:
    """Compile a spec in float64 and draw its images, weights and statistics."""
    net = graphnet.compile(spec, seed=seed).double().train(training)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        for name, buffer in statistics(net).items():
            drawn = 0.5 + torch.rand(buffer.shape, generator=generator, dtype=torch.float64)
            buffer.copy_(drawn / drawn.norm() if "singular_vector" in name else drawn)
    tensors = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
    shape = net.meta["plan"].input_shape
    return Case(net, tensors, torch.randn(batch, *shape, generator=generator, dtype=torch.float64))


def compare(spec: dict[str, Any], training: bool, seed: int = 0, batch: int = 3, worst: float = math.inf) -> Difference:
    """Run both in float64 from the same random weights, statistics and images.

    Raises IllConditioned if the oracle's condition is above `worst`.
    """
    net, tensors, image = make_case(spec, training, seed, batch)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    apart = set(shapes.items()) ^ set(tensor_shapes(spec).items())
    assert not apart, apart
    names = [name for name, _ in net.named_parameters()]
    expected, reference, running = run_oracle(spec, tensors, image, training, names, worst)
    given = image.clone().requires_grad_()
    found = net(given)
    found = found if isinstance(found, dict) else {next(iter(expected)): found}
    assert list(found) == list(expected)
    _total(found).backward()
    gradients = [given.grad, *(net.get_parameter(name).grad for name in names)]
    moved = [(running[name], net.get_buffer(name)) for name in running] if training else []
    if not training:
        assert all(torch.equal(tensors[name], buffer) for name, buffer in statistics(net).items())
    return Difference(
        max(_apart([pair]) for pair in zip(expected.values(), found.values(), strict=True)),
        _apart(list(zip(reference, gradients, strict=True))),
        _apart(moved),
    )


def run_oracle(
    spec: dict[str, Any],
    tensors: dict[str, Tensor],
    image: Tensor,
    training: bool,
    names: list[str],
    worst: float = math.inf,
) -> tuple[dict[int, Tensor], list[Tensor | None], dict[str, Tensor]]:
    """The oracle's outputs, gradients of the image and the named tensors, and updated statistics and vectors."""
    own = {name: tensor.clone().requires_grad_(name in names) for name, tensor in tensors.items()}
    image = image.clone().requires_grad_()
    oracle = Oracle(spec, own, training)
    outputs = _combined(oracle(image), spec["readout"].get("combine"))
    if oracle.condition > worst:
        raise IllConditioned
    _total(outputs).backward()
    return outputs, [image.grad, *(own[name].grad for name in names)], oracle.running


def _combined(outputs: dict[int, Tensor], how: str | None) -> dict[int, Tensor]:
    """Rules 20 and 33, which the oracle omits: the mean of all readouts, or at each time the mean or sum so far."""
    if how is None:
        return outputs
    values = list(outputs.values())
    sums = {t: sum(values[: k + 1]) for k, t in enumerate(outputs)}
    if how == "cumulative-sum":
        return sums
    means = {t: total / (k + 1) for k, (t, total) in enumerate(sums.items())}
    last = max(means)
    return {last: means[last]} if how == "mean" else means


def _total(outputs: dict[int, Tensor]) -> Tensor:
    """A loss that depends on every output, differently for each time."""
    return sum((value.square().sum() + value.sum()) / (t + 1) for t, value in outputs.items())  # type: ignore[return-value]


def _apart(pairs: list[tuple[Tensor | None, Tensor | None]]) -> float:
    """Largest difference in any pair, over the largest value of all; a missing gradient counts as zero."""
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    lone = [x for pair in pairs if None in pair for x in pair if x is not None]
    scale = max((float(a.detach().abs().max()) for a, _ in both), default=1.0) or 1.0
    differences = [float((a - b).detach().abs().max()) for a, b in both] + [float(x.abs().max()) for x in lone]
    return max(differences, default=0.0) / scale
