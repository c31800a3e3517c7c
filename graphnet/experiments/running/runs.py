"""The runs of an experiment: what is trained, under a key that says what decides the result; no torch here."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphnet.flattened import flattened
from graphnet.spec.model import Spec
from graphnet.spec.recipe import Recipe, resolved_data
from graphnet.training.runs.run_folder import RunFolder
from graphnet.training.version import TRAINER_VERSION

NO_EFFECT = ("name", "cite", "train", "$schema")
"""Entries of a spec that change nothing in its net."""

ORDERED = ("states", "parts", "transitions")
"""Entries of a spec whose inner keys have an order."""


@dataclass(frozen=True)
class Request:
    """A measurement of a trained net.

    Attributes:
        of: name in `graphnet.experiments.running.measuring.MEASURES`.
        edit: words and texts of `graphnet.rewrite.edit_texts`; a block that is left out means each block.
        readout: times as in `graphnet sweep`; None keeps those of the net.
        calibrate: which running statistics: `missing`, `all` or `none`.
        at: a layer; "" where none is needed.
        images: number of test images; None takes all.
        repeats: maximum number of further applications of a stage's last block; None is the default.
    """

    of: str
    edit: dict[str, Any] = field(default_factory=dict)
    readout: str | None = None
    calibrate: str = "missing"
    at: str = ""
    images: int | None = None
    repeats: int | None = None

    @property
    def data(self) -> dict[str, Any]:
        """All of it, as plain data; without `repeats` as before there were any, so that older measurements hold."""
        return {name: value for name, value in vars(self).items() if name != "repeats" or value is not None}

    @property
    def key(self) -> str:
        """Hash of all of it, as 16 hexadecimal digits."""
        return digest(self.data)[:16]


@dataclass(frozen=True)
class TrainingRun:
    """A net that is trained with one seed.

    Attributes:
        spec: the net.
        recipe: resolved, with its seed.
        key: hash of the spec, the recipe, the data and the version of training.
        folder: of the run.
    """

    spec: Spec
    recipe: Recipe
    key: str
    folder: Path


def is_finished(folder: Path) -> bool:
    """Whether a run is done: trained, and tested. Raises RunError if its record is damaged."""
    run = RunFolder(folder)
    return run.record.is_file() and run.read_record().get("status") == "finished"


def training_run(spec: Spec, recipe: Recipe, data_hash: str, root: Path) -> TrainingRun:
    """Return a run and its place.

    Args:
        spec: of the net.
        recipe: resolved, with its seed.
        data_hash: of the data set's test part; "" if the data are not here.
        root: folder of the runs.
    """
    net = {key: value for key, value in sorted(flattened(spec).items()) if key not in NO_EFFECT}
    texts = {key: json.dumps(value, sort_keys=key not in ORDERED) for key, value in net.items()}
    key = digest({"spec": texts, "recipe": resolved_data(recipe), "data": data_hash, "trainer": TRAINER_VERSION})
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", spec.name).strip("-.")[:60] or "net"
    return TrainingRun(spec, recipe, key, root / f"{stem}-{key[:16]}")


def digest(data: Any) -> str:
    """SHA-256 of plain data, whatever the order of its tables; the order of lists counts."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
