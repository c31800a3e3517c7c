"""A linear classifier as a yardstick for a trained net."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from graphnet.training.data.dataset import Dataset, Part
from graphnet.training.data.splits import strata_of, stratified_order
from graphnet.training.tasks import TASKS

Array = NDArray[Any]
ITERATIONS = 200
MOST_IMAGES = 2000
MOST_LABELLED = 5000
"""Images to use for several labels of an image: each label's classifier takes less time than one of ten classes."""
MOST_FILES = 200
"""Images to use where each must be read from a file; reading takes about 10 ms."""
MOST_PIXELS = 1024


@dataclass(frozen=True)
class Baseline:
    """Test accuracy, from 0 to 1, of a linear classifier, and the number of training images it was fitted to.

    Of labels it is the share of images whose labels are all right, as in the error of `tasks.Labels`.
    """

    accuracy: float
    images: int


_known: WeakKeyDictionary[Dataset, Baseline | None] = WeakKeyDictionary()
"""Of data sets in use: several runs of one process may share a data set, and a fit takes seconds."""


def linear_baseline(dataset: Dataset) -> Baseline | None:
    """Fit a linear classifier (logistic regression) to a part of the training images, and test it.

    It sees at most 2,000 training and test images (5,000 for labels), stratified (200 where they are files), averaged
    over square patches until at most 1,024 values are left. At most 200 steps of L-BFGS: a yardstick, not an optimum.
    Labels have a classifier each; those of an image with n labels are the n with the highest scores.

    Returns:
        None for other tasks than classes and labels, and where there would be fewer images than two for each class.

    Raises:
        DataError: an image cannot be read, or a worker that draws images died.
    """
    if dataset not in _known:
        _known[dataset] = _linear_baseline(dataset)
    return _known[dataset]


def _linear_baseline(dataset: Dataset) -> Baseline | None:
    if dataset.task not in ("classes", "labels"):
        return None
    found = replace(dataset.train, images=dataset.train.images.loaded())
    most = MOST_FILES
    if found.images.in_memory:
        most = MOST_IMAGES if dataset.task == "classes" else MOST_LABELLED
    train, test = _sample(found, most, dataset.task), _sample(dataset.test, most, dataset.task)
    if len(train) < 2 * dataset.classes and len(train) < len(dataset.train):
        return None
    seen, shown = _features(train), _features(test)
    if dataset.task == "labels":
        scores = torch.stack([_scores(seen, label.numpy(), shown) for label in train.targets.unbind(1)], 1)
        return Baseline(1 - float(TASKS["labels"].errors(scores, test.targets).double().mean()), len(train))
    classifier = _fitted(seen, train.targets.numpy())
    return Baseline(float(classifier.score(shown, test.targets.numpy())), len(train))


def _scores(seen: Array, label: Array, shown: Array) -> Tensor:
    """How likely one label is for each image shown, as a logit `[N]`; a label that never varies has its one value."""
    if (label == label[0]).all():
        return torch.full((len(shown),), math.inf if label[0] else -math.inf, dtype=torch.float64)
    return torch.from_numpy(_fitted(seen, label).decision_function(shown)).double()


def _fitted(features: Array, targets: Array) -> Any:
    """Logistic regression, fitted."""
    # More threads than free cores made this 40 times slower, and their number changes the last digits.
    from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    classifier = LogisticRegression(max_iter=ITERATIONS)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return classifier.fit(features, targets)


def _sample(part: Part, most: int, task: str) -> Part:
    if len(part) <= most:
        return part
    return part.subset(stratified_order(strata_of(part.targets, task), "baseline", 0)[:most].sort().values)


def _features(part: Part) -> Array:
    """Pixels of all images, averaged: NumPy `[N, values]`."""
    return torch.cat([_pooled(images).flatten(1) for images, _ in part.batches(100)]).numpy()


def _pooled(images: Tensor) -> Tensor:
    channels, height, width = images.shape[1:]
    patch = math.ceil(math.sqrt(max(channels * height * width / MOST_PIXELS, 1)))
    return F.avg_pool2d(images, (min(patch, height), min(patch, width)))
