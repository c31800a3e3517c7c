"""RDMs, their comparison and the noise ceiling, against NumPy, SciPy and hand calculations."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import kendalltau, pearsonr, spearmanr

from graphnet.analysis.representations.rdm import (
    averaged_by_class,
    condensed,
    dissimilarities,
    noise_ceiling,
    similarities,
    similarity,
    square,
)
from graphnet.analysis.representations.rdm_files import read_matrix
from graphnet.training.errors import DataError

RANDOM = np.random.default_rng(3)
MAPS = RANDOM.normal(1, 2, (9, 4, 3, 3))
RDMS = RANDOM.uniform(0, 2, (4, 36))


@pytest.mark.parametrize("distance", ["correlation", "euclidean", "cosine"])
def test_an_rdm_is_scipys(distance: str) -> None:
    found = dissimilarities(MAPS, distance)
    expected = pdist(MAPS.reshape(9, -1), distance)
    assert np.abs(found - expected).max() < 1e-10
    assert np.abs(square(found) - squareform(expected)).max() < 1e-10
    assert np.array_equal(condensed(square(found)), found)


def test_equal_responses_have_no_distance() -> None:
    twice = np.concatenate([MAPS, MAPS[:1] * 3 + 2])
    assert dissimilarities(twice)[8] == pytest.approx(0, abs=1e-12)
    assert (dissimilarities(twice) >= 0).all()


def test_classes_are_averaged_in_order() -> None:
    found = averaged_by_class(MAPS, np.array([5, 2, 5, 2, 2, 7, 5, 7, 2]))
    assert np.allclose(found[0], MAPS[[1, 3, 4, 8]].mean(0).ravel())
    assert np.allclose(found[2], MAPS[[5, 7]].mean(0).ravel())
    assert len(found) == 3


def test_similarities_are_scipys() -> None:
    for name, function in (("spearman", spearmanr), ("pearson", pearsonr), ("kendall", kendalltau)):
        found = similarities(RDMS, name)
        for i, j in combinations(range(4), 2):
            assert found[i, j] == found[j, i] == pytest.approx(function(RDMS[i], RDMS[j]).statistic, abs=1e-12)
        assert np.array_equal(np.diag(found), np.ones(4))


def test_kendalls_tau_counts_ties_as_neither() -> None:
    first, second = np.array([0, 0, 1, 1, 2, 5.0]), np.array([1, 2, 3, 3, 2, 9.0])
    pairs = list(combinations(range(6), 2))
    signs = [np.sign(first[i] - first[j]) * np.sign(second[i] - second[j]) for i, j in pairs]
    assert similarity(first, second, "kendall") == pytest.approx(sum(signs) / 15, abs=1e-12)
    assert similarity(first, second, "kendall") != pytest.approx(kendalltau(first, second).statistic, abs=1e-3)


@pytest.mark.parametrize("comparison", ["spearman", "kendall", "pearson"])
def test_the_noise_ceiling_by_hand(comparison: str) -> None:
    signal = RANDOM.uniform(0, 2, 36)
    subjects = signal + RANDOM.normal(0, 0.5, (5, 36))
    if comparison == "pearson":
        comparable = (subjects - subjects.mean(1, keepdims=True)) / subjects.std(1, keepdims=True)
    else:
        comparable = subjects.argsort(1).argsort(1) + 1.0
    upper = [similarity(each, comparable.mean(0), comparison) for each in subjects]
    lower = [similarity(subjects[k], np.delete(comparable, k, 0).mean(0), comparison) for k in range(5)]
    found = noise_ceiling(subjects, comparison)
    assert found == pytest.approx((np.mean(lower), np.mean(upper)), abs=1e-12)
    assert found.lower < found.upper


def test_equal_subjects_leave_no_noise() -> None:
    assert noise_ceiling(np.stack([RDMS[0]] * 3)) == pytest.approx((1, 1))


@pytest.mark.parametrize(
    ("responses", "distance", "said"),
    [
        (MAPS[:2], "euclidean", "at least 3 conditions; there are 2"),
        (np.full((4, 3), np.nan), "euclidean", "not finite"),
        (np.array([[1, 2.0], [3, 3], [2, 1], [4, 4]]), "correlation", "2 of 4 conditions, first condition 1"),
        (np.array([[1, 2.0], [3, 3], [0, 0]]), "cosine", "are all zero for 1 of 3 conditions, first condition 2"),
    ],
)
def test_undefined_rdms(responses: np.ndarray, distance: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        dissimilarities(responses, distance)


def test_undefined_similarities() -> None:
    with pytest.raises(ValueError, match="36 pairs of conditions, the other 35"):
        similarity(RDMS[0], RDMS[1][:-1])
    with pytest.raises(ValueError, match="all dissimilarities of a matrix are equal"):
        similarity(RDMS[0], np.ones(36))
    with pytest.raises(ValueError, match="all dissimilarities"):
        noise_ceiling(np.ones((2, 36)), "pearson")
    with pytest.raises(ValueError, match="at least two"):
        noise_ceiling(RDMS[:1])


MATRIX = square([1.0, 2, 3])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0,1,2\n1,0,3\n2,3,0\n", [1, 2, 3]),
        ("a,b,c\n0,1,2\n1,0,3\n2,3,0\n", [1, 2, 3]),
        ("\ufeff,a,b,c\na,0,1,2\nb,1,0,3\nc,2,3,0\n\n", [1, 2, 3]),
        ("1,2,3\n", [1, 2, 3]),
        ("1\n2\n3\n", [1, 2, 3]),
    ],
    ids=["square", "header", "names", "a line", "a column"],
)
def test_matrices_in_csv_files(tmp_path: Path, text: str, expected: list[float]) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text, encoding="utf-8")
    assert read_matrix(path).tolist() == expected


def test_matrices_in_npy_files(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", MATRIX)
    assert read_matrix(tmp_path / "m.npy").tolist() == [1, 2, 3]
    np.save(tmp_path / "m.npy", np.array([1, 2, 3]))
    assert read_matrix(tmp_path / "m.npy").tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.txt", b"", "from a .csv or .npy file"),
        ("none.csv", None, "cannot be read: No such file"),
        ("m.csv", b"", "its lines differ in length|no numbers"),
        ("m.csv", b"0,1\n1\n", "lines differ in length"),
        ("m.csv", b"0,1\n1,x\n", "could not convert"),
        ("m.csv", b"0,1,2\n1,0,3\n", "it is 2 x 3; a dissimilarity matrix is square"),
        ("m.csv", b"0,1,2\n1,0,3\n2,4,0\n", "not symmetric"),
        ("m.csv", b"1,.5,.2\n.5,1,.3\n.2,.3,1\n", "its diagonal is not 0"),
        ("m.csv", b"1,2,3,4\n", "4 entries; a condensed matrix has N"),
        ("m.csv", b"0,nan,2\nnan,0,3\n2,3,0\n", "not finite"),
        ("m.csv", b"\xff\xfe\x00", "holds no dissimilarity matrix"),
        ("m.npy", b"junk", "holds no dissimilarity matrix"),
    ],
)
def test_wrong_matrices(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        read_matrix(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
