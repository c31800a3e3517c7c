"""Calibrated statistics equal means and variances computed by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import graphnet
from graphnet.training.calibrate import calibrate
from graphnet.training.runs.checkpoint import load_into
from tests.small import small, statistics

SIZES = (5, 2, 8)


def batches(*shape: int, sizes: tuple[int, ...] = SIZES, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [1.5 + torch.randn(size, *shape, generator=generator, dtype=torch.float64) for size in sizes]


def one_area(t: int = 2, **norm: Any) -> dict[str, Any]:
    """h1_t = conv(relu(norm(h1_{t−1}))) + h1_{t−1}."""
    return small({"h1": {"h1": "BRC+I"}}, states={"h1": [4, 8, 8]}, readout={"t": t}, norm=norm)


def shaken(spec: dict[str, Any], seed: int = 1) -> nn.Module:
    """A net with random statistics and affine parts, in float64."""
    net = graphnet.compile(spec).double()
    generator = torch.Generator().manual_seed(seed)
    for tensor in (*net.parameters(), *net.buffers()):
        tensor.data.copy_(0.5 + torch.rand(tensor.shape, generator=generator, dtype=torch.float64))
    return net


def seen_by_hand(net: nn.Module, images: list[Tensor], times: int) -> dict[str, list[Tensor]]:
    """The inputs of each norm of `one_area`, by batch; every norm uses the statistics of its batch."""
    seen: dict[str, list[Tensor]] = {}
    affine = [net.get_parameter(f"h1.from_h1.norm1.{role}") for role in ("weight", "bias")]

    def normalised(x: Tensor, name: str, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
        seen.setdefault(name, []).append(x)
        mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, unbiased=False)
        x = (x - mean) / (variance + 1e-5).sqrt()
        return x if scale is None or shift is None else x * scale.view(-1, 1, 1) + shift.view(-1, 1, 1)

    with torch.no_grad():
        for some in images:
            h1 = F.conv2d(some, net.get_parameter("pre_net.conv1.weight"), padding=1)
            for t in range(1, times + 1):
                open_ = normalised(h1, f"h1.from_h1.norm1.t{t}", *affine).relu()
                h1 = h1 + F.conv2d(open_, net.get_parameter("h1.from_h1.conv1.weight"), padding=1)
            normalised(h1, f"post_net.norm1.t{times}")
    return seen


def moments(seen: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance `[C]` of all values of all batches."""
    values = torch.cat([x.transpose(0, 1).flatten(1) for x in seen], dim=1)
    return values.mean(1), values.var(1, unbiased=True)


