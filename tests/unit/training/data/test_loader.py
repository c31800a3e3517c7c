"""Batches of training images: order, augmentation, workers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from graphnet.training.data.dataset import Dataset
from graphnet.training.data.from_torch import as_dataset
from graphnet.training.data.loader import TrainingBatches
from graphnet.training.data.named import load_dataset
from graphnet.training.data.reader import BatchReader
from graphnet.training.errors import DataError
from tests.conftest import ROOT
from tests.unit.training.data.made import write_images

Batches = list[tuple[Tensor, Tensor]]


class Noisy(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Items that draw from torch's, NumPy's and Python's generators, as random transforms do."""

    def __len__(self) -> int:
        return 23

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        import random

        noise = torch.tensor([torch.rand(()).item(), np.random.rand(), random.random()])
        return torch.full((1, 3, 3), float(index)) + noise.view(1, 1, 3), index % 2


@pytest.fixture(params=["memory", "files", "items"])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset:
    if request.param == "memory":
        return load_dataset("fake@8", train_size=23)
    if request.param == "items":
        return as_dataset(Noisy(), Noisy(), name="noisy")
    write_images(tmp_path, {"train/a": 12, "train/b": 11, "test/a": 2, "test/b": 2})
    return load_dataset(f"folder:{tmp_path}@16")


def names_of(dataset: Dataset) -> tuple[str, ...]:
    return {"fake@8": ("crop", "flip"), "noisy": ("flip",)}.get(dataset.name, ("auto",))


def read(dataset: Dataset, epochs: dict[int, int], workers: int = 0, seed: int = 0) -> list[Batches]:
    """Batches of each epoch from its start on."""
    loader = TrainingBatches(dataset, batch_size=5, seed=seed, augment=names_of(dataset), workers=workers)
    try:
        return [list(loader.epoch(epoch, start)) for epoch, start in epochs.items()]
    finally:
        loader.close()


def same(some: Batches, others: Batches) -> bool:
    return len(some) == len(others) and all(
        torch.equal(x, y) for pair in zip(some, others, strict=True) for x, y in zip(*pair, strict=True)
    )


def test_an_epoch_has_each_image_once(dataset: Dataset) -> None:
    loader = TrainingBatches(dataset, batch_size=5, seed=0, augment=("none",))
    assert (loader.steps, loader.left_out) == (4, 3)
    batches = list(loader.epoch(1))
    assert [images.shape for images, _ in batches] == [(5, *dataset.image_shape)] * 4
    assert all(images.dtype == torch.float32 for images, _ in batches)
    images = torch.cat([images for images, _ in batches])
    assert len({image.numpy().tobytes() for image in images}) == 20


def test_targets_belong_to_their_images() -> None:
    dataset = load_dataset("digits")
    known = {image.numpy().tobytes(): int(label) for image, label in zip(*dataset.train.first(2000), strict=True)}
    for images, labels in TrainingBatches(dataset, batch_size=64, seed=3).epoch(2):
        assert [known[image.numpy().tobytes()] for image in images] == labels.tolist()


def test_epochs_and_seeds_differ_and_repeat(dataset: Dataset) -> None:
    first, second = read(dataset, {1: 0, 2: 0})
    again, other = read(dataset, {1: 0})[0], read(dataset, {1: 0}, seed=1)[0]
    assert same(first, again)
    assert not same(first, second)
    assert not same(first, other)


def test_a_start_in_mid_epoch_gives_the_same_batches(dataset: Dataset) -> None:
    whole = read(dataset, {2: 0})[0]
    for start in range(5):
        assert same(read(dataset, {2: start})[0], whole[start:])


def test_the_batch_size_changes_no_image(dataset: Dataset) -> None:
    """Draws belong to images, not to places in a batch."""
    sizes = [TrainingBatches(dataset, batch_size=size, seed=0, augment=names_of(dataset)).epoch(1) for size in (5, 10)]
    some, others = (torch.cat([images for images, _ in batches]) for batches in sizes)
    assert torch.equal(some, others)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_no_batch(workers: int, dataset: Dataset) -> None:
    here, there = (read(dataset, {1: 0, 2: 3, 3: 0}, workers=count) for count in (0, workers))
    assert all(same(some, others) for some, others in zip(here, there, strict=True))


def test_an_epoch_left_early_leaves_no_trace(dataset: Dataset) -> None:
    loader = TrainingBatches(dataset, batch_size=5, seed=0, augment=names_of(dataset), workers=1)
    next(iter(loader.epoch(1)))
    second = list(loader.epoch(2))
    loader.close()
    assert same(second, read(dataset, {2: 0})[0])


@pytest.mark.parametrize("workers", [0, 1])
def test_the_global_generators_stay(workers: int, dataset: Dataset) -> None:
    torch.manual_seed(7)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1]
    read(dataset, {1: 0, 2: 0}, workers=workers)
    list(dataset.test.batches(2, workers=workers))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # type: ignore[arg-type]


