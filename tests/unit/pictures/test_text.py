"""Plans as text and as data."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import graphnet
from graphnet.network.network import System
from graphnet.pictures.text import plan_data, plan_text, system_text
from graphnet.planning.plan import Fate
from tests.small import small

PLAN = graphnet.plan(small({"h1": {"h1": "I", "h2": "C"}, "h2": {"h2": "RI"}}, name="two areas", cite="Us 2026"))


def test_the_text_lists_firings_by_time_step() -> None:
    head, *steps = plan_text(PLAN).split("\n\n")[1:]
    assert head.splitlines() == [
        "states:           h1 4x8x8, h2 6x4x4",
        "input:            1x8x8 at t = 0",
        "readout:          t = 3",
        "parameters:       273 in 4 tensors",
        "FLOPs:            25,380 per image (2 per multiply-add; convolutions and linear layers)",
        "depth:            4",
        "biological time:  60 to 150 ms (20 to 50 ms per step)",
        "system:           homogeneous; weights shared over time, matrix constant, statistics constant",
    ]
    assert steps[0].splitlines() == [
        "t = 0: 0 transitions fire",
        "  input  →  h1_t0  C",
        "  skipped, its source is empty: h1→h1, h1→h2, h2→h2",
    ]
    assert steps[1].splitlines() == [
        "t = 1: 2 transitions fire",
        "  h1_t0  →  h1_t1  I",
        "  h1_t0  →  h2_t1  C",
        "  skipped, its source is empty: h2→h2",
    ]
    assert steps[3].splitlines() == [
        "t = 3: 2 transitions fire",
        "  h1_t2  →  h2_t3      C",
        "  h2_t2  →  h2_t3      RI",
        "  h2_t3  →  logits_t3  BRGL",
        "  skipped, no readout needs it: h1→h1",
    ]


def test_the_text_begins_with_the_name_and_ends_with_a_line() -> None:
    assert plan_text(PLAN).startswith("two areas — Us 2026\n\nstates:")
    assert plan_text(graphnet.plan(small())).startswith("small\n\nstates:")
    assert plan_text(PLAN).endswith("h1→h1\n")


def test_one_transition_fires_and_several_fire() -> None:
    text = plan_text(graphnet.plan(small({"h1": {"h2": "C"}}, readout={"t": 1})))
    assert "t = 1: 1 transition fires\n" in text


@pytest.mark.parametrize(
    ("system", "text"),
    [
        (
            System(True, True, True, True),
            "homogeneous; weights shared over time, matrix constant, statistics constant",
        ),
        (
            System(False, True, True, False),
            "inhomogeneous; weights shared over time, matrix constant, statistics per time",
        ),
        (
            System(True, False, False, True),
            "homogeneous; weights not shared over time, matrix changes over time, statistics constant",
        ),
    ],
)
def test_systems_in_the_paper_s_words(system: System, text: str) -> None:
    assert system_text(system) == text


def test_the_data_are_those_of_the_plan_and_json_can_hold_them() -> None:
    plan = graphnet.plan(small(readout={"t": [2, 3]}))
    data = json.loads(json.dumps(plan_data(plan)))
    assert data["readouts"] == {"2": "logits_t2", "3": "logits_t3"}
    assert (data["parameters"], data["flops"], data["depth"]) == (plan.parameters, plan.flops, plan.depth)
    assert data["biological_ms"] == [60, 150]
    assert data["states"] == {"h1": [4, 8, 8], "h2": [6, 4, 4]}
    assert data["input"] == {"shape": [1, 8, 8], "t": "0"}
    assert [line["name"] for line in data["lines"]] == [line.name for line in plan.lines]
    assert [tensor["name"] for tensor in data["tensors"]] == [tensor.name for tensor in plan.tensors]
    assert sum(tensor["size"] for tensor in data["tensors"] if tensor["trainable"]) == plan.parameters
    conv = next(line for line in data["lines"] if line["name"] == "h2_from_h1_t1_conv1")
    assert conv["op"] == "conv"
    assert conv["settings"]["stride"] == 2
    assert conv["arguments"] == ["h2_from_h1_t1_relu1"]
    assert conv["tensors"] == ["h2.from_h1.conv1.weight"]
    assert (conv["shape"], conv["t"], conv["place"]) == ([6, 4, 4], 1, "h2.from_h1")


@pytest.mark.parametrize(
    ("combine", "said"),
    [
        ("none", "t = 2..3"),
        ("mean", "t = 3: the mean of all readouts"),
        ("cumulative", "t = 2..3: at each time the mean of the readouts up to then"),
        ("cumulative-sum", "t = 2..3: at each time the sum of the readouts up to then"),
    ],
)
def test_how_readouts_are_combined_is_shown(combine: str, said: str) -> None:
    plan = graphnet.plan(small(readout={"t": [2, 3], "combine": combine}))
    assert f"readout:          {said}\n" in plan_text(plan)
    assert plan_data(plan)["combine"] == plan.combine == combine


def test_a_single_readout_is_not_combined() -> None:
    one = graphnet.plan(small(readout={"t": 3, "combine": "cumulative-sum"}))
    assert one == graphnet.plan(small(readout={"t": 3}))


def test_a_running_sum_adds_once_a_step() -> None:
    plan = graphnet.plan(small(readout={"t": "2..40", "combine": "cumulative-sum"}))
    sums = [line for line in plan.lines if "_upto_t" in line.name]
    assert [line.arguments for line in sums[:2]] == [("logits_t2", "logits_t3"), ("logits_upto_t3", "logits_t4")]
    assert {len(line.arguments) for line in sums} == {2}
    assert len({call.body for call in plan.calls if "logits_upto_t{t}" in call.body.shapes}) == 2


def test_the_data_contain_the_fate_of_every_cell() -> None:
    steps = plan_data(PLAN)["steps"]
    assert [step["t"] for step in steps] == [0, 1, 2, 3]
    assert steps[3] == {
        "t": 3,
        "fires": ["h1->h2", "h2->h2", "h2->logits"],
        "empty": [],
        "waiting": [],
        "unread": ["h1->h1"],
    }
    assert [name for name in steps[0] if name != "t"] == [fate.name.lower() for fate in Fate]


def test_the_kind_of_system_is_shown_with_its_summary() -> None:
    assert plan_data(PLAN)["system"]["time_invariant"] is True
    varying = replace(PLAN, system=System(True, True, False, True))
    assert plan_data(varying)["system"] == {
        "homogeneous": True,
        "shared_weights": True,
        "constant_matrix": False,
        "constant_statistics": True,
        "time_invariant": False,
    }


def test_a_changing_cell_is_shown_for_each_time() -> None:
    slabs = [{"h1": {"h2": "C"}, "h2": {"h2": "BRC"}}, {"t": 3, "h2": {"h2": "RI"}}]
    text = plan_text(graphnet.plan(small(*slabs, readout={"t": 4}, input={"shape": [1, 8, 8], "t": "0..inf"})))
    rows = [line.split() for line in text.splitlines() if "→  h2_t" in line]
    assert [row[-1] for row in rows if row[0].startswith("h2")] == ["BRC", "RI", "BRC"]


def test_noise_on_a_state_is_shown_with_its_update() -> None:
    states = {"h1": {"shape": [4, 8, 8], "noise": 0.1}}
    assert graphnet.plan(small(states={**small()["states"], **states})).areas[0].update == "noise(0.1)"
    states["h1"] |= {"update": "R", "noise": {"std": 0.5, "t": "1..2"}}
    assert graphnet.plan(small(states={**small()["states"], **states})).areas[0].update == "R, noise(0.5) at t = 1..2"
