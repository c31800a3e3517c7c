"""`fake`: noisy patterns to learn, without any file."""

from __future__ import annotations

import torch
from torch import Tensor

from graphnet.training.data.dataset import Dataset, build, hash_of
from graphnet.training.data.draws import generator
from graphnet.training.data.images import TensorImages, check_memory, resized

SIZE, CLASSES, TRAIN, TEST = 32, 10, 1000, 500


def load_fake(name: str, size: tuple[int, int] | None, seed: int) -> Dataset:
    """Make 1,000 training and 500 test images of 10 classes, RGB of 32 x 32 pixels or of `size`.

    Each class has a coarse random pattern; each image is its class's pattern under noise. All follow from `seed`.
    """
    height, width = size or (SIZE, SIZE)
    check_memory(TRAIN * 3 * height * width * 4)
    draws = generator("fake", seed)
    patterns = resized(torch.rand(CLASSES, 3, 4, 4, generator=draws), height, width)

    def images(count: int) -> tuple[TensorImages, Tensor]:
        labels = torch.arange(count) % CLASSES
        noise = torch.rand(count, 3, height, width, generator=draws)
        return TensorImages(((patterns[labels] + noise) * 127.5).to(torch.uint8)), labels

    train, test = images(TRAIN), images(TEST)
    return build(name, train, test, classes=CLASSES, held_out_hash=hash_of(test[0].pixels, test[1]), held_out_seed=seed)
