"""Small nets and data for the tests of training."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from graphnet.training.data.dataset import Dataset
from graphnet.training.data.named import load_dataset


class TwoReadouts(nn.Module):
    """A recurrent net by hand: one convolution, read at t = 2 and t = 3; the dict has the later time first."""

    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.again = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.classify = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        h1 = torch.relu(self.entry(images))
        h2 = torch.relu(self.again(h1))
        return {3: self.classify(h2.mean(dim=(2, 3))), 2: self.classify(h1.mean(dim=(2, 3)))}


def small_cnn(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 16, 10),
        )


def few_digits(train: int = 130, test: int = 50, validation: int = 0) -> Dataset:
    """The first digits: `train` images for training, then `validation` images, and `test` of the test part."""
    digits = load_dataset("digits")
    held = digits.train.subset(range(train, train + validation)) if validation else None
    return replace(
        digits, train=digits.train.subset(range(train)), test=digits.test.subset(range(test)), validation=held
    )
