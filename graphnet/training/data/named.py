"""Data sets by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from graphnet.errors import did_you_mean, printable, shortened
from graphnet.spec.recipe import Recipe
from graphnet.training.data.clutter.options import FORM, is_clutter
from graphnet.training.data.dataset import Dataset, resized
from graphnet.training.data.from_torch import as_dataset
from graphnet.training.data.images import unreadable
from graphnet.training.data.registered import BUILT_IN, REGISTERED
from graphnet.training.data.sources.cifar import CifarSource
from graphnet.training.data.sources.digitclutter import load_digitclutter
from graphnet.training.data.sources.digits import load_digits
from graphnet.training.data.sources.fake import load_fake
from graphnet.training.data.sources.folder import load_folder
from graphnet.training.data.sources.idx import IdxSource
from graphnet.training.data.sources.mnist_5k import load_mnist_5k
from graphnet.training.data.splits import with_train_size, with_validation
from graphnet.training.errors import DataError

FOLDER = "folder:"
LARGEST = 4096

SOURCES: dict[str, Callable[[Path | None, int], Dataset]] = {
    "digits": lambda root, seed: load_digits(seed),
    "mnist": lambda root, seed: IdxSource("mnist", "MNIST").load(root),
    "fashion-mnist": lambda root, seed: IdxSource(
        "fashion-mnist", "FashionMNIST", Path("/usr/share/datasets/fashion-mnist"), "dataset-fashion-mnist"
    ).load(root),
    "mnist-5k": lambda root, seed: load_mnist_5k(seed),
    "cifar10": lambda root, seed: CifarSource("cifar10", "CIFAR10", "cifar-10-batches-py", 10).load(root),
    "cifar100": lambda root, seed: CifarSource("cifar100", "CIFAR100", "cifar-100-python", 100).load(root),
}
"""Name → (data root, seed) → data set. `fake`, `folder:PATH` and `digitclutter-N` are made at the size wanted."""


def load_dataset(
    name: str,
    data_root: Path | str | None = None,
    *,
    train_size: int | None = None,
    validation: float | str | None = None,
    seed: int = 0,
) -> Dataset:
    """Load a data set by its name; nothing is downloaded.

    Args:
        name: one of `SOURCES`, `fake`, `folder:PATH` (relative to the data root, if there is one), `digitclutter-N`
            (see `data.clutter.options`), or a name given to `register_data`. `NAME@16` resizes its images to 16 x 16
            pixels, `NAME@16x24` to H x W.
        data_root: folder of the data; `digits`, `mnist-5k`, `fake` and `digitclutter-N` need none.
        train_size: number of training images, drawn after the validation part, stratified; smaller ones are subsets.
        validation: share of the training images for validation, stratified, or "published"; None is no such part.
        seed: draws the held-out parts and the smaller training part.

    Raises:
        DataError: no such name, or the data are missing or damaged; the message says how to get them.
    """
    root = None if data_root is None else Path(data_root).expanduser()
    dataset = _loaded(name, root, seed)
    return with_train_size(with_validation(dataset, validation, seed), train_size, seed)


def load_recipe_data(recipe: Recipe, data_root: Path | None) -> Dataset:
    """Load the data set of a recipe. Raises DataError."""
    return load_dataset(
        recipe.data, data_root, train_size=recipe.train_size, validation=recipe.validation, seed=recipe.split_seed
    )


def names() -> list[str]:
    """Return all names, and the form of a folder's."""
    return [*BUILT_IN, f"{FOLDER}PATH", FORM, *REGISTERED]


def _loaded(name: str, root: Path | None, seed: int) -> Dataset:
    word, size = _parsed(name)
    try:
        if word.startswith(FOLDER):
            path = Path(word.removeprefix(FOLDER)).expanduser()
            return load_folder(name, path if root is None else root / path, size, seed)
        if word == "fake":
            return load_fake(name, size, seed)
        if is_clutter(word):
            return load_digitclutter(name, size, seed)
        if word not in SOURCES and word not in REGISTERED:
            raise DataError(f"no data set is called '{_shown(word)}'\n  {did_you_mean(word, names())}")
        dataset = SOURCES[word](root, seed) if word in SOURCES else _registered(word)
    except OSError as fault:
        raise unreadable(_shown(name), fault) from None
    return dataset if size is None else resized(dataset, *size, name)


def _parsed(name: str) -> tuple[str, tuple[int, int] | None]:
    """Split `NAME@SIZE`."""
    if match := re.fullmatch(r"([^\n]+)@(\d{1,5})(?:x(\d{1,5}))?", name, re.ASCII):
        height, width = int(match[2]), int(match[3] or match[2])
        if not (1 <= height <= LARGEST and 1 <= width <= LARGEST):
            raise DataError(f"'{_shown(name)}': sizes are from 1 to {LARGEST} pixels")
        return match[1], (height, width)
    _, at, size = name.partition("@")
    if at and not name.startswith(FOLDER):
        form = "write NAME@16, or NAME@16x24 for 16 rows of 24 pixels"
        raise DataError(f"'{_shown(name)}': '{_shown(size)}' is no size\n  {form}")
    return name, None


def _shown(name: str) -> str:
    """A name as it may be printed: it may come from a damaged run."""
    return printable(shortened(name))


def _registered(name: str) -> Dataset:
    entry = REGISTERED[name]
    try:
        made = entry.source() if callable(entry.source) else entry.source
    except Exception as fault:
        if isinstance(fault, DataError):
            raise
        raise unreadable(f"the registered data set '{name}'", fault) from fault
    if isinstance(made, Dataset):
        return replace(made, name=name)
    if not isinstance(made, Sequence) or len(made) not in (2, 3):
        wanted = "a Dataset of graphnet, or two or three torch Datasets: training, test and perhaps validation"
        raise DataError(f"the registered data set '{name}' is a {type(made).__name__}; it must be {wanted}")
    return as_dataset(*made, task=entry.task, classes=entry.classes, name=name)
