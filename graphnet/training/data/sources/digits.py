"""`digits`: scikit-learn's handwritten digits of 8x8 pixels."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from graphnet.training.data.dataset import Dataset, build
from graphnet.training.data.images import TensorImages


def load_digits(seed: int) -> Dataset:
    """Load 1,797 digits (UCI, Alpaydin & Kaynak 1998); a stratified quarter, drawn by `seed`, is the test part."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]
    from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]

    source = load_digits()
    everything = np.arange(len(source.target))
    train, test = map(np.sort, train_test_split(everything, test_size=0.25, random_state=seed, stratify=source.target))
    images = torch.from_numpy(source.images).float().unsqueeze(1)
    labels = torch.from_numpy(source.target).long()
    return build(
        "digits",
        (TensorImages(images[train]), labels[train]),
        (TensorImages(images[test]), labels[test]),
        classes=10,
        held_out_hash=hashlib.sha256(test.astype("<i8").tobytes()).hexdigest(),
        held_out_seed=seed,
        indices=(torch.from_numpy(train), torch.from_numpy(test)),
    )
