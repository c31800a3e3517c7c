"""The passes: their effect on plans; nets compute the same at every level."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import graphnet
from graphnet import passes, zoo
from graphnet.equivalence.runs import apart
from graphnet.planning.cost import Target
from graphnet.planning.plan import Plan
from graphnet.planning.reference_machine import TYPICAL
from graphnet.planning.verify import verify
from graphnet.training.runs.checkpoint import load_into
from tests.conftest import zoo_up_to
from tests.small import built, flattened, small, statistics


def rename(plan: Plan) -> Plan:
    return replace(plan, name=f"{plan.name}'")


def drop_first_line(plan: Plan) -> Plan:
    return flattened(plan, plan.lines[1:])


def never(plan: Plan) -> Plan:
    raise RuntimeError("not to be run")


def run(monkeypatch: pytest.MonkeyPatch, *those: passes.Pass) -> Plan:
    plan = graphnet.plan(small())
    monkeypatch.setattr(passes, "PASSES", tuple(passes.Pass(1, each) for each in those))
    return passes.run_passes(plan)


def test_passes_run_in_order_on_each_other_s_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, rename, lambda plan: replace(plan, name=f"[{plan.name}]"), rename).name == "[small']'"


def test_the_compiler_runs_those_of_its_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "PASSES", (passes.Pass(1, rename), passes.Pass(2, rename)))
    assert [graphnet.compile(small(), optimize=level).meta["executed"].name for level in range(4)] == [
        "small",
        "small'",
        "small''",
        "small''",
    ]
    assert graphnet.plan(small()).name == "small"


def test_a_broken_plan_names_the_guilty_pass_and_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    said = r"^pass drop_first_line broke the plan: h1_t0: uses .* before it is defined \(before it: \['rename'\]\)$"
    with pytest.raises(AssertionError, match=said) as caught:
        run(monkeypatch, rename, drop_first_line, never)
    assert isinstance(caught.value.__cause__, AssertionError)


@pytest.mark.parametrize("path", zoo_up_to(float("inf"), thorough=float("inf")))
def test_all_passes_keep_plans_valid(path: Path) -> None:
    for mode in ("train", "infer"):
        plan = graphnet.plan(path)
        for each in passes.passes_of(3, mode):
            assert each.__doc__, f"{each.__name__} promises nothing"
            after = verify(each(plan))
            assert [tensor.name for tensor in after.tensors] == [tensor.name for tensor in plan.tensors]
            assert after.outputs == plan.outputs
            if each.__name__ in ("fold_zeros", "share_equal"):
                assert (after.flops, after.depth) <= (plan.flops, plan.depth)
            else:
                assert (after.flops, after.depth) == (plan.flops, plan.depth)
            plan = after


def kinds(name: str) -> Counter[str]:
    return Counter(line.op.kind for line in passes.run_passes(graphnet.plan(zoo.path(name))).lines)


def test_a_value_that_three_transitions_normalise_alike_is_normalised_once() -> None:
    """Fully recurrent, readout 5: every value that can reach h3@5 and has two or three readers."""
    plan = graphnet.plan(zoo.path("frnn-3-state"))
    before, after = Counter(line.op.kind for line in plan.lines), kinds("frnn-3-state")
    items = after["item"]
    assert before["batch_norm"] - after["batch_norm"] == items
    assert before["relu"] - after["relu"] == items
    assert (before["batch_norm"], after["shared_norm"], items) == (51, 7, 21)


def test_norms_that_differ_are_not_shared() -> None:
    slab = {"h1": {"h1": "BRC+I", "h2": "BRC"}, "h2": {"h2": "BRC+I"}}
    base: dict[str, Any] = {"graphnet": 1, "input": {"shape": [2, 6, 6]}, "states": {"h1": [2, 6, 6], "h2": [2, 6, 6]}}
    base |= {"transitions": [slab], "readout": {"t": 3}}
    for norm, shared in (
        ({}, True),
        ({"affine": "shared"}, False),
        ({"kind": "group", "groups": 1}, False),
        ({"statistics": "shared"}, False),
    ):
        plan = passes.run_passes(graphnet.plan(base | {"norm": norm}))
        assert any(line.op.kind == "shared_norm" for line in plan.lines) == shared, norm
    other = base | {"transitions": [slab | {"h1": {"h1": "BRC+I", "h2": [{"norm": {"momentum": 0.2}}, "RC"]}}]}
    assert not any(line.op.kind == "shared_norm" for line in passes.run_passes(graphnet.plan(other)).lines)


def test_norms_go_into_the_convolutions_before_them() -> None:
    """In BRCx2 the second norm; in the head of LP's nets none, as no norm follows a convolution there."""
    plan = graphnet.plan(zoo.path("frnn-3-state"))
    after = Counter(line.op.kind for line in passes.run_passes(plan, mode="infer").lines)
    before = Counter(line.op.kind for line in plan.lines)
    assert after["conv_norm"] + after["conv_transpose_norm"] == before["batch_norm"] - after["batch_norm"] > 20
    assert graphnet.compile(zoo.path("cornet-s"), mode="infer", unlimited=True).training is False


