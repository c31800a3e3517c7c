"""Parsing of transition functions."""

from typing import Any

import pytest

import graphnet
from graphnet.spec.notation.integers import MAX_DEPTH, MAX_LENGTH, Whole
from graphnet.spec.notation.op_words import ACTIVATIONS, LETTERS
from graphnet.spec.notation.transition_functions import (
    MAX_CALLS,
    Branches,
    Call,
    Chain,
    FunctionFault,
    count_calls,
    parse_function,
)


def said(chain: Chain) -> str:
    """A chain in a notation for tests: `conv3:64/2`, branches in brackets."""
    return " ".join(map(_item, chain))


def _item(item: Call | Branches) -> str:
    if isinstance(item, Branches):
        return f"({' + '.join(map(said, item.chains))})"
    settings = [("kernel", ""), ("width", ":"), ("stride", "/")]
    given = [(sign, item.get(name)) for name, sign in settings if item.get(name)]
    return item.op + "".join(f"{sign}{value.text}" for sign, value in given if isinstance(value, Whole))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("BRC", "norm relu conv"),
        ("  B R\tC ", "norm relu conv"),
        ("BRCx2", "norm relu conv norm relu conv"),
        ("C x 2", "conv conv"),
        ("BCx2Rx2", "norm conv norm conv relu norm conv norm conv relu"),
        ("Cx1", "conv"),
        ("BRCx2+I", "(norm relu conv norm relu conv + identity)"),
        ("Cx2+Rx2", "(conv conv + relu relu)"),
        ("C1", "conv1"),
        ("C3:64/2", "conv3:64/2"),
        ("C:N/2", "conv:N/2"),
        ("C:(2N+1)", "conv:2N+1"),
        ("D5", "deconv5"),
        ("P3/2 A G L:10", "max_pool3/2 avg_pool global_pool linear:10"),
        ("C:64 sigmoid", "conv:64 sigmoid"),
        ("conv:32/2 relu", "conv:32/2 relu"),
        ("leaky_relu", "leaky_relu"),
        ("(CR)x2 B", "(conv relu) (conv relu) norm"),
        ("C(R+I)x2", "conv ((relu + identity)) conv ((relu + identity))"),
        ("BR(C1:16 BR C:16 BR C1 + C1)", "norm relu ((conv1:16 norm relu conv:16 norm relu conv1 + conv1))"),
        (
            "C1:512 BR C:512/2 BR C1B + C1B",
            "(conv1:512 norm relu conv:512/2 norm relu conv1 norm + conv1 norm)",
        ),
    ],
)
def test_strings_and_their_meanings(text: str, meant: str) -> None:
    assert said(parse_function(text)) == meant


def test_every_letter_and_every_activation_is_an_op() -> None:
    assert said(parse_function("".join(LETTERS))) == " ".join(LETTERS.values())
    assert said(parse_function(" ".join(ACTIVATIONS))) == " ".join(ACTIVATIONS)


def test_calls_know_their_characters() -> None:
    text = "B C1:16/2 (relu + I)"
    norm, conv, fork = parse_function(text)
    assert isinstance(fork, Branches)
    (inner,) = fork.chains[0]
    assert isinstance(inner, Branches)
    items = [norm, conv, fork, *(chain[0] for chain in inner.chains)]
    assert [text[item.place.start : item.place.end] for item in items] == ["B", "C1:16/2", "(relu + I)", "relu", "I"]


def test_calls_are_counted_in_all_branches() -> None:
    assert count_calls(parse_function("BR(C+C(R+I)x2)x3")) == 27


