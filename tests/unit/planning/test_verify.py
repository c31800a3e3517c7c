"""Verification of plans: break every rule, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

import graphnet
from graphnet.network.functions.ops import op
from graphnet.planning.plan import Line, Plan
from graphnet.planning.verify import verify
from tests.small import flattened, small

PLAN = graphnet.plan(small(readout={"t": [2, 3]}))


def edited(name: str, change: Callable[[Line], Line]) -> Plan:
    """The plan with one line changed, and its readers using the new name."""
    new = next(change(line)._replace() for line in PLAN.lines if line.name == name)
    lines = tuple(new if line.name == name else line for line in PLAN.lines)
    return flattened(
        PLAN,
        (
            line._replace(arguments=tuple(new.name if given == name else given for given in line.arguments))
            for line in lines
        ),
    )


def moved(name: str, to: int) -> Plan:
    lines = [line for line in PLAN.lines if line.name != name]
    lines.insert(to, next(line for line in PLAN.lines if line.name == name))
    return flattened(PLAN, lines)


def test_a_valid_plan_is_returned() -> None:
    assert verify(PLAN) is PLAN
    assert verify(flattened(PLAN)).lines == PLAN.lines
    assert verify(edited("h2_t2_sum", lambda line: line._replace(name="h2_t2_all"))) != PLAN


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (edited("h2_t2_sum", lambda line: line._replace(name="h2.t2")), "h2.t2: not an identifier"),
        (edited("h2_t2_sum", lambda line: line._replace(name="h1_t1")), "h1_t1: defined twice"),
        (edited("h2_t2_sum", lambda line: line._replace(name="input")), "input: defined twice"),
        (moved("h1_t1", 0), "h1_t1: uses h1_from_h1_t1_add1 before it is defined"),
        (moved("h2_t1", len(PLAN.lines) - 1), "uses h2_t1 before it is defined"),
        (edited("h2_t2", lambda line: line._replace(arguments=("h9_t1",))), "h2_t2: uses h9_t1 before it is defined"),
        (edited("h1_from_h1_t1_relu1", lambda line: line._replace(op=op("rleu"))), "no op is called rleu"),
        (
            edited("h1_from_h1_t1_relu1", lambda line: line._replace(shape=(4, 8))),
            r"relu1: \(4, 8\) is not \(4, 8, 8\)",
        ),
        (edited("h2_t2", lambda line: line._replace(shape=(6, 8, 8))), r"h2_t2: \(6, 8, 8\) is not \(6, 4, 4\)"),
        (edited("h1_from_h1_t1_norm1", lambda line: line._replace(tensors=line.tensors[::-1])), "norm1: tensors"),
        (
            edited("h1_from_h1_t1_relu1", lambda line: line._replace(tensors=("h1.from_h1.conv1.weight",))),
            "relu1: tensors",
        ),
        (flattened(PLAN, tensors=(*PLAN.tensors, PLAN.tensors[0])), "a tensor is declared twice"),
        (
            flattened(PLAN, tensors=(*PLAN.tensors, PLAN.tensors[0]._replace(name="h9.weight"))),
            r"tensors that no line uses: \['h9.weight'\]",
        ),
        (edited("h2_t2", lambda line: line._replace(place="h1")), "h2_t2: the value of another state"),
        (edited("h2_t2", lambda line: line._replace(op=op("value", state="h1"))), "h2_t2: the value of another state"),
        (replace(PLAN, calls=PLAN.calls[:1] * 2 + PLAN.calls[1:]), "defined twice"),
        (replace(PLAN, calls=(*PLAN.calls[1:], PLAN.calls[0])), "before it is defined"),
        (replace(PLAN, outputs=PLAN.outputs[::-1]), "readout times are not ascending"),
        (replace(PLAN, outputs=(PLAN.outputs[0], PLAN.outputs[0])), "readout times are not ascending"),
        (replace(PLAN, outputs=((2, "logits_t9"),)), "a readout without a value"),
        (replace(PLAN, outputs=()), "a plan without a readout"),
    ],
)
def test_a_broken_rule_is_named(broken: Plan, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        verify(broken)


@pytest.mark.parametrize(
    "broken",
    [
        edited("h2_t2", lambda line: line._replace(arguments=("h2_t2_sum", "h2_t1"))),
        edited("h2_t2_sum", lambda line: line._replace(arguments=("h1_t1", "h2_t1"))),
        edited("h1_from_h1_t1_conv1", lambda line: line._replace(tensors=("h9.weight",))),
        edited("h1_from_h1_t1_conv1", lambda line: line._replace(tensors=())),
    ],
)
def test_every_broken_rule_is_an_assertion(broken: Plan) -> None:
    with pytest.raises(AssertionError):
        verify(broken)
