"""Passes that fuse, fold and share: their effect on plans; nets compute the same with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch

import graphnet
from graphnet import passes, zoo
from graphnet.planning.cost import Target
from graphnet.planning.plan import Plan
from graphnet.planning.reference_machine import TYPICAL
from graphnet.training.runs.checkpoint import load_into
from tests.small import built, statistics
from tests.unit.passes.test_passes import FUSING, measured

BASE: dict[str, Any] = {"graphnet": 1, "input": {"shape": [2, 6, 6]}, "readout": {"t": 3}}
FREE = Target(replace(TYPICAL, launch=dict.fromkeys(TYPICAL.launch, 0.0)), 32, "train")
"""A machine with no launch cost."""


def spec(cells: dict[str, dict[str, Any]], width: int = 2, **more: Any) -> dict[str, Any]:
    """States of one size, with cells at every time."""
    names = list(dict.fromkeys([*cells, *(name for row in cells.values() for name in row)]))
    return BASE | {"states": {name: [width, 6, 6] for name in sorted(names)}, "transitions": [cells]} | more


def kinds(plan: Plan) -> Counter[str]:
    return Counter(line.op.kind for line in plan.lines)


def executed(given: Any, target: Target = FUSING, mode: passes.Mode = "train") -> Plan:
    return passes.run_passes(graphnet.plan(given), 3, mode, target)


def hold_together(given: Any, mode: passes.Mode = "train") -> None:
    """Check that full fusion and none agree, in float64: outputs, gradients and statistics."""
    plan = graphnet.plan(given)
    plain, fused = built(given, optimize=0).double(), built(given, FUSING, seed=1, optimize=3, mode=mode).double()
    with torch.no_grad():
        for number, buffer in enumerate(statistics(plain).values()):  # no two statistics are alike
            buffer.add_(torch.rand(buffer.shape, generator=torch.Generator().manual_seed(number)).double())
    load_into(fused, plain.state_dict())
    images = torch.randn(3, *plan.input_shape, generator=torch.Generator().manual_seed(0)).double()
    if mode == "infer":
        with torch.no_grad():
            found, wanted = [fused(images)], [plain.eval()(images)]
    else:
        wanted, found = measured(plain, images), measured(fused, images)
    for a, b in zip(found, wanted, strict=True):
        assert float((a - b).abs().max()) <= 1e-10 * max(float(b.abs().max()), 1e-3)


TRIANGLE = {"h1": {"h1": "BRC+I", "h2": "BRC", "h3": "BRC:3 C"}, "h2": {"h2": "BRC", "h3": "C"}, "h3": {"h3": "C"}}


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("merge", ["sum", "mean"])
@pytest.mark.parametrize("statistics", ["per-time", "shared"])
def test_fused_nets_compute_the_same(mode: passes.Mode, merge: str, statistics: str) -> None:
    given = spec(TRIANGLE, merge=merge, norm={"statistics": statistics})
    assert {"convs", "weights"} & set(kinds(executed(given, mode=mode)))
    hold_together(given, mode)


def test_convolutions_of_one_value_become_one_with_weights_joined_once_for_all_times() -> None:
    given = spec({"h1": {"h1": "BRC", "h2": "BRC", "h3": "BRC"}}, readout={"t": [2, 3, 4], "state": "h2"})
    given["transitions"][0]["h2"] = {"h2": "I", "h3": "I"}
    before, after = kinds(graphnet.plan(given)), executed(given)
    found = kinds(after)
    assert before["conv"] == found["part"] + found["conv"]
    assert found["convs"] >= 3
    joined = [line for line in after.lines if line.op.kind == "weights" and len(line.tensors) > 1]
    assert len(joined) == len({line.tensors for line in joined}) == 1
    assert all(line.t < 0 for line in joined)
    hold_together({**given, "readout": {"t": 4, "state": "h2"}})


def test_biases_are_joined_too_and_deconvolutions_along_their_other_axis() -> None:
    biased = [{"conv": {"bias": True}}]
    given = spec({"h1": {"h1": biased, "h2": biased, "h3": [{"conv": {"bias": True, "width": 3}}, "RC"]}})
    given["transitions"][0] |= {"h2": {"h3": "I"}}
    assert kinds(executed(given))["convs"] > 0
    hold_together(given)
    up = spec({"h1": {"h2": "D:3 RC", "h3": "D:4 RC"}, "h2": {"h3": "I"}, "h3": {"h3": "I"}})
    up |= {"readout": {"t": 2}}
    up["states"] |= {"h2": [2, 12, 12], "h3": [2, 12, 12]}
    assert [line.op["transposed"] for line in executed(up).lines if line.op.kind == "convs"] == [True]
    hold_together(up)


def test_a_sum_of_convolutions_alone_is_the_convolution() -> None:
    """It contains all arrivals, so no merge is left; a mean still divides by the number of arrivals."""
    for merge in ("sum", "mean"):
        given = spec({"h1": {"h2": "I", "h3": "C"}, "h2": {"h2": "I", "h3": "C"}, "h3": {"h3": "C"}}, merge=merge)
        after = executed(given, FUSING)
        assert kinds(after)["sum"] == 0
        assert [
            line.op["of"] for line in after.lines if line.op.kind == "mean" and "of" in dict(line.op.attributes)
        ] == ([2] * kinds(after)["mean"])
        hold_together(given)


def test_sums_within_sums_are_added_up_once() -> None:
    """Branches that end in equal convolutions, inside a merge of further ones; every value is read."""
    branched = "BR(CBRC+CRC+I)"
    for merge in ("sum", "mean"):
        given = spec({"h1": {"h1": branched, "h2": branched}, "h2": {"h2": branched, "h1": "BRCBRC"}}, merge=merge)
        after = executed(given)
        read = {name for line in after.lines for name in line.arguments} | {name for _, name in after.outputs}
        assert all(line.name in read for line in after.lines)
        assert kinds(after)["concat"] > 0
        hold_together(given)


def test_different_convolutions_are_not_fused() -> None:
    for a, b in (("C", "C1"), ("C", [{"conv": {"bias": True}}]), ("C", [{"conv": {"groups": 2}}]), ("CR", "C")):
        after = executed(
            spec({"h1": {"h2": "I"}, "h2": {"h2": a}, "h3": {"h2": b, "h3": "I"}} | {"h1": {"h2": "I", "h3": "I"}})
        )
        assert not any(line.op.kind == "concat" for line in after.lines), (a, b)
    tied = spec({"h1": {"h1": "C", "h2": "C"}, "h2": {"h2": "C"}}, sharing={"sets": [{"members": ["h1->*"]}]})
    hold_together(tied)


def test_fusing_is_weighed() -> None:
    """Because of launch costs, small convolutions are fused; at full width there is no gain, as measured on a CPU."""
    small, full = graphnet.plan(zoo.path("conv-gru")), graphnet.plan(zoo.path("frnn-3-state"))
    assert kinds(passes.run_passes(small))["concat"] > kinds(small)["concat"]
    assert not any("_at_once" in line.name for line in passes.run_passes(full).lines)
    assert any("_at_once" in line.name for line in passes.run_passes(full, 3, "train", FUSING).lines)
    assert not any("_at_once" in line.name for line in passes.run_passes(full, 3, "train", FREE).lines)


def test_common_subexpressions_are_computed_once() -> None:
    """An arrow of delay 1 and one of delay 2 share weights; norms update statistics, so they are kept."""
    for ops, fewer in (("CRC", True), ("BRC", False)):
        given = spec({"h1": {"h1": "I", "h2": {"ops": ops, "delay": 1}}, "h2": {"h3": "I"}, "h3": {"h3": "C"}})
        given["transitions"].append({"t": 3, "h1": {"h3": {"ops": ops, "delay": 2}}})
        given |= {"sharing": {"sets": [{"members": ["h1->h2", "h1->h3"]}]}, "readout": {"t": [2, 3]}}
        plan = graphnet.plan(given | {"readout": {"t": 3}})
        assert (passes.share_equal(plan).flops < plan.flops) == fewer
        hold_together(given | {"readout": {"t": 3}})


def test_noise_is_drawn_for_each_transition() -> None:
    noisy = {"ops": "I", "noise": 0.3}
    given = spec({"h1": {"h2": noisy, "h3": noisy}, "h2": {"h4": "I"}, "h3": {"h4": {"ops": "I", "gain": -1.0}}})
    assert float(graphnet.compile(given | {"readout": {"t": 2}})(torch.randn(2, 2, 6, 6)).abs().max()) > 0.1


def test_zeros_add_nothing_and_weights_used_on_zeros_alone_keep_a_gradient_of_zero() -> None:
    given = spec({"h1": {"h1": "I", "h2": "C"}, "h2": {"h1": "CR", "h2": "CR"}}, unpopulated="zeros")
    plan = graphnet.plan(given)
    folded = passes.fold_zeros(plan)
    assert (kinds(plan)["zeros"] > kinds(folded)["zeros"]) or folded.flops < plan.flops
    hold_together(given)
    averaged = spec({"h1": {"h1": "I", "h2": "C"}, "h2": {"h1": "CR", "h2": "CR"}}, unpopulated="zeros", merge="mean")
    assert "of" in {key for line in passes.fold_zeros(graphnet.plan(averaged)).lines for key, _ in line.op.attributes}
    hold_together(averaged)
    untied = {"unpopulated": "zeros", "sharing": {"over_time": False}, "readout": {"t": 1}}
    alone = spec({"h1": {"h2": "I"}, "h2": {"h2": "C"}}, **untied)  # h2 is still zero at t = 0
    net = graphnet.compile(alone)
    net(torch.randn(2, 2, 6, 6)).sum().backward()
    gradients = {name: parameter.grad for name, parameter in net.named_parameters()}
    assert len(gradients) == 2
    assert all(grad is not None and not grad.any() for grad in gradients.values())


def test_biases_are_not_zeros() -> None:
    given = spec({"h1": {"h2": "I"}, "h2": {"h2": [{"conv": {"bias": True}}]}}, unpopulated="zeros", readout={"t": 1})
    plan = graphnet.plan(given)
    assert kinds(passes.fold_zeros(plan))["conv"] == kinds(plan)["conv"] > 0


def test_results_of_repeated_reads_are_computed_once() -> None:
    """Arrows of delay 1 and 3 from h1 share weights: each result is computed once."""
    given = BASE | {
        "states": {"h1": [2, 6, 6], "h2": [2, 6, 6], "h3": [2, 6, 6]},
        "transitions": [
            {"t": "1..inf", "h1": {"h1": "BRC+I", "h2": "CRC"}, "h2": {"h3": "I"}, "h3": {"h3": "I"}},
            {"t": "1..inf", "delay": 3, "h1": {"h3": "CRC"}},
        ],
        "sharing": {"sets": [{"members": ["h1->h2", "h1->h3"]}]},
        "readout": {"t": 9, "state": "h3"},
    }
    before = graphnet.plan(given)
    after = passes.run_passes(before, 1)
    saved = kinds(before)["conv"] - kinds(after)["conv"]
    assert saved >= 2 * 5, "two convolutions, at all times that both read"
    assert len(after.bodies) <= len(before.bodies) + 3
    hold_together(given)


def test_weights_are_joined_with_zeros_before_the_first_step() -> None:
    bias = [{"conv": {"bias": True}}]
    given = spec({"h1": {"h1": bias, "h2": bias}, "h2": {"h2": bias}}, unpopulated="zeros", merge="sum")
    given["states"] = {name: {"shape": [2, 6, 6], "hold": True} for name in ("h1", "h2")}
    given["transitions"][0]["t"] = "1..inf"
    given |= {"input": {"shape": [2, 6, 6], "t": "1..3"}, "readout": {"t": 2}}
    plan = executed(given)
    assert {line.op.kind for line in plan.calls[0].body.lines} == {"zeros", "weights"}
    hold_together(given)
