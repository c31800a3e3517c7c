"""A linear classifier as a yardstick for a trained net."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from graphnet.training.data.dataset import Dataset, Part
from graphnet.training.data.splits import stratified_order

ITERATIONS = 200
MOST_IMAGES = 2000
MOST_FILES = 200
"""Images to use where each must be read from a file; reading takes about 10 ms."""
MOST_PIXELS = 1024


@dataclass(frozen=True)
class Baseline:
    """Test accuracy, from 0 to 1, of a linear classifier, and the number of training images it was fitted to."""

    accuracy: float
    images: int


def linear_baseline(dataset: Dataset) -> Baseline | None:
    """Fit a linear classifier (logistic regression) to a part of the training images, and test it.

    It sees at most 2,000 training and test images, stratified (200 where they are files), averaged over square patches
    until at most 1,024 values are left. At most 200 steps of L-BFGS: a yardstick, not an optimum.

    Returns:
        None for other tasks than classes, and where there would be fewer images than two for each class.

    Raises:
        DataError: an image cannot be read.
    """
    if dataset.task != "classes":
        return None
    most = MOST_IMAGES if dataset.train.images.in_memory else MOST_FILES
    train, test = _sample(dataset.train, most), _sample(dataset.test, most)
    if len(train) < 2 * dataset.classes and len(train) < len(dataset.train):
        return None
    # More threads than free cores made this 40 times slower, and their number changes the last digits.
    from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    classifier = LogisticRegression(max_iter=ITERATIONS)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(_features(train), train.targets.numpy())
    return Baseline(float(classifier.score(_features(test), test.targets.numpy())), len(train))


def _sample(part: Part, most: int) -> Part:
    if len(part) <= most:
        return part
    return part.subset(stratified_order(part.targets, "baseline", 0)[:most].sort().values)


def _features(part: Part) -> object:
    """Pixels of all images, averaged: NumPy `[N, values]`."""
    return torch.cat([_pooled(images).flatten(1) for images, _ in part.batches(100)]).numpy()


def _pooled(images: Tensor) -> Tensor:
    channels, height, width = images.shape[1:]
    patch = math.ceil(math.sqrt(max(channels * height * width / MOST_PIXELS, 1)))
    return F.avg_pool2d(images, (min(patch, height), min(patch, width)))