@pytest.mark.parametrize(
    ("text", "start", "end", "what", "fix"),
    [
        ("", 0, 1, "an op is expected here", "leave the cell out where there is no transition"),
        ("C+", 2, 3, "an op is expected after '+'", "letters: B norm"),
        ("C++C", 2, 3, "an op is expected after '+'", "letters: B norm"),
        ("BRZ", 2, 3, "no op has the letter 'Z'", "C conv, D deconv, P max_pool"),
        ("C sigmiod", 2, 9, "no op is called 'sigmiod'", "did you mean 'sigmoid'? known: norm,"),
        ("x2", 0, 2, "'x2' has nothing before it to repeat", "such as BRCx2"),
        ("Cx0", 1, 3, "'x0' repeats nothing", "leave it out"),
        ("C2", 1, 2, "the kernel 2 is even", "kernels are odd: 1 or 3"),
        ("BC1001", 2, 6, "a kernel of 1001 is not between 1 and 1000", ""),
        ("C/0", 1, 3, "a stride of 0 is not between 1 and 1000", ""),
        ("BL3", 2, 3, "'linear' takes no kernel", "these ops take one: conv, deconv, max_pool, avg_pool"),
        ("R/2", 1, 3, "'relu' takes no stride", "these ops take one: conv, deconv, max_pool, avg_pool"),
        ("R:3", 0, 3, "'relu' takes no width", "these ops take one: conv, deconv, linear"),
        ("C:", 2, 3, "a width is expected after ':'", "such as C:64, C:N or C:(2N)"),
        ("C:(2N", 2, 3, "this bracket is not closed", "add ')'"),
        ("C:(2+)", 5, 6, "a whole number or a constant's name is expected, not the end", ""),
        ("R(C", 1, 2, "this bracket is not closed", "add ')'"),
        ("C)", 1, 2, "')' has no bracket to close or op to join", "remove it"),
        ("C,R", 1, 2, "',' has no bracket to close or op to join", "write ops side by side, such as BRC"),
        ("B->R", 1, 2, "'-' has no bracket to close or op to join", "write ops side by side, such as BRC"),
        ("BRC*2", 3, 4, "'*' has no bracket to close or op to join", "write a repeat as x2"),
        ("(BRC)X2", 5, 6, "no op has the letter 'X'", "write a repeat as x2"),
        ("2BRC", 0, 1, "an op is expected here", "a repeat follows what it repeats, such as BRCx2"),
        ("BRC(64)", 4, 5, "an op is expected in the bracket", "a width follows ':', as in C:64"),
        ("BRC/2:64", 5, 6, "':' and the width must directly follow their op", "the width comes before the stride"),
        ("BRC64", 3, 5, "the kernel 64 is even", "kernels are odd: 63 or 65; a width follows ':', as in C:64"),
        ("BRC3s2", 2, 6, "no op is called 'C3s2'", "write C3/2: the kernel, then '/' and the stride"),
        ("BRCs2", 2, 5, "no op is called 'Cs2'", "write C/2: "),
        ("BR Pk3s2p1", 3, 10, "no op is called 'Pk3s2p1'", "write P3/2: "),
        ("conv3x3", 0, 7, "no op is called 'conv3x3'", "write C3: "),
        ("BN", 0, 2, "no op is called 'BN'", "did you mean 'norm'?"),
        ("Conv2d", 0, 6, "no op is called 'Conv2d'", "did you mean 'conv'?"),
        ("brc", 0, 3, "no op is called 'brc'", "letters of ops are upper case: BRC"),
        ("BRC dropout", 4, 11, "no op is called 'dropout'", "there is no dropout op"),
        ("none", 0, 4, "no op is called 'none'", "leave the cell out"),
        ("C//2", 1, 2, "'/' has no bracket to close or op to join", "remove it"),
    ],
)
def test_invalid_functions(text: str, start: int, end: int, what: str, fix: str) -> None:
    with pytest.raises(FunctionFault) as caught:
        parse_function(text)
    fault = caught.value
    assert (fault.place.start, fault.place.end, fault.what) == (start, end, what)
    assert fix in fault.fix
    assert bool(fix) == bool(fault.fix)


def test_repeats_are_limited_before_they_are_written_out() -> None:
    assert count_calls(parse_function(f"Cx{MAX_CALLS}")) == MAX_CALLS
    for text, start in ((f"Cx{MAX_CALLS + 1}", 1), ("Cx999999999999", 1), (f"Cx{MAX_CALLS}x2", 7)):
        with pytest.raises(FunctionFault, match=r"repeats to more than 10,000 ops") as caught:
            parse_function(text)
        assert caught.value.place.start == start


def test_depth_and_length_are_limited() -> None:
    assert count_calls(parse_function("(" * MAX_DEPTH + "C" + ")" * MAX_DEPTH)) == 1
    with pytest.raises(FunctionFault, match=f"brackets nest deeper than {MAX_DEPTH}"):
        parse_function("(" * (MAX_DEPTH + 1) + "C" + ")" * (MAX_DEPTH + 1))
    with pytest.raises(FunctionFault, match=f"longer than {MAX_LENGTH} characters"):
        parse_function("C" * (MAX_LENGTH + 1))


@pytest.mark.parametrize("ops", [["C", 2], [4], [[]], [{"conv": 3}], [{"conv": {}, "relu": {}}], [None]])
def test_a_list_that_is_not_a_function_is_a_fault(ops: list[Any]) -> None:
    spec = {
        "graphnet": 1,
        "input": {"shape": [1, 4, 4]},
        "states": {"a": [1, 4, 4]},
        "transitions": [{"a": {"a": ops}}],
        "readout": {"t": 1},
    }
    with pytest.raises(graphnet.SpecError) as error:
        graphnet.plan(spec)
    assert error.value.faults[0].path[:4] == ("transitions", 0, "a", "a")


@pytest.mark.parametrize("text", ["C :64", "C: 64", "C : 64"])
def test_a_width_stands_right_behind_its_op(text: str) -> None:
    with pytest.raises(FunctionFault, match=r"must directly follow|a width is expected"):
        parse_function(text)


@pytest.mark.parametrize("version", [True, 1.0, "1", 2, None])
def test_the_version_is_the_number_1(version: Any) -> None:
    data = {"graphnet": version, "input": {"shape": [1]}, "states": {"a": [1]}, "readout": {"t": 0}}
    with pytest.raises(graphnet.SpecError) as error:
        graphnet.plan(data)
    assert error.value.faults[0].path == ("graphnet",)
