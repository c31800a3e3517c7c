"""Checks of a data set before training starts."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import TensorDataset

from graphnet.training.data.checks import check_data, check_fits
from graphnet.training.data.dataset import Dataset
from graphnet.training.data.from_torch import as_dataset
from graphnet.training.data.named import load_dataset
from graphnet.training.errors import DataError
from tests.unit.training.data.made import write_images

N = 40
IMAGES = torch.rand(N, 3, 4, 4, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(N) % 4


def made(images: Any = IMAGES, targets: Any = CLASSES, task: str = "classes", classes: int | None = 4) -> Dataset:
    good = TensorDataset(images, targets)
    return as_dataset(good, good, task=task, classes=classes, name="mine")


def changed(where: object, value: float, tensor: torch.Tensor = IMAGES) -> torch.Tensor:
    tensor = tensor.clone()
    tensor[where] = value  # type: ignore[index]
    return tensor


LABELS = (torch.arange(N)[:, None] % torch.tensor([2, 3, 5]) == 0).float()
VALUES = torch.randn(N, 2, generator=torch.Generator().manual_seed(0))
MAPS = (torch.arange(N * 16) % 3).view(N, 4, 4)


GOOD = [
    made(),
    made(targets=LABELS, task="labels", classes=3),
    made(targets=VALUES, task="values", classes=2),
    made(targets=changed(0, -100, MAPS), task="pixels", classes=3),
]


@pytest.mark.parametrize("dataset", GOOD, ids=lambda dataset: dataset.task)
def test_good_data_pass(dataset: Dataset) -> None:
    check_data(dataset)


def test_shipped_data_pass() -> None:
    for name in ("digits", "fake"):
        check_data(load_dataset(name))


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        (made(IMAGES[:1], CLASSES[:1]), "the training part has 1 images; two are the least"),
        (made(targets=CLASSES * 0 + 2), "has images of one class only, 2; at least two are needed"),
        (made(targets=changed(3, 4, CLASSES)), "has the label 4; labels are from 0 to 3"),
        (made(targets=changed(3, -1, CLASSES)), "has the label -1; labels are from 0 to 3"),
        (made(targets=CLASSES % 3), "has no image of class 3, of 4 classes"),
        (made(targets=CLASSES % 2), "has no image of class 2 and 1 more, of 4 classes"),
        (made(changed((slice(None), 1), 0.5)), "has constant images: every pixel of channel 1 is 0.5"),
        (made(changed((slice(3, 5), 1, 2, 2), torch.nan)), "has 2 images with values that are not finite"),
        (made(changed((0, 1, 2, 2), torch.inf)), "has 1 images with values that are not finite"),
        (made(targets=changed((0, 0), 0.5, LABELS), task="labels", classes=3), "has the label 0.5; each of the 3"),
        (made(targets=LABELS * 0, task="labels", classes=3), "has the same labels for every image"),
        (made(targets=changed((5, 0), torch.nan, VALUES), task="values", classes=2), "has 1 images with values"),
        (made(targets=VALUES * 0, task="values", classes=2), "has the same values for every image"),
        (made(targets=changed((0, 0, 0), 7, MAPS), task="pixels", classes=3), "has the class 7; classes of pixels"),
        (made(targets=MAPS * 0, task="pixels", classes=3), "has pixels of one class only, 0"),
        (made(targets=MAPS * 0 - 100, task="pixels", classes=3), "has no pixel with a class: all targets are -100"),
    ],
)
def test_each_fault_is_one_sentence(dataset: Dataset, told: str) -> None:
    with pytest.raises(DataError) as caught:
        check_data(dataset)
    assert str(caught.value).startswith("mine: the training part ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_part_is_checked() -> None:
    bad = made(targets=changed(3, 4, CLASSES)).train
    for name, dataset in (("test", replace(made(), test=bad)), ("validation", replace(made(), validation=bad))):
        with pytest.raises(DataError, match=f"^mine: the {name} part has the label 4"):
            check_data(dataset)


def test_a_test_part_may_lack_a_class() -> None:
    few = made(targets=CLASSES % 2).train
    check_data(replace(made(), test=few))


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "is empty"), (b"no image at all", "cannot be read: cannot identify image file")]
)
def test_a_damaged_image_file_is_named(content: bytes, told: str, tmp_path: Path) -> None:
    write_images(tmp_path, {"train/a": 3, "train/b": 3, "test/a": 3, "test/b": 3})
    dataset = load_dataset(f"folder:{tmp_path}@16")
    check_data(dataset)
    path = tmp_path / "test" / "b" / "001.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        check_data(dataset)
    assert f"the test part: the image {path} {told}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    write_images(tmp_path, {"train/a": 3, "train/b": 3, "test/a": 3, "test/b": 3})
    os.mkfifo(tmp_path / "train" / "a" / "pipe.jpg")
    dataset = load_dataset(f"folder:{tmp_path}@16")
    for reading in (lambda: check_data(dataset), lambda: dataset.train.first(10)):
        with pytest.raises(DataError, match=r"pipe\.jpg is missing, or no regular file$"):
            reading()


def test_a_spec_must_fit_the_data() -> None:
    digits = load_dataset("digits")
    check_fits(digits, (1, 8, 8), (10,))
    with pytest.raises(DataError) as caught:
        check_fits(digits, (3, 32, 32), (10,))
    fix = "set input.shape = [1, 8, 8]"
    assert str(caught.value) == f"digits are [1, 8, 8]; the spec's input is [3, 32, 32]\n  {fix}"
    with pytest.raises(DataError, match=r"or digits@16x24$"):
        check_fits(digits, (1, 16, 24), (10,))
    with pytest.raises(DataError, match=r"output is \[100\]\n  set post_net.classes = 10$"):
        check_fits(digits, (1, 8, 8), (100,))
