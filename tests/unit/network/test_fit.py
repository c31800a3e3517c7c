"""Inference of sizes: strides, widths, labels (rules 9 to 11)."""

from __future__ import annotations

import json
from typing import Any

import pytest

import graphnet
from graphnet.planning.plan import Line
from tests.small import fault, small

A = [64, 32, 32]


def spec(function: str, source: list[int], target: list[int], **changes: Any) -> dict[str, Any]:
    """A net of one transition, from `a` to `b`."""
    return {
        "graphnet": 1,
        "input": {"shape": source},
        "states": {"a": source, "b": target},
        "transitions": [{"t": 1, "a": {"b": function}}],
        "readout": {"t": 1},
    } | changes


def layers(function: str, source: list[int], target: list[int], **changes: Any) -> list[Line]:
    """The lines of the transition."""
    return [line for line in graphnet.plan(spec(function, source, target, **changes)).lines if line.place == "b.from_a"]


def strides(lines: list[Line]) -> list[int]:
    return [line.op.number("stride") for line in lines if any(key == "stride" for key, _ in line.op.attributes)]


def labels(lines: list[Line]) -> list[str]:
    return [line.name.removeprefix("b_from_a_t1_") for line in lines]


@pytest.mark.parametrize(
    ("function", "target", "expected"),
    [
        ("BRC", [64, 32, 32], [1]),
        ("BRCx2", [64, 32, 32], [1, 1]),
        ("BRC", [128, 16, 16], [2]),
        ("BRCx2", [128, 16, 16], [2, 1]),
        ("BRCx2", [256, 8, 8], [2, 2]),
        ("BRCx3", [256, 4, 4], [2, 2, 2]),
        ("BRCx4", [256, 8, 8], [2, 2, 1, 1]),
        ("C1BRC", [256, 16, 16], [2, 1]),
        ("C/1 C", [64, 16, 16], [1, 2]),
        ("C C/2", [64, 8, 8], [2, 2]),
        ("C/4", [64, 8, 8], [4]),
        ("PC", [64, 16, 16], [2, 1]),
        ("PC", [64, 8, 8], [2, 2]),
        ("AC1", [64, 16, 16], [2, 1]),
        ("P3/1 C", [64, 16, 16], [1, 2]),
        ("P3C", [64, 16, 16], [2, 1]),
        ("P4/4 C", [64, 4, 4], [4, 2]),
        ("CP", [64, 8, 8], [2, 2]),
        ("DCC", [64, 32, 32], [1, 1, 1]),
    ],
)
def test_strides_downward_explicit_ones_and_pooling_first(
    function: str, target: list[int], expected: list[int]
) -> None:
    assert strides(layers(function, A, target)) == expected


@pytest.mark.parametrize(
    ("function", "target", "expected"),
    [
        ("D", [8, 8, 8], [2]),
        ("BRDx2", [8, 8, 8], [2, 1]),
        ("BRDx2", [8, 16, 16], [2, 2]),
        ("CD", [8, 8, 8], [1, 2]),
        ("D/4", [8, 16, 16], [4]),
        ("D D/2", [8, 16, 16], [2, 2]),
        ("D5", [8, 8, 8], [2]),
    ],
)
def test_strides_upward(function: str, target: list[int], expected: list[int]) -> None:
    assert strides(layers(function, [16, 4, 4], target)) == expected


@pytest.mark.parametrize(
    ("source", "target", "function"),
    [
        ([1, 5, 5], [1, 3, 3], "C"),
        ([1, 7, 9], [1, 2, 3], "CC"),
        ([1, 8, 4], [1, 4, 2], "C"),
        ([1, 5, 5], [1, 2, 2], "P"),
        ([1, 5, 5], [1, 3, 3], "P3"),
        ([1, 28, 28], [1, 4, 4], "Cx3"),
    ],
)
def test_odd_sizes_round_up_by_convolution(source: list[int], target: list[int], function: str) -> None:
    assert list(layers(function, source, target)[-1].shape) == target


def test_sizes_inside_are_those_of_the_strides() -> None:
    assert [line.shape for line in layers("BRCx2", A, [256, 8, 8])] == [
        (64, 32, 32),
        (64, 32, 32),
        (160, 16, 16),
        (160, 16, 16),
        (160, 16, 16),
        (256, 8, 8),
    ]


@pytest.mark.parametrize(
    ("function", "source", "target", "widths"),
    [
        ("C", 3, 6, [6]),
        ("Cx3", 3, 6, [4, 4, 6]),
        ("Cx2", 10, 5, [7, 5]),
        ("C1:512 BR C:512 BR C1", 3, 6, [512, 512, 6]),
        ("C:(2N)C", 3, 6, [8, 6]),
        ("C:N C", 3, 6, [4, 6]),
        ("C:9 C:6", 3, 6, [9, 6]),
        ("DC", 3, 6, [4, 6]),
        ("CC+C1", 3, 6, [4, 6, 6]),
        ("C(CC+C1)", 3, 6, [4, 4, 6, 6]),
        ("BR(C1:16 BR C:16 BR C1 + C1)", 3, 6, [16, 16, 6, 6]),
    ],
)
def test_widths_in_between_are_the_mean_rounded_down(
    function: str, source: int, target: int, widths: list[int]
) -> None:
    lines = layers(function, [source, 8, 8], [target, 8, 8], let={"N": 4})
    assert [line.op["channels"] for line in lines if line.op.kind in ("conv", "conv_transpose")] == widths


