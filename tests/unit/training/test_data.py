import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from graphnet.training.data.augment import crop_and_mirror
from graphnet.training.data.dataset import DATASETS, Dataset, check_fits, linear_baseline, load_dataset
from graphnet.training.errors import DataError


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def as_rows(images: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def test_digits_are_every_image_once_in_two_parts(digits: Dataset) -> None:
    assert digits.train_images.shape == (1347, 1, 8, 8)
    assert digits.test_images.shape == (450, 1, 8, 8)
    assert digits.train_images.dtype == torch.float32
    assert digits.train_labels.dtype == torch.int64
    raw = torch.from_numpy(load_digits().images).float()
    train, test = as_rows(digits.train_images), as_rows(digits.test_images)
    assert not train & test
    assert len(train | test) == len(as_rows(raw)) == 1797


def test_digits_keep_their_labels(digits: Dataset) -> None:
    source = load_digits()
    label_of = {
        image.astype("float32").tobytes(): label for image, label in zip(source.images, source.target, strict=True)
    }
    # Standardising is affine with one mean and deviation; the raw values are whole numbers from 0 to 16.
    for images, labels in [
        (digits.train_images, digits.train_labels),
        (digits.test_images, digits.test_labels),
    ]:
        low, high = images.min(), images.max()
        raw = ((images - low) / (high - low) * 16).round().squeeze(1).numpy().astype("float32")
        assert [label_of[image.tobytes()] for image in raw] == labels.tolist()


def test_digits_are_standardised_by_the_training_part(digits: Dataset) -> None:
    assert digits.train_images.mean().item() == pytest.approx(0, abs=1e-5)
    assert digits.train_images.std().item() == pytest.approx(1, abs=1e-5)
    assert abs(digits.test_images.mean().item()) > 1e-4  # 0 if it were standardised separately


def test_the_held_out_quarter_is_stratified(digits: Dataset) -> None:
    whole = np.bincount(load_digits().target)
    held_out = torch.bincount(digits.test_labels).numpy()
    assert np.abs(held_out - whole / 4).max() < 1


def test_the_held_out_part_is_always_the_same(digits: Dataset) -> None:
    again = load_dataset("digits")
    assert torch.equal(again.test_images, digits.test_images)
    assert digits.held_out_seed == 0
    assert digits.held_out_hash == "a18a99c68d6d634f466a1043abdea6f85b1af3f0a63da33ca9bc39d1e71b5e34"


def test_another_held_out_seed_holds_out_others(digits: Dataset) -> None:
    other = load_dataset("digits", held_out_seed=1)
    assert other.held_out_seed == 1
    assert other.held_out_hash != digits.held_out_hash
    assert as_rows(other.train_images) != as_rows(digits.train_images)


def test_loading_draws_nothing_from_the_global_generators() -> None:
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1]
    load_dataset("digits")
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(DataError) as caught:
        load_dataset("cifar")
    assert str(caught.value) == "no data set is called 'cifar'\n  known: digits, cifar10, cifar100, mnist"


@pytest.mark.parametrize("name", [name for name in DATASETS if name != "digits"])
def test_missing_data(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # the slow import must not be tried
    with pytest.raises(DataError, match=r"needs a data root(.*\n)+ .*--data-root DATA_ROOT$"):
        load_dataset(name)
    with pytest.raises(DataError) as caught:
        load_dataset(name, tmp_path)
    looked, get, *_ = str(caught.value).splitlines()
    assert looked.startswith(f"{name} is missing: looked for the folder {tmp_path}/")
    assert "download=True" in get
    assert str(tmp_path) in get


class FakeCifar:
    """Fake of torchvision's class: the same arguments, `data` uint8 [N, H, W, C], `targets` a list."""

    def __init__(self, root: str, train: bool, download: bool) -> None:
        assert not download
        rng = np.random.default_rng(0 if train else 1)
        self.data = rng.integers(0, 256, (20 if train else 10, 32, 32, 3), dtype=np.uint8)
        self.data[..., 2] //= 4
        self.targets = [k % 10 for k in range(len(self.data))]


class FakeMnist:
    """Likewise: `data` a uint8 tensor [N, H, W], `targets` a tensor."""

    def __init__(self, root: str, train: bool, download: bool) -> None:
        self.data = torch.arange(28 * 28 * 3).reshape(3, 28, 28).to(torch.uint8)
        self.targets = torch.tensor([7, 8, 9])


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    datasets = SimpleNamespace(CIFAR10=FakeCifar, MNIST=FakeMnist)
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(datasets=datasets))  # type: ignore[arg-type]
    return datasets


