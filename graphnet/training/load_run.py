"""Load a run's net and data."""

from __future__ import annotations

from pathlib import Path

from graphnet.errors import and_more
from graphnet.pipeline import compile, load
from graphnet.runtime.net import Net
from graphnet.training.checkpoint import load_into, not_finite, read_checkpoint
from graphnet.training.data import Dataset, load_dataset
from graphnet.training.errors import CheckpointError, RunError
from graphnet.training.loop import choose_device
from graphnet.training.run_folder import RunFolder


def load_net(folder: RunFolder, device: str = "auto") -> Net:
    """Load the net of a run's checkpoint, in evaluation mode. Raises TrainingError."""
    checkpoint = read_checkpoint(folder.checkpoint)
    if wrong := not_finite(checkpoint.tensors):
        raise CheckpointError(f"{folder.checkpoint} holds values that are not finite: {and_more(wrong)}")
    net = compile(load(checkpoint.spec_data))
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
