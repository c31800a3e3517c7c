"""Ratios of times, paired by round, so that a slow round does not count."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from graphnet.analysis.timing import interleaved, ratio, seconds


def test_a_slow_round_does_not_move_the_ratio() -> None:
    fast = [1.0, 1.1, 9.0, 1.0, 1.2]
    found = ratio([2 * each for each in fast], fast)
    assert found == pytest.approx((2, 2, 2))
    low, high = ratio([2.0, 2.2, 1.0, 2.1, 2.3], [1.0, 1.0, 1.0, 1.0, 1.0])[1:]
    assert low < 2.1 < high


def test_nets_are_timed_in_the_mode_meant_and_keep_no_gradients() -> None:
    net, images = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), torch.randn(4, 3)
    for backward in (True, False):
        times = interleaved({"one": (net, images), "other": (net, images)}, backward, rounds=3)
        assert net.training == backward
        assert [len(each) for each in times.values()] == [3, 3]
        assert min(times["one"]) > 0
    assert all(parameter.grad is None for parameter in net.parameters())
    assert seconds(net, images, backward=False) > 0
