"""Drawn nets compute the same at every level, fully fused, flat and step by step, and compiled to infer."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import assume, event, given
from torch import Tensor, nn

import graphnet
from graphnet.training.runs.checkpoint import load_into
from tests.property.agreement import make_case
from tests.property.strategies import specs
from tests.small import built, statistics
from tests.unit.passes.test_passes import FUSING

TOLERANCE = 1e-9
"""As for drawn nets against the oracle: some are ill-conditioned."""
ULP = 1e-15
"""Relative perturbation of images, to estimate the effect of rounding on a net."""


def results(net: nn.Module, image: Tensor, training: bool) -> dict[str, Tensor]:
    """Outputs; in training also gradients and statistics. Every call draws the same noise."""
    torch.manual_seed(0)
    net.train(training)
    net.zero_grad()
    with torch.set_grad_enabled(training):
        output = net(image)
    outputs = output if isinstance(output, dict) else {0: output}
    found = {f"output {t}": value.detach() for t, value in outputs.items()}
    if training:
        torch.autograd.backward(sum(value.square().sum() for value in outputs.values()))
        found |= {f"gradient {name}": each.grad for name, each in net.named_parameters() if each.grad is not None}
        found |= {f"statistic {name}": buffer.clone() for name, buffer in statistics(net).items()}
    return found


def apart(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> float:
    """The largest difference, relative to the largest of the outputs, the gradients or the statistics."""
    assert found.keys() == wanted.keys()
    largest: dict[str, float] = {}
    worst: dict[str, float] = {}
    for name, value in wanted.items():
        kind = name.split()[0]
        largest[kind] = max(largest.get(kind, 0.0), float(value.abs().max()))
        worst[kind] = max(worst.get(kind, 0.0), float((found[name] - value).abs().max()))
    return max((worst[kind] / largest[kind] for kind in worst if largest[kind] > 0), default=0.0)


@given(specs())
def test_drawn_nets_compute_the_same_at_every_level(spec: dict[str, Any]) -> None:
    try:
        graphnet.plan(spec)
    except graphnet.SpecError:
        assume(False)
    case = make_case(spec, training=True)
    plain = built(spec, optimize=0).double()

    def run(net: nn.Module, training: bool, image: Tensor = case.image) -> dict[str, Tensor]:
        load_into(net, case.tensors)
        return results(net, image, training)

    for training in (True, False):
        wanted = run(plain, training)
        if apart(run(plain, training, case.image * (1 + ULP)), wanted) > 1e-11:
            event("ill-conditioned")
            assume(False)
        for stepwise in (False, True):
            net = built(spec, FUSING, seed=1, optimize=3, stepwise=stepwise).double()
            assert apart(run(net, training), wanted) < TOLERANCE
    for stepwise in (False, True):
        net = built(spec, FUSING, seed=1, optimize=3, stepwise=stepwise, mode="infer").double()
        assert apart(run(net, training=False), wanted) < TOLERANCE


ONLY_STATISTICS: dict[str, Any] = {  # at t = 0 a program's value, batch norm of zeros, is read by nothing
    "graphnet": 1,
    "merge": "product",
    "unpopulated": "zeros",
    "input": {"shape": [1]},
    "states": {"a": [2], "V1": [1], "b": [3], "IT": [2]},
    "transitions": [{"a": {"V1": "B R L"}, "V1": {"b": "LRL"}, "b": {"IT": "B R L"}, "IT": {"IT": "I"}}],
    "pre_net": {"ops": "L"},
    "readout": {"t": 4},
}


def test_programs_that_only_update_statistics_run() -> None:
    plain = built(ONLY_STATISTICS, optimize=0).double()
    net = built(ONLY_STATISTICS, FUSING, optimize=3, stepwise=True).double()
    load_into(net, plain.state_dict())
    image = torch.randn(3, 1, generator=torch.Generator().manual_seed(0)).double()
    assert apart(results(net, image, True), results(plain, image, True)) < TOLERANCE


def test_values_with_two_readers_are_not_overwritten() -> None:
    slab = {"a": {"b": "C(R C1 + I)", "a": "C(RC + C1)"}, "b": {"b": "C1(R + C1)", "a": "C(R + I)"}}
    spec: dict[str, Any] = {
        "graphnet": 1,
        "input": {"shape": [2, 4, 4]},
        "states": {"a": [2, 4, 4], "b": {"shape": [2, 4, 4], "update": "R"}},
        "transitions": [slab],
        "pre_net": {"ops": "C(R + C1)"},
        "post_net": {"ops": "GL", "classes": 3},
        "readout": {"t": 3},
    }
    plain = built(spec, optimize=0).double()
    image = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    for mode in ("train", "infer"):
        net = built(spec, FUSING, optimize=3, mode=mode).double()
        load_into(net, plain.state_dict())
        assert apart(results(net, image, mode == "train"), results(plain, image, mode == "train")) < TOLERANCE
