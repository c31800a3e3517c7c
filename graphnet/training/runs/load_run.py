"""Load a run's net and data."""

from __future__ import annotations

from pathlib import Path

from graphnet.errors import and_more
from graphnet.pipeline import compile, load
from graphnet.runtime.net import Net
from graphnet.training.data.checks import check_fits
from graphnet.training.data.dataset import Dataset
from graphnet.training.data.named import load_dataset
from graphnet.training.errors import CheckpointError, RunError
from graphnet.training.loop.trainer import choose_device
from graphnet.training.runs.checkpoint import load_into, not_finite, read_checkpoint
from graphnet.training.runs.run_folder import RunFolder

SEEDS = range(2**32)
"""What scikit-learn takes as a seed."""


def load_run(folder: RunFolder, device: str = "auto", data_root: Path | None = None) -> tuple[Net, Dataset]:
    """Load the net of a run, in evaluation mode, and its data set. Raises TrainingError."""
    net, dataset = load_net(folder, device), load_data(folder, data_root)
    plan = net.meta["plan"]
    check_fits(dataset, plan.input_shape, plan.classes)
    return net, dataset


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
    match folder.read_record():
        case {"dataset": {"name": str(name), "held_out_seed": None | int() as seed}, **rest} if (seed or 0) in SEEDS:
            before = rest.get("data_root") or ""
        case _:
            raise RunError(f"{folder.record} does not name the training data: it is damaged")
    if not isinstance(before, str) or "\0" in before:
        raise RunError(f"{folder.record} does not name the folder of its data: it is damaged")
    return load_dataset(name, data_root or (Path(before) if before else None), seed=seed or 0)