def bits(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def test_statistics_are_those_of_all_values_of_all_batches() -> None:
    net, images = shaken(one_area(affine="shared")), batches(1, 8, 8)
    names = calibrate(net, images)
    assert set(names) == statistics(net).keys()
    for norm, seen in seen_by_hand(net, images, times=2).items():
        mean, variance = moments(seen)
        torch.testing.assert_close(net.get_buffer(f"{norm}.running_mean"), mean, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(net.get_buffer(f"{norm}.running_var"), variance, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_only_named_statistics_change(training: bool) -> None:
    net, images = shaken(one_area(affine="shared")).train(training), batches(1, 8, 8)
    before, random = bits(net), torch.get_rng_state()
    names = calibrate(net, images, ["h1.from_h1.norm1.t2", "post_net.norm1.t2.running_mean"])
    assert names == (
        "h1.from_h1.norm1.t2.running_mean",
        "h1.from_h1.norm1.t2.running_var",
        "post_net.norm1.t2.running_mean",
    )
    after = bits(net)
    assert {name for name in before if not torch.equal(before[name], after[name])} == set(names)
    assert net.training is training
    assert torch.equal(random, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in net.parameters())
    mean, _ = moments(seen_by_hand(net, images, times=2)["h1.from_h1.norm1.t2"])
    torch.testing.assert_close(net.get_buffer("h1.from_h1.norm1.t2.running_mean"), mean, rtol=1e-12, atol=1e-12)


def test_a_later_readout_is_calibrated_from_a_load_report() -> None:
    trained, later = shaken(one_area(2, affine="shared")), graphnet.compile(one_area(4, affine="shared")).double()
    report = load_into(later, trained.state_dict(), calibrate=True)
    before, images = bits(later), batches(1, 8, 8)
    names = calibrate(later, [(some, torch.zeros(len(some))) for some in images], report.uncalibrated)
    assert names == report.uncalibrated
    assert {name.split(".")[-2] for name in names} == {"t3", "t4"}
    for norm, seen in seen_by_hand(later, images, times=4).items():
        if f"{norm}.running_mean" in names:
            torch.testing.assert_close(later.get_buffer(f"{norm}.running_mean"), moments(seen)[0])
            torch.testing.assert_close(later.get_buffer(f"{norm}.running_var"), moments(seen)[1])
    after = bits(later)
    assert all(torch.equal(before[name], after[name]) for name in before if name not in names)


def test_shared_statistics_are_taken_over_all_times() -> None:
    net, images = shaken(one_area(affine="shared", statistics="shared")), batches(1, 8, 8)
    calibrate(net, images)
    seen = seen_by_hand(net, images, times=2)
    mean, variance = moments(seen["h1.from_h1.norm1.t1"] + seen["h1.from_h1.norm1.t2"])
    torch.testing.assert_close(net.get_buffer("h1.from_h1.norm1.running_mean"), mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(net.get_buffer("h1.from_h1.norm1.running_var"), variance, rtol=1e-12, atol=1e-12)


def test_the_statistics_of_one_batch_are_those_of_training_without_momentum() -> None:
    spec = small(norm={"momentum": 1.0}, post_net={"ops": "BRGL", "classes": 3, "norm": {"momentum": 1.0}})
    calibrated, trained = graphnet.compile(spec), graphnet.compile(spec).train()
    (images,) = (some.float() for some in batches(1, 8, 8, sizes=(6,)))
    calibrate(calibrated.eval(), [images])
    trained(images)
    for name, buffer in trained.named_buffers():
        torch.testing.assert_close(calibrated.get_buffer(name), buffer, rtol=1e-5, atol=1e-6)


def test_sequences_of_images() -> None:
    spec = small(input={"shape": [1, 8, 8], "t": "0..inf", "sequence": True})
    net = shaken(spec)
    calibrate(net, batches(4, 1, 8, 8))
    assert all(bool(buffer.isfinite().all()) for buffer in net.buffers())


def test_a_faraway_mean_costs_no_digits() -> None:
    net = shaken(one_area())
    net.get_parameter("pre_net.conv1.weight").data.zero_()[:, :, 1, 1] = 1
    images = [1e6 + some for some in batches(1, 8, 8)]
    calibrate(net, images, ["h1.from_h1.norm1.t1"])
    _, variance = moments(images)
    found = net.get_buffer("h1.from_h1.norm1.t1.running_var")
    torch.testing.assert_close(found, variance.expand(4), rtol=1e-9, atol=0)


def test_errors_change_nothing() -> None:
    net = shaken(one_area())
    before = bits(net)
    with pytest.raises(ValueError, match=r"called 'h1\.from_h1\.norm1\.t7'\n  did you mean 'h1\.from_h1\.norm1"):
        calibrate(net, batches(1, 8, 8), ["h1.from_h1.norm1.t7"])
    with pytest.raises(ValueError, match="no batches"):
        calibrate(net, [])
    with pytest.raises(ValueError, match=r"no finite statistics for h1\.from_h1\.norm1\.t1\.running_mean"):
        calibrate(net, [some * float("nan") for some in batches(1, 8, 8)])
    after = bits(net)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_in_training_shared_statistics_differ_from_those_per_time_in_the_running_averages_only() -> None:
    """As the language reference says under normalisation."""
    (images,) = batches(1, 8, 8, sizes=(6,))
    nets = [graphnet.compile(one_area(3, statistics=kind), seed=1).double().train() for kind in ("per-time", "shared")]
    outputs = [net(images) for net in nets]
    for output in outputs:
        output.square().sum().backward()
    own, shared = nets
    assert torch.equal(*outputs)
    for name, weight in own.named_parameters():
        assert torch.allclose(weight.grad, shared.get_parameter(name).grad, rtol=0, atol=1e-10), name
    mixed = torch.zeros(4, dtype=torch.float64)
    for t in (1, 2, 3):  # averages start at 0, so that of a time is 0.1 of the mean of its batch
        mixed = 0.9 * mixed + own.get_buffer(f"h1.from_h1.norm1.t{t}.running_mean")
    assert torch.allclose(mixed, shared.get_buffer("h1.from_h1.norm1.running_mean"), rtol=0, atol=1e-12)
