"""`load_state_dict` with weights trained for other times, and calibration."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import graphnet
from graphnet.training.calibrate import calibrate
from tests.small import small


def read_out_at(t: int) -> nn.Module:
    return graphnet.compile(small(readout={"t": t}), seed=t)


def said(net: nn.Module, weights: dict[str, torch.Tensor]) -> list[str]:
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(weights)
    return str(caught.value).split("\n")


def test_weights_of_an_earlier_readout_ask_for_calibration_in_one_line() -> None:
    net, weights = read_out_at(5), read_out_at(3).state_dict()
    assert len(net.load_state_dict(weights, strict=False).missing_keys) > 2
    assert said(net, weights) == [
        "the weights hold no running statistics at t = 3, 4, 5: calibrate them on training images first",
        "  load them by net.load_state_dict(weights, strict=False), then "
        "graphnet.calibrate(net, batches of training images)",
        "  of a run folder, `graphnet calibrate RUN --readout 5` writes a checkpoint that holds them",
    ]


def test_the_advice_does_what_it_says() -> None:
    net, weights = read_out_at(5), read_out_at(3).state_dict()
    missing = net.load_state_dict(weights, strict=False).missing_keys
    images = torch.rand(8, *net.meta["plan"].input_shape)
    assert set(calibrate(net, [images], missing)) == set(missing)
    assert said(net, weights)[0].startswith("the weights hold no running statistics")
    net.load_state_dict(net.state_dict())


def test_the_post_net_of_an_earlier_readout_was_not_trained_either() -> None:
    first, hint, _ = said(read_out_at(3), read_out_at(5).state_dict())
    assert first.startswith("the weights hold no running statistics at t = 3: calibrate them")
    assert hint.startswith("  load them by")


def test_unused_statistics_are_skipped_with_a_note() -> None:
    net, weights = read_out_at(3), read_out_at(3).state_dict()
    more = {name.replace(".t2.", ".t4."): tensor for name, tensor in weights.items() if ".t2." in name}
    assert said(net, weights | more) == [
        "the weights hold running statistics at t = 4, which the net does not use",
        "  net.load_state_dict(weights, strict=False) skips what the net does not use",
    ]
    net.load_state_dict(weights | more, strict=False)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in net.state_dict().items())


def test_missing_and_unknown_weights_are_a_line_each() -> None:
    net = read_out_at(3)
    weights = net.state_dict()
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("h1.from_h1")}
    kept["other.weight"] = torch.zeros(2)
    first, second, hint = said(net, kept)
    assert first.startswith("the weights hold no h1.from_h1.")
    assert second == "the weights hold other.weight, which the net does not use"
    assert hint.startswith("  net.load_state_dict")


def test_pytorch_refuses_other_shapes() -> None:
    net = read_out_at(3)
    name, tensor = next(iter(net.state_dict().items()))
    with pytest.raises(RuntimeError, match=rf"size mismatch for {name}"):
        net.load_state_dict(net.state_dict() | {name: torch.zeros(*tensor.shape, 2)})
