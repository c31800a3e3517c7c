"""`graphnet compare`, `graphnet unroll` and `graphnet diff`, and the example on ResNets and recurrent nets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import graphnet
from graphnet import zoo
from graphnet.rewrite.diff import difference
from tests.conftest import ROOT
from tests.end_to_end.test_cli import QUICKSTART, run

RESNET = zoo.path("resnet-3-state")


@pytest.mark.parametrize("form", ["toml", "json"])
def test_a_net_and_its_unrolled_spec_are_equal_until_a_cell_is_changed(form: str, tmp_path: Path) -> None:
    dag = tmp_path / f"dag.{form}"
    assert run("unroll", QUICKSTART, "-o", dag).returncode == 0
    assert run("check", dag).stderr == ""
    same = run("compare", QUICKSTART, dag, "--seeds", "1")
    assert (same.returncode, same.stderr) == (0, "")
    assert "'quickstart' and 'quickstart unrolled' are equal: 4 runs" in same.stdout
    data = graphnet.load(dag).as_data()
    assert data["transitions"][0]["V2_1"]["V2_2"] == "BRC+I"
    data["transitions"][0]["V2_1"]["V2_2"] = "BRC"
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(data))
    other = run("compare", QUICKSTART, changed, "--seeds", "1")
    assert other.returncode == 1
    assert "they part at V2 at t = 2" in other.stdout


def test_nets_that_do_not_correspond_are_not_compared() -> None:
    done = run("compare", QUICKSTART, zoo.path("diamond"))
    assert done.returncode == 1
    assert "error: nothing in 'quickstart' corresponds to" in done.stderr


def test_settings_hold_for_both_specs(tmp_path: Path) -> None:
    deep = tmp_path / "deep.json"
    deep.write_text(json.dumps(graphnet.load(QUICKSTART, settings=["readout.t=5"]).as_data()))
    assert run("diff", QUICKSTART, deep).returncode == 1
    same = run("diff", QUICKSTART, deep, "--set", "readout.t=3")
    assert (same.returncode, same.stdout) == (0, "the specs mean the same\n")
    equal = run("compare", QUICKSTART, deep, "--set", "readout.t=2", "--seeds", "1")
    assert equal.returncode == 0


def test_specs_that_cannot_be_unrolled(tmp_path: Path) -> None:
    done = run("unroll", zoo.path("resnet-2-state-once"), "-o", tmp_path / "x.toml", "--set", "readout.t=[7, 9]")
    assert done.returncode == 1
    assert "several readouts relative to T" in done.stderr
    assert not (tmp_path / "x.toml").exists()


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("resnet-3-state", "resnet-3-state", ["the specs mean the same"]),
        (
            "resnet-1-state",
            "resnet-1-state-untied",
            [
                "tensors of h1.from_h1.conv1: weight 64x64x3x3 / weight 64x64x3x3 for each of t = 2..11",
                "tensors of h1.from_h1.conv2: weight 64x64x3x3 / weight 64x64x3x3 for each of t = 2..11",
            ],
        ),
        (
            "resnet-1-state",
            "rnn-1-state-plain",
            ["transition h1 -> h1: BRCx2+I at t = 2..11 / BRCx2 at t = 2..11"],
        ),
        (
            "lpk-resnet-8",
            "lpk-recurrent-8",
            [
                f"only the second has coupling 0.0 (uniform) of {stage}.from_{stage} at t = {times}"
                for stage, times in (("h1", "1..16"), ("h2", "18..33"), ("h3", "35..50"))
            ],
        ),
        (
            "frnn-3-state",
            "frnn-3-state-adjacent",
            [
                "transition h1 -> h1: BRCx2+I at t = 2..4 / BRCx2+I at t = 2..3",
                "only the first has the transition h1 -> h3: BRCx2 at t = 2..5",
                "transition h2 -> h1: BRDx2 at t = 3..4 / BRDx2 at t = 3",
                "only the first has the transition h3 -> h1: BRDx2 at t = 3..4",
                "transition h3 -> h2: BRDx2 at t = 3..4 / BRDx2 at t = 4",
                "transition h3 -> h3: BRCx2+I at t = 3..5 / BRCx2+I at t = 4..5",
            ],
        ),
    ],
)
def test_differences_in_meaning(first: str, second: str, said: list[str]) -> None:
    done = run("diff", zoo.path(first), zoo.path(second))
    assert done.stdout.splitlines() == said
    assert done.returncode == (0 if said == ["the specs mean the same"] else 1)


@pytest.mark.parametrize(("one", "other"), [("none", "cumulative"), ("cumulative", "cumulative-sum")])
def test_ways_to_combine_readouts_differ_in_meaning(one: str, other: str, tmp_path: Path) -> None:
    for how in (one, other):
        data = graphnet.load(QUICKSTART, settings=["readout.t=[3,4]", f"readout.combine={how}"]).as_data()
        (tmp_path / f"{how}.json").write_text(json.dumps(data))
    done = run("diff", tmp_path / f"{one}.json", tmp_path / f"{other}.json")
    assert done.stdout == f"readouts combined: {one} / {other}\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"merge": "mean"}, "state V1: 16x8x8, sum / 16x8x8, mean"),
        ({"readout": {"t": 5}}, "readout times: 4 / 5"),
        ({"norm": {"eps": 1e-3}}, "transition V1 -> V1: batch_norm(momentum=0.1, eps=1e-05) to 16x8x8 / batch_norm("),
        ({"sharing": {"sets": [{"members": ["V2->V2", "V2->V2"]}]}}, ""),
        ({"input": {"shape": [1, 8, 8], "t": 1}, "readout": {"t": 5}}, "input times: 0 / 1"),
    ],
)
def test_changes_of_every_kind_are_seen(change: dict[str, object], said: str, tmp_path: Path) -> None:
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(graphnet.load(QUICKSTART).as_data() | change))
    lines = run("diff", QUICKSTART, path).stdout.splitlines()
    assert any(line.startswith(said) for line in lines) if said else lines == ["the specs mean the same"]


WINDOWS = {
    "resnet-1-state": ["2..N+1"],
    "resnet-2-state": ["2..N+1", "N+2", "N+3..2N+2"],
    "resnet-3-state": ["2..N+1", "N+2", "N+3..2N+2", "2N+3", "2N+4..3N+3"],
    "resnet-4-state-imagenet": ["2..N+1", "N+2", "N+3..2N+2", "2N+3", "2N+4..3N+3", "3N+4", "3N+5..4N+4"],
    "resnet-one-convolution": ["2..N+1", "N+2", "N+3..2N+2", "2N+3", "2N+4..3N+3"],
    "resnet-2-state-once": ["2..T-2", "T-1", "T"],
}
"""Times of h1->h1, h1->h2, h2->h2, …, if each slab lists exactly the times that matter."""


@pytest.mark.parametrize("untied", [False, True])
@pytest.mark.parametrize("name", WINDOWS)
def test_self_transitions_at_all_times_equal_explicit_times(name: str, untied: bool) -> None:
    """LP's ResNets as in Figure 2 C equal those with explicit time windows: steps, weights, names and seeds."""
    spec = graphnet.load(zoo.path(name), settings=["sharing.over_time=false"] if untied else [])
    cells = {(a, b): ops for slab in spec.transitions for a, row in slab.rows.items() for b, ops in row.items()}
    slabs = []
    for number, t in enumerate(WINDOWS[name]):
        source, target = f"h{number // 2 + 1}", f"h{(number + 1) // 2 + 1}"
        slabs.append({"t": t, source: {target: cells[source, target].ops}})
    windows = graphnet.load(spec.as_data() | {"transitions": slabs})
    ours, theirs = graphnet.plan(spec), graphnet.plan(windows)
    assert difference(ours, theirs) == []
    assert (ours.calls, ours.outputs) == (theirs.calls, theirs.outputs)


def test_a_spelling_is_no_difference(tmp_path: Path) -> None:
    text = RESNET.read_text().replace("BRCx2+I", "B R C BRC + I").replace('"N+2"', '"1*(N+2)"')
    path = tmp_path / "same.toml"
    path.write_text(text)
    assert run("diff", RESNET, path).stdout == "the specs mean the same\n"


def test_the_example_of_a_resnet_that_is_a_recurrent_net(tmp_path: Path) -> None:
    script = ROOT / "examples" / "resnet_is_rnn.py"
    done = subprocess.run([sys.executable, script, tmp_path / "out"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("are equal:") == 2
    assert "they part at h at t = 3" in done.stdout
    assert "one state, one transition, 4,608 parameters; read out at t = 5 it is 10 layers deep" in done.stdout
    assert (tmp_path / "out" / "unrolled.svg").exists()
