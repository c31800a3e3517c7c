"""Figures of a plan: parameters, FLOPs, depth, times; and the kind of system."""

from __future__ import annotations

from typing import Any

import pytest

import graphnet
from graphnet.network.network import System
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


STEADY = {"t": "1..inf", **LINE, "h2": {"h2": "I"}}
LATE = {"input": {"shape": [1, 8, 8], "t": 1}}


@pytest.mark.parametrize(
    ("slabs", "changes", "constant"),
    [
        ([STEADY], {}, True),
        ([STEADY, {"t": 2, "h1": {"h1": "-"}}], {}, False),
        ([STEADY, {"t": 2, "h2": {"h2": "-"}}], {}, False),
        ([STEADY, {"t": 7, "h1": {"h1": "-"}}], {}, True),  # after the readout
        ([STEADY, {"t": "2..inf", "h1": {"h1": "C1"}}], {}, False),  # another function
        ([STEADY, {"t": 1, "h1": {"h2": "-"}}], {}, False),  # nor at the first step
        ([STEADY | {"t": "2..inf"}], LATE, True),  # one step after the input
        ([STEADY], LATE, True),
        ([STEADY | {"t": "1..2"}, STEADY | {"t": "3..inf"}], {}, True),  # the same, written twice
        ([LINE, {"t": "2..inf", "h2": {"h2": "I"}}], {}, True),  # h2 is empty before
        ([{"t": 1, "h1": {"h2": "C"}}, {"t": "2..inf", "h2": {"h2": "I"}}], {}, True),  # h1 is empty from 1 on
        ([{"h1": {"h1": "I"}, "h2": {"h2": "C"}}, {"t": 2, "h1": {"h2": "C"}}], {}, False),  # LP's 2-state ResNet
        ([{"t": 1, "h1": {"h1": "I"}}, {"t": 2, "h1": {"h2": "C"}}, {"t": 3, "h2": {"h2": "C"}}], {}, False),
        ([{"h1": {"h1": "I"}}, {"t": 3, "h1": {"h2": "C"}}], {}, True),  # no one would read h2 before 3
    ],
)
def test_the_matrix_is_judged_by_what_fires_after_the_first_input(
    slabs: list[dict[str, Any]], changes: dict[str, Any], constant: bool
) -> None:
    """Specs that are equal for `diff` are the same kind of system."""
    assert graphnet.plan(small(*slabs, **NORM, **changes)).system.constant_matrix is constant


@pytest.mark.parametrize("when", ["1..inf", "2..inf", "2..11"])
def test_the_kind_of_resnet_1_state_does_not_depend_on_how_it_is_written(when: str) -> None:
    spec = ROOT / "specs/liao-poggio/resnet-1-state.toml"
    system = graphnet.plan(graphnet.load(spec, settings=[f"transitions.0.t={when}"])).system
    assert system == System(True, True, True, False)


def test_weights_of_times_without_firings_do_not_count() -> None:
    """h1->h1 has separate weights at 1 and 2, but first fires at 3 if the input arrives at 2."""
    sets = {"sharing": {"sets": [{"members": ["h1->h1@1..2"]}]}}
    late = {"input": {"shape": [1, 8, 8], "t": 2}}
    slab, readout = {"t": "1..inf", "h1": {"h1": "C", "h2": "C"}}, {"t": 5}
    assert graphnet.plan(small(slab, readout=readout, **late, **sets)).system.shared_weights
    assert not graphnet.plan(small(slab, readout=readout, **sets)).system.shared_weights


def test_pre_net_and_post_net_are_not_part_of_the_system() -> None:
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
