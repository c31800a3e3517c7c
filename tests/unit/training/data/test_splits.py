"""Held-out parts and smaller training parts."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from graphnet.training.data.dataset import Dataset
from graphnet.training.data.named import load_dataset
from graphnet.training.data.splits import strata_of, stratified_order
from graphnet.training.errors import DataError


@pytest.fixture(scope="module")
def whole() -> Dataset:
    return load_dataset("digits")


def test_every_beginning_of_the_order_is_stratified_and_has_each_class() -> None:
    strata = torch.tensor([0] * 700 + [1] * 270 + [2] * 28 + [3] * 2)[torch.randperm(1000)]
    order = stratified_order(strata, "test", 0)
    assert sorted(order.tolist()) == list(range(1000))
    shares = torch.bincount(strata) / 1000
    for count in range(4, 1001):
        found = torch.bincount(strata[order[:count]], minlength=4)
        assert found.min() >= 1
        assert (found - shares * count).abs().max() <= 2


def test_equal_classes_stay_equal() -> None:
    strata = torch.arange(1000) % 10
    order = stratified_order(strata, "test", 3)
    for count in range(0, 1000, 10):
        assert torch.bincount(strata[order[:count]], minlength=10).tolist() == [count // 10] * 10


def test_orders_follow_their_seed_and_purpose() -> None:
    strata = torch.arange(100) % 2
    first = stratified_order(strata, "a", 0)
    assert torch.equal(first, stratified_order(strata, "a", 0))
    assert not torch.equal(first, stratified_order(strata, "a", 1))
    assert not torch.equal(first, stratified_order(strata, "b", 0))


def test_members_of_a_class_are_drawn_at_random() -> None:
    order = stratified_order(torch.zeros(1000, dtype=torch.int64), "test", 0).numpy()
    assert abs(np.corrcoef(np.arange(1000), order)[0, 1]) < 0.15


def test_smaller_training_parts_are_nested(whole: Dataset) -> None:
    parts = [load_dataset("digits", train_size=size, seed=4).train for size in (50, 200, 1000)]
    assert [len(part) for part in parts] == [50, 200, 1000]
    for small, large in pairwise(parts):
        assert set(small.indices.tolist()) < set(large.indices.tolist())
    shares = torch.bincount(whole.train.targets) / len(whole.train)
    assert (torch.bincount(parts[1].targets) - 200 * shares).abs().max() <= 2
    again = load_dataset("digits", train_size=200, seed=4).train
    assert torch.equal(again.indices, parts[1].indices)
    assert not torch.equal(load_dataset("digits", train_size=200, seed=5).train.indices, again.indices)


def test_a_smaller_part_keeps_images_labels_and_constants(whole: Dataset) -> None:
    part = load_dataset("digits", train_size=100).train
    places = {int(place): k for k, place in enumerate(whole.train.indices)}
    rows = [places[int(index)] for index in part.indices]
    assert torch.equal(part.first(100)[0], whole.train.first(2000)[0][rows])
    assert torch.equal(part.targets, whole.train.targets[rows])


def test_a_validation_part_is_a_share_of_the_training_part(whole: Dataset) -> None:
    dataset = load_dataset("digits", validation=0.1)
    assert dataset.validation is not None
    assert (len(dataset.train), len(dataset.validation)) == (1212, 135)
    both = torch.cat([dataset.train.indices, dataset.validation.indices])
    assert sorted(both.tolist()) == sorted(whole.train.indices.tolist())
    counts = torch.bincount(dataset.validation.targets)
    assert (counts - torch.bincount(whole.train.targets) * 0.1).abs().max() <= 2
    assert dataset.test.hash == whole.test.hash
    other = load_dataset("digits", validation=0.1, seed=1).validation
    assert other is not None
    assert len(dataset.validation.hash) == 64
    assert dataset.validation.hash != other.hash


def test_the_validation_part_does_not_depend_on_the_training_size() -> None:
    whole, small = (load_dataset("digits", validation=0.2, train_size=size) for size in (None, 100))
    assert whole.validation is not None
    assert small.validation is not None
    assert torch.equal(whole.validation.indices, small.validation.indices)
    assert set(small.train.indices.tolist()) < set(whole.train.indices.tolist())


def test_there_is_no_validation_part_unless_asked_for(whole: Dataset) -> None:
    assert whole.validation is None
    assert list(whole.parts) == ["training", "test"]


@pytest.mark.parametrize(
    ("validation", "train_size", "told"),
    [
        (None, 1348, "train_size is 1,348; digits has 1,347 training images"),
        (0.1, 1213, "train_size is 1,213; digits has 1,212 training images, without the validation part"),
        (None, 0, "train_size is 0; digits has 1,347 training images"),
        (0.0001, None, "validation 0.0001 of digits's 1,347 training images is 0"),
        (1.0, None, 'validation is 1.0; it must be a share such as 0.1, or "published"'),
        ("some", None, "validation is 'some'; it must be a share such as 0.1, or \"published\""),
        (
            "published",
            None,
            "digits has no published validation part\n  give a share of the training images, such as 0.1",
        ),
    ],
)
def test_parts_that_cannot_be(validation: float | str | None, train_size: int | None, told: str) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset("digits", validation=validation, train_size=train_size)
    assert str(caught.value) == told


def test_strata_of_several_labels_are_their_numbers() -> None:
    assert strata_of(torch.tensor([[1.0, 0, 1], [0, 0, 1]]), "labels").tolist() == [2, 1]
    assert strata_of(torch.tensor([[0.3], [0.1]]), "values").tolist() == [0, 0]
