"""Data sets from torch Datasets, and registered names."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Subset, TensorDataset

import graphnet
from graphnet.training.data.from_torch import as_dataset
from graphnet.training.data.images import ItemImages, TensorImages
from graphnet.training.data.named import load_dataset, names
from graphnet.training.data.registered import REGISTERED
from graphnet.training.errors import DataError
from tests.conftest import ROOT

BYTES = torch.randint(256, (12, 5, 4, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))  # [N, H, W, C]
CLASSES = torch.arange(12) % 3


class Items:
    """A Dataset of given items, counting how often each is read."""

    def __init__(self, *items: Any) -> None:
        self.items = items
        self.reads = 0

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        self.reads += 1
        return self.items[index]


FORMS = {
    "tensor": lambda image: image.permute(2, 0, 1),
    "array": lambda image: image.numpy(),
    "Pillow": lambda image: Image.fromarray(image.numpy()),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_an_image_reads_the_same(form: str) -> None:
    items = Items(*((FORMS[form](image), int(label)) for image, label in zip(BYTES, CLASSES, strict=True)))
    dataset = as_dataset(items, items, name="mine")
    assert (dataset.image_shape, dataset.classes, dataset.task) == ((3, 5, 4), 3, "classes")
    memory = TensorDataset(BYTES.permute(0, 3, 1, 2), CLASSES)
    images, labels = as_dataset(memory, memory).train.first(12)
    ours, targets = dataset.train.first(12)
    torch.testing.assert_close(ours, images)
    assert torch.equal(targets, labels)
    assert images.mean().item() == pytest.approx(0, abs=1e-5)
    assert images.std(dim=(0, 2, 3)).tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_floating_images_are_used_as_they_are() -> None:
    images = torch.rand(6, 2, 3, 3) + 5
    memory = TensorDataset(images, torch.arange(6) % 2)
    assert torch.equal(as_dataset(memory, memory).train.first(6)[0], images)
    items = Items(*zip(images, range(6), strict=True))
    dataset = as_dataset(items, items)
    assert torch.equal(dataset.test.first(6)[0], images)


def test_a_tensor_dataset_stays_in_memory_and_others_do_not() -> None:
    memory = TensorDataset(torch.rand(6, 3, 3), torch.arange(6) % 2)
    assert isinstance(as_dataset(memory, memory).train.images, TensorImages)
    items = Items(*zip(torch.rand(6, 3, 3), range(6), strict=True))
    assert isinstance(as_dataset(items, items).train.images, ItemImages)
    assert as_dataset(items, items).image_shape == (1, 3, 3)


def test_known_targets_are_not_read_from_the_items() -> None:
    items = Items(*zip(torch.rand(50, 1, 3, 3), [9] * 50, strict=True))
    items.targets = list(range(25)) * 2  # type: ignore[attr-defined]
    dataset = as_dataset(items, items)
    assert items.reads < 10
    assert dataset.train.targets.tolist() == items.targets  # type: ignore[attr-defined]
    part = as_dataset(Subset(items, [3, 30]), items)  # type: ignore[arg-type]
    assert part.train.targets.tolist() == [3, 5]
    items.target_transform = lambda target: target  # type: ignore[attr-defined]
    assert as_dataset(items, items).train.targets.tolist() == [9] * 50


@pytest.mark.parametrize(
    ("task", "targets", "classes", "dtype"),
    [
        ("labels", [[0, 1, 1], [1, 0, 0]], 3, torch.float32),
        ("values", [[0.5, 1.5], [2.5, 0.0]], 2, torch.float32),
        ("values", [0.5, 1.5], 1, torch.float32),
        ("pixels", [[[0, 4], [-100, 1]], [[1, 1], [0, 0]]], 5, torch.int64),
    ],
)
def test_targets_of_each_task(task: str, targets: Any, classes: int, dtype: torch.dtype) -> None:
    items = Items(*((torch.rand(1, 2, 2), np.array(target)) for target in targets))
    dataset = as_dataset(items, items, task=task)
    assert dataset.classes == classes
    assert dataset.train.targets.dtype == dtype
    assert dataset.train.targets.flatten().tolist() == pytest.approx(np.array(targets).flatten().tolist())


IMAGE = torch.zeros(1, 2, 2)


@pytest.mark.parametrize(
    ("items", "options", "told"),
    [
        (Items(), {}, "data's training part has no images"),
        (iter([]), {}, "data's training part is a list_iterator; it must be a torch Dataset with a length"),
        (Items(IMAGE, IMAGE), {}, "item 0 of data's training part is a Tensor; it must be a pair of image and target"),
        (Items(("x", 0), ("y", 1)), {}, "image 0 of data's training part is a str; it must be a tensor, an array"),
        (Items((torch.zeros(4), 0)), {}, "image 0 of data's training part is [4]; it must be [C, H, W]"),
        (Items((IMAGE, "a"), (IMAGE, "b")), {}, "targets of data's training part cannot be read: "),
        (Items((IMAGE, 0), (IMAGE, [1, 2])), {}, "targets of data's training part cannot be read: "),
        (Items((IMAGE, 0), (IMAGE, 1)), {"task": "pixels"}, "the task 'pixels' needs 3 dimensions"),
        (Items((IMAGE, 0.5), (IMAGE, 1.5)), {}, "the task 'classes' needs whole ones; 'values' takes these"),
        (Items((IMAGE, [0.0, 1.0])), {"task": "labels", "classes": 3}, "data has 2 labels for each training image; 3"),
        (Items((IMAGE, 0)), {"task": "class"}, "no task is called 'class'\n  known: classes, labels, values, pixels"),
        (TensorDataset(torch.zeros(3, 2), torch.zeros(3)), {}, "holds tensors [3, 2], [3]; it must hold images"),
    ],
)
def test_other_forms_are_told(items: Any, options: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError) as caught:
        as_dataset(items, items, **options)
    assert told in str(caught.value)


def test_images_of_several_shapes_are_told_and_can_be_resized(registered: None) -> None:
    items = Items((torch.zeros(1, 4, 4), 0), (torch.zeros(1, 6, 4), 1))
    graphnet.register_data("uneven", (items, items))
    with pytest.raises(DataError, match=r"image 1 of uneven's training part is \[1, 6, 4\], the first one is"):
        load_dataset("uneven").train.first(2)
    assert load_dataset("uneven@3").train.first(2)[0].shape == (2, 1, 3, 3)


def test_parts_must_have_one_shape() -> None:
    small, large = (TensorDataset(torch.rand(2, 1, side, side), torch.arange(2)) for side in (2, 3))
    with pytest.raises(DataError, match=r"^data: test images are \[1, 3, 3\], training images \[1, 2, 2\]"):
        as_dataset(small, large)


@pytest.fixture
def registered() -> Iterator[None]:
    """Forget what a test registers."""
    before = dict(REGISTERED)
    yield
    REGISTERED.clear()
    REGISTERED.update(before)


MEMORY = TensorDataset(BYTES.permute(0, 3, 1, 2), CLASSES)


@pytest.mark.parametrize(
    "source", [(MEMORY, MEMORY), lambda: (MEMORY, MEMORY), as_dataset(MEMORY, MEMORY)], ids=["pair", "call", "dataset"]
)
def test_a_registered_name_is_a_name(source: Any, registered: None) -> None:
    graphnet.register_data("mine", source)
    assert names()[-1] == "mine"
    dataset = load_dataset("mine@2", validation=0.25, train_size=6)
    assert (dataset.name, dataset.image_shape) == ("mine@2", (3, 2, 2))
    assert dataset.validation is not None
    assert [len(part) for part in dataset.parts.values()] == [6, 12, 3]
    assert load_dataset("mine").name == "mine"


def test_a_registered_task_is_kept(registered: None) -> None:
    values = TensorDataset(MEMORY.tensors[0], torch.rand(12, 2))
    graphnet.register_data("mine", (values, values, values), task="values")
    dataset = load_dataset("mine", validation="published")
    assert (dataset.task, dataset.classes, len(dataset.parts)) == ("values", 2, 3)


def test_registering_loads_no_torch() -> None:
    script = "import sys, graphnet; graphnet.register_data('mine', None); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("name", ["digits", "Mine", "folder", "a@b", "folder:x", "taken"])
def test_names_that_cannot_be_registered(name: str, registered: None) -> None:
    graphnet.register_data("taken", (MEMORY, MEMORY))
    with pytest.raises(ValueError, match=name):
        graphnet.register_data(name, (MEMORY, MEMORY))


def failing() -> Any:
    raise RuntimeError("no disk\nmore")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (failing, "the registered data set 'mine' cannot be read: no disk"),
        (lambda: 7, "the registered data set 'mine' is a int; it must be a Dataset of graphnet, or two or three"),
        ((MEMORY,), "the registered data set 'mine' is a tuple; it must be a Dataset of graphnet, or two or three"),
    ],
)
def test_a_bad_registration_is_told(source: Any, told: str, registered: None) -> None:
    graphnet.register_data("mine", source)
    with pytest.raises(DataError) as caught:
        load_dataset("mine")
    assert str(caught.value).startswith(told)


def test_maps_cannot_be_resized(registered: None) -> None:
    maps = TensorDataset(torch.rand(4, 1, 2, 2), torch.arange(16).view(4, 2, 2) % 2)
    graphnet.register_data("maps", (maps, maps), task="pixels")
    with pytest.raises(DataError, match="maps has a target for each pixel, so its images cannot be resized by @"):
        load_dataset("maps@4")
