"""The progress display, with events made by hand."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.console import Console

from graphnet.spec.recipe import Recipe
from graphnet.training.events import EpochDone, Event, Report, Started, StepDone
from graphnet.training.progress import epoch_line, lines, progress, resident, speed, started_line

STARTED = Started(Recipe(), "digits", 22, 10, "cpu", 1420, 12, 64)
EVENTS: list[Event] = [
    STARTED,
    StepDone(1, 1, None, 2.5),
    EpochDone(1, 0.01, 0.53124, 0.158, {None: 0.4}, {None: 0.0266667}, None, 1.26, 1117.0, 345_000_000),
    StepDone(3, 5, 1234.5, 1.25),
    StepDone(3, 6, 99.5, None),
    EpochDone(10, 0.0001, 0.5, 0.0, {2: 0.4, 3: 0.3}, {2: 0.5, 3: 0.25}, {2: 0.5, 3: 0.25}, 1.0, 42.123, None),
    EpochDone(10, 0.0001, 0.5, 0.0, None, None, None, 1.0, 9.0, None),
]
LINES = [
    "training on digits: 10 epochs of 22 steps of 64 images, on cpu",
    "each epoch leaves out 12 of 1420 images, different ones each time: the last batch would be incomplete",
    "epoch  1/10  lr 0.01  loss 0.5312  train 84.20%  validation 97.33%  1.3 s  1,117 images/s  memory 345.0 MB",
    "epoch 10/10  lr 0.0001  loss 0.5000  train 100.00%  validation 50.00% (t = 2), 75.00% (t = 3)  "
    "test 50.00% (t = 2), 75.00% (t = 3) (monitored, not selected)  1.0 s  42.1 images/s",
    "epoch 10/10  lr 0.0001  loss 0.5000  train 100.00%  1.0 s  9 images/s",
]


def tell(report: Report) -> None:
    for event in EVENTS:
        report(event)


def plain(text: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n").splitlines()


def test_without_a_terminal_training_prints_plain_lines() -> None:
    out = StringIO()
    with progress(Console(file=out, width=40)) as report:
        tell(report)
    assert out.getvalue().splitlines() == LINES


def test_quiet_shows_nothing() -> None:
    out = StringIO()
    with progress(Console(file=out, force_terminal=True), quiet=True) as report:
        tell(report)
    assert out.getvalue() == ""


def test_a_long_epoch_prints_a_line_each_minute() -> None:
    out, now = StringIO(), 0.0
    with lines(Console(file=out, width=40), lambda: now) as report:
        report(STARTED)
        for step in range(1, 15):
            now += 10.0
            report(StepDone(2, step, 6.4, 2.0 if step == 6 else None))
        report(EVENTS[2])
        now += 59.0
        report(StepDone(2, 15, 6.4, None))
    assert out.getvalue().splitlines()[2:] == [
        "epoch  2/10  step 6/22  loss 2.0000  6.4 images/s",
        "epoch  2/10  step 12/22  loss 2.0000  6.4 images/s",
        LINES[2],
    ]


def on_terminal(width: int = 160) -> Console:
    return Console(file=StringIO(), width=width, force_terminal=True, color_system=None)


def shown(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_on_a_terminal_training_draws_a_bar_under_the_same_lines() -> None:
    console = on_terminal()
    with progress(console) as report:
        tell(report)
    text = plain(shown(console))
    assert [line for line in map(str.rstrip, text) if line in LINES] == LINES
    numbers = r"epoch 3/10 .*step 6/22  loss 1\.2500  train 84\.20%  99\.5 images/s  memory \d+\.\d [MG]B"
    assert re.search(numbers, "\n".join(text))
    assert all(len(line) <= 160 for line in text if line not in LINES)


def test_on_a_gpu_the_bar_shows_the_memory_of_the_gpu() -> None:
    console = on_terminal()
    with progress(console) as report:
        report(Started(Recipe(), "digits", 22, 10, "cuda", 1420, 0, 64))
        report(StepDone(1, 1, None, 2.5))
        assert "memory" not in shown(console)
        report(EVENTS[2])
        report(StepDone(2, 1, None, 2.5))
    assert "loss 2.5000  train 84.20%  memory 345.0 MB" in "\n".join(plain(shown(console)))


def test_a_resumed_run_says_where_and_its_bar_starts_there() -> None:
    console = on_terminal()
    with progress(console) as report:
        report(Started(Recipe(), "digits", 22, 10, "cpu", 1420, 0, 64, resumed_at=(6, 11)))
    text = [line.rstrip() for line in plain(shown(console))]
    assert text[text.index(LINES[0]) + 1] == "resumed in epoch 6 after step 11"
    assert re.search(r"epoch 6/10 .*step 11/22", "\n".join(text))


def test_the_bar_is_ended_by_an_interrupt() -> None:
    console = on_terminal()

    def interrupted() -> None:
        with progress(console) as report:
            tell(report)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert shown(console).count("\x1b[?25l") == shown(console).count("\x1b[?25h") > 0  # the cursor is back


@pytest.mark.parametrize(
    ("task", "train", "validation"),
    [
        ("classes", "train 87.50%", "validation 75.00%"),
        ("labels", "train set error 12.50%", "validation set error 25.00%"),
        ("values", "train rmse 0.1250", "validation rmse 0.2500"),
        ("pixels", "train pixel error 12.50%", "validation pixel error 25.00%"),
    ],
)
def test_each_task_shows_its_measure(task: str, train: str, validation: str) -> None:
    done = EpochDone(1, 0.1, 1.0, 0.125, {None: 0.4}, {None: 0.25}, {None: 0.25}, 1.0, 42.0, None)
    test = validation.replace("validation", "test")
    numbers = f"epoch 1/1  lr 0.1  loss 1.0000  {train}  {validation}  {test} (monitored, not selected)"
    assert epoch_line(done, 1, task) == f"{numbers}  1.0 s  42 images/s"


def test_small_words() -> None:
    one = Started(Recipe(), "fake", 1, 1, "cpu", 1, 0, 1)
    assert started_line(one) == "training on fake: 1 epoch of 1 step of 1 image, on cpu"
    assert [speed(each) for each in (0.123456, 12.345, 99.94, 12345.6)] == [
        "0.123 images/s",
        "12.3 images/s",
        "99.9 images/s",
        "12,346 images/s",
    ]


def test_resident_memory_is_that_of_a_python_process() -> None:
    found = resident()
    assert found is None or 10_000_000 < found < 1 << 40
