"""Data sets registered from Python under a name; no torch here, as plugins are imported by every command."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphnet.training.data.clutter.options import is_clutter

BUILT_IN = ("digits", "mnist", "fashion-mnist", "mnist-5k", "cifar10", "cifar100", "fake")
"""Names of the data sets that come with graphnet, besides `folder:PATH` and `digitclutter-N`."""


@dataclass(frozen=True)
class Registered:
    """A data set, or a function that returns it, and what its targets are."""

    source: Callable[[], Any] | Any
    task: str
    classes: int | None


REGISTERED: dict[str, Registered] = {}
"""By name, in the order of registration."""


def register_data(name: str, source: Any, *, task: str = "classes", classes: int | None = None) -> None:
    """Name a data set, for `--data NAME` and recipes; a module given by `--plugin` may call this.

    Args:
        name: an unused name of lower-case letters, digits and hyphens.
        source: a data set, or a function without arguments that returns it: a `Dataset` of graphnet, or two or three
            torch Datasets (training, test and perhaps validation) whose items are (image, target).
        task: what the targets are: `classes`, `labels`, `values` or `pixels`; see `as_dataset`.
        classes: number of classes; by default the largest of the training targets, plus one.

    Raises:
        ValueError: the name has other characters, or is taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or name == "folder":
        raise ValueError(f"{name!r} is no name for a data set: use lower-case letters, digits and hyphens")
    if name in BUILT_IN or name in REGISTERED or is_clutter(name):
        raise ValueError(f"a data set called {name!r} already exists")
    REGISTERED[name] = Registered(source, task, classes)