def test_test_batches_are_in_order(dataset: Dataset) -> None:
    whole, targets = dataset.test.first(1000)
    assert len(whole) == len(dataset.test)
    assert torch.equal(targets, dataset.test.targets)
    for workers in (0, 1):
        images = torch.cat([images for images, _ in dataset.test.batches(3, workers=workers)])
        assert torch.equal(images, whole)
    assert torch.equal(torch.cat([labels for _, labels in dataset.test.batches(3, most=4)]), targets[:4])
    assert torch.equal(dataset.test.first(2)[0], whole[:2])


def test_fewer_images_than_a_batch_are_one_batch() -> None:
    loader = TrainingBatches(load_dataset("fake@8", train_size=10), batch_size=64, seed=0)
    assert (loader.steps, loader.left_out) == (1, 0)
    assert [len(images) for images, _ in loader.epoch(1)] == [10]


def test_each_epoch_leaves_out_others() -> None:
    dataset = load_dataset("fake@8", train_size=23)
    loader = TrainingBatches(dataset, batch_size=5, seed=0)
    seen = [{x.numpy().tobytes() for images, _ in loader.epoch(epoch) for x in images} for epoch in (1, 2, 3)]
    assert len(seen[0] | seen[1] | seen[2]) == 23


@pytest.mark.parametrize("workers", [0, 1])
def test_a_truncated_image_is_named(workers: int, tmp_path: Path) -> None:
    write_images(tmp_path, {"train/a": 3, "train/b": 3, "test/a": 2, "test/b": 2})
    path = tmp_path / "train" / "b" / "001.jpg"
    path.write_bytes(path.read_bytes()[:-300])
    dataset = load_dataset(f"folder:{tmp_path}@16")
    loader = TrainingBatches(dataset, batch_size=2, seed=0, workers=workers)
    with pytest.raises(DataError) as caught:
        list(loader.epoch(1))
    loader.close()
    assert str(caught.value).startswith(f"the image {path} cannot be read: ")
    assert "truncated" in str(caught.value)
    assert "\n" not in str(caught.value)


class Deadly(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """A Dataset that kills its process at one item."""

    targets = (0, 1) * 5

    def __init__(self, parent: int) -> None:
        self.parent = parent

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if index == 7 and os.getpid() != self.parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.zeros(1, 2, 2), 0


def test_a_worker_that_dies_is_told() -> None:
    dataset = as_dataset(Deadly(os.getpid()), Deadly(os.getpid()), name="deadly")
    loader = TrainingBatches(dataset, batch_size=2, seed=0, workers=1)
    started = time.perf_counter()
    with pytest.raises(DataError, match=r"^a process that reads images ended: .*\n  if memory is short"):
        list(loader.epoch(1))
    assert time.perf_counter() - started < 20


class Faulty(torch.utils.data.Dataset[Any]):
    targets = (0, 1) * 5

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Any:
        if index == 7:
            raise KeyError("seven")
        return torch.zeros(1, 2, 2), 0


@pytest.mark.parametrize("workers", [0, 1])
def test_a_fault_of_a_users_dataset_is_one_sentence(workers: int) -> None:
    loader = TrainingBatches(as_dataset(Faulty(), Faulty(), name="mine"), batch_size=2, seed=0, workers=workers)
    with pytest.raises(DataError) as caught:
        list(loader.epoch(1))
    loader.close()
    assert str(caught.value) == "item 7 of mine's training part cannot be read: 'seven'"


ABANDONED = """
import sys
from graphnet.training.data.loader import TrainingBatches
from graphnet.training.data.named import load_dataset
loader = TrainingBatches(load_dataset("folder:" + sys.argv[1]), batch_size=2, seed=0, workers=2)
batches = loader.epoch(1)
next(batches)
print("read", flush=True)
"""


def test_a_process_that_closes_nothing_ends_quietly(tmp_path: Path) -> None:
    write_images(tmp_path, {"a": 20, "b": 20})
    done = subprocess.run(
        [sys.executable, "-c", ABANDONED, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "read\n", "")


SIGNALLED = (
    ABANDONED
    + """
import os, signal
signal.signal(signal.SIGTERM, lambda *_: print("told", flush=True))
os.killpg(0, signal.SIGTERM)
print(sum(1 for _ in batches), flush=True)
"""
)


def test_workers_outlive_a_signal_to_the_group(tmp_path: Path) -> None:
    write_images(tmp_path, {"a": 20, "b": 20})
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "read\ntold\n15\n", "")


def test_closing_ends_the_workers(tmp_path: Path) -> None:
    import multiprocessing

    write_images(tmp_path, {"a": 8, "b": 8})
    reader = BatchReader(load_dataset(f"folder:{tmp_path}@16").train.images, workers=2)
    assert len(list(reader.read([([0, 1], None), ([2], None)]))) == 2
    assert len(multiprocessing.active_children()) == 2
    reader.close()
    assert multiprocessing.active_children() == []
