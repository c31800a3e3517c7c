"""Progress display: a bar on a terminal, a line per epoch elsewhere; no torch here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from graphnet.training.events import ByTime, EpochDone, Event, Report, Started, StepDone


def progress(console: Console) -> AbstractContextManager[Report]:
    """Yield the report for `train`, chosen by `console.is_terminal`; leaving the `with` block ends the bar.

    ```python
    with progress(Console()) as report:
        train(net, dataset, recipe, report)
    ```
    """
    return bar(console) if console.is_terminal else lines(console)


@contextmanager
def lines(console: Console) -> Iterator[Report]:
    """Print one plain line at the start and one per epoch."""
    epochs = 0

    def report(event: Event) -> None:
        nonlocal epochs
        if isinstance(event, Started):
            epochs = event.recipe.epochs
            _print(console, started_line(event))
        elif isinstance(event, EpochDone):
            _print(console, epoch_line(event, epochs))

    yield report


@contextmanager
def bar(console: Console) -> Iterator[Report]:
    """Print the same lines above a bar with the step count and the last loss."""
    columns = (
        TextColumn("epoch {task.fields[epoch]}", markup=False),
        BarColumn(),
        TextColumn("step {task.completed}/{task.total}  loss {task.fields[loss]:.4f}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("", total=None, visible=False, epoch="", loss=0.0)
        epochs, steps = 0, 0

        def report(event: Event) -> None:
            nonlocal epochs, steps
            if isinstance(event, Started):
                epochs, steps = event.recipe.epochs, event.steps
                shown.update(task, total=epochs * steps, visible=True, epoch=f"1/{epochs}")
                _print(shown.console, started_line(event))
            elif isinstance(event, StepDone):
                done = (event.epoch - 1) * steps + event.step
                shown.update(task, completed=done, epoch=f"{event.epoch}/{epochs}", loss=event.loss)
            else:
                _print(shown.console, epoch_line(event, epochs))

        yield report


def started_line(event: Started) -> str:
    """Describe the data, the recipe and the device."""
    recipe = event.recipe
    steps = f"{recipe.epochs} epochs of {event.steps} steps of {recipe.batch_size} images"
    return f"training on {event.dataset}: {steps}, on {event.device}"


def epoch_line(event: EpochDone, epochs: int) -> str:
    """Format one epoch's numbers; accuracies in per cent, by readout time if several."""
    parts = [
        f"epoch {event.epoch:>{len(str(epochs))}}/{epochs}",
        f"lr {event.learning_rate:g}",
        f"loss {event.train_loss:.4f}",
        f"train {event.train_accuracy:.2%}",
    ]
    if event.test_accuracy is not None:
        parts.append(f"test {accuracies(event.test_accuracy)}")
    return "  ".join([*parts, f"{event.seconds:.1f} s"])


def accuracies(by_time: ByTime) -> str:
    """Format accuracies from 0 to 1 in per cent: `97.33%`, or `91.11% (t = 2), 97.33% (t = 3)`."""
    return ", ".join(f"{value:.2%}" + ("" if t is None else f" (t = {t})") for t, value in by_time.items())


def agreement(predictions: Sequence[int], others: Sequence[int], by_time: ByTime, whose: str) -> str:
    """Count the predictions that agree with others: `442 of 450 predictions at t = 3 are those made after training`."""
    same = sum(a == b for a, b in zip(predictions, others, strict=True))
    when = f" at t = {max(t for t in by_time if t is not None)}" if len(by_time) > 1 else ""
    return f"{same} of {len(predictions)} predictions{when} are those {whose}"


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
