"""Time to load an epoch of augmented batches, against torchvision's own way: its transforms in a DataLoader.

    python tests/benchmarks/loading.py [REPEATS]

Two data sets: 10,000 images of CIFAR-10's size in memory (crop, flip), and a folder of 256 JPEG files of 500 x 375
pixels (resized so that the short side is 256, cropped to 224, flipped); each with 0 and 2 workers. Both sides alternate
in one run; `ratio` is the median over the repeats of their time divided by ours, so above 1 ours is faster. The first
epoch, in which workers start, is not counted.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms as T
from torchvision.datasets import ImageFolder

from graphnet.training.data.dataset import Dataset, build
from graphnet.training.data.images import TensorImages
from graphnet.training.data.loader import TrainingBatches
from graphnet.training.data.named import load_dataset

BATCH = 64
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PREPARE = [T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize(MEAN, DEVIATION)]


class LikeCifar(torch.utils.data.Dataset[Any]):
    """Images in memory, turned into Pillow images and transformed one by one, as torchvision's CIFAR10 does."""

    def __init__(self, pixels: np.ndarray[Any, Any], transform: Callable[[Image.Image], torch.Tensor]) -> None:
        self.pixels, self.transform = pixels, transform

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), index % 10


def in_memory() -> tuple[Dataset, torch.utils.data.Dataset[Any]]:
    pixels = np.random.default_rng(0).integers(0, 256, (10_000, 32, 32, 3), dtype=np.uint8)
    images = TensorImages(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()), torch.arange(len(pixels)) % 10
    ours = build("memory", images, images, classes=10, held_out_hash="", augment=("crop", "flip"))
    return ours, LikeCifar(pixels, T.Compose([T.RandomCrop(32, padding=4), *PREPARE]))


def in_files(root: Path) -> tuple[Dataset, torch.utils.data.Dataset[Any]]:
    rng = np.random.default_rng(0)
    for k in range(256):
        path = root / ("test" if k % 8 == 0 else "train") / f"class{k % 3}" / f"{k}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        coarse.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
    transform = T.Compose([T.Resize(256), T.RandomCrop(224), *PREPARE])
    return load_dataset(f"folder:{root}"), ImageFolder(str(root / "train"), transform)


def seconds(batches: Iterable[Any]) -> float:
    started = time.perf_counter()
    for _ in batches:
        pass
    return time.perf_counter() - started


def compare(ours: Dataset, theirs: torch.utils.data.Dataset[Any], workers: int, repeats: int) -> dict[str, float]:
    loader = DataLoader(
        theirs, BATCH, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )
    batches = TrainingBatches(ours, batch_size=BATCH, seed=0, workers=workers)
    assert batches.steps == len(loader)
    pairs = [(seconds(batches.epoch(epoch)), seconds(loader)) for epoch in range(1, repeats + 2)][1:]
    batches.close()
    images = batches.steps * BATCH
    return {
        "ratio": round(statistics.median(b / a for a, b in pairs), 2),
        "images_per_s": round(images / statistics.median(a for a, _ in pairs)),
        "theirs_per_s": round(images / statistics.median(b for _, b in pairs)),
    }


def main(repeats: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        sets = {"memory": in_memory(), "files": in_files(Path(root))}
        found = {
            f"{name}, {workers} workers": compare(*sets[name], workers, repeats) for name in sets for workers in (0, 2)
        }
    print(json.dumps(found | {"threads": torch.get_num_threads()}, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
