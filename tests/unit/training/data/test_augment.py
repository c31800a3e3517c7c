"""Augmentation by given draws."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import TensorDataset

from graphnet.training.data.augment import AUGMENTATIONS, Augmentation, augmentations, augmented, expanded
from graphnet.training.data.crops import MARGIN, central, covering, random_crop, random_resized_crop
from graphnet.training.data.dataset import Dataset
from graphnet.training.data.from_torch import as_dataset
from graphnet.training.data.named import load_dataset
from graphnet.training.errors import DataError
from tests.unit.training.data.made import write_images


def batch(names: list[str], images: Tensor, draws: Tensor) -> Tensor:
    applied = [each for each in map(AUGMENTATIONS.get, names) if isinstance(each, Augmentation)]
    return augmented(images, torch.zeros(len(images)), draws, applied)[0]


def test_a_crop_is_a_window_of_the_padded_image_or_its_mirror() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(400, 2, 5, 6, generator=generator)
    draws = torch.rand(400, 3, generator=generator, dtype=torch.float64)
    before = images.clone()
    crops = batch(["crop", "flip"], images, draws)
    assert crops.shape == images.shape
    assert torch.equal(images, before)
    seen = set()
    for image, crop, (u, v, w) in zip(images, crops, draws.tolist(), strict=True):
        top, left, mirrored = int(u * 9), int(v * 9), w < 0.5
        window = F.pad(image, [4, 4, 4, 4])[:, top : top + 5, left : left + 6]
        assert torch.equal(crop, window.flip(2) if mirrored else window)
        seen.add((top, left, mirrored))
    assert {top for top, _, _ in seen} == {left for _, left, _ in seen} == set(range(9))
    assert {mirrored for _, _, mirrored in seen} == {True, False}


def test_the_largest_draw_stays_inside() -> None:
    images = torch.randn(1, 1, 3, 3)
    last = torch.tensor([[1 - 2**-53] * 3], dtype=torch.float64)
    assert torch.equal(batch(["crop"], images, last)[0], F.pad(images, [4, 4, 4, 4])[0, :, 8:, 8:])


def test_names_in_turn(tmp_path: Path) -> None:
    fake = replace(load_dataset("fake@8"), augment=("flip",))
    assert expanded(("auto",), fake) == ("flip",)
    assert expanded(("none",), fake) == ()
    assert expanded(("shift:2", "auto"), fake) == ("shift:2", "flip")
    crop, batchwise = augmentations(("shift:2", "auto"), fake)
    assert crop is None
    assert [each.draws for each in batchwise] == [2, 1]
    images = torch.randn(1, 3, 8, 8)
    moved = batchwise[0].apply(images, torch.tensor([[0.0, 0.5]]), 0.0)
    assert torch.equal(moved, F.pad(images, [2, 2, 2, 2])[:, :, 0:8, 2:10])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("flop", "no augmentation is called 'flop'\n  did you mean 'flip'? known: auto, none, crop, flip,"),
        ("shift", "no augmentation is called 'shift'\n  did you mean 'shift:PIXELS'?"),
        ("shift:-1", "no augmentation is called 'shift:-1'"),
        ("shift:99999999999", "no augmentation is called 'shift:99999999999'"),
        ("random-crop", "fake@8 is no folder of images, so they cannot be read by a random crop"),
    ],
)
def test_names_that_do_not_fit(name: str, told: str) -> None:
    with pytest.raises(DataError) as caught:
        augmentations((name,), load_dataset("fake@8"))
    assert str(caught.value).startswith(told)


def test_a_file_is_read_by_one_crop(tmp_path: Path) -> None:
    write_images(tmp_path, {"a": 5, "b": 5})
    dataset = load_dataset(f"folder:{tmp_path}")
    assert augmentations(("auto",), dataset)[0] == AUGMENTATIONS["random-crop"]
    with pytest.raises(DataError, match="give random-crop or random-resized-crop"):
        augmentations(("auto", "random-resized-crop"), dataset)


def of_maps(size: int) -> Dataset:
    maps = torch.arange(10 * size * size).view(10, size, size)
    parts = TensorDataset(torch.arange(10 * 36.0).view(10, 1, 6, 6), maps)
    return as_dataset(parts, parts, task="pixels", name="maps")


def test_maps_of_classes_move_with_their_images() -> None:
    dataset = of_maps(6)
    applied = augmentations(("crop", "flip"), dataset)[1]
    images, maps = dataset.train.first(10)
    draws = torch.rand(10, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    moved, classes = augmented(images + 1, maps, draws, applied)
    outside = moved[:, 0] == 0
    assert outside.any()
    assert torch.equal(torch.where(outside, -100, moved[:, 0].long() - 1), classes)


def test_maps_of_another_size_cannot_be_augmented() -> None:
    with pytest.raises(DataError, match=r"maps's targets are \[3, 3\], images \[1, 6, 6\]"):
        augmentations(("flip",), of_maps(3))
    assert augmentations(("none",), of_maps(3)) == (None, ())


def test_a_random_crop_has_one_scale_and_any_place() -> None:
    size = (224, 224)
    corners = [random_crop(300, 500, size, draws) for draws in ((0, 0), (1, 1), (0.5, 0.5))]
    assert {(round(each.height, 6), round(each.width, 6)) for each in corners} == {(262.5, 262.5)}
    assert (corners[0].top, corners[0].left) == (0, 0)
    assert covering(corners[1], 300, 500)[2:] == (500, 300)
    assert central(300, 500, size) == corners[2]
    assert 300 / corners[0].height == pytest.approx(MARGIN)


def test_a_random_resized_crop_stays_inside_and_covers_its_range() -> None:
    draws = torch.rand(2000, 4, generator=torch.Generator().manual_seed(0)).tolist()
    found = [random_resized_crop(300, 500, (224, 224), each) for each in draws]
    for each in found:
        left, top, right, bottom = covering(each, 300, 500)
        assert 0 <= left < right <= 500
        assert 0 <= top < bottom <= 300
    areas = [each.height * each.width / 150_000 for each in found]
    assert min(areas) > 0.07
    assert max(areas) > 0.8
    assert min(areas) < 0.1
    free = [each.width / each.height for each in found if each.height < 300]
    assert min(free) == pytest.approx(3 / 4, rel=0.02)
    assert max(free) == pytest.approx(4 / 3, rel=0.02)
