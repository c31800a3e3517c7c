"""Recurring steps are one function, called for each time; equal to the flat graph, eager and compiled."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import graphnet
from graphnet import zoo
from graphnet.equivalence.runs import apart
from graphnet.runtime.net import Net
from graphnet.training.runs.checkpoint import load_into, read_checkpoint, save_checkpoint
from tests.conftest import zoo_up_to
from tests.small import recurrent
from tests.unit.passes.test_passes import measured

DYNAMO = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
"""torch.compile reads .grad of all its inputs."""


def images(n: int = 3) -> Tensor:
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double()


def stepped(spec: Any, **settings: Any) -> Net:
    return graphnet.compile(spec, stepwise=True, **settings)


def test_distinct_programs_do_not_grow_with_time() -> None:
    """Here: the first (only h1), the second, the recurring one, the last but one, the last, the head."""
    counts = {t: len(stepped(recurrent(t)).programs) for t in (6, 10, 40)}
    assert len(set(counts.values())) == 1
    assert counts[40] <= 7
    calls = [node for node in stepped(recurrent(40)).graph.nodes if "program" in str(node.target)]
    assert len(calls) >= 40


def test_different_steps_are_different_functions() -> None:
    """Another gain at t = 5 makes a different step; other statistics, weights or states do not."""
    same = recurrent(8, sharing={"over_time": False})
    assert len(stepped(same, optimize=1).programs) == len(stepped(recurrent(8), optimize=1).programs)
    other = copy.deepcopy(same)
    other["transitions"].append({"t": 5, "h1": {"h1": {"ops": "BRCx2+I", "gain": 0.5}}})
    assert len(stepped(other, optimize=1).programs) > len(stepped(same, optimize=1).programs)


@DYNAMO
@pytest.mark.parametrize("compiled", [False, True])
def test_stepwise_equals_flat(compiled: bool) -> None:
    flat, net = graphnet.compile(recurrent(6)).double(), stepped(recurrent(6), seed=1).double()
    load_into(net, flat.state_dict())
    if compiled:
        net.compile(backend="aot_eager")
    wanted = measured(flat, images())
    for found, expected in zip(measured(net, images()), wanted, strict=True):
        assert float((found - expected).abs().max()) <= 1e-10 * max(float(expected.abs().max()), 1e-6)


@DYNAMO
def test_compiled_steps_serve_all_times() -> None:
    """Each step is compiled only on its first calls in training and evaluation, not for other times."""
    torch._dynamo.reset()
    counts = torch._dynamo.utils.counters
    found = []
    for t in (6, 12):
        torch._dynamo.reset()
        counts.clear()
        net = stepped(recurrent(t))
        net.compile(backend="aot_eager")
        net(images().float())
        compiled = sum(program._compiled_call_impl is not None for program in net.programs)
        found.append((counts["stats"]["unique_graphs"], compiled, len(net.programs)))
    assert all(graphs == compiled < steps for graphs, compiled, steps in found), found  # what runs once is not compiled
    assert found[0][2] == found[1][2]
    assert found[0][1] >= found[1][1] > 0


def test_long_passes_are_split() -> None:
    """Values passed between segments live only until their last read."""
    net, flat = stepped(recurrent(90)).double(), graphnet.compile(recurrent(90), stepwise=False).double()
    load_into(flat, net.state_dict())
    for each in (net, flat):
        assert each._code.count("def part") > 2
    for found, expected in zip(measured(net, images()), measured(flat, images()), strict=True):
        assert float((found - expected).abs().max()) <= 1e-10 * max(float(expected.abs().max()), 1e-6)


def test_taps_are_called_once_for_each_time_and_may_change_values() -> None:
    flat, net = (graphnet.compile(recurrent(4), stepwise=each).double().eval() for each in (False, True))
    load_into(net, flat.state_dict())
    results = []
    for each in (flat, net):
        seen: list[Tensor] = []

        def double(module: Any, given: Any, value: Tensor, seen: list[Tensor] = seen) -> Tensor:
            seen.append(value)
            return 2 * value

        each.get_submodule("h2.output").register_forward_hook(double)
        results.append((each(images()), len(seen)))
    assert results[0][1] == results[1][1] == 2
    torch.testing.assert_close(results[1][0], results[0][0], rtol=1e-12, atol=0)


def test_moved_copied_and_loaded_tensors_are_used(tmp_path: Any) -> None:
    net = stepped(recurrent(5))
    assert net(images().float()).dtype == torch.float32
    assert net.double()(images()).dtype == torch.float64
    twin = copy.deepcopy(net)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        assert float(twin.eval()(images()).abs().max()) > 0
        assert float(net.eval()(images()).abs().max()) == 0
    save_checkpoint(tmp_path / "net.safetensors", twin, "{}")
    flat = graphnet.compile(recurrent(5)).double().eval()
    load_into(flat, read_checkpoint(tmp_path / "net.safetensors").tensors)
    torch.testing.assert_close(flat(images()), twin(images()), rtol=1e-12, atol=0)


def test_steps_are_programs_wherever_one_recurs() -> None:
    def form(spec: Any, **settings: Any) -> bool:
        net = graphnet.compile(spec, **settings)
        assert bool(net.programs) == net.meta["stepwise"]
        return bool(net.programs)

    assert form(recurrent(120))
    assert form(recurrent(6))
    assert not form(zoo.path("diamond"))  # no two steps are equal
    assert not form(recurrent(120), optimize=0)
    assert form(recurrent(120), optimize=0, stepwise=True)
    assert not form(recurrent(6), backend="inductor")  # small: calls would cost more
    assert form(recurrent(20), backend="inductor")
    with pytest.raises(ValueError, match="backend='triton': one of 'eager', 'inductor'"):
        graphnet.compile(recurrent(6), backend="triton")  # type: ignore[arg-type]


@DYNAMO
@pytest.mark.thorough
@pytest.mark.parametrize("stepwise", [False, True])
@pytest.mark.parametrize("path", zoo_up_to(-1, thorough=2e7))
def test_inductor_computes_the_same(path: Path, stepwise: bool) -> None:
    torch._dynamo.reset()
    flat = graphnet.compile(path, optimize=0).double()
    net = graphnet.compile(path, backend="inductor", stepwise=stepwise, seed=1).double()
    load_into(net, flat.state_dict())
    batch = torch.randn(3, *flat.meta["plan"].input_shape, generator=torch.Generator().manual_seed(0)).double()
    wanted = measured(flat, batch)
    largest = max(float(each.abs().max()) for each in wanted)
    for found, expected in zip(measured(net, batch), wanted, strict=True):
        assert apart(found, expected, largest) <= 1e-10
