"""Weights move between a net and its unrolled form, in both directions."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import graphnet
from graphnet.equivalence import NoTable, compare_trained, transferred, unrolled
from graphnet.equivalence.runs import Run, apart
from graphnet.equivalence.transfer import match
from graphnet.training.data.named import load_dataset
from tests.small import SMALL, small, statistics

NETS = ("quickstart", "two-streams", "lstm", "conv-gru", "lpk-recurrent-8", "lpk-icr", "predictive-coding")


def shaken(spec: Any) -> Any:
    """A net with random statistics, in float64."""
    net = graphnet.compile(spec).double()
    generator = torch.Generator().manual_seed(1)
    for name, buffer in statistics(net).items():
        if name.endswith(("running_mean", "running_var")):
            buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    return net.eval()


@pytest.mark.parametrize("name", NETS)
def test_an_unrolled_net_has_the_weights_and_gives_them_back(name: str) -> None:
    net = shaken(name)
    dag = unrolled(net)
    assert dag.meta["spec"] == graphnet.unroll(name)
    back = transferred(dag, name)
    assert not back.training
    theirs = back.state_dict()
    assert theirs.keys() == net.state_dict().keys()
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in net.state_dict().items())


@pytest.mark.parametrize("training", [True, False])
def test_an_unrolled_net_computes_the_same_with_noise_too(training: bool) -> None:
    noisy = small({"h1": {"h1": {"ops": "BRC+I", "noise": 0.1}, "h2": "BRC"}, "h2": {"h1": "BRD", "h2": "BRC+I"}})
    found = match(net := shaken(noisy), unrolled(net))
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    before = torch.get_rng_state()
    run = Run(found.first, found.second, found.names, images, 0, training)
    differences = list(run.differences())
    assert len(differences) > 5
    assert max(each.size for each in differences) < 1e-10
    assert torch.equal(torch.get_rng_state(), before)


def test_an_unrolled_net_shares_no_memory_with_the_net() -> None:
    net = graphnet.compile(SMALL)
    dag = unrolled(net)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with torch.no_grad():
        for tensor in dag.state_dict().values():
            tensor.add_(1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert dag.training


def test_statistics_of_another_readout_time_name_calibration() -> None:
    with pytest.raises(NoTable, match=r"statistics at t = 3, 4: .*\n.*`graphnet calibrate RUN --readout 4`"):
        transferred(graphnet.compile(SMALL), SMALL | {"readout": {"t": 4}})


def test_trained_nets_are_compared_where_they_are_read_out() -> None:
    """Readout times that only one net has are a difference; the nets and their modes do not change."""
    spec = SMALL | {"post_net": {"ops": "BRGL", "classes": 10}, "readout": {"t": [2, 3]}}
    net, data = graphnet.compile(spec), load_dataset("digits")
    report = compare_trained(net, unrolled(net), data, most=70)
    assert report, report
    assert (report.images, report.agreeing, list(report.errors[0])) == (70, 70, [2, 3])
    assert net.training
    assert net.post_net.linear1.weight.dtype == torch.float32
    other = graphnet.compile(spec | {"readout": {"t": 3}})
    assert not compare_trained(other, other, data, tolerance=-1.0, most=8)
    other.load_state_dict(net.state_dict(), strict=False)
    assert apart(other.state_dict()["pre_net.conv1.weight"], net.state_dict()["pre_net.conv1.weight"]) == 0