def test_widths_of_the_pre_net_are_the_entry_s_and_of_the_post_net_the_last_state_s() -> None:
    ends = {"pre_net": {"ops": "CCC"}, "post_net": {"ops": "CGLL", "classes": 3}}
    plan = graphnet.plan(spec("C", [7, 8, 8], [6, 4, 4], input={"shape": [1, 8, 8]}, **ends))
    widths = [(line.place, line.shape[0]) for line in plan.lines if "weight" in str(line.tensors)]
    assert widths == [*[("pre_net", 7)] * 3, ("b.from_a", 6), ("post_net", 6), ("post_net", 6), ("post_net", 3)]


def test_without_classes_the_post_net_keeps_its_width() -> None:
    plan = graphnet.plan(small(post_net={"ops": "GL"}))
    assert plan.classes == 6
    assert plan.outputs == ((3, "logits_t3"),)


@pytest.mark.parametrize(
    ("function", "names"),
    [
        ("BRCBRC", ["norm1", "relu1", "conv1", "norm2", "relu2", "conv2"]),
        ("DR", ["deconv1", "relu1"]),
        ("C+I", ["conv1", "add1"]),
        ("C sigmoid+I", ["conv1", "sigmoid1", "add1"]),
        ("CBRCB+C1B", ["conv1", "norm1", "relu1", "conv2", "norm2", "skip_conv1", "skip_norm1", "add1"]),
        ("I+CB", ["conv1", "norm1", "add1"]),
        ("C+C1+BC1", ["conv1", "skip_conv1", "skip2_norm1", "skip2_conv1", "add1"]),
        ("B(C+I)C", ["norm1", "conv1", "add1", "conv2"]),
        ("(C+C1)(C+C1)", ["conv1", "skip_conv1", "add1", "conv2", "skip2_conv1", "add2"]),
    ],
)
def test_layers_are_counted_through_the_transition_skips_apart(function: str, names: list[str]) -> None:
    assert labels(layers(function, [4, 8, 8], [4, 8, 8])) == names


def test_branches_read_one_value_and_are_added() -> None:
    lines = {line.name.removeprefix("b_from_a_t1_"): line for line in layers("R(CR+C1+I)", [4, 8, 8], [4, 8, 8])}
    assert lines["conv1"].arguments == lines["skip_conv1"].arguments == ("b_from_a_t1_relu1",)
    assert lines["add1"].op.kind == "sum"
    assert lines["add1"].arguments == ("b_from_a_t1_relu2", "b_from_a_t1_skip_conv1", "b_from_a_t1_relu1")


def test_the_identity_is_no_line() -> None:
    plan = graphnet.plan(spec("I", [4, 8, 8], [4, 8, 8]))
    assert [str(line) for line in plan.lines] == ["a_t0 = value(input, state=a)", "b_t1 = value(a_t0, state=b)"]


def test_convolutions_have_no_bias_linear_layers_have_one() -> None:
    tensors = {tensor.name: tensor.shape for tensor in graphnet.plan(small(norm={"statistics": "shared"})).tensors}
    assert tensors["h2.from_h1.conv1.weight"] == (6, 4, 3, 3)
    assert tensors["h1.from_h2.deconv1.weight"] == (6, 4, 3, 3)
    assert tensors["h2.from_h1.norm1.running_mean"] == (4,)
    assert tensors["post_net.linear1.weight"] == (3, 6)
    assert tensors["post_net.linear1.bias"] == (3,)
    assert not [name for name in tensors if name.endswith("bias") and "linear" not in name]


