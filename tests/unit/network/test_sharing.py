"""Tensors of each layer and time: names, ties, initial values (rules 14 to 18, 24)."""

from __future__ import annotations

from typing import Any

import pytest

import graphnet
from tests.small import fault, faults, small

ALL: dict[str, Any] = {"h1": {"h1": "C", "h2": "C"}, "h2": {"h2": "BC"}}
PLAIN: dict[str, Any] = {"pre_net": {"ops": "C"}, "post_net": {"ops": "GL", "classes": 3}}


def tensors(spec: dict[str, Any]) -> list[str]:
    """The tensors between the states, in the order of first use."""
    names = [tensor.name for tensor in graphnet.plan(spec).tensors]
    return [name for name in names if not name.startswith(("pre_net", "post_net"))]


def uses(spec: dict[str, Any], layer: str) -> dict[str, str]:
    """The weight used by each line of a layer: `h2_from_h1_t3` → the tensor's name."""
    lines = graphnet.plan(spec).lines
    return {line.name.removesuffix(f"_{layer}"): line.tensors[0] for line in lines if line.name.endswith(f"_{layer}")}


def test_weights_are_shared_over_time_and_named_after_their_place() -> None:
    assert tensors(small(ALL, norm={"statistics": "shared"}, **PLAIN)) == [
        "h1.from_h1.conv1.weight",
        "h2.from_h1.conv1.weight",
        "h2.from_h2.norm1.running_mean",
        "h2.from_h2.norm1.running_var",
        "h2.from_h2.conv1.weight",
    ]


def test_untied_weights_carry_their_time_but_not_those_of_pre_net_and_post_net() -> None:
    spec = small(ALL, sharing={"over_time": False}, readout={"t": [2, 3]}, **PLAIN)
    names = [tensor.name for tensor in graphnet.plan(spec).tensors]
    assert [name for name in names if name.startswith("h1")] == [
        "h1.from_h1.conv1.t1.weight",
        "h1.from_h1.conv1.t2.weight",
    ]
    assert [name for name in names if name.startswith("p")] == [
        "pre_net.conv1.weight",
        "post_net.linear1.weight",
        "post_net.linear1.bias",
    ]


@pytest.mark.parametrize(
    ("norm", "over_time", "names"),
    [
        (("per-time", "none"), True, ["t2.running_mean", "t2.running_var", "t3.running_mean", "t3.running_var"]),
        (("shared", "none"), True, ["running_mean", "running_var"]),
        (("shared", "shared"), True, ["running_mean", "running_var", "weight", "bias"]),
        (("shared", "per-time"), True, ["running_mean", "running_var", "t2.weight", "t2.bias", "t3.weight", "t3.bias"]),
        (("shared", "none"), False, ["t2.running_mean", "t2.running_var", "t3.running_mean", "t3.running_var"]),
    ],
)
def test_statistics_and_affine_belong_to_the_time_or_to_the_weights(
    norm: tuple[str, str], over_time: bool, names: list[str]
) -> None:
    spec = small(ALL, norm={"statistics": norm[0], "affine": norm[1]}, sharing={"over_time": over_time}, **PLAIN)
    found = [name for name in tensors(spec) if ".norm1." in name]
    assert found == [f"h2.from_h2.norm1.{name}" for name in names]


def test_statistics_are_no_parameters() -> None:
    plan = graphnet.plan(small(norm={"affine": "shared"}))
    for tensor in plan.tensors:
        assert tensor.trainable == (tensor.name.rpartition(".")[2] in ("weight", "bias"))


