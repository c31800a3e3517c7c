"""Equivalences between nets, as properties: two nets compute the same function, or not.

`thorough` runs many examples. Nets are compared in float64 with the tolerance of `graphnet.equivalence`.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import graphnet
from graphnet import zoo
from graphnet.equivalence import NoTable, compare, values_of
from graphnet.testing import specs
from tests.conftest import zoo_up_to

FEW = settings(max_examples=max(settings.default.max_examples // 4, 5), suppress_health_check=list(HealthCheck))
"""Fewer examples, as each compiles and runs nets several times."""
ONCE: dict[str, Any] = {"seeds": (0,), "batches": (3,)}


def resnet(blocks: int, width: int, kernel: int, **more: Any) -> dict[str, Any]:
    """One stage of residual blocks f(x) + x with f = conv, ReLU, conv, ReLU."""
    spec = {
        "graphnet": 1,
        "name": "resnet",
        "input": {"shape": [width, 6, 6]},
        "states": {"h": [width, 6, 6]},
        "transitions": [{"t": "1..inf", "h": {"h": f"RC{kernel} RC{kernel} + I"}}],
        "readout": {"t": blocks},
    }
    return spec | more


class Blocks(nn.Module):
    """The same by hand: `blocks` residual blocks, with separate or shared weights."""

    def __init__(self, blocks: int, width: int, kernel: int, shared: bool) -> None:
        super().__init__()
        self.blocks = blocks

        def convolution() -> nn.Conv2d:
            return nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=False)

        count = 1 if shared else blocks
        self.first = nn.ModuleList(convolution() for _ in range(count))
        self.second = nn.ModuleList(convolution() for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        for block in range(self.blocks):
            k = block % len(self.first)
            x = self.second[k](torch.relu(self.first[k](torch.relu(x)))) + x
        return x


SIZES = {"blocks": st.integers(1, 6), "width": st.integers(1, 4), "kernel": st.sampled_from([1, 3, 5])}


@FEW
@given(**SIZES, batch=st.integers(1, 4), seed=st.integers(0, 99))
def test_a_resnet_with_shared_weights_is_a_recurrent_net(
    blocks: int, width: int, kernel: int, batch: int, seed: int
) -> None:
    """h_N = (K + I)^N x_0 (LP section 2, eq. 4): the 1-state net after N steps equals N blocks with shared weights."""
    table = {"first.0.weight": "h.from_h.conv1.weight", "second.0.weight": "h.from_h.conv2.weight"}
    by_hand = Blocks(blocks, width, kernel, shared=True)
    assert compare(resnet(blocks, width, kernel), by_hand, table, seeds=(seed,), batches=(batch,))


@FEW
@given(**SIZES, seed=st.integers(0, 99))
def test_a_resnet_without_sharing_is_a_homogeneous_time_variant_system(
    blocks: int, width: int, kernel: int, seed: int
) -> None:
    spec = resnet(blocks, width, kernel, sharing={"over_time": False})
    table = {}
    for t in range(1, blocks + 1):
        table[f"first.{t - 1}.weight"] = f"h.from_h.conv1.t{t}.weight"
        table[f"second.{t - 1}.weight"] = f"h.from_h.conv2.t{t}.weight"
    assert compare(spec, Blocks(blocks, width, kernel, shared=False), table, seeds=(seed,), batches=(2,))
    system = graphnet.plan(spec).system
    assert system.homogeneous
    assert not system.shared_weights


@FEW
@given(blocks=st.integers(1, 4), width=st.integers(1, 4), wrong=st.integers(1, 4))
def test_another_number_of_steps_is_another_net(blocks: int, width: int, wrong: int) -> None:
    assume(wrong != blocks)
    table = {"first.0.weight": "h.from_h.conv1.weight", "second.0.weight": "h.from_h.conv2.weight"}
    assert not compare(resnet(blocks, width, 3), Blocks(wrong, width, 3, shared=True), table, **ONCE)


class PreactivationResNet(nn.Module):
    """Three stages of preactivation blocks, a convolution between stages, a last norm, ReLU, pooling and classifier."""

    def __init__(self, blocks: int, channels: list[int]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels[0], 3, padding=1, bias=False)
        self.stages = nn.ModuleList(nn.ModuleList(self.block(width) for _ in range(blocks)) for width in channels)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False) for a, b in pairwise(channels))
        self.norm = nn.BatchNorm2d(channels[-1])
        self.classify = nn.Linear(channels[-1], 10)

    @staticmethod
    def block(width: int) -> nn.Sequential:
        def half() -> list[nn.Module]:
            return [nn.BatchNorm2d(width, affine=False), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, bias=False)]

        return nn.Sequential(*half(), *half())

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        for number, stage in enumerate(self.stages):
            for block in stage:  # type: ignore[union-attr]
                x = x + block(x)
            x = self.downs[number](x) if number < 2 else x
        return self.classify(torch.relu(self.norm(x)).mean((2, 3)))


@FEW
@given(blocks=st.integers(1, 3), channels=st.lists(st.integers(1, 4), min_size=3, max_size=3))
def test_the_3_state_resnet_is_a_preactivation_resnet(blocks: int, channels: list[int]) -> None:
    """`resnet-3-state` without sharing, against the net in its usual form."""
    spec = graphnet.load(zoo.path("resnet-3-state-untied"), settings=[f"let.N={blocks}"]).as_data()
    spec["input"]["shape"] = [3, 12, 12]
    spec["states"] = {f"h{i + 1}": [width, 12 >> i, 12 >> i] for i, width in enumerate(channels)}
    spec["transitions"][1]["h1"]["h2"] = f"C:{channels[1]}"
    table = {"stem.weight": "pre_net.conv1.weight"}
    t = 1
    for stage in range(3):
        for block in range(blocks):
            t += 1
            place, theirs = f"h{stage + 1}.from_h{stage + 1}", f"stages.{stage}.{block}"
            for number, at in ((1, 0), (2, 3)):
                table[f"{theirs}.{at + 2}.weight"] = f"{place}.conv{number}.t{t}.weight"
                for role in ("running_mean", "running_var"):
                    table[f"{theirs}.{at}.{role}"] = f"{place}.norm{number}.t{t}.{role}"
        if stage < 2:
            t += 1
            table[f"downs.{stage}.weight"] = f"h{stage + 2}.from_h{stage + 1}.conv1.t{t}.weight"
    for role in ("weight", "bias"):
        table[f"norm.{role}"] = f"post_net.norm1.{role}"
        table[f"classify.{role}"] = f"post_net.linear1.{role}"
    for role in ("running_mean", "running_var"):
        table[f"norm.{role}"] = f"post_net.norm1.t{t}.{role}"
    assert compare(spec, PreactivationResNet(blocks, channels), table, **ONCE)


@FEW
@given(specs())
def test_a_spec_is_its_unrolled_spec(spec: dict[str, Any]) -> None:
    """The same function, gradients, statistics and number of parameters."""
    try:
        unrolled = graphnet.unroll(spec)
    except graphnet.SpecError as fault:
        assume("no words" not in str(fault) and "relative to T" not in str(fault))
        raise
    plan, flat = graphnet.plan(spec), graphnet.plan(unrolled)
    assert (flat.parameters, flat.depth, flat.flops) == (plan.parameters, plan.depth, plan.flops)
    assert all(firing.source != firing.target for firing in flat.firings)
    assert compare(spec, unrolled, **ONCE)


@pytest.mark.parametrize("path", zoo_up_to(2e7, thorough=6e8))
def test_zoo_specs_equal_their_unrolled_specs(path: Path) -> None:
    unrolled = graphnet.unroll(path)
    assert graphnet.plan(unrolled).parameters == graphnet.plan(path).parameters
    assert compare(path, unrolled, **ONCE)


@FEW
@given(specs())
def test_the_gradient_of_a_tied_weight_is_the_sum_of_those_of_its_copies(spec: dict[str, Any]) -> None:
    """Without its sets the unrolled net has an equal copy for each use (LP section 3)."""
    try:
        unrolled = graphnet.unroll(spec).as_data()
    except graphnet.SpecError:
        assume(False)
    hard = [group for group in unrolled.get("sharing", {}).get("sets", []) if "coupling" not in group]
    assume(hard)
    unrolled["sharing"]["sets"] = [group for group in unrolled["sharing"]["sets"] if "coupling" in group]
    assert graphnet.plan(unrolled).parameters >= graphnet.plan(spec).parameters
    report = compare(spec, unrolled, **ONCE)
    assert all(each.size <= report.tolerance for each in report.differences if "statistic" not in each.what), report


@FEW
@given(size=st.integers(1, 5), steps=st.integers(0, 6), seed=st.integers(0, 99))
def test_a_held_input_with_linear_k_has_a_closed_form(size: int, steps: int, seed: int) -> None:
    """h_t = K h_{t-1} + x: h_T = (1 + K + … + K^T) x (LP eq. 2 with x_t = x)."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(size, size, generator=generator, dtype=torch.float64) / size
    spec = {
        "graphnet": 1,
        "input": {"shape": [size], "t": "0..inf"},
        "states": {"h": [size]},
        "transitions": [{"h": {"h": [{"linear": {"bias": False, "init": matrix.tolist()}}]}}],
        "readout": {"t": steps},
    }
    net = graphnet.compile(spec).double()
    if steps:
        with torch.no_grad():
            net.get_parameter("h.from_h.linear1.weight").copy_(matrix)
    x = torch.randn(3, size, generator=generator, dtype=torch.float64)
    closed = sum(x @ torch.linalg.matrix_power(matrix.T, k) for k in range(steps + 1))
    assert isinstance(closed, Tensor)
    assert (net(x) - closed).abs().max() <= 1e-12 * closed.abs().max()


