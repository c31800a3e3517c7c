"""Options of `compile`, and inputs of nets."""

from __future__ import annotations

import re
from typing import Any

import numpy
import pytest
import torch

import graphnet
from tests.small import small

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"mode": "eval"}, "mode='eval': one of 'train', 'infer'"),
    ({"optimize": -1}, "optimize=-1: one of 0, 1, 2, 3"),
    ({"optimize": 9}, "optimize=9: one of 0, 1, 2, 3"),
    ({"optimize": 2.0}, "optimize=2.0: one of 0, 1, 2, 3"),
    ({"optimize": True}, "optimize=True: one of 0, 1, 2, 3"),
    ({"seed": "x"}, "seed='x': a whole number"),
    ({"backend": "triton"}, "backend='triton': one of 'eager', 'inductor'"),
    ({"stepwise": 1}, "stepwise=1: one of None, False, True"),
    ({"keep_dead": "no"}, "keep_dead='no': one of False, True"),
    ({"device": "gpu"}, "device='gpu': Expected one of cpu, cuda"),
    ({"device": 0}, "device=0: the name of a device"),
    ({"batch_size": 0}, "batch_size=0: a whole number from 1 on"),
]


@pytest.mark.parametrize(("options", "said"), WRONG)
def test_unknown_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        graphnet.compile(small(), **options)


FORMS = [(0, False), (0, True), (1, False), (1, True), (2, False), (2, True)]
WANTED = "the net takes floating-point numbers of shape [N, 1, 8, 8], but got"


@pytest.mark.parametrize(("level", "stepwise"), FORMS)
def test_inputs_that_do_not_fit_are_refused(level: int, stepwise: bool) -> None:
    net = graphnet.compile(small(), optimize=level, stepwise=stepwise)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    for image, given in (
        (torch.rand(2, 1, 16, 16), "float32 of shape [2, 1, 16, 16]"),
        (torch.rand(2, 3, 8, 8), "float32 of shape [2, 3, 8, 8]"),
        (torch.rand(1, 8, 8), "float32 of shape [1, 8, 8]"),
        (torch.rand(2, 2, 1, 8, 8), "float32 of shape [2, 2, 1, 8, 8]"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), "uint8 of shape [2, 1, 8, 8]"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.complex64), "complex64 of shape [2, 1, 8, 8]"),
    ):
        for call in (net, net.step):
            with pytest.raises(ValueError, match=re.escape(f"{WANTED} {given}")):
                call(image)
    with pytest.raises(ValueError, match=re.escape("[N, 1, 8, 8], not a ndarray")):
        net(numpy.zeros((2, 1, 8, 8)))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize(("level", "stepwise"), FORMS)
@pytest.mark.parametrize("frames", [8, 12])
def test_sequences_of_another_length_are_refused(level: int, stepwise: bool, frames: int) -> None:
    spec = small(input={"shape": [1, 8, 8], "t": "0..9", "sequence": True}, readout={"t": 10})
    net = graphnet.compile(spec, optimize=level, stepwise=stepwise)
    assert net(torch.rand(2, 10, 1, 8, 8)).shape == (2, 3)
    said = f"of shape [N, 10, 1, 8, 8], but got float32 of shape [2, {frames}, 1, 8, 8]"
    with pytest.raises(ValueError, match=re.escape(said)):
        net(torch.rand(2, frames, 1, 8, 8))


def test_a_compiled_net_refuses_them_too() -> None:
    net = torch.compile(graphnet.compile(small(), stepwise=False), backend="eager")
    assert net(torch.rand(2, 1, 8, 8)).shape == (2, 3)
    with pytest.raises(ValueError, match=re.escape(WANTED)):
        net(torch.rand(2, 1, 16, 16))
