"""ResNets as specs against torchvision's own modules, with torchvision's weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

import graphnet
from graphnet import zoo
from graphnet.training.errors import CheckpointError
from tests.small import statistics

CASES = [
    pytest.param("resnet18", marks=[]),
    pytest.param("resnet34", marks=pytest.mark.thorough),
    pytest.param("resnet50", marks=pytest.mark.thorough),
]
TOLERANCE = 1e-10


def pair(name: str) -> tuple[nn.Module, nn.Module, dict[str, str]]:
    """torchvision's net with random weights, affine parts and statistics; ours with the same; ours → theirs."""
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name)(weights=None).double()
    with torch.no_grad():
        for module in theirs.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                    tensor.add_(0.2 * torch.rand_like(tensor))
    ours = graphnet.compile(zoo.path(name)).double()
    names = zoo.foreign_names(name)
    graphnet.import_state_dict(ours, theirs.state_dict(), names)
    return ours, theirs, names


def apart(a: Tensor, b: Tensor, scale: float) -> float:
    return float((a - b).detach().abs().max()) / scale


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", CASES)
def test_torchvisions_weights_give_its_logits_gradients_and_statistics(name: str, training: bool) -> None:
    """64 pixels a side: maps are down to 2x2 at the end, so that every norm sees 16 values of 4 images."""
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
    """The spec for images of 64 pixels a side instead of 224."""
    spec = graphnet.load(zoo.path(name)).as_data()
    spec["input"]["shape"] = [3, 64, 64]
    for table in spec["states"].values():
        shape = table["shape"] if isinstance(table, dict) else table
        shape[1:] = [size * 64 // 224 for size in shape[1:]]
    return spec


def test_what_does_not_fit_is_refused_by_name_and_shape() -> None:
    net = graphnet.compile(zoo.path("resnet18"))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    names = zoo.foreign_names("resnet18")
    foreign = torchvision.models.resnet18(weights=None).state_dict()
    foreign["fc.weight"] = foreign["fc.weight"][:10]
    del foreign["conv1.weight"]
    foreign["head.weight"] = torch.zeros(3)
    del names["post_net.linear1.bias"]
    names["V1.weight"] = "fc.bias"
    with pytest.raises(CheckpointError) as error:
        graphnet.import_state_dict(net, foreign, names)
    assert str(error.value).split("\n") == [
        "the mapping says nothing of post_net.linear1.bias",
        "the net has no V1.weight, which the mapping names",
        "the state dict has no conv1.weight, which pre_net.conv1.weight would be",
        "fc.weight is [10, 512], but post_net.linear1.weight is [1000, 512]",
        "nothing takes head.weight of the state dict",
    ]
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_a_slice_of_a_foreign_tensor() -> None:
    """The gates of an LSTM stand in one tensor; a leading `module.` does not matter."""
    net = graphnet.compile(zoo.path("elman"))
    shapes = {name: tensor.shape for name, tensor in net.state_dict().items()}
    foreign = {"module.all": torch.arange(200.0).view(2, 100)}
    mapping = {name: ("all", (0, slice(0, 5))) for name in shapes if len(shapes[name]) == 1}
    graphnet_names = [name for name in shapes if name not in mapping]
    foreign |= {f"module.{name}": torch.ones(shapes[name]) for name in graphnet_names}
    graphnet.import_state_dict(net, foreign, mapping | {name: name for name in graphnet_names})
    assert all(net.state_dict()[name].tolist() == [0, 1, 2, 3, 4] for name in mapping)
