"""Responses of states at times to images, from a trained net or from a file; N images."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from graphnet.analysis.activations import activations
from graphnet.runtime.activations import chosen
from graphnet.runtime.net import Net
from graphnet.training.data.dataset import Part
from graphnet.training.data.splits import strata_of, stratified_order
from graphnet.training.errors import DataError

Key = tuple[str, int]
"""State and time."""
NAME = re.compile(r"(?P<state>.+)@(?P<t>-?\d+)")
BATCH = 64


@dataclass(frozen=True, eq=False)
class Responses:
    """Responses to N images, read when they are needed.

    Attributes:
        keys: the states and times.
        images: place of each image in its part of the data, ascending, int64 `[N]`.
        targets: `[N, …]`; None if they are not known.
        read: yields each key with its responses, `[N, C, H, W]` or `[N, C]`. A net runs once for each state, so
            that memory holds the values of one state at a time.
    """

    keys: tuple[Key, ...]
    images: NDArray[np.int64]
    targets: NDArray[Any] | None
    read: Callable[[], Iterator[tuple[Key, NDArray[Any]]]]


def of_net(
    net: Net, part: Part, at: Iterable[str] = (), *, task: str = "classes", most: int | None = None
) -> Responses:
    """Responses of a compiled net, in evaluation mode on its device.

    Args:
        part: the images.
        at: states and times, as for `net.activations`; none means all states at all times.
        task: of the data set; it says what the images are stratified by.
        most: number of images; if the part has more, a stratified selection that is always the same.

    Raises:
        ValueError: no state of that name, or it is not computed at that time.
        DataError: an image cannot be read.
    """
    plan = net.meta["executed"]
    keys = tuple(chosen(plan.made_at, list(at) or list(plan.made_at), plan.last_time))
    places = _places(strata_of(part.targets, task), most)
    few = part.subset(places) if len(places) < len(part) else part

    def read() -> Iterator[tuple[Key, NDArray[Any]]]:
        for state in dict.fromkeys(state for state, _ in keys):
            wanted = [key for key in keys if key[0] == state]
            found = activations(net, few.batches(BATCH), [f"{state}@{t}" for _, t in wanted])
            for key in wanted:
                yield key, found.pop(key).numpy()

    return Responses(keys, places.numpy(), few.targets.numpy(), read)


def of_file(path: Path, at: Iterable[str] = (), *, most: int | None = None) -> Responses:
    """Responses in an npz file: an array `V2@3` for each state and time, and perhaps `targets` and `indices`.

    Args:
        path: a file without pickled objects, such as `graphnet activations` writes.
        at, most: as for `of_net`.

    Raises:
        DataError: the file cannot be read, or holds no responses, or its arrays differ in their numbers of images.
        ValueError: no state of that name, or the file does not hold it at that time.
    """
    with _opened(path) as file:
        names = [(match["state"], int(match["t"])) for name in file.files if (match := NAME.fullmatch(name))]
        targets = _array(file, path, "targets") if "targets" in file.files else None
        images = _array(file, path, "indices") if "indices" in file.files else None
        if not names:
            raise DataError(f"{path} holds no responses: no array has a name such as V2@3")
        count = len(_array(file, path, "{}@{}".format(*names[0])))
    for what, array in (("targets", targets), ("indices", images)):
        if array is not None and len(array) != count:
            raise DataError(f"{path} is damaged: it has {len(array)} {what} for {count} images")
    made_at: dict[str, list[int]] = {}
    for state, t in names:
        made_at.setdefault(state, []).append(t)
    keys = tuple(chosen(made_at, list(at) or list(made_at), max(t for _, t in names)))
    classes = classes_of(targets)
    strata = torch.zeros(count, dtype=torch.int64) if classes is None else torch.from_numpy(classes)
    places = _places(strata, most).numpy()

    def read() -> Iterator[tuple[Key, NDArray[Any]]]:
        with _opened(path) as file:
            for state, t in keys:
                array = _array(file, path, f"{state}@{t}")
                if len(array) != count:
                    raise DataError(f"{path} is damaged: {state}@{t} has {len(array)} images, other arrays {count}")
                yield (state, t), array[places]

    where = np.arange(count) if images is None else images
    return Responses(keys, where[places], None if targets is None else targets[places], read)


def classes_of(targets: NDArray[Any] | None) -> NDArray[np.int64] | None:
    """The targets if they are one class per image, else None."""
    if targets is None or targets.ndim != 1 or targets.dtype.kind not in "iu":
        return None
    return targets.astype(np.int64)


def _places(strata: torch.Tensor, most: int | None) -> torch.Tensor:
    """Places of the images to use, ascending."""
    if most is None or most >= len(strata):
        return torch.arange(len(strata))
    return stratified_order(strata, "responses", 0)[:most].sort().values


def _opened(path: Path) -> Any:
    try:
        file = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile) as fault:
        why = fault.strerror if isinstance(fault, OSError) and fault.strerror else "it is not an npz file"
        raise DataError(f"{path} cannot be read: {why}") from None
    if not isinstance(file, Mapping):
        raise DataError(f"{path} cannot be read: it is not an npz file")
    return file


def _array(file: Any, path: Path, name: str) -> NDArray[Any]:
    try:
        array = np.asarray(file[name])
    except (OSError, ValueError, EOFError, BadZipFile, NotImplementedError):
        raise DataError(f"{path} is damaged: the array {name} cannot be read") from None
    if array.ndim == 0:
        raise DataError(f"{path} is damaged: {name} has no axis of images")
    return array