def test_pre_net_and_post_net_take_from_the_norm_what_they_leave_out() -> None:
    norms = {"pre_net": {"ops": "CB", "norm": {"statistics": "shared"}}, "post_net": {"ops": "BGL", "classes": 3}}
    names = [tensor.name for tensor in graphnet.plan(small(norm={"affine": "shared"}, **norms)).tensors]
    roles = ["running_mean", "running_var", "weight", "bias"]
    assert [name for name in names if name.startswith("pre_net.norm")] == [f"pre_net.norm1.{role}" for role in roles]
    assert [name for name in names if name.startswith("post_net.norm")] == [
        *[f"post_net.norm1.t3.{role}" for role in roles[:2]],
        *[f"post_net.norm1.{role}" for role in roles[2:]],
    ]


def test_cells_that_differ_over_time_share_what_agrees_in_name_and_shape() -> None:
    slabs = [ALL, {"t": 3, "h1": {"h1": "RCC1"}, "h2": {"h2": "C5"}}]
    spec = small(*slabs, readout={"t": 4}, **PLAIN)
    assert set(uses(spec, "conv1").values()) - {"pre_net.conv1.weight"} == {
        "h1.from_h1.conv1.weight",
        "h2.from_h1.conv1.weight",
        "h2.from_h2.conv1.t0.weight",
        "h2.from_h2.conv1.t3.weight",
    }
    assert uses(spec, "conv2") == {"h1_from_h1_t3": "h1.from_h1.conv2.weight"}


def test_a_cell_that_never_holds_changes_no_name() -> None:
    overridden = {"t": 2, "h1": {"h1": "C5", "h2": "C5"}}
    assert tensors(small(overridden, ALL, **PLAIN)) == tensors(small(ALL, **PLAIN))


def test_names_depend_neither_on_the_readout_nor_on_pruning() -> None:
    slabs = [ALL, {"t": "4..inf", "h2": {"h2": "C5"}}]
    names = [tensors(small(*slabs, readout={"t": t}, **PLAIN)) for t in (2, 3, 5)]
    assert "h2.from_h2.conv1.t0.weight" in names[0]
    assert "h2.from_h2.conv1.t4.weight" not in names[1]
    assert set(names[0]) < set(names[1]) < set(names[2])


def test_times_relative_to_the_readout_name_tensors_without_it() -> None:
    """One weight for T-1, for all T; the other is named after its first time, independent of the readout."""
    slabs = [{"t": "1..inf", "h1": {"h1": "C", "h2": "C"}}, {"t": "T-1", "h1": {"h1": "C5"}}]
    alone = [uses(small(*slabs, readout={"t": t}, **PLAIN), "conv1") for t in (3, 4, 5)]
    for t, found in zip((3, 4, 5), alone, strict=True):
        weights = {name: weight for name, weight in found.items() if name.startswith("h1_from")}
        relative = {f"h1_from_h1_t{t - 1}": "h1.from_h1.conv1.tT_1.weight"}
        assert weights == {f"h1_from_h1_t{s}": "h1.from_h1.conv1.t1.weight" for s in range(1, t - 1)} | relative
    both = uses(small(*slabs, readout={"t": [3, 4]}, **PLAIN), "conv1")
    assert set(both.values()) == set(alone[0].values())


def test_a_set_ties_transitions_under_its_first_member_s_name() -> None:
    same = {"h1": [4, 8, 8], "h2": [4, 8, 8]}
    slab = {"h1": {"h1": "CC", "h2": "C"}, "h2": {"h2": "CR"}}
    spec = small(slab, states=same, sharing={"sets": [{"members": ["h2->h2", "h1->*"]}]}, **PLAIN)
    weights = {name: weight for name, weight in uses(spec, "conv1").items() if "from" in name}
    assert len(weights) > 4
    assert set(weights.values()) == {"h2.from_h2.conv1.weight"}
    assert set(uses(spec, "conv2").values()) == {"h1.from_h1.conv2.weight"}


