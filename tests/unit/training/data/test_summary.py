"""Figures of data sets, and targets as text."""

import pytest
import torch
from torch.utils.data import TensorDataset

from graphnet.training.data.dataset import Dataset
from graphnet.training.data.from_torch import as_dataset
from graphnet.training.data.named import load_dataset
from graphnet.training.data.summary import summary, target_text


def of(targets: torch.Tensor, task: str) -> Dataset:
    items = TensorDataset(torch.rand(len(targets), 1, 2, 2), targets)
    return as_dataset(items, items, task=task)


def test_classes() -> None:
    found = summary(load_dataset("digits"))
    assert found.images == {"training": 1347, "test": 450}
    assert found.counts is not None
    assert sum(found.counts["test"]) == 450
    assert (found.shape, found.classes, found.error_name) == ((1, 8, 8), 10, "error")
    assert found.chance == pytest.approx(1 - 46 / 450)


def test_other_tasks() -> None:
    labels = summary(of(torch.tensor([[1.0, 1, 0], [0, 1, 0]]), "labels"))
    assert labels.counts == {"training": (1, 2, 0), "test": (1, 2, 0)}
    pixels = summary(of(torch.tensor([[[0, 1], [-100, 1]]] * 2), "pixels"))
    assert pixels.counts == {"training": (2, 4), "test": (2, 4)}
    values = summary(of(torch.tensor([[1.0], [3.0]]), "values"))
    assert values.counts is None
    assert (values.error_name, values.chance) == ("rmse", 1.0)


@pytest.mark.parametrize(
    ("target", "task", "text"),
    [
        (torch.tensor(7), "classes", "7"),
        (torch.tensor([0.0, 1, 1]), "labels", "1 2"),
        (torch.ones(20), "labels", "0 1 2 3 4 5 6 7 …"),
        (torch.tensor([0.5, -1.25, 3, 4]), "values", "0.5 -1.25 3 …"),
        (torch.tensor([[3, -100], [0, 3]]), "pixels", "0 3"),
    ],
)
def test_targets_as_text(target: torch.Tensor, task: str, text: str) -> None:
    assert target_text(target, task) == text
