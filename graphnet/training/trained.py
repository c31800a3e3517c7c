"""A run's net and data, as training left them."""

from __future__ import annotations

import json
from pathlib import Path

from torch.fx import GraphModule

from graphnet.backends.stepped import Stepped
from graphnet.pipeline import compile, load
from graphnet.training.checkpoint import load_into, read_checkpoint
from graphnet.training.data import Dataset, load_dataset
from graphnet.training.loop import choose_device
from graphnet.training.run import RunFolder


def load_net(folder: RunFolder, device: str = "auto") -> GraphModule | Stepped:
    """The net of a run's checkpoint, in evaluation mode. Raises TrainingError."""
    checkpoint = read_checkpoint(folder.checkpoint)
    net = compile(load(json.loads(checkpoint.spec_text)))
    load_into(net, checkpoint.tensors)
    net.to(choose_device(device))
    return net.eval()


def load_data(folder: RunFolder, data_root: Path | None = None) -> Dataset:
    """The data set that a run was trained on, from where it was then unless told. Raises TrainingError."""
    record = folder.read_record()
    root = data_root or (Path(record["data_root"]) if record.get("data_root") else None)
    return load_dataset(record["dataset"]["name"], root, record["dataset"]["held_out_seed"] or 0)
