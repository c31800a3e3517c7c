"""Small files in the formats of data sets."""

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COUNTS = {"train": 40, "t10k": 20}
Arrays = dict[str, NDArray[np.uint8]]


def write_idx(folder: Path, suffix: str = "", labels: int | None = None) -> tuple[Arrays, Arrays]:
    """Write the four files of MNIST: 40 training and 20 test images; return images and labels."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    pixels = {part: rng.integers(0, 256, (count, 28, 28), dtype=np.uint8) for part, count in COUNTS.items()}
    classes = {part: (np.arange(count) % 10).astype(np.uint8) for part, count in COUNTS.items()}
    classes["train"] = classes["train"][:labels]
    for part in COUNTS:
        for name, array in ((f"{part}-images-idx3-ubyte", pixels[part]), (f"{part}-labels-idx1-ubyte", classes[part])):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            data = header + array.tobytes()
            (folder / f"{name}{suffix}").write_bytes(gzip.compress(data) if suffix else data)
    return pixels, classes


def write_images(
    root: Path, counts: dict[str, int], size: tuple[int, int] = (40, 30), kind: str = "jpg", smooth: bool = False
) -> None:
    """Write so many random images of W x H pixels into each folder."""
    rng = np.random.default_rng(0)
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for k in range(count):
            coarse = (4, 6) if smooth else (size[1], size[0])
            image = Image.fromarray(rng.integers(0, 256, (*coarse, 3), dtype=np.uint8))
            image.resize(size, Image.Resampling.BICUBIC).save(root / folder / f"{k:03}.{kind}")