def test_layouts_follow_the_target() -> None:
    """Vectors have no layout; if norms are slow with channels last, maps keep their layout."""
    typical = {name: passes.run_passes(graphnet.plan(zoo.path(name))).layout for name in ("resnet18", "gru")}
    assert typical == {"resnet18": "channels_last", "gru": "contiguous"}
    slow = {key: rate * (100 if "channels_last" in key else 1) for key, rate in TYPICAL.moving.items()}
    target = Target(replace(TYPICAL, moving=slow), 32, "train")
    assert passes.run_passes(graphnet.plan(zoo.path("resnet18")), 3, "train", target).layout == "contiguous"


def test_weights_are_contiguous_unless_the_user_converts_them() -> None:
    """Values, names and checkpoints do not depend on the memory layout."""
    first, last = (graphnet.compile(zoo.path("resnet-3-state"), optimize=level) for level in (1, 2))
    assert [net.meta["executed"].layout for net in (first, last)] == ["contiguous", "channels_last"]
    for (name, a), (other, b) in zip(first.named_parameters(), last.named_parameters(), strict=True):
        assert name == other
        assert torch.equal(a, b)
        assert a.is_contiguous()
        assert b.is_contiguous()
    images = torch.randn(2, 3, 32, 32)
    last(images).sum().backward()
    assert all(b.grad is not None and b.grad.is_contiguous() for b in last.parameters())
    first.to(memory_format=torch.channels_last)
    torch.optim.SGD(first.parameters(), lr=1e-3).step(lambda: first(images).sum().backward())
    for a in first.parameters():
        assert a.dim() != 4 or a.is_contiguous(memory_format=torch.channels_last)
        assert a.grad is not None
        assert a.grad.stride() == a.stride()


def test_statistics_that_serve_several_times_may_be_differentiated_through() -> None:
    slab = {"h1": {"h1": "BRC+I", "h2": "BRC"}, "h2": {"h1": "BRC", "h2": "BRC+I"}}
    spec: dict[str, Any] = {"graphnet": 1, "input": {"shape": [2, 6, 6], "t": "0..inf"}}
    alone = {"t": 1, "h1": {"h1": "-"}}  # then the norm of h1->h2 is separate
    spec |= {"states": {"h1": [2, 6, 6], "h2": [2, 6, 6]}, "transitions": [slab, alone], "readout": {"t": [2, 4]}}
    for kind in ("shared", "per-time"):
        nets = [graphnet.compile(spec | {"norm": {"statistics": kind}}, optimize=k).double() for k in (0, 2)]
        images = torch.randn(3, 2, 6, 6, generator=torch.Generator().manual_seed(0)).double()
        for a, b in zip(*(measured(net, images) for net in nets), strict=True):
            assert float((a - b).abs().max()) <= 1e-10 * max(float(a.abs().max()), 1e-6)


def measured(net: Any, images: torch.Tensor) -> list[torch.Tensor]:
    """Outputs in training and evaluation, gradients, statistics."""
    images = images.clone().requires_grad_()
    outputs = net.train()(images)
    outputs = list(outputs.values()) if isinstance(outputs, dict) else [outputs]
    torch.autograd.backward(sum(each.square().sum() + each.sum() for each in outputs))
    gradients = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
    moved = [buffer.clone() for buffer in statistics(net).values()]
    with torch.no_grad():
        tested = net.eval()(images)
    tested = tested.values() if isinstance(tested, dict) else [tested]
    assert images.grad is not None
    return [each.detach() for each in (*outputs, images.grad, *gradients, *moved, *tested)]


FUSING = Target(replace(TYPICAL, launch={key: 1.0 if "conv" in key else 0.1 for key in TYPICAL.launch}), 32, "train")
"""A machine that takes a second to launch a convolution, so that everything fusible is fused."""


@pytest.mark.parametrize("path", zoo_up_to(2e7, thorough=2e9))
def test_nets_compute_the_same_at_every_level(path: Path) -> None:
    """In float64, to 1e-10 of each tensor; tiny tensors are compared relative to the largest of the net."""
    plain = graphnet.compile(path, optimize=0).double()
    images = torch.randn(3, *plain.meta["plan"].input_shape, generator=torch.Generator().manual_seed(0)).double()
    for name, buffer in statistics(plain).items():
        if name.endswith("running_var"):
            buffer.add_(torch.rand(buffer.shape, generator=torch.Generator().manual_seed(1)))
    state = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    wanted = measured(plain, images)
    with torch.no_grad():
        tested = plain.eval()(images)
    for stepwise in (False, True):  # for evaluation alone, from the trained checkpoint
        net = graphnet.compile(path, mode="infer", stepwise=stepwise).double()
        load_into(net, plain.state_dict())
        with torch.no_grad():
            found = net(images)
        for a, b in zip(
            *(each.values() if isinstance(each, dict) else [each] for each in (found, tested)), strict=True
        ):
            assert float((a - b).abs().max()) <= 1e-10 * float(b.abs().max())
    largest = max(float(each.abs().max()) for each in wanted)
    for level, stepwise in ((1, False), (2, False), (0, True), (2, True), (3, False), (3, True)):
        net = built(path, FUSING, seed=1, optimize=level, stepwise=stepwise).double()
        load_into(net, state)  # checkpoints go from level to level
        assert list(net.state_dict()) == list(state)
        for found, expected in zip(measured(net, images), wanted, strict=True):
            assert apart(found, expected, largest) <= 1e-10
