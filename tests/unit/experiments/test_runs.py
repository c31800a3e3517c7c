"""Keys of runs, and what is kept of measurements."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import graphnet
from graphnet.experiments.running.measured import file_of, read_points, write_points
from graphnet.experiments.running.runs import Request, training_run
from graphnet.spec.recipe import Recipe
from graphnet.training.errors import RunError
from tests.unit.experiments.experiments import SPEC

ROOT = Path("runs")
POINTS = [({"t": "2"}, 0.25), ({"t": "3"}, float("nan"))]
REQUEST = Request("test_error", {"drop": ["h1:2"]}, "2, 3")


def key(spec: dict[str, Any], data: str = "d", **recipe: Any) -> str:
    return training_run(graphnet.load(spec), Recipe(**recipe), data, ROOT).key


def test_a_key_depends_on_the_net_the_recipe_the_data_and_the_seed() -> None:
    keys = [
        key(SPEC),
        key(SPEC | {"readout": {"t": 4}}),
        key(SPEC, lr=0.1),
        key(SPEC, seed=1),
        key(SPEC, data="e"),
        key(SPEC | {"states": {"h1": [4, 8, 8], "h2": [4, 8, 8]}, "readout": {"t": 3, "state": "h1"}}),
        key(
            SPEC
            | {
                "states": {"h2": [4, 8, 8], "h1": [4, 8, 8]},
                "readout": {"t": 3, "state": "h1"},
                "input": SPEC["input"] | {"state": "h1"},
            }
        ),
    ]
    assert len(set(keys)) == len(keys)


def test_a_key_does_not_depend_on_names_and_the_order_of_keys() -> None:
    backwards = dict(reversed(SPEC.items())) | {"input": dict(reversed(SPEC["input"].items()))}
    assert key(SPEC) == key(backwards) == key(SPEC | {"name": "other", "cite": "someone"})


def test_measurements_are_read_as_written(tmp_path: Path) -> None:
    path = file_of(tmp_path, "k" * 64, REQUEST)
    write_points(path, "k" * 64, REQUEST, POINTS)
    assert str(read_points(path, "k" * 64, REQUEST)) == str(POINTS)
    assert read_points(path, "j" * 64, REQUEST) is None
    assert read_points(path, "k" * 64, Request("test_error")) is None
    assert read_points(tmp_path / "none.json", "k" * 64, REQUEST) is None


def test_a_flipped_bit_in_a_measurement_is_refused(tmp_path: Path) -> None:
    path = file_of(tmp_path, "k" * 64, REQUEST)
    write_points(path, "k" * 64, REQUEST, POINTS)
    whole, draws = path.read_bytes(), random.Random(0)
    for _ in range(200):
        place, bit = draws.randrange(len(whole)), 1 << draws.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        try:
            found = read_points(path, "k" * 64, REQUEST)
        except RunError:
            continue
        assert str(found) == str(POINTS), "only white space may change"


def test_requests_that_differ_have_other_files(tmp_path: Path) -> None:
    requests = [
        Request("test_error"),
        Request("loss"),
        Request("test_error", {"drop": ["h1:2"]}),
        Request("test_error", readout="2"),
        Request("test_error", calibrate="none"),
        Request("test_error", images=10),
        Request("gain", at="h1.from_h1.norm1"),
    ]
    assert len({file_of(tmp_path, "k" * 64, each) for each in requests}) == len(requests)


@pytest.mark.parametrize("name", ["a b/c", "..", "", "x" * 300])
def test_a_run_folder_stays_below_the_root(name: str) -> None:
    folder = training_run(graphnet.load(SPEC | {"name": name}), Recipe(), "d", ROOT).folder
    assert folder.parent == ROOT
    assert len(folder.name) < 100