@pytest.mark.parametrize("over_time", [True, False])
@pytest.mark.parametrize("statistics", ["shared", "per-time"])
def test_a_set_changes_no_tensor_of_a_cell_outside_of_it(over_time: bool, statistics: str) -> None:
    states = {"h1": {"shape": [4, 8, 8], "update": "BR"}, "h2": [6, 4, 4], "h3": [6, 4, 4]}
    slab = {
        "h1": {"h1": {"ops": "BRC+I", "gain": {"learn": True}}, "h2": "BRC"},
        "h2": {"h2": {"ops": "BC", "lipschitz": 0.9}, "h3": "C"},
        "h3": {"h3": "CBC"},
    }
    later = {"t": "2..inf", "h2": {"h3": "CR"}}
    norm = {"statistics": statistics}
    alone, tied = (
        graphnet.plan(small(slab, later, states=states, norm=norm, sharing={"over_time": over_time, "sets": sets}))
        for sets in ([], [{"members": ["h2->h3", "h3->h3#conv1"]}])
    )
    outside = [
        [each for each in plan.tensors if "h3" not in each.name and "h3" not in each.seed] for plan in (alone, tied)
    ]
    assert outside[0] == outside[1]
    assert {each.role for each in outside[0]} >= {"gain", "weight", "running_mean", "singular_vector1"}


def test_times_a_set_leaves_out_stay_shared_among_themselves() -> None:
    sets = [{"members": ["h1->h1@2..3"]}, {"members": ["h1->h1@5..6"]}]
    found = uses(small(ALL, sharing={"sets": sets}, readout={"t": 8}, **PLAIN), "conv1")
    weights = {t: found[f"h1_from_h1_t{t}"] for t in range(1, 8)}
    of = {name: [t for t, weight in weights.items() if weight == name] for name in weights.values()}
    assert of == {
        "h1.from_h1.conv1.t0.weight": [1, 4, 7],
        "h1.from_h1.conv1.t2.weight": [2, 3],
        "h1.from_h1.conv1.t5.weight": [5, 6],
    }


def test_a_set_ties_otherwise_untied_weights() -> None:
    sharing = {"over_time": False, "sets": [{"members": ["h1->h1@1..3"]}]}
    found = uses(small(ALL, sharing=sharing, readout={"t": 6}, **PLAIN), "conv1")
    weights = {t: found[f"h1_from_h1_t{t}"] for t in range(1, 6)}
    assert weights[1] == weights[2] == weights[3]
    assert len(set(weights.values())) == 3
    assert weights[4] == "h1.from_h1.conv1.t4.weight"


def test_sets_leave_per_time_statistics_apart_and_tie_shared_ones() -> None:
    same = {"h1": [4, 8, 8], "h2": [4, 8, 8]}
    slab = {"h1": {"h1": "BC", "h2": "BC"}}
    sets = {"sharing": {"sets": [{"members": ["h1->*"]}]}, "states": same}
    per_time = uses(small(slab, **sets, **PLAIN), "norm1")
    assert len(set(per_time.values())) == len(per_time) == 3
    shared = uses(small(slab, norm={"statistics": "shared"}, **sets, **PLAIN), "norm1")
    assert set(shared.values()) == {"h1.from_h1.norm1.running_mean"}


SETS = ("sharing", "sets", 0, "members")


@pytest.mark.parametrize(
    ("member", "span", "what", "fix"),
    [
        ("h1->h3", "h3", "no state is called 'h3'", "did you mean 'h2'? known: h1, h2"),
        ("V9->h1", "V9", "no state is called 'V9'", "known: h1, h2"),
        ("h2->h1", None, "'h2->h1' selects no transition", "transitions: h1->h1, h1->h2, h2->h2"),
        ("x*->*", None, "'x*->*' selects no transition", "transitions: h1->h1, h1->h2, h2->h2"),
        ("h1", "h1", "'h1' selects no transitions", "write source->target"),
        ("h1->h1@3..1", "3..1", "'3..1' runs backwards", "did you mean '1..3'?"),
    ],
)
def test_invalid_members(member: str, span: str | None, what: str, fix: str) -> None:
    found = fault(small(ALL, sharing={"sets": [{"members": [member]}]}))
    assert found.path == (*SETS, 0)
    assert (None if found.span is None else member[slice(*found.span)]) == span
    assert (found.what, fix) == (what, found.fix[: len(fix)])


