"""Data sets for training, by name: images as standardised tensors, with a fixed held-out part."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphnet.training.data.augment import Augment, crop_and_mirror
from graphnet.training.errors import DataError

BASELINE_ITERATIONS = 200


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels in memory; N images, C channels, H W pixels.

    Attributes:
        train_images, test_images: float32 `[N, C, H, W]`, standardised by the training part's mean and standard
            deviation per channel.
        train_labels, test_labels: int64 `[N]`, from 0 to classes - 1.
        held_out_seed: seed that draws the test part; None if the source publishes one.
        held_out_hash: SHA-256 of the held-out indices (int64, little-endian, ascending); for a published test
            part, of its raw images and labels.
        augment: the augmentation of each training batch.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int
    held_out_seed: int | None
    held_out_hash: str
    augment: Augment | None = None

    @property
    def image_shape(self) -> tuple[int, ...]:
        """`(C, H, W)`."""
        return tuple(self.train_images.shape[1:])


def load_dataset(name: str, data_root: Path | str | None = None, held_out_seed: int = 0) -> Dataset:
    """Load a data set by its name in `DATASETS`.

    Args:
        name: `digits` comes with scikit-learn; torchvision reads the others, without downloading.
        data_root: the folder of torchvision's data sets.
        held_out_seed: draws the test part of `digits`, a stratified quarter; published test parts are fixed.

    Raises:
        DataError: no such name, or the data are missing; the message says how to get them.
    """
    if name not in DATASETS:
        raise DataError(f"no data set is called '{name}'\n  known: {', '.join(DATASETS)}")
    return DATASETS[name](None if data_root is None else Path(data_root), held_out_seed)


def check_fits(dataset: Dataset, input_shape: tuple[int, ...], classes: int) -> None:
    """Check a spec's input shape `(C, H, W)` and number of classes against the data.

    Raises:
        DataError: they differ; the message gives both.
    """
    if dataset.image_shape == tuple(input_shape) and dataset.classes == classes:
        return
    raise DataError(
        f"{dataset.name} are {list(dataset.image_shape)} with {dataset.classes} classes; "
        f"the spec's input is {list(input_shape)} with {classes} classes"
    )


def linear_baseline(dataset: Dataset) -> float:
    """Test accuracy, from 0 to 1, of a linear classifier (logistic regression) on the same split.

    At most 200 steps of L-BFGS: a yardstick, not an optimum.
    """
    from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    classifier = LogisticRegression(max_iter=BASELINE_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(dataset.train_images.flatten(1).numpy(), dataset.train_labels.numpy())
    return float(classifier.score(dataset.test_images.flatten(1).numpy(), dataset.test_labels.numpy()))


def _digits(data_root: Path | None, held_out_seed: int) -> Dataset:
    """scikit-learn's 1,797 handwritten digits of 8x8 pixels (UCI, Alpaydin & Kaynak 1998)."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]
    from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]

    source = load_digits()
    train, test = map(
        np.sort,
        train_test_split(
            np.arange(len(source.target)), test_size=0.25, random_state=held_out_seed, stratify=source.target
        ),
    )
    images = torch.from_numpy(source.images).float().unsqueeze(1)
    labels = torch.from_numpy(source.target).long()
    train_images, test_images = _standardise(images[train], images[test])
    held_out_hash = hashlib.sha256(test.astype("<i8").tobytes()).hexdigest()
    return Dataset("digits", train_images, labels[train], test_images, labels[test], 10, held_out_seed, held_out_hash)


@dataclass(frozen=True)
class _Published:
    """A data set with a published test part, in the layout of torchvision's class of this name."""

    name: str
    reader: str
    folder: str
    classes: int
    augment: Augment | None = None

    def __call__(self, data_root: Path | None, held_out_seed: int) -> Dataset:
        root = self._found(data_root)
        raw_train, train_labels = self._read(root, train=True)
        raw_test, test_labels = self._read(root, train=False)
        digest = hashlib.sha256(raw_test.numpy().tobytes() + test_labels.numpy().astype("<i8").tobytes())
        train_images, test_images = _standardise(raw_train.float(), raw_test.float())
        return Dataset(
            self.name,
            train_images,
            train_labels,
            test_images,
            test_labels,
            self.classes,
            None,
            digest.hexdigest(),
            self.augment,
        )

    def _found(self, data_root: Path | None) -> Path:
        if data_root is None:
            raise DataError(f"{self.name} needs a data root, the folder that holds {self.folder}\n{self._remedy()}")
        if not (data_root / self.folder).is_dir():
            looked = f"{self.name} is missing: looked for the folder {data_root / self.folder}"
            raise DataError(f"{looked}\n{self._remedy(data_root)}")
        return data_root

    def _read(self, root: Path, train: bool) -> tuple[Tensor, Tensor]:
        """Raw images, uint8 `[N, C, H, W]`, and labels, int64 `[N]`."""
        # Importing torchvision takes seconds, so do it only here.
        from torchvision import datasets  # type: ignore[import-untyped]

        try:
            source: Any = getattr(datasets, self.reader)(str(root), train=train, download=False)
        except Exception as fault:  # the readers fail on damaged files in their own ways
            reason = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
            looked = f"{self.name} cannot be read from {root / self.folder}: {reason}"
            raise DataError(f"{looked}\n{self._remedy(root)}") from fault
        images = torch.as_tensor(source.data)
        images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
        return images.contiguous(), torch.as_tensor(source.targets).long()

    def _remedy(self, root: Path | None = None) -> str:
        where = "DATA_ROOT" if root is None else str(root)
        script = f"from torchvision.datasets import {self.reader}; {self.reader}({where!r}, download=True)"
        return f'  get it once with: python -c "{script}"\n  and name the folder: --data-root {where}'


def _standardise(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    mean = train.mean(dim=(0, 2, 3), keepdim=True)
    deviation = train.std(dim=(0, 2, 3), keepdim=True)
    return (train - mean) / deviation, (test - mean) / deviation


DATASETS: dict[str, Callable[[Path | None, int], Dataset]] = {
    "digits": _digits,
    "cifar10": _Published("cifar10", "CIFAR10", "cifar-10-batches-py", 10, crop_and_mirror),
    "cifar100": _Published("cifar100", "CIFAR100", "cifar-100-python", 100, crop_and_mirror),
    "mnist": _Published("mnist", "MNIST", "MNIST/raw", 10),
}
"""Name, as in `load_dataset` → data set."""