@pytest.mark.parametrize(
    ("function", "source", "target", "span", "what", "fix"),
    [
        ("BR", A, [64, 16, 16], "BR", "this makes 64x32x32 of 'a' (64x32x32), but 'b' is 64x16x16", "'C' halves"),
        ("BRCx2", A, [9, 4, 4], "BRCx2", "this makes 9x32x32 of 'a' (64x32x32), but 'b' is 9x4x4", "BRCx3 fits"),
        ("BRC", [9, 4, 4], [9, 8, 8], "BRC", "but 'b' is 9x8x8", "'D' doubles the size"),
        ("BRD", [9, 4, 4], [9, 16, 16], "BRD", "but 'b' is 9x16x16", "BRDx2 fits"),
        ("C", [9, 8, 8], [9, 5, 5], "C", "but 'b' is 9x5x5", "9x8x8 cannot become 9x5x5"),
        ("C/3", [9, 9, 9], [9, 5, 5], "C/3", "this makes 9x3x3 of", "without explicit strides, 1 of 'C' fit"),
        ("C:7", [9, 8, 8], [5, 8, 8], "C:7", "this makes 7x8x8 of", "end on a convolution of 5 channels, such as C1:5"),
        ("RI", [9, 8, 8], [5, 8, 8], "RI", "this makes 9x8x8 of", "such as C1:5"),
        ("C G", [9, 8, 8], [5, 8, 8], "C G", "this makes 5 of", "a vector cannot become a map"),
        ("C+I", [9, 8, 8], [5, 4, 4], "I", "5x4x4 and 9x8x8 cannot be added", "C1"),
        ("C:N", [9, 8, 8], [9, 8, 8], "C:N", "no constant is called 'N'", "name it in [let]"),
        ("C:0", [9, 8, 8], [9, 8, 8], "C:0", "width: 0 is not between 1 and 16,777,216", ""),
        ("A P", [9, 2, 2], [9, 1, 1], "P", "9x1x1", "drop it, or start from a larger map"),
        ("GR C", [9, 8, 8], [9, 8, 8], "C", "conv needs a map, not a vector of 9", "drop it"),
    ],
)
def test_errors_of_size_have_a_place_and_a_fix(
    function: str, source: list[int], target: list[int], span: str, what: str, fix: str
) -> None:
    found = fault(spec(function, source, target))
    assert found.path == ("transitions", 0, "a", "b")
    assert found.span is not None
    assert function[slice(*found.span)] == span
    assert what in found.what
    assert fix in found.fix
    assert bool(fix) == bool(found.fix)


def test_suggested_fixes_fit() -> None:
    for target, function in (([64, 16, 16], "BRC"), ([9, 4, 4], "BRCx3"), ([9, 64, 64], "BRD")):
        assert fault(spec("BR", A, target)).fix.endswith(f"{function} fits")
        assert list(layers(function, A, target)[-1].shape) == target


def test_a_post_net_ends_at_the_classes() -> None:
    found = fault(small(post_net={"ops": "BR", "classes": 3}))
    assert (found.path, found.fix) == (("post_net", "ops"), "G or L turn a map into a vector")
    assert found.what == "this makes 6x4x4 of 'h2' (6x4x4), but 'logits' is 3"


def test_an_input_without_a_pre_net_fits_its_entry() -> None:
    found = fault(small(pre_net=None))
    assert found.path == ("input", "shape")
    assert found.what == "the input is 1x8x8, but 'h1', where it arrives, is 4x8x8"
    assert found.fix == 'give a [pre_net], such as ops = "C"'


ONE = {"a": [4, 8, 8], "b": [4, 8, 8]}


def between(ops: object, **let: int) -> dict[str, Any]:
    """A spec of one transition."""
    spec = {"graphnet": 1, "input": {"shape": [4, 8, 8]}, "states": ONE, "readout": {"t": 1}}
    return spec | {"let": let, "transitions": [{"a": {"b": ops}}]}


@pytest.mark.parametrize(
    "setting",
    [
        {"conv": {"kernel": "K", "padding": 0, "width": 4}},
        {"conv": {"groups": "K"}},
        {"conv": {"dilation": "K"}},
        {"conv": {"stride": "K"}},
        {"norm": {"kind": "group", "groups": "K"}},
        {"max_pool": {"kernel": "K", "stride": 1}},
        "C:K",
    ],
    ids=str,
)
@pytest.mark.parametrize("number", [0, -3])
def test_constants_are_in_range_too(setting: object, number: int) -> None:
    found = fault(between([setting], K=number))
    assert f" = K: {number} is not between 1 and 1" in found.what


def test_constants_stand_for_their_numbers_in_every_whole_setting() -> None:
    ops = [
        {"norm": {"kind": "group", "groups": "K", "affine": "shared"}},
        {"conv": {"kernel": "2K+1", "groups": "K", "dilation": "K"}},
    ]
    named = graphnet.plan(between(ops, K=2))
    plain = graphnet.plan(between(json.loads(json.dumps(ops).replace('"2K+1"', "5").replace('"K"', "2"))))
    assert named.lines == plain.lines
    assert named.tensors == plain.tensors


def test_a_setting_of_a_norm_has_the_range_that_its_table_has() -> None:
    assert fault(between([{"norm": {"eps": 0}}])).what == "0 is not above 0"
    assert fault(between([{"norm": {"momentum": 1.5}}])).what == "1.5 is not between 0 and 1"


def test_an_update_has_no_first_value_to_add() -> None:
    spec = between("C") | {"states": ONE | {"b": {"shape": [4, 8, 8], "update": "R+I0"}}}
    assert fault(spec).what == "I0 adds a state's first value, but this is an update"


def test_a_cell_that_is_overridden_at_all_times_need_not_fit() -> None:
    spec = between("C:9") | {"transitions": [{"a": {"b": "C:9"}}, {"a": {"b": "C"}}]}
    assert [each.code for each in graphnet.plan(spec).warnings] == ["GN509"]
    assert fault(spec | {"transitions": [{"a": {"b": "CQ"}}, {"a": {"b": "C"}}]}).what == "no op has the letter 'Q'"
    once = [{"a": {"b": "C:9"}}, {"t": 1, "a": {"b": "C"}}]
    assert "this makes 9x8x8" in fault(spec | {"transitions": once}).what