def test_tied_tensors_have_one_shape() -> None:
    found = fault(small({"h1": {"h1": "C", "h2": "C"}}, sharing={"sets": [{"members": ["h1->h1", "h1->h2"]}]}))
    assert found.path == (*SETS, 1)
    assert found.what == ("h2.from_h1.conv1.weight is 6x4x3x3, but h1.from_h1.conv1.weight in the same set is 4x4x3x3")
    assert found.fix == "tied weights need the same kernel and widths; or tie only layers that agree, with #conv1"


def test_a_weight_is_in_one_set() -> None:
    sets = [{"members": ["h1->h1@1..3"]}, {"members": ["h2->h2", "h1->*@3..5"]}]
    first = next(each for each in faults(small(ALL, sharing={"sets": sets})) if "earlier" in each.what)
    assert first.path == ("sharing", "sets", 1, "members", 1)
    assert first.what == "h1->h1 is already in an earlier set at t = 3"
    assert first.fix == "a weight is in one set: merge the sets, or separate their times"


@pytest.mark.parametrize("readouts", [[4], [6], [4, 6]])
def test_tensors_of_another_shape_at_a_time_relative_to_the_readout_have_names_of_their_own(
    readouts: list[int],
) -> None:
    """At t = 3 the net read out at 4 has a 5x5 kernel, the one read out at 6 a 3x3 kernel: these are two tensors."""
    slabs: list[dict[str, Any]] = [{"h1": {"h1": "BC"}}, {"t": "T-1", "h1": {"h1": "C:8 B C5"}}]
    spec = small(*slabs, states={"h1": [4, 8, 8]}, sharing={"over_time": False}, readout={"t": readouts}, **PLAIN)
    shapes = {tensor.name: tensor.shape for tensor in graphnet.plan(spec).tensors}
    for readout in readouts:
        t = readout - 1
        assert shapes[f"h1.from_h1.conv2.t{t}.weight"] == (4, 8, 5, 5)
        assert shapes[f"h1.from_h1.conv1.t{t}_T_1.weight"] == (8, 4, 3, 3)
        assert shapes[f"h1.from_h1.norm1.t{t}_T_1.running_mean"] == (8,)
        assert shapes[f"h1.from_h1.conv1.t{readout}.weight"] == (4, 4, 3, 3)
    if 6 in readouts:
        assert shapes["h1.from_h1.norm1.t3.running_mean"] == (4,)
    net = graphnet.compile(spec)
    assert {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()} == shapes


def test_coupling_needs_gradients() -> None:
    spec = small(
        {"h1": {"h1": "BC"}}, norm={"statistics": "shared", "affine": "shared"}, states={"h1": [4, 8, 8]}, **PLAIN
    )
    coupled = graphnet.plan(spec | {"sharing": {"sets": [{"members": ["h1->h1"], "coupling": 0.5}]}})
    names = [name for coupling in coupled.couplings for name in coupling.tensors]
    assert len(names) == 9
    assert not [name for name in names if "running" in name]


def test_a_set_cannot_name_the_readout_time() -> None:
    spec = small(sharing={"sets": [{"members": ["h1->h1@T-1"]}]})
    assert fault(spec).what == "'T' is the readout time, which only the times of transitions may use"


def test_a_label_of_a_state_made_of_a_part_is_that_of_its_inner_states() -> None:
    spec = small(
        {"h1": {"h1": "C"}},
        states={"h1": {"shape": [4, 8, 8], "part": "p", "label": "area 1"}},
        parts={"p": {"states": {"r": {}, "s": {"label": "out"}}, "transitions": [{"r": {"s": "C"}}]}},
    )
    assert [area.label for area in graphnet.plan(spec).areas] == ["area 1.r", "area 1.out"]