@FEW
@given(blocks=st.integers(2, 4), width=st.integers(1, 3))
def test_statistics_per_time_are_a_norm_for_each_layer_and_shared_ones_are_not(blocks: int, width: int) -> None:
    """An unrolled ResNet equals time-specific batch normalisation; shared statistics differ in evaluation."""

    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norms = nn.ModuleList(nn.BatchNorm2d(width, affine=False) for _ in range(blocks))
            self.convolution = nn.Conv2d(width, width, 3, padding=1, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            for norm in self.norms:
                x = self.convolution(torch.relu(norm(x))) + x
            return x

    def spec(statistics: str) -> dict[str, Any]:
        slab = {"t": "1..inf", "h": {"h": "BRC+I"}}
        return resnet(blocks, width, 3, transitions=[slab], norm={"statistics": statistics})

    by_hand = Normed().double()
    roles = ("running_mean", "running_var")
    table = {f"norms.{t - 1}.{role}": f"h.from_h.norm1.t{t}.{role}" for t in range(1, blocks + 1) for role in roles}
    table["convolution.weight"] = "h.from_h.conv1.weight"
    assert compare(spec("per-time"), by_hand, table, **ONCE)
    shared = graphnet.compile(spec("shared")).double()
    with torch.no_grad():
        shared.get_parameter("h.from_h.conv1.weight").copy_(by_hand.convolution.weight)
    images = torch.randn(4, width, 6, 6, dtype=torch.float64)
    for net in (shared, by_hand):
        for _ in range(3):
            trained = net.train()(images)
    outputs = [net.eval()(images) for net in (shared, by_hand)]
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3 * trained.abs().max()


def layered(widths: list[int], unroll: str, readout: int, **more: Any) -> dict[str, Any]:
    """Layers of states, each connected to all of the next: all paths from the first to the last are equally long."""
    names = [[f"s{layer}x{k}" for k in range(width)] for layer, width in enumerate([1, *widths, 1])]
    rows: dict[str, Any] = {}
    for below, above in pairwise(names):
        rows |= {source: dict.fromkeys(above, "CR") for source in below}
    return {
        "graphnet": 1,
        "input": {"shape": [2, 5, 5]},
        "unroll": unroll,
        "states": {name: [2, 5, 5] for layer in names for name in layer},
        "transitions": [rows],
        "readout": {"t": readout},
    } | more


@FEW
@given(widths=st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_both_unrollings_are_one_net_shifted_in_time_where_all_ways_are_equally_long(widths: list[int]) -> None:
    steps = len(widths) + 1
    slow, fast = layered(widths, "biological", steps), layered(widths, "engineering", 0)
    a, b = graphnet.compile(slow).double(), graphnet.compile(fast).double()
    b.load_state_dict(a.state_dict())
    images = torch.randn(3, 2, 5, 5, dtype=torch.float64)
    assert torch.equal(a(images), b(images))


def test_a_diamond_with_a_shortcut_is_another_net_in_each_unrolling() -> None:
    """In the biological unrolling the short path arrives before the long one, and they never meet."""
    shortcut = {"transitions": [layered([2], "biological", 2)["transitions"][0], {"s0x0": {"s2x0": "CR"}}]}
    slow = graphnet.compile(layered([2], "biological", 2, **shortcut)).double()
    fast = graphnet.compile(layered([2], "engineering", 0, **shortcut)).double()
    assert set(slow.state_dict()) < set(fast.state_dict()), "the shortcut is dead if nothing waits for it"
    with torch.no_grad():
        for name, tensor in slow.state_dict().items():
            fast.state_dict()[name].copy_(tensor)
    images = torch.randn(3, 2, 5, 5, dtype=torch.float64)
    assert (slow(images) - fast(images)).abs().max() > 1e-3


@FEW
@given(specs())
def test_dead_transitions_change_nothing(spec: dict[str, Any]) -> None:
    kept, dropped = graphnet.compile(spec, keep_dead=True), graphnet.compile(spec)
    assert len(kept.meta["plan"].lines) >= len(dropped.meta["plan"].lines)
    try:
        report = compare(kept, dropped, **ONCE)
    except NoTable:  # dead values that differ by T share their times with live ones
        assume(False)
    shared = [each for each in report.differences if "statistic" not in each.what]
    assert all(each.size <= report.tolerance for each in shared), report


def test_the_first_difference_of_two_nets_is_named() -> None:
    """Names the first value that differs, not the last."""
    unrolled = graphnet.unroll(resnet(5, 2, 3)).as_data()
    unrolled["transitions"][0]["h_2"]["h_3"] = "RC3 RC3"
    report = compare(resnet(5, 2, 3), unrolled, **ONCE)
    assert not report
    assert report.parting is not None
    assert (report.parting.state, report.parting.t) == ("h", 3)
    assert "they part at h at t = 3" in str(report)


def test_values_of_every_state_and_time() -> None:
    net = graphnet.compile(resnet(3, 2, 3)).double()
    images = torch.randn(2, 2, 6, 6, dtype=torch.float64)
    values = values_of(net, images)
    assert list(values) == [("h", 0), ("h", 1), ("h", 2), ("h", 3)]
    assert torch.equal(values["h", 0], images)
    assert torch.equal(values["h", 3], net(images))


def test_nets_whose_weights_do_not_correspond_need_a_table() -> None:
    with pytest.raises(NoTable, match="give a table of weights"):
        compare(resnet(2, 2, 3), Blocks(2, 2, 3, shared=True), sizes=[(2, 6, 6)])
    other = {"states": {"k": [2, 6, 6]}, "transitions": [{"t": "1..inf", "k": {"k": "RC RC + I"}}], "name": "other"}
    with pytest.raises(NoTable, match=r"nothing in 'resnet' corresponds to k_from_k at t = 1"):
        compare(resnet(2, 2, 3), resnet(2, 2, 3, **other))
    table = {"first.0.weight": "h.from_h.conv1.weight"}
    with pytest.raises(NoTable, match=r"lacks second\.0\.weight"):
        compare(resnet(2, 2, 3), Blocks(2, 2, 3, shared=True), table)
    with pytest.raises(NoTable, match=r"names first\.9\.weight"):
        compare(resnet(2, 2, 3), Blocks(2, 2, 3, shared=True), table | {"first.9.weight": "x", "second.0.weight": "y"})
