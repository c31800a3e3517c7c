"""Answers of runs and of people."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from graphnet.analysis.representations.observers import Observer, TestSet, compared, of_run, of_table
from graphnet.training.errors import RunError
from graphnet.training.runs.run_folder import RunFolder
from tests.small import small

CLASSES = np.array([0, 1, 2, 0, 1, 2])
TEST = TestSet("hash", CLASSES)


def folder(path: Path, task: str = "classes", **arrays: np.ndarray) -> RunFolder:
    made = RunFolder(path)
    made.write_record({"dataset": {"task": task, "held_out_hash": "hash"}})
    made.write_text("spec.json", json.dumps(small()))
    if arrays:
        np.savez(path / "logits.npz", targets=CLASSES, **arrays)
    return made


def logits(*answers: int) -> np.ndarray:
    return np.eye(3)[list(answers)]


def test_a_run_answers_at_each_readout_time(tmp_path: Path) -> None:
    found, test = of_run(folder(tmp_path, t10=logits(0, 1, 2, 0, 1, 2), t2=logits(0, 0, 2, 2, 1, 2)), "net")
    assert list(found.right) == [2, 10]
    assert found.right[2].tolist() == [True, False, True, False, True, True]
    assert found.right[10].all()
    assert test.hash == "hash"
    assert np.array_equal(test.classes, CLASSES)


def test_a_single_readout_has_the_time_of_the_spec(tmp_path: Path) -> None:
    found, _ = of_run(folder(tmp_path, last=logits(0, 0, 2, 2, 1, 2)), "net")
    assert list(found.right) == [3]


def test_runs_without_answers(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no answers: its training did not finish"):
        of_run(folder(tmp_path), "net")
    with pytest.raises(RunError, match="needs one class for each image; its targets are values"):
        of_run(folder(tmp_path, "values"), "net")
    with pytest.raises(RunError, match="its answers are not as many as its test images, 6"):
        of_run(folder(tmp_path, last=logits(0, 1)), "net")
    (tmp_path / "logits.npz").write_bytes(b"junk")
    with pytest.raises(RunError, match=r"logits\.npz cannot be read: it is damaged"):
        of_run(RunFolder(tmp_path), "net")
    np.savez(tmp_path / "logits.npz", last=logits(0, 1))
    with pytest.raises(RunError, match=r"logits\.npz cannot be read: it is damaged"):
        of_run(RunFolder(tmp_path), "net")
    RunFolder(tmp_path).write_record({"dataset": {}})
    with pytest.raises(RunError, match="does not name the test images"):
        of_run(RunFolder(tmp_path), "net")


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_peoples_answers(tmp_path: Path) -> None:
    (found,) = of_table(table(tmp_path / "anna.csv", "image,answer\n5,2\n0,1\n1,1\n"), TEST)
    assert found.name == "anna"
    assert found.images.tolist() == [0, 1, 5]
    assert found.right[None].tolist() == [False, True, True]


def test_several_people_in_a_table(tmp_path: Path) -> None:
    text = "\ufeffobserver,image,correct,answer\nA,0,1,9\nB,0,false,\nA,3,no,\n"
    found = of_table(table(tmp_path / "p.csv", text), TEST)
    assert [(each.name, each.images.tolist(), each.right[None].tolist()) for each in found] == [
        ("p: A", [0, 3], [True, False]),
        ("p: B", [0], [False]),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needs the columns `image`, and `answer` or `correct`; it has: none"),
        ("image,rt\n0,1\n", "it has: image, rt"),
        ("image,answer\n", "has no lines"),
        ("image,answer\n6,1\n", "p.csv:2: image 6: the test images are 0 to 5"),
        ("image,answer\n-1,1\n", "image -1: the test images"),
        ("image,answer\n0,1\n0,1\n", "p.csv:3: image 0 occurs twice; a column `observer`"),
        ("image,answer\nx,1\n", "p.csv:2: image is 'x'; it must be a whole number"),
        ("image,answer\n0\n", "answer is ''; it must be a whole number"),
        ("image,correct\n0,2\n", "correct is '2'; it must be 0 or 1"),
    ],
)
def test_wrong_tables(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RunError, match=said) as caught:
        of_table(table(tmp_path / "p.csv", text), TEST)
    assert "\n" not in str(caught.value)


def test_tables_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be read: No such file"):
        of_table(tmp_path / "none.csv", TEST)
    (tmp_path / "p.csv").write_bytes(b"\xff\x00")
    with pytest.raises(RunError, match="cannot be read: it is not a CSV table"):
        of_table(tmp_path / "p.csv", TEST)


def observer(name: str, *times: int | None, images: tuple[int, ...] = (0, 1, 2)) -> Observer:
    draws = np.random.default_rng(len(name))
    return Observer(name, np.array(images), {t: draws.random(len(images)) < 0.5 for t in times})


def test_which_times_are_compared() -> None:
    def times(first: Observer, second: Observer) -> list[tuple[int | None, int | None]]:
        return [(each.t, each.other_t) for each in compared(first, second, samples=1)]

    assert times(observer("a", 1, 2, 3), observer("b", 2, 3, 4)) == [(2, 2), (3, 3)]
    assert times(observer("a", 1, 2), observer("b", None)) == [(1, None), (2, None)]
    assert times(observer("a", 1, 2), observer("b", 2)) == [(1, 2), (2, 2)]
    assert times(observer("a", 1, 2), observer("b", 3, 4)) == [(1, 3), (2, 3), (1, 4), (2, 4)]


def test_observers_are_compared_on_images_that_both_saw() -> None:
    net = Observer("net", np.arange(6), {1: np.array([1, 1, 0, 0, 1, 0], dtype=bool)})
    person = Observer("person", np.array([1, 2, 5]), {None: np.array([1, 1, 0], dtype=bool)})
    (found,) = compared(net, person, samples=10)
    assert found.found.images == 3
    assert found.found.accuracies == pytest.approx((1 / 3, 2 / 3))
    assert found.found.observed == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="net and b saw no image in common"):
        compared(net, Observer("b", np.array([9]), {None: np.array([True])}))
