"""Costs of plans from their shapes, predicted times on a machine, and one-time measurement of machines."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

import graphnet
from graphnet import zoo
from graphnet.passes import run_passes
from graphnet.planning.cost import Cost, Target, cost, seconds, seconds_by_kind, sizes_of
from graphnet.planning.programs import Run, runs_of
from graphnet.planning.reference_machine import TYPICAL
from graphnet.runtime import machine_profile as machine
from tests.small import small

ONE = {"graphnet": 1, "input": {"shape": [2, 6, 6]}, "states": {"h1": [2, 6, 6], "h2": [4, 3, 3]}, "readout": {"t": 1}}


def test_costs_are_those_of_the_shapes() -> None:
    """A convolution 2x6x6 → 4x3x3: 2·9·2·36 operations; reads 72 numbers and 72 weights, writes 36."""
    plan = graphnet.plan(ONE | {"transitions": [{"h1": {"h2": "C"}}]})
    assert cost(plan, batch=1, mode="infer") == Cost(2 * 9 * 2 * 36, 4 * (72 + 72 + 36), 1)
    assert cost(plan, batch=8, mode="infer") == Cost(8 * 2 * 9 * 2 * 36, 4 * (8 * (72 + 36) + 72), 1)
    assert cost(plan, batch=1, mode="train") == Cost(3 * 2 * 9 * 2 * 36, 3 * 4 * (72 + 72 + 36), 3)
    normed = graphnet.plan(ONE | {"transitions": [{"h1": {"h2": "BC"}}]})
    norm = 4 * (72 + 72 + 2 * 2)  # two statistics of two channels
    assert cost(normed, 1, "infer").bytes == cost(plan, 1, "infer").bytes + norm


def test_seconds_add_up_and_launches_hide_behind_work_where_they_run_beside_it() -> None:
    plan = graphnet.plan(zoo.path("frnn-3-state"))
    parts = seconds_by_kind(plan, Target(TYPICAL, 32, "train"), plan.layout)
    assert sum(parts.values()) == seconds(plan, Target(TYPICAL, 32, "train"), plan.layout)
    assert parts["convolutions"] > parts["norms"] > parts["launches"] > 0
    beside = replace(TYPICAL, concurrent=True)
    assert seconds_by_kind(plan, Target(beside, 32, "train"), plan.layout)["launches"] == 0
    slow = replace(beside, launch=dict.fromkeys(TYPICAL.launch, 1.0))
    least = cost(plan, 32, "train").launches
    assert seconds(plan, Target(slow, 32, "train"), plan.layout) == pytest.approx(least)


def test_rates_lie_between_those_measured() -> None:
    """Rates are as measured at 16 channels, between those of 16 and 64 at 32, and as at 256 for 512."""
    found = []
    for width in (16, 32, 64, 256, 512):
        plan = graphnet.plan(
            ONE
            | {"states": {"h1": [width, 6, 6]}, "input": {"shape": [width, 6, 6]}, "transitions": [{"h1": {"h1": "C"}}]}
        )
        (body,) = [each for each in plan.bodies if any(line.op.kind == "conv" for line in each.lines)]
        lines = [line for line in body.lines if line.op.kind == "conv"]
        parts = Target(TYPICAL, 1, "infer").seconds_by_kind(lines, sizes_of(plan, body), "contiguous")
        found.append(parts["convolutions"] / plan.flops)
    rates = dict(TYPICAL.convolving["conv contiguous infer"])
    assert found[0] == pytest.approx(rates[16])
    assert found[1] == pytest.approx((rates[16] * rates[64]) ** 0.5)
    assert found[2:] == pytest.approx([rates[64], rates[256], rates[256]])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Make measurements quick and counted, and keep their results in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    measured: list[str] = []

    def measure(device: object) -> machine.Machine:
        measured.append(str(device))
        return replace(TYPICAL, device="this one")

    monkeypatch.setattr(machine, "measure", measure)
    return measured


def test_a_machine_is_measured_once_and_remembered(quick: list[str], tmp_path: Path) -> None:
    first, second = machine.machine_of("cpu"), machine.machine_of("cpu")
    assert quick == ["cpu"]
    assert first == replace(TYPICAL, device="this one")
    assert second.convolving == first.convolving
    (path,) = (tmp_path / "cache" / "graphnet").iterdir()
    machine.machine_of("cpu", again=True)
    assert quick == ["cpu", "cpu"]
    for broken in ("", "{}", "[]", json.dumps({"device": 1}), path.read_text().replace("conv train", "other")):
        path.write_text(broken)
        machine.machine_of("cpu")
    assert len(quick) == 7


def test_a_machine_whose_figures_cannot_be_kept_is_measured_each_time(
    quick: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    machine.machine_of("cpu")
    machine.machine_of("cpu")
    assert len(quick) == 2


def test_this_machine_can_be_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(machine, "WORK", {"cpu": 1e6})
    found = machine.machine_of("cpu")
    for name in ("launch", "convolving", "moving"):
        assert getattr(found, name).keys() == getattr(TYPICAL, name).keys()
    rates = [rate for row in found.convolving.values() for _, rate in row]
    assert all(0 < rate < 1 for rate in (*rates, *found.moving.values(), *found.launch.values()))
    assert os.listdir(tmp_path / "graphnet")


def test_level_3_chooses_for_the_machine_and_the_batch(quick: list[str]) -> None:
    net = graphnet.compile(small(), optimize=3, device="cpu", batch_size=4)
    assert quick == ["cpu"]
    assert net.meta["optimize"] == 3
    graphnet.compile(small(), optimize=2)
    assert quick == ["cpu"]


CASES = {
    "frnn-3-state": ((299310219264, 3613579896, 406), (99770073088, 1618745640, 262), 5),
    "frnn-3-state-adjacent": ((183346102272, 2173336696, 262), (61115367424, 945019432, 160), 6),
    "frnn-2-state": ((419803938816, 6026651768, 582), (139934646272, 2724035112, 339), 5),
    "resnet-3-state": ((14127587328, 656932792, 258), (4709195776, 250440936, 157), 7),
    "resnet18": ((348302082048, 5330426848, 159), (116100694016, 1707279008, 129), 9),
    "cornet-rt": ((349804953600, 3914423008, 190), (116601651200, 1703045536, 84), 6),
}


@pytest.mark.parametrize("name", CASES)
def test_the_benchmarks_cost_what_they_did(name: str) -> None:
    """FLOPs, bytes and kernels in training and inference, distinct steps: unlike seconds, these are exact."""
    plan = graphnet.plan(zoo.path(name))
    train, infer = run_passes(plan), run_passes(plan, mode="infer")
    steps = {piece.program for _, piece in runs_of(train) if isinstance(piece, Run)}
    assert (cost(train, 32, "train"), cost(infer, 32, "infer"), len(steps)) == CASES[name]
    before, after = cost(plan, 32, "train"), cost(train, 32, "train")
    assert after.flops <= before.flops
    assert after.bytes <= before.bytes
