"""Measurements of a trained net for its page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import graphnet
from graphnet.analysis.over_time import measure
from graphnet.cli.common.report import Failure
from graphnet.cli.nets.view import measured
from graphnet.pictures.page.document import as_json
from graphnet.training.calibrate import calibrate
from graphnet.training.data.named import load_dataset
from graphnet.training.runs.checkpoint import save_checkpoint
from graphnet.training.runs.creation import create_run
from tests.small import small

IMAGES = torch.randn(24, 1, 8, 8, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(24) % 3


def net(**changes: Any) -> Any:
    made = graphnet.compile(small(**changes), seed=3)
    with torch.no_grad():
        for name, buffer in made.named_buffers():
            if name.endswith("running_var"):
                buffer.mul_(2)
    return made.eval()


def test_norms_are_those_of_the_states_outputs() -> None:
    made, seen = net(), {"h1": [], "h2": []}
    for state, values in seen.items():
        made.get_submodule(state).output.register_forward_hook(lambda *given, values=values: values.append(given[2]))
    found = measure(made, IMAGES, LABELS, [IMAGES])
    for state, values in seen.items():
        values.clear()
        with torch.no_grad():
            made(IMAGES)
        expected = [float(value.square().mean().sqrt()) for value in values]
        named = [norm for name, norm in found.norms.items() if name.startswith(state)]
        assert named == pytest.approx(expected, rel=1e-5)
    assert set(found.norms) == {line.name for line in made.meta["plan"].lines if line.op.kind == "value"}


def test_accuracy_at_the_times_the_net_is_read_out() -> None:
    made = net(readout={"t": [2, 3]})
    found = measure(made, IMAGES, LABELS, [IMAGES])
    with torch.no_grad():
        logits = made(IMAGES)
    for t in (2, 3):
        assert found.accuracy[t] == pytest.approx(float((logits[t].argmax(1) == LABELS).float().mean()))
    assert (found.images, found.chance) == (24, pytest.approx(1 / 3))


def test_other_times_are_read_out_on_calibrated_statistics_and_the_net_stays() -> None:
    made = net()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    early = graphnet.compile(small(readout={"t": 2}), seed=3).eval()
    own = early.state_dict()
    early.load_state_dict({name: before.get(name, tensor) for name, tensor in own.items()})
    with torch.no_grad():
        as_made = early(IMAGES).argmax(1)
        calibrate(early, [IMAGES], [name for name in own if name not in before])
        labels = early(IMAGES).argmax(1)
    assert not torch.equal(labels, as_made), "calibrating changes something"
    found = measure(made, IMAGES, labels, [IMAGES])
    assert (list(found.accuracy), found.calibrated) == ([1, 2, 3], (1, 2))
    assert found.accuracy[2] == 1
    assert all(torch.equal(before[name], tensor) for name, tensor in made.state_dict().items())


def test_without_weights_for_other_times_only_the_trained_ones_are_measured() -> None:
    slab = {"h1": {"h1": "BRC+I", "h2": "BRC"}}
    made = graphnet.compile(small(slab, sharing={"over_time": False}), seed=3).eval()
    found = measure(made, IMAGES, LABELS, [IMAGES])
    assert (list(found.accuracy), found.calibrated) == ([3], ())


def test_times_beyond_the_last_one_are_measured_if_asked_for() -> None:
    found = measure(net(), IMAGES, LABELS, [IMAGES], "0..5")
    assert (list(found.accuracy), found.calibrated, found.left_out) == ([1, 2, 3, 4, 5], (1, 2, 4, 5), (0,))


def test_a_run_is_measured_on_its_own_data(tmp_path: Path) -> None:
    spec = graphnet.load(small(post_net={"ops": "BRGL", "classes": 10}))
    folder = create_run(tmp_path / "run", "small")
    held_out = load_dataset("digits").held_out_hash
    folder.write_record({"dataset": {"name": "digits", "held_out_seed": 0, "held_out_hash": held_out}})
    save_checkpoint(folder.checkpoint, graphnet.compile(spec), json.dumps(spec.as_data()), {})
    found = measured(folder.path, None, "cpu")
    assert found["note"] == (
        f"Run {folder.path}: measured on 450 test images of digits. "
        "It was not trained to be read out at t = 1, 2: statistics there were calibrated on training images."
    )
    assert [t for t, _ in found["accuracy"]] == [1, 2, 3]
    assert found["chance"] == pytest.approx(0.1)
    assert json.loads(as_json(found))["norms"][0][0] == "h1_t0"
    later = measured(folder.path, None, "cpu", readout="0,3,5")
    assert [t for t, _ in later["accuracy"]] == [3, 5]
    assert later["note"].endswith("calibrated on training images. It cannot be read out at t = 0.")
    with pytest.raises(Failure, match=r"readout '5\.\.': "):
        measured(folder.path, None, "cpu", readout="5..")


def test_a_folder_that_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="is not a run folder"):
        measured(tmp_path, None, "cpu")
