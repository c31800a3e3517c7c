"""Load a run's net and data."""

from __future__ import annotations

import json
from pathlib import Path

from graphnet.pipeline import compile, load
from graphnet.runtime.net import Net
from graphnet.training.checkpoint import load_into, read_checkpoint
from graphnet.training.data import Dataset, load_dataset
from graphnet.training.errors import RunError
from graphnet.training.loop import choose_device
from graphnet.training.run_folder import RunFolder


def load_net(folder: RunFolder, device: str = "auto") -> Net:
    """Load the net of a run's checkpoint, in evaluation mode. Raises TrainingError."""
    checkpoint = read_checkpoint(folder.checkpoint)
    net = compile(load(json.loads(checkpoint.spec_text)))
    load_into(net, checkpoint.tensors)
    net.to(choose_device(device))
    return net.eval()


def load_data(folder: RunFolder, data_root: Path | None = None) -> Dataset:
    """Load the data set of a run, by default from its old folder. Raises TrainingError."""
    record = folder.read_record()
    try:
        name, seed = record["dataset"]["name"], record["dataset"]["held_out_seed"] or 0
        before = record.get("data_root")
    except (KeyError, TypeError, AttributeError):
        raise RunError(f"{folder.record} does not name the training data: it is damaged") from None
    return load_dataset(name, data_root or (Path(before) if before else None), seed)
