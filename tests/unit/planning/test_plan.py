"""What a plan says of itself: parameters, FLOPs, depth, times; and what kind of system a net is."""

from __future__ import annotations

from typing import Any

import pytest

import graphnet
from tests.conftest import ROOT
from tests.small import small

NORM = {"norm": {"statistics": "shared"}}
LINE: dict[str, Any] = {"h1": {"h1": "C", "h2": "C"}}


def test_parameters_are_counted_once_and_only_the_trainable_ones() -> None:
    """pre-net 1·4·9, h1→h1 4·4·9, h1→h2 4·6·9, linear 6·3 + 3; statistics do not count."""
    for t in (2, 5):
        plan = graphnet.plan(small(LINE, readout={"t": t}))
        assert plan.parameters == 36 + 144 + 216 + 21


def test_flops_are_two_a_multiply_add_at_every_use() -> None:
    """The pre-net, one C and one D by hand: 2 · outputs · inputs of each."""
    pre_net, linear = 2 * 4 * 64 * 9, 2 * 3 * 6
    same, down, up = 2 * 4 * 64 * 4 * 9, 2 * 6 * 16 * 4 * 9, 2 * 6 * 16 * 4 * 9
    assert graphnet.plan(small(LINE, readout={"t": 1})).flops == pre_net + down + linear
    assert graphnet.plan(small(LINE, readout={"t": 3})).flops == pre_net + 2 * same + down + linear
    back = small({"h1": {"h2": "C"}, "h2": {"h1": "D"}}, readout={"t": 3})
    assert graphnet.plan(back).flops == pre_net + 2 * down + up + linear


@pytest.mark.parametrize(
    ("slab", "post_net", "depth"),
    [
        ({"h1": {"h2": "C"}}, "L", 3),
        ({"h1": {"h2": "BRC"}}, "BRGL", 4),
        ({"h1": {"h2": "PCC"}}, "GL", 6),
        ({"h1": {"h2": "AC1 + CCR C1 C"}}, "L", 6),
        ({"h1": {"h2": "DCRC"}}, "L", 5),
    ],
)
def test_depth_counts_convolutions_linear_and_pooling_layers_on_the_longest_way(
    slab: dict[str, Any], post_net: str, depth: int
) -> None:
    plan = graphnet.plan(small(slab, post_net={"ops": post_net, "classes": 3}, readout={"t": 1}))
    assert plan.depth == depth


def test_depth_grows_with_the_readout() -> None:
    plans = [graphnet.plan(small(LINE, readout={"t": t})) for t in (1, 2, 5)]
    assert [plan.depth for plan in plans] == [4, 5, 8]
    assert [plan.milliseconds for plan in plans] == [(20, 50), (40, 100), (100, 250)]
    assert [plan.last_time for plan in plans] == [1, 2, 5]


@pytest.mark.parametrize(("t", "depth"), [(5, 13), (10, 23)])
def test_depths_of_table_1(t: int, depth: int) -> None:
    spec = graphnet.load(ROOT / "specs/liao-poggio/frnn-3-state.toml").as_data()
    assert graphnet.plan(spec | {"readout": {"t": t}}).depth == depth


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, (True, True, True, False)),
        (NORM, (True, True, True, True)),
        (NORM | {"input": {"shape": [1, 8, 8], "t": "0..inf"}}, (False, True, True, True)),
        (NORM | {"input": {"shape": [1, 8, 8], "t": [0, 9]}}, (True, True, True, True)),
        (NORM | {"sharing": {"over_time": False}}, (True, False, True, True)),
        (NORM | {"sharing": {"sets": [{"members": ["h1->h1@1..2"]}]}}, (True, False, True, True)),
        (NORM | {"sharing": {"sets": [{"members": ["h1->h1@1..9"]}]}}, (True, True, True, True)),
        ({"norm": {"statistics": "shared", "affine": "per-time"}}, (True, True, True, False)),
    ],
)
def test_the_kind_of_system(changes: dict[str, Any], kind: tuple[bool, ...]) -> None:
    slab = {"h1": {"h1": "BC", "h2": "C"}}
    if "sets" in changes.get("sharing", {}):
        slab["t"] = "1..inf"  # type: ignore[assignment]
    system = graphnet.plan(small(slab, readout={"t": 4}, **changes)).system
    found = (system.homogeneous, system.shared_weights, system.constant_matrix, system.constant_statistics)
    assert found == kind
    assert system.time_invariant == all(kind[1:])


def test_the_matrix_is_constant_if_every_cell_holds_from_1_on() -> None:
    always, blocked = {"t": "1..inf", **LINE, "h2": {"h2": "I"}}, {"t": 2, "h1": {"h1": "-"}}
    assert graphnet.plan(small(always, **NORM)).system.constant_matrix
    assert not graphnet.plan(small(always, blocked, **NORM)).system.constant_matrix
    assert graphnet.plan(small(always, blocked | {"t": 7}, **NORM)).system.constant_matrix
    assert not graphnet.plan(small(always, {"t": 2, "h2": {"h2": "-"}}, **NORM)).system.constant_matrix
    late = {"input": {"shape": [1, 8, 8], "t": 1}}
    assert not graphnet.plan(small(always | {"t": "2..inf"}, **NORM, **late)).system.constant_matrix


def test_pre_net_and_post_net_are_no_part_of_the_system() -> None:
    own = {"norm": {"statistics": "per-time"}}
    ends = {"pre_net": {"ops": "CB", **own}, "post_net": {"ops": "BGL", "classes": 3, **own}}
    system = graphnet.plan(small({"h1": {"h1": "BC", "h2": "C"}}, **NORM, **ends)).system
    assert system.time_invariant


def test_a_net_without_a_post_net_reads_the_state() -> None:
    plan = graphnet.plan(small(post_net=None))
    assert plan.outputs == ((3, "h2_t3"),)
    assert plan.classes == 6
    early = graphnet.plan(small(post_net=None, readout={"t": [2, 3], "state": "h1"}))
    assert early.outputs == ((2, "h1_t2"), (3, "h1_t3"))
