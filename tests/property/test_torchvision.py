"""ResNets as specs against torchvision's own modules, with torchvision's weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

import graphnet
from graphnet import zoo
from tests.small import statistics

CASES = [
    pytest.param("resnet18", marks=[]),
    pytest.param("resnet34", marks=pytest.mark.thorough),
    pytest.param("resnet50", marks=pytest.mark.thorough),
]
TOLERANCE = 1e-10


def pair(name: str) -> tuple[nn.Module, nn.Module, dict[str, str]]:
    """torchvision's net with random weights, affine parts and statistics; ours with equal ones; ours → theirs."""
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name)(weights=None).double()
    with torch.no_grad():
        for module in theirs.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                    tensor.add_(0.2 * torch.rand_like(tensor))
    ours = graphnet.compile(zoo.path(name)).double()
    names = zoo.foreign_names(name)
    graphnet.import_state_dict(ours, theirs.state_dict(), name)
    return ours, theirs, names


def apart(a: Tensor, b: Tensor, scale: float) -> float:
    return float((a - b).detach().abs().max()) / scale


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", CASES)
def test_torchvisions_weights_give_its_logits_gradients_and_statistics(name: str, training: bool) -> None:
    """64x64 images: the last maps are 2x2, so every norm sees 16 values of 4 images."""
    ours, theirs, names = pair(name)
    image = torch.randn(4, 3, 64, 64, dtype=torch.float64)
    small = graphnet.compile(shrunk(name)).double()
    small.load_state_dict(ours.state_dict())
    results = []
    for net in (small.train(training), theirs.train(training)):
        given = image.clone().requires_grad_()
        logits = net(given)
        (logits.square().sum() + logits.sum()).backward()
        results.append((logits, given.grad))
    (a, image_a), (b, image_b) = results
    gradients = dict(theirs.named_parameters())
    largest = max(float(parameter.grad.abs().max()) for parameter in gradients.values())
    assert apart(a, b, float(b.detach().abs().max())) < TOLERANCE
    assert apart(image_a, image_b, float(image_b.abs().max())) < TOLERANCE
    for mine, parameter in small.named_parameters():
        assert apart(parameter.grad, gradients[names[mine]].grad, largest) < TOLERANCE, mine
    foreign = theirs.state_dict()
    for mine, statistic in statistics(small).items():
        other = foreign[names[mine]]
        assert apart(statistic, other, float(other.abs().max())) < TOLERANCE, mine


def shrunk(name: str) -> dict[str, Any]:
    """The spec for 64x64 instead of 224x224 images."""
    spec = graphnet.load(zoo.path(name)).as_data()
    spec["input"]["shape"] = [3, 64, 64]
    for table in spec["states"].values():
        shape = table["shape"] if isinstance(table, dict) else table
        shape[1:] = [size * 64 // 224 for size in shape[1:]]
    return spec
