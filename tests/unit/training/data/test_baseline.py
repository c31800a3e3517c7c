"""The linear classifier that trained nets are held against."""

from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.data import TensorDataset

from graphnet.training.data import baseline
from graphnet.training.data.baseline import linear_baseline
from graphnet.training.data.dataset import Dataset
from graphnet.training.data.from_torch import as_dataset
from graphnet.training.data.named import load_dataset
from tests.unit.training.data.made import write_images


def of(images: torch.Tensor, targets: torch.Tensor, task: str = "classes") -> Dataset:
    part = TensorDataset(images, targets)
    return as_dataset(part, part, task=task)


def test_the_linear_baseline_of_digits() -> None:
    found = linear_baseline(load_dataset("digits"))
    assert found is not None
    assert 0.94 < found.accuracy < 0.99
    assert found.images == 1347


def test_the_linear_baseline_is_linear() -> None:
    """Exclusive or, where the best linear classifier gets three of four corners."""
    corners = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]).reshape(4, 1, 1, 2)
    found = linear_baseline(of(corners, torch.tensor([0, 1, 1, 0])))
    assert found is not None
    assert found.accuracy <= 0.75


def test_a_large_set_is_sampled_and_averaged() -> None:
    """As large as CIFAR-10; what tells the classes apart survives the averaging."""
    labels = torch.arange(5000) % 10
    images = torch.randint(100, (5000, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images[torch.arange(5000), 0, labels * 3] += 100
    dataset = of(images, labels)
    found = linear_baseline(dataset)
    assert found is not None
    assert found.images == 2000
    assert found.accuracy > 0.9
    assert baseline._features(dataset.train.subset(range(5))).shape == (5, 3 * 16 * 16)
    assert linear_baseline(replace(dataset)) == found


def test_files_are_sampled_and_one_class_each_is_too_few(tmp_path: Path) -> None:
    write_images(tmp_path, {"a": 260, "b": 260})
    found = linear_baseline(load_dataset(f"folder:{tmp_path}@16"))
    assert found is not None
    assert found.images == 200
    many = of(torch.rand(2100, 1, 2, 2), torch.arange(2100) % 1050)
    assert linear_baseline(many) is None


def test_labels_have_a_classifier_each() -> None:
    """Two of five pixels are bright, those of the two labels; the fifth label is on no image."""
    draws = torch.Generator().manual_seed(0)
    chosen = torch.rand(300, 4, generator=draws).argsort(1)[:, :2]
    labels = torch.zeros(300, 5).scatter_(1, chosen, 1.0)
    images = (labels + 0.1 * torch.rand(300, 5, generator=draws)).reshape(300, 1, 1, 5)
    found = linear_baseline(of(images, labels, "labels"))
    assert found == baseline.Baseline(1.0, 300)
    noise = linear_baseline(of(torch.rand(images.shape, generator=draws), labels, "labels"))
    assert noise is not None
    assert noise.accuracy < 0.5


def test_other_tasks_have_no_baseline() -> None:
    assert linear_baseline(of(torch.rand(4, 1, 2, 2), torch.rand(4, 2), "values")) is None
