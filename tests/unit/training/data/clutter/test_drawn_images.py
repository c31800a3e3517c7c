"""Drawing on demand, workers, the cache, and Digitclutter as a data set."""

import math
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from graphnet.training.data.baseline import linear_baseline
from graphnet.training.data.checks import check_data, check_fits
from graphnet.training.data.clutter import drawn_images
from graphnet.training.data.clutter.digitclutter import Digitclutter
from graphnet.training.data.clutter.drawn_images import DrawnImages
from graphnet.training.data.clutter.options import Clutter
from graphnet.training.data.clutter.painter import Painter
from graphnet.training.data.from_torch import as_dataset
from graphnet.training.data.images import TensorImages
from graphnet.training.data.loader import TrainingBatches
from graphnet.training.data.named import load_dataset
from graphnet.training.data.reader import BatchReader
from graphnet.training.errors import DataError, TrainingWarning
from graphnet.training.tasks import TASKS, label_errors

PAINTER = Painter(Clutter(3), 0, "train")


def of(count: int, painter: Painter = PAINTER) -> DrawnImages:
    return DrawnImages(painter, np.arange(count))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Indices of the images that this process draws."""
    found: list[int] = []
    draw = Painter.image

    def noted(painter: Painter, index: int) -> object:
        found.append(index)
        return draw(painter, index)

    monkeypatch.setattr(Painter, "image", noted)
    return found


def test_an_index_has_one_image_in_any_order_and_for_any_number_of_workers() -> None:
    expected = of(60).read(range(60))
    assert expected.shape == (60, 1, 32, 32)
    assert expected.dtype == torch.uint8
    order = np.random.default_rng(0).permutation(60).tolist()
    assert torch.equal(of(60).read(order), expected[order])
    chosen = of(60).subset([41, 7])
    assert torch.equal(chosen.read([1, 0]), expected[[7, 41]])
    for workers in (0, 2):
        reader = BatchReader(of(60), workers)
        assert torch.equal(torch.cat(list(reader.read([(order[:20], None), (order[20:], None)]))), expected[order])
        reader.close()
        loaded = of(60).loaded(workers)
        assert isinstance(loaded, TensorImages)
        assert torch.equal(loaded.pixels, expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_same_for_any_number_of_workers(workers: int) -> None:
    dataset = load_dataset("digitclutter-2", train_size=40)
    loader = TrainingBatches(dataset, batch_size=8, seed=0, workers=workers)
    images, targets = map(torch.cat, zip(*loader.epoch(1), strict=True))
    loader.close()
    assert targets.sum(1).eq(2).all()
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    assert images.shape == (40, 1, 32, 32)
    raw = (images * dataset.train.deviation + dataset.train.mean).round().to(torch.uint8)
    own = dataset.train.images.read(order.tolist())
    assert {each.numpy().tobytes() for each in raw} == {each.numpy().tobytes() for each in own}


def test_a_small_training_part_draws_no_other_images(drawn: list[int]) -> None:
    dataset = load_dataset("digitclutter-3", train_size=50)
    assert (len(dataset.train), len(dataset.test)) == (50, 10_000)
    assert drawn == list(range(1000))  # for mean and deviation
    drawn.clear()
    list(dataset.train.batches(16))
    assert drawn == dataset.train.indices.tolist()
    drawn.clear()
    dataset.train.first(50)
    dataset.test.first(3)
    assert drawn == [0, 1, 2]


def test_a_larger_training_part_contains_a_smaller_one_and_seeds_change_all() -> None:
    small, large, other = (
        load_dataset("digitclutter-3", train_size=size, seed=seed) for size, seed in ((20, 0), (60, 0), (20, 1))
    )
    assert set(small.train.indices.tolist()) < set(large.train.indices.tolist())
    assert small.held_out_hash == large.held_out_hash != other.held_out_hash
    assert (small.held_out_seed, other.held_out_seed) == (0, 1)
    assert not torch.equal(small.test.first(5)[0], other.test.first(5)[0])


def test_training_and_test_images_differ() -> None:
    train, test = (of(300, Painter(Clutter(1), 0, part)).read(range(300)) for part in ("train", "test"))
    assert not {each.numpy().tobytes() for each in train} & {each.numpy().tobytes() for each in test}


def test_targets_are_the_digits_shown() -> None:
    dataset = load_dataset("digitclutter-4@16")
    assert (dataset.name, dataset.image_shape, dataset.task, dataset.classes) == (
        "digitclutter-4@16",
        (1, 16, 16),
        "labels",
        10,
    )
    assert dataset.train.targets.dtype == torch.float32
    for k in (0, 7, 99_999):
        shown = Digitclutter(4).digits[k].tolist()
        assert dataset.train.targets[k].nonzero().flatten().tolist() == sorted(shown)
    check_data(dataset)
    check_fits(dataset, (1, 16, 16), (10,))
    with pytest.raises(DataError, match=r"set input.shape = \[1, 16, 16\], or digitclutter-4@32x32"):
        check_fits(dataset, (1, 32, 32), (10,))


@pytest.mark.parametrize("count", range(1, 6))
def test_chance(count: int) -> None:
    targets = load_dataset(f"digitclutter-{count}").test.targets
    assert TASKS["labels"].chance(targets) == pytest.approx(1 - 1 / math.comb(10, count))
    guessed = torch.rand(targets.shape, generator=torch.Generator().manual_seed(0))
    assert label_errors(guessed, targets).mean().item() == pytest.approx(2 * count * (10 - count) / 100, abs=0.01)
    assert TASKS["labels"].errors(guessed, targets).mean().item() == pytest.approx(
        1 - 1 / math.comb(10, count), abs=0.01
    )


def test_mean_and_deviation_standardise_the_images() -> None:
    images, _ = load_dataset("digitclutter-3").train.first(1000)
    assert images.mean().item() == pytest.approx(0, abs=1e-4)
    assert images.std().item() == pytest.approx(1, abs=1e-4)


def test_the_second_process_reads_what_the_first_drew(cache: Path, drawn: list[int]) -> None:
    expected = of(30).loaded().read(range(30))
    assert len(list(cache.iterdir())) == 1
    drawn.clear()
    assert torch.equal(of(30).loaded().read(range(30)), expected)
    assert not drawn
    of(31).loaded()
    of(30, Painter(Clutter(3), 1, "train")).loaded()
    assert len(drawn) == 61
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_file_is_drawn_again(damage: str, cache: Path) -> None:
    expected = of(20).loaded().read(range(20))
    (file,) = cache.iterdir()
    intact = file.read_bytes()
    damaged = {"cut": intact[:-1], "flipped": intact[:100] + bytes([intact[100] ^ 1]) + intact[101:], "empty": b""}
    file.write_bytes(damaged[damage])
    with pytest.warns(TrainingWarning, match="is damaged; its images are drawn again"):
        again = of(20).loaded().read(range(20))
    assert torch.equal(again, expected)
    assert file.read_bytes() == intact


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert torch.equal(of(5).loaded().read(range(5)), of(5).read(range(5)))


def _load(count: int, results: "multiprocessing.Queue[tuple[int, bytes]]") -> None:
    drawn: list[int] = []
    draw = Painter.image

    def noted(painter: Painter, index: int) -> object:
        drawn.append(index)
        return draw(painter, index)

    Painter.image = noted  # type: ignore[method-assign, assignment]
    pixels = of(count).loaded().read(range(count))
    results.put((len(drawn), pixels.numpy().tobytes()))


def test_many_images_are_drawn_by_several_processes(monkeypatch: pytest.MonkeyPatch, drawn: list[int]) -> None:
    expected = of(600).read(range(600))
    drawn.clear()
    monkeypatch.setattr(drawn_images, "MANY", 400)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    assert torch.equal(of(600).loaded().read(range(600)), expected)
    assert not drawn


def test_images_too_large_for_memory_are_drawn_anew(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    expected = of(6).read(range(6))
    monkeypatch.setattr(drawn_images, "MOST_BYTES", 5 * 32 * 32)
    images = of(6)
    assert images.loaded() is images
    assert torch.equal(images.read([5, 0]), expected[[5, 0]])
    assert not cache.exists()


def test_of_two_processes_one_draws(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_load, args=(500, results)) for _ in range(2)]
    for process in processes:
        process.start()
    (first, pixels), (second, same) = results.get(timeout=300), results.get(timeout=300)
    for process in processes:
        process.join()
    assert pixels == same
    assert sorted([first, second]) == [0, 500]
    assert [each.suffix for each in cache.iterdir()] == [".pixels"]


def test_a_linear_classifier_of_one_digit_and_of_three(one_thread: None) -> None:
    """With one digit it is far above chance; of three it seldom finds all."""
    for count, low, high in ((1, 0.3, 0.99), (3, 0.85, 0.99)):
        dataset = load_dataset(f"digitclutter-{count}@8", train_size=600)
        small = dataset.test.subset(range(400))
        found = linear_baseline(type(dataset)(**(vars(dataset) | {"test": small})))
        assert found is not None
        assert found.images == 600
        assert low < 1 - found.accuracy < high


def test_the_torch_dataset_is_like_torchvisions() -> None:
    items = Digitclutter(3, length=12, transform=np.asarray, target_transform=torch.argmax)
    assert len(items) == len(list(items)) == 12
    image, target = items[4]
    assert image.shape == (32, 32)
    assert target == Digitclutter(3).targets[4].argmax()
    assert np.array_equal(items[-1][0], items[11][0])
    with pytest.raises(IndexError):
        items[12]
    plain = Digitclutter(3)
    assert (len(plain), len(Digitclutter(3, "test"))) == (100_000, 10_000)
    assert plain[0][0].mode == "L"
    assert torch.equal(torch.from_numpy(np.array(plain[4][0])), of(5).read([4])[0, 0])


def test_the_torch_dataset_in_a_loader_with_workers() -> None:
    items = Digitclutter(2, size=16, length=20, transform=lambda image: torch.from_numpy(np.array(image)))
    batches = [list(DataLoader(items, batch_size=5, num_workers=workers)) for workers in (0, 2)]
    for (images, targets), (same, labels) in zip(*batches, strict=True):
        assert torch.equal(images, same)
        assert torch.equal(targets, labels)


def test_the_torch_dataset_is_a_data_set_of_graphnet_too() -> None:
    dataset = as_dataset(Digitclutter(3, length=30), Digitclutter(3, "test", length=10), task="labels")
    assert (len(dataset.train), len(dataset.test), dataset.classes) == (30, 10, 10)
    assert torch.equal(dataset.train.images.read([3]), of(4).read([3]))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_digits": 6}, "1 to 5 digits"),
        ({"n_digits": 3, "part": "val"}, "'train' and 'test', not 'val'"),
        ({"n_digits": 3, "length": 0}, "at least one image"),
        ({"n_digits": 3, "size": 0}, "at least 1 pixel"),
    ],
)
def test_wrong_options_of_the_torch_dataset(options: dict[str, int], says: str) -> None:
    with pytest.raises((DataError, ValueError), match=says):
        Digitclutter(**options)  # type: ignore[arg-type]
