"""Load a run's net and data."""

from __future__ import annotations

import warnings
from pathlib import Path

from graphnet.errors import and_more
from graphnet.pipeline import compile, load
from graphnet.runtime.net import Net
from graphnet.training.data.checks import check_fits
from graphnet.training.data.dataset import Dataset
from graphnet.training.data.named import load_dataset
from graphnet.training.devices import choose_device
from graphnet.training.errors import CheckpointError, CheckpointWarning, RunError
from graphnet.training.runs.checkpoint import load_into, not_finite, read_checkpoint
from graphnet.training.runs.run_folder import RunFolder

SEEDS = range(2**32)
"""What scikit-learn takes as a seed."""


def load_run(
    folder: RunFolder, device: str = "auto", data_root: Path | None = None, checkpoint: str | None = None
) -> tuple[Net, Dataset]:
    """Load the net of a run, in evaluation mode, and its data set.

    Args:
        checkpoint: `last`, `best`, `averaged` or the path of a file; by default the one that was tested.

    Raises TrainingError.
    """
    net, dataset = load_net(folder, device, checkpoint), load_data(folder, data_root)
    plan = net.meta["plan"]
    check_fits(dataset, plan.input_shape, plan.output_shape)
    return net, dataset


def load_net(folder: RunFolder, device: str = "auto", checkpoint: str | None = None) -> Net:
    """Load the net of a run's checkpoint, as `load_run` does.

    Warns with CheckpointWarning if the file has no checksum. Raises TrainingError.
    """
    where = choose_device(device)
    path = folder.tested if checkpoint is None else folder.checkpoint_called(checkpoint)
    found = read_checkpoint(path)
    if wrong := not_finite(found.tensors):
        raise CheckpointError(f"{path} holds values that are not finite: {and_more(wrong)}")
    net = compile(load(found.spec_data))
    load_into(net, found.tensors)
    if not found.has_checksum:
        warnings.warn(f"{path} has no checksum: it was written by version 1", CheckpointWarning, stacklevel=2)
    net.to(where)
    return net.eval()


def load_data(folder: RunFolder, data_root: Path | None = None) -> Dataset:
    """Load the data set of a run, with its parts, by default from its old folder.

    Raises:
        RunError: `run.json` is damaged, or the data are not those of the run.
        DataError: the data are missing.
    """
    record = folder.read_record()
    match record:
        case {"dataset": {"name": str(name), "held_out_seed": None | int() as seed, "held_out_hash": str(held_out)}}:
            chosen = record.get("recipe")
        case _:
            raise RunError(f"{folder.record} does not name the training data: it is damaged")
    recipe = chosen if isinstance(chosen, dict) else {}
    seed = recipe.get("split_seed", seed or 0)
    train_size, validation = recipe.get("train_size"), recipe.get("validation")
    fine = isinstance(seed, int) and seed in SEEDS and isinstance(train_size, int | None)
    if not fine or not isinstance(validation, float | str | None):
        raise RunError(f"{folder.record} does not name the training data: it is damaged")
    root = data_root or data_root_of(folder)
    dataset = load_dataset(name, root, train_size=train_size, validation=validation, seed=seed)
    if dataset.held_out_hash != held_out:
        raise RunError(f"the data are not those of {folder.path}: the test part of {name} has another SHA-256")
    return dataset


def data_root_of(folder: RunFolder) -> Path | None:
    """The folder of a run's data; None if it needed none. Raises RunError."""
    before = folder.read_record().get("data_root") or ""
    if not isinstance(before, str) or "\0" in before:
        raise RunError(f"{folder.record} does not name the folder of its data: it is damaged")
    return Path(before) if before else None