def test_cifar_is_channels_first_and_standardised_by_channel(torchvision: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    dataset = load_dataset("cifar10", tmp_path)
    assert dataset.train_images.shape == (20, 3, 32, 32)
    assert dataset.test_labels.tolist() == list(range(10))
    raw_train, raw_test = (FakeCifar("", train, False).data.astype("float64") for train in (True, False))
    for channel in range(3):
        mean, deviation = raw_train[..., channel].mean(), raw_train[..., channel].std(ddof=1)
        expected = (raw_test[..., channel] - mean) / deviation
        np.testing.assert_allclose(dataset.test_images[:, channel].numpy(), expected, atol=1e-4)
    assert dataset.augment is crop_and_mirror
    assert dataset.held_out_seed is None
    raw = np.ascontiguousarray(FakeCifar("", False, False).data.transpose(0, 3, 1, 2))
    labels = np.arange(10, dtype="<i8")
    assert dataset.held_out_hash == hashlib.sha256(raw.tobytes() + labels.tobytes()).hexdigest()


def test_mnist_gets_a_channel_and_no_augmentation(torchvision: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    dataset = load_dataset("mnist", str(tmp_path))
    assert dataset.train_images.shape == (3, 1, 28, 28)
    assert dataset.train_labels.tolist() == [7, 8, 9]
    assert dataset.augment is None


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (RuntimeError("not found or corrupted.\nmore"), "not found or corrupted."),
        (AssertionError(), "AssertionError"),
    ],
)
def test_damaged_data_say_how_to_get_them(
    fault: Exception, reason: str, torchvision: SimpleNamespace, tmp_path: Path
) -> None:
    def damaged(root: str, train: bool, download: bool) -> None:
        raise fault

    torchvision.CIFAR10 = damaged
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(DataError) as caught:
        load_dataset("cifar10", tmp_path)
    first, second, *_ = str(caught.value).splitlines()
    assert first.endswith(f"cifar-10-batches-py: {reason}")
    assert "download=True" in second


def test_a_spec_must_fit_the_data(digits: Dataset) -> None:
    check_fits(digits, (1, 8, 8), 10)
    with pytest.raises(DataError) as caught:
        check_fits(digits, (3, 32, 32), 10)
    assert str(caught.value) == (
        "digits are [1, 8, 8] with 10 classes; the spec's input is [3, 32, 32] with 10 classes"
    )
    with pytest.raises(DataError, match=r"with 100 classes$"):
        check_fits(digits, (1, 8, 8), 100)


def test_the_linear_baseline_of_digits(digits: Dataset) -> None:
    assert 0.94 < linear_baseline(digits) < 0.99


def test_the_linear_baseline_is_linear(digits: Dataset) -> None:
    """Exclusive or, where the best linear classifier gets three of four corners."""
    corners = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]).reshape(4, 1, 1, 2)
    labels = torch.tensor([0, 1, 1, 0])
    xor = replace(digits, train_images=corners, train_labels=labels, test_images=corners, test_labels=labels, classes=2)
    assert linear_baseline(xor) <= 0.75


def test_a_crop_is_a_window_of_the_padded_image_or_its_mirror() -> None:
    images = torch.randn(400, 2, 5, 6, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    crops = crop_and_mirror(images, torch.Generator().manual_seed(1))
    assert crops.shape == images.shape
    assert torch.equal(images, before)
    seen = set()
    for image, crop in zip(images, crops, strict=True):
        padded = F.pad(image, [4, 4, 4, 4])
        for top in range(9):
            for left in range(9):
                window = padded[:, top : top + 5, left : left + 6]
                if torch.equal(window, crop):
                    seen.add((top, left, False))
                    break
                if torch.equal(window.flip(2), crop):
                    seen.add((top, left, True))
                    break
            else:
                continue
            break
        else:
            pytest.fail("a crop that is no window of its image")
    assert {top for top, _, _ in seen} == set(range(9))
    assert {left for _, left, _ in seen} == set(range(9))
    assert {mirrored for _, _, mirrored in seen} == {True, False}


def test_augmentation_follows_its_generator() -> None:
    images = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    first, again, other = (crop_and_mirror(images, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
