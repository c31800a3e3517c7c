"""A small experiment on digits, for tests: seconds for all of its runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from graphnet.given_experiments import load_experiment
from graphnet.spec.experiment.model import Experiment

SPEC: dict[str, Any] = {
    "graphnet": 1,
    "name": "tiny",
    "input": {"shape": [1, 8, 8]},
    "states": {"h1": [4, 8, 8]},
    "transitions": [{"t": "1..inf", "h1": {"h1": "BRC+I"}}],
    "norm": {"statistics": "per-time"},
    "pre_net": {"ops": "C"},
    "post_net": {"ops": "BRGL", "classes": 10},
    "readout": {"t": 3},
}
DATA: dict[str, Any] = {
    "graphnet-experiment": 1,
    "name": "tiny",
    "seeds": "0..2",
    "vary": {"sharing": {"shared": {}, "unshared": {"set": {"sharing.over_time": False}}}},
    "train": {"data": "digits", "train_size": 64, "batch_size": 32, "epochs": 2},
    "measure": [{"name": "later", "of": "test_error", "readout": "2..4", "images": 50}],
    "claims": [
        {
            "says": "sharing costs little",
            "effect": "test_error[sharing=shared] - test_error[sharing=unshared]",
            "expect": "within 0.5",
        }
    ],
}


def tiny(folder: Path, **changes: Any) -> Experiment:
    """The experiment and its spec in files of a folder; None leaves an entry out."""
    (folder / "tiny-spec.json").write_text(json.dumps(SPEC))
    data = DATA | {"spec": "tiny-spec.json"} | changes
    path = folder / "tiny.json"
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))
    return load_experiment(path)
