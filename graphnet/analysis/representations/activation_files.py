"""Read files of activations: states at times for many images; N images, C channels, H W pixels."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
VALUE = re.compile(r"([A-Za-z][A-Za-z0-9_]*)@(\d+)")
"""A state at a time, as an array's name."""


class ActivationFile(Mapping[str, Array]):
    """A file of activations: `V2@3` → `[N, C, H, W]`; each array is read when it is asked for.

    Attributes:
        path: the file.
        about: facts on the net and the images; empty if the file has none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        names = self._names()
        self._values = [name for name in names if VALUE.fullmatch(name)]
        if not self._values:
            raise ValueError(f"{path} has no arrays named after a state and a time, such as V2@3")
        self.about: dict[str, Any] = json.loads(str(self._read("about"))) if "about" in names else {}
        self._others = set(names) - set(self._values)

    def __getitem__(self, name: str) -> Array:
        if name not in self._values:
            raise KeyError(name)
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def states(self) -> dict[str, tuple[int, ...]]:
        """State → its times, ascending; `logits` is the output."""
        found: dict[str, list[int]] = {}
        for name in self._values:
            state, _, t = name.partition("@")
            found.setdefault(state, []).append(int(t))
        return {state: tuple(sorted(times)) for state, times in found.items()}

    @property
    def targets(self) -> Array | None:
        """The targets of the images, if the file has them."""
        return self._read("targets") if "targets" in self._others else None

    @property
    def indices(self) -> Array | None:
        """The place of each image in its source, `[N]`, if the file has them."""
        return self._read("indices") if "indices" in self._others else None

    def _names(self) -> list[str]:
        if self.path.suffix != ".zarr":
            with self._archive() as archive:
                return list(archive.files)
        group = self._group()
        # Zarr lists the arrays of a group in no particular order.
        return sorted(group.array_keys(), key=_by_time) + list(group.attrs)

    def _read(self, name: str) -> Array:
        if self.path.suffix != ".zarr":
            with self._archive() as archive:
                array: Array = archive[name]
            return array
        group = self._group()
        return np.asarray(group.attrs[name] if name in group.attrs else group[name][...])

    def _archive(self) -> Any:
        return np.load(self.path, allow_pickle=False)

    def _group(self) -> Any:
        return import_module("zarr").open_group(self.path, mode="r")


def _by_time(name: str) -> tuple[str, int]:
    state, _, t = name.partition("@")
    return state, int(t or 0)


def read(path: Path | str) -> ActivationFile:
    """Open a file of activations, from `graphnet activations` or any .npz file whose arrays have names like `V2@3`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such file.
        ImportError: it is a .zarr folder, and the package zarr is missing.
    """
    place = Path(path)
    if place.suffix != ".zarr":
        with place.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError(f"{place} is neither an .npz file nor a .zarr folder")
    elif not place.is_dir():
        raise FileNotFoundError(2, "No such file or directory", str(place))
    try:
        return ActivationFile(place)
    except (zipfile.BadZipFile, json.JSONDecodeError) as fault:
        raise ValueError(f"{place} is damaged: {fault}") from fault
