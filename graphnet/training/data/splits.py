"""Held-out parts and smaller training parts: stratified, seeded, and nested."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from graphnet.training.data.dataset import Dataset
from graphnet.training.data.draws import generator
from graphnet.training.errors import DataError

PUBLISHED = "published"


def stratified_order(strata: Tensor, purpose: str, seed: int) -> Tensor:
    """A random order of which every beginning is stratified; int64 `[N]`.

    One member of each stratum comes first; after that, each stratum's share differs from its share of all by less than
    two members.

    Args:
        strata: number of each image's stratum, int64 `[N]`.
        purpose: what the order is for; each has draws of its own.
    """
    draws = generator(purpose, seed)
    values, of = torch.unique(strata, return_inverse=True)
    shuffled = torch.randperm(len(strata), generator=draws)
    starts = torch.rand(len(values), generator=draws, dtype=torch.float64).numpy()
    by_stratum = shuffled[of[shuffled].argsort(stable=True)].numpy()
    own = of.numpy()[by_stratum]
    sizes = np.bincount(own, minlength=len(values))
    rank = np.arange(len(own)) - np.repeat(sizes.cumsum() - sizes, sizes)
    places = np.where(rank == 0, -1.0, (rank + starts[own]) / sizes[own])
    return torch.from_numpy(by_stratum[np.lexsort((starts[own], places))])


def strata_of(targets: Tensor, task: str) -> Tensor:
    """Strata of targets: the class; for several labels their number; for other tasks all images are one stratum."""
    if task == "classes":
        return targets
    if task == "labels":
        return targets.sum(1).long()
    return torch.zeros(len(targets), dtype=torch.int64)


def with_validation(dataset: Dataset, validation: float | str | None, seed: int) -> Dataset:
    """Set the validation part: None, a published one, or a stratified share of the training images.

    Raises:
        DataError: there is no published part, or the share leaves a part without images.
    """
    if validation is None or validation == 0:
        return replace(dataset, validation=None)
    if validation == PUBLISHED:
        if dataset.validation is None:
            remedy = "give a share of the training images, such as 0.1"
            raise DataError(f"{dataset.name} has no published validation part\n  {remedy}")
        return dataset
    if isinstance(validation, str | bool) or not 0 < validation < 1:
        raise DataError(f'validation is {validation!r}; it must be a share such as 0.1, or "{PUBLISHED}"')
    train = dataset.train
    count = round(validation * len(train))
    if not 0 < count < len(train):
        raise DataError(f"validation {validation:g} of {dataset.name}'s {len(train):,} training images is {count}")
    order = stratified_order(strata_of(train.targets, dataset.task), "validation", seed)
    kept, held = order[count:].sort().values, order[:count].sort().values
    return replace(dataset, train=train.subset(kept), validation=train.subset(held))


def with_train_size(dataset: Dataset, train_size: int | None, seed: int) -> Dataset:
    """Keep so many training images, stratified; a smaller number is a subset of a larger one.

    Raises:
        DataError: there are fewer.
    """
    if train_size is None:
        return dataset
    there = len(dataset.train)
    if not 1 <= train_size <= there:
        less = "" if dataset.validation is None else ", without the validation part"
        raise DataError(f"train_size is {train_size:,}; {dataset.name} has {there:,} training images{less}")
    order = stratified_order(strata_of(dataset.train.targets, dataset.task), "train_size", seed)
    return replace(dataset, train=dataset.train.subset(order[:train_size].sort().values))
