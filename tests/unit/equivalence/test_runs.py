"""Distances between two nets, and gradients that are zero in theory."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import graphnet
from graphnet.equivalence import compare
from graphnet.equivalence.runs import apart

SCALE_FREE: dict[str, Any] = {  # a layer norm removes the scale of its only channel's convolution
    "graphnet": 1,
    "input": {"shape": [1, 4, 4], "sequence": True, "t": "0..inf"},
    "states": {"a": [1, 4, 4], "b": [1, 4, 4], "V1": {"shape": [2, 4, 4], "merge": "concat"}},
    "transitions": [
        {
            "t": "1..inf",
            "a": {
                "a": [{"leaky_relu": {"negative_slope": 0.1}}, {"conv": {"init": "lecun"}}],
                "b": [{"conv": {"dilation": 2, "bias": True}}, "elu"],
                "V1": "C:1/1",
            },
            "b": {
                "b": ["B", {"conv": {"kernel": 1}}, {"norm": {"kind": "layer", "affine": "shared"}}],
                "V1": "C:1/1",
            },
        }
    ],
    "pre_net": {"ops": "C"},
    "post_net": {"ops": "BRGL", "classes": 3},
    "readout": {"t": 3},
}


def test_a_gradient_that_theory_gives_as_zero_is_judged_against_the_largest() -> None:
    plain, fused = (graphnet.compile(SCALE_FREE, optimize=level) for level in (0, 2))
    unrolled = graphnet.compile(graphnet.unroll(graphnet.load(SCALE_FREE)), optimize=2)
    for other in (fused, unrolled):
        report = compare(plain, other, seeds=range(4))
        assert report, report
        assert any(each.what.endswith("b.from_b.conv1.weight") for each in report.differences)


@pytest.mark.parametrize(
    ("size", "wrong", "equal"),
    [
        (1.0, 1e-11, True),
        (1.0, 1e-9, False),
        (1e-2, 1e-11, False),
        (1e-8, 1e-16, True),  # rounding of terms as large as the largest gradient
        (1e-8, 1e-8, False),  # tiny, and missing in the other net
        (1e-12, 1e-12, False),
    ],
)
def test_rounding_is_told_from_a_mistake(size: float, wrong: float, equal: bool) -> None:
    gradient = torch.full((3,), size, dtype=torch.float64)
    assert (apart(gradient, gradient - wrong, largest=1.0) <= 1e-10) == equal


def test_gradients_missing_in_both_are_equal_and_in_one_zero() -> None:
    gradient = torch.ones(3, dtype=torch.float64)
    assert apart(None, None, 1.0) == 0
    assert apart(None, gradient, 1.0) == 1
    assert apart(gradient, torch.ones(4, dtype=torch.float64)) == float("inf")
