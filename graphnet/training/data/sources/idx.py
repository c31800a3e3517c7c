"""`mnist` and `fashion-mnist`: images and labels in idx files, plain or compressed."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from graphnet.training.data.dataset import Dataset, build, hash_of
from graphnet.training.data.images import TensorImages, unreadable
from graphnet.training.errors import DataError

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
UNSIGNED_BYTE = 8
SUFFIXES = ("", ".gz")


@dataclass(frozen=True)
class IdxSource:
    """A data set of four idx files.

    Attributes:
        reader: class of torchvision that downloads it; its folder is `reader`/raw.
        installed: folder in which a system's package installs the files.
        package: that package of Debian.
    """

    name: str
    reader: str
    installed: Path | None = None
    package: str | None = None

    def load(self, data_root: Path | None) -> Dataset:
        """Load the 60,000 training and 10,000 test images (LeCun et al. 1998; Xiao et al. 2017). Raises DataError."""
        folder = self._folder(data_root)
        train_images, train_labels, test_images, test_labels = (self._read(folder, name) for name in FILES)
        return build(
            self.name,
            (TensorImages(train_images.unsqueeze(1)), train_labels.long()),
            (TensorImages(test_images.unsqueeze(1)), test_labels.long()),
            classes=10,
            held_out_hash=hash_of(test_images, test_labels),
        )

    def _folder(self, data_root: Path | None) -> Path:
        if data_root is not None:
            places = [data_root / self.reader / "raw", data_root / self.name, data_root]
        elif self.installed is not None:
            places = [self.installed]
        else:
            need = f"the folder that holds {self.reader}/raw or the files {FILES[0]}.gz, …"
            raise DataError(f"{self.name} needs a data root, {need}\n{self._remedy(None)}")
        for place in places:
            if any((place / f"{FILES[0]}{suffix}").is_file() for suffix in SUFFIXES):
                return place
        looked = " and ".join(map(str, places))
        raise DataError(f"{self.name} is missing: looked for {FILES[0]}.gz in {looked}\n{self._remedy(data_root)}")

    def _read(self, folder: Path, name: str) -> Tensor:
        for path in (folder / f"{name}{suffix}" for suffix in SUFFIXES):
            if path.is_file():
                return read_idx(path, dimensions=3 if "idx3" in name else 1)
        raise DataError(f"{self.name} is incomplete: {folder} has no {name} or {name}.gz")

    def _remedy(self, root: Path | None) -> str:
        where = "DATA_ROOT" if root is None else str(root)
        script = f"from torchvision.datasets import {self.reader}; {self.reader}({where!r}, download=True)"
        package = f"\n  or install Debian's package {self.package}, and leave --data-root out" if self.package else ""
        return f'  get it once with: python -c "{script}"\n  and name the folder: --data-root {where}{package}'


def read_idx(path: Path, dimensions: int) -> Tensor:
    """Read an idx file of bytes with so many dimensions: uint8. Raises DataError, which names the file."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as fault:
        raise unreadable(str(path), fault) from None
    if data[:4] != bytes([0, 0, UNSIGNED_BYTE, dimensions]):
        raise DataError(f"{path} is no idx file of bytes in {dimensions} dimensions: it begins with {data[:4].hex()}")
    header = 4 + 4 * dimensions
    shape = [int.from_bytes(data[k : k + 4], "big") for k in range(4, header, 4)]
    if len(data) - header != math.prod(shape):
        raise DataError(f"{path} is damaged: {shape} needs {math.prod(shape):,} bytes, it has {len(data) - header:,}")
    return torch.from_numpy(np.frombuffer(data, dtype=np.uint8, offset=header).reshape(shape).copy())
