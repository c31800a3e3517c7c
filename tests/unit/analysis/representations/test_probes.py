"""Linear probes against scikit-learn by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold

from graphnet.analysis.representations.probes import probe, reduced

RANDOM = np.random.default_rng(0)
CLASSES = np.repeat([0, 1, 2], [40, 30, 20])
FEATURES = RANDOM.normal(size=(90, 6)) * [1, 10, 1, 1, 100, 1] + CLASSES[:, None] * [1, 0, 1, 0, 0, 0]


def test_classes_are_probed_as_by_hand() -> None:
    found = probe(FEATURES, CLASSES, folds=5, seed=7)
    expected = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=7).split(FEATURES, CLASSES):
        mean, deviation = FEATURES[train].mean(0), FEATURES[train].std(0)
        model = LogisticRegression(max_iter=1000).fit((FEATURES[train] - mean) / deviation, CLASSES[train])
        expected.append(float((model.predict((FEATURES[test] - mean) / deviation) == CLASSES[test]).mean()))
    assert list(found.folds) == pytest.approx(expected, abs=1e-12)
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.standard_error == pytest.approx(np.std(expected, ddof=1) / np.sqrt(5))
    assert found.chance == pytest.approx(40 / 90)
    assert found.converged
    assert found.mean > found.chance + 0.2
    assert probe(FEATURES, CLASSES, folds=5, seed=8).folds != found.folds


def test_values_are_probed_as_by_hand() -> None:
    values = FEATURES @ RANDOM.normal(size=(6, 2)) + RANDOM.normal(size=(90, 2))
    found = probe(FEATURES, values, folds=3, seed=1)
    expected = []
    for train, test in KFold(3, shuffle=True, random_state=1).split(FEATURES):
        mean, deviation = FEATURES[train].mean(0), FEATURES[train].std(0)
        model = Ridge(alpha=1).fit((FEATURES[train] - mean) / deviation, values[train])
        residual = values[test] - model.predict((FEATURES[test] - mean) / deviation)
        expected.append(float((1 - (residual**2).mean(0) / values[test].var(0)).mean()))
    assert list(found.folds) == pytest.approx(expected, abs=1e-9)
    assert found.chance == 0


def test_labels_that_mean_nothing_are_read_at_chance() -> None:
    found = probe(RANDOM.normal(size=(300, 5)), RANDOM.permutation(np.repeat([0, 1], 150)))
    assert abs(found.mean - found.chance) < 0.1


def test_small_responses_stay() -> None:
    maps = RANDOM.normal(size=(5, 3, 4, 4))
    found = reduced(maps, 48)
    assert np.array_equal(found.values, maps.reshape(5, 48))
    assert found.how == "all units"


def test_maps_are_averaged_over_the_smallest_patches_that_do() -> None:
    maps = RANDOM.normal(size=(5, 3, 4, 4))
    found = reduced(maps, 47)
    assert np.allclose(found.values, maps.reshape(5, 3, 2, 2, 2, 2).mean((3, 5)).reshape(5, 12))
    assert found.how == "averaged over 2 x 2"
    uneven = RANDOM.normal(size=(2, 1, 5, 3))
    found = reduced(uneven, 6)
    assert np.allclose(found.values[:, 0], uneven[:, 0, :2, :2].mean((1, 2)))
    assert np.allclose(found.values[:, 5], uneven[:, 0, 4, 2])
    assert reduced(maps, 3).values.shape == (5, 3)


def test_many_channels_are_projected_by_the_seed() -> None:
    maps = RANDOM.normal(size=(200, 300, 2, 2))
    found = reduced(maps, 100, seed=1)
    assert found.values.shape == (200, 100)
    assert found.how == "averaged over 2 x 2, projected at random"
    assert np.array_equal(found.values, reduced(maps, 100, seed=1).values)
    assert not np.array_equal(found.values, reduced(maps, 100, seed=2).values)
    pooled = torch.as_tensor(maps).mean((2, 3))
    ratio = torch.pdist(torch.as_tensor(found.values)) / torch.pdist(pooled)
    assert ratio.mean() == pytest.approx(1, abs=0.05)
    assert reduced(RANDOM.normal(size=(5, 300)), 100).how == "projected at random"


@pytest.mark.parametrize(
    ("features", "targets", "folds", "said"),
    [
        (FEATURES, CLASSES, 1, "at least 2 folds; there are 1"),
        (FEATURES, CLASSES, 21, "class 2 has 20 images, fewer than 21 folds"),
        (FEATURES, CLASSES * 0, 5, "all images are of one class"),
        (FEATURES, np.stack([CLASSES, CLASSES], 1), 5, "one class or some values"),
        (FEATURES * np.nan, CLASSES, 5, "not finite"),
        (FEATURES[:4], np.ones(4), 3, "4 images, too few for 3 folds"),
    ],
)
def test_what_cannot_be_probed(features: np.ndarray, targets: np.ndarray, folds: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        probe(features, targets, folds=folds)
