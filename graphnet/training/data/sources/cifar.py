"""`cifar10` and `cifar100`, in torchvision's folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphnet.training.data.dataset import Dataset, build, hash_of
from graphnet.training.data.images import TensorImages, unreadable
from graphnet.training.errors import DataError


@dataclass(frozen=True)
class CifarSource:
    """A data set in the layout of torchvision's class `reader`."""

    name: str
    reader: str
    folder: str
    classes: int

    def load(self, data_root: Path | None) -> Dataset:
        """Load 50,000 training and 10,000 test images (Krizhevsky 2009). Raises DataError."""
        root = self._found(data_root)
        train_images, train_labels = self._read(root, train=True)
        test_images, test_labels = self._read(root, train=False)
        return build(
            self.name,
            (TensorImages(train_images), train_labels),
            (TensorImages(test_images), test_labels),
            classes=self.classes,
            held_out_hash=hash_of(test_images, test_labels),
            augment=("crop", "flip"),
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
        except Exception as fault:  # noqa: BLE001 - the readers fail on damaged files in their own ways
            told = unreadable(f"{self.name} in {root / self.folder}", fault)
            raise DataError(f"{told}\n{self._remedy(root)}") from None
        return torch.as_tensor(source.data).permute(0, 3, 1, 2).contiguous(), torch.as_tensor(source.targets).long()

    def _remedy(self, root: Path | None = None) -> str:
        where = "DATA_ROOT" if root is None else str(root)
        script = f"from torchvision.datasets import {self.reader}; {self.reader}({where!r}, download=True)"
        return f'  get it once with: python -c "{script}"\n  and name the folder: --data-root {where}'
