"""Progress display: a bar on a terminal, plain lines elsewhere; no torch here."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from graphnet.training.events import ByTime, EpochDone, Event, Report, Started, StepDone, ignore

PERIOD = 60.0
"""Seconds between two plain lines within an epoch."""

ERRORS = {"labels": "set error", "values": "rmse", "pixels": "pixel error"}
"""Task → name of its error; for classes the accuracy is shown instead."""


def progress(console: Console, quiet: bool = False) -> AbstractContextManager[Report]:
    """Yield the report for `train`, chosen by `console.is_terminal`; leaving the `with` block ends the bar.

    ```python
    with progress(Console()) as report:
        train(net, dataset, recipe, report)
    ```

    With `quiet` nothing is shown.
    """
    if quiet:
        return nullcontext(ignore)
    return bar(console) if console.is_terminal else lines(console)


@dataclass
class _Shown:
    """What the events so far say about the run."""

    epochs: int = 0
    steps: int = 0
    task: str = "classes"
    device: str = "cpu"
    loss: float | None = None
    train_error: float | None = None

    def update(self, event: Event) -> None:
        if isinstance(event, Started):
            self.epochs, self.steps = event.epochs, event.steps
            self.task, self.device = event.task, event.device
        elif isinstance(event, StepDone):
            self.loss = self.loss if event.loss is None else event.loss
        else:
            self.loss, self.train_error = event.train_loss, event.train_error

    def state(self, images_per_second: float | None, memory_bytes: int | None) -> str:
        """Loss, accuracy or error of the last epoch, speed and memory, as far as they are known."""
        parts = [
            "" if self.loss is None else f"loss {self.loss:.4f}",
            "" if self.train_error is None else f"train {measured({None: self.train_error}, self.task)}",
            "" if images_per_second is None else speed(images_per_second),
            "" if memory_bytes is None else f"memory {decimal(memory_bytes)}",
        ]
        return "  ".join(filter(None, parts))


@contextmanager
def lines(console: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[Report]:
    """Print a plain line at the start and after each epoch, and once a minute within longer ones."""
    shown = _Shown()
    last = clock()

    def report(event: Event) -> None:
        nonlocal last
        shown.update(event)
        if isinstance(event, StepDone):
            if clock() - last < PERIOD:
                return
            where = f"{_epoch(event.epoch, shown.epochs)}  step {event.step}/{shown.steps}"
            _print(console, f"{where}  {shown.state(event.images_per_second, None)}".rstrip())
        else:
            _print_main(console, event, shown)
        last = clock()

    yield report


@contextmanager
def bar(console: Console) -> Iterator[Report]:
    """Print the same lines above a bar with the epoch, the step, the current numbers and the time left."""
    columns = (
        TextColumn("epoch {task.fields[epoch]}", markup=False),
        BarColumn(bar_width=10),
        TextColumn("step {task.fields[step]}  {task.fields[state]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as display:
        task = display.add_task("", total=None, visible=False, epoch="", step="", state="")
        shown = _Shown()
        memory: int | None = None

        def report(event: Event) -> None:
            nonlocal memory
            shown.update(event)
            if isinstance(event, StepDone):
                done = (event.epoch - 1) * shown.steps + event.step
                state = shown.state(event.images_per_second, resident() if shown.device == "cpu" else memory)
                epoch, step = f"{event.epoch}/{shown.epochs}", f"{event.step}/{shown.steps}"
                display.update(task, completed=done, epoch=epoch, step=step, state=state)
                return
            _print_main(display.console, event, shown)
            if isinstance(event, EpochDone):
                memory = event.memory_bytes
                return
            first, after = event.resumed_at or (1, 0)
            started = (first - 1) * event.steps + after
            display.reset(
                task,
                total=event.epochs * event.steps,
                completed=started,
                visible=True,
                epoch=f"{first}/{event.epochs}",
                step=f"{after}/{event.steps}",
                state="",
            )

        yield report


def started_line(event: Started) -> str:
    """Describe the data, the length of the run and the device."""
    steps = f"{_count(event.epochs, 'epoch')} of {_count(event.steps, 'step')} of {_count(event.batch_size, 'image')}"
    parts = [f"training on {event.dataset}: {steps}, on {event.device}"]
    if event.left_out:
        left = f"each epoch leaves out {event.left_out} of {event.images} images, different ones each time"
        parts.append(f"{left}: the last batch would be incomplete")
    if event.resumed_at is not None:
        epoch, step = event.resumed_at
        parts.append(f"resumed in epoch {epoch} after step {step}")
    return "\n".join(parts)


def epoch_line(event: EpochDone, epochs: int, task: str = "classes") -> str:
    """Format one epoch's numbers; accuracies in per cent, by readout time if several."""
    parts = [
        _epoch(event.epoch, epochs),
        f"lr {event.learning_rate:g}",
        f"loss {event.train_loss:.4f}",
        f"train {measured({None: event.train_error}, task)}",
    ]
    if event.validation_error is not None:
        parts.append(f"validation {measured(event.validation_error, task)}")
    if event.monitored_error is not None:
        parts.append(f"test {measured(event.monitored_error, task)} (monitored, not selected)")
    parts += [f"{event.seconds:.1f} s", speed(event.images_per_second)]
    if event.memory_bytes is not None:
        parts.append(f"memory {decimal(event.memory_bytes)}")
    return "  ".join(parts)


def measured(errors: ByTime, task: str) -> str:
    """Format the errors of a task: accuracies of classes, `rmse 0.1234`, `set error 3.20%`."""
    if task == "classes":
        return accuracies({t: 1 - error for t, error in errors.items()})
    if task == "values":
        return f"{ERRORS[task]} " + by_time(errors, "{:.4f}")
    return f"{ERRORS[task]} " + by_time(errors, "{:.2%}")


def accuracies(values: ByTime) -> str:
    """Format accuracies from 0 to 1 in per cent: `97.33%`, or `91.11% (t = 2), 97.33% (t = 3)`."""
    return by_time(values, "{:.2%}")


def by_time(values: ByTime, form: str) -> str:
    """Format a number for each readout time, with its time if there are several."""
    return ", ".join(form.format(value) + ("" if t is None else f" (t = {t})") for t, value in values.items())


def speed(images_per_second: float) -> str:
    """Format a speed with three digits."""
    return f"{images_per_second:.3g} images/s" if images_per_second < 100 else f"{images_per_second:,.0f} images/s"


def resident() -> int | None:
    """The largest resident memory of this process so far, in bytes; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else 1024 * largest


def agreement(predictions: Sequence[int], others: Sequence[int], by_time: ByTime, whose: str) -> str:
    """Count the predictions that agree with others: `442 of 450 predictions at t = 3 are those made after training`."""
    same = sum(a == b for a, b in zip(predictions, others, strict=True))
    when = f" at t = {max(t for t in by_time if t is not None)}" if len(by_time) > 1 else ""
    return f"{same} of {len(predictions)} predictions{when} are those {whose}"


def _print_main(console: Console, event: Started | EpochDone, shown: _Shown) -> None:
    if isinstance(event, Started):
        _print(console, started_line(event))
    else:
        _print(console, epoch_line(event, shown.epochs, shown.task))


def _epoch(epoch: int, epochs: int) -> str:
    return f"epoch {epoch:>{len(str(epochs))}}/{epochs}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
