"""Training events; no torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from graphnet.spec.recipe import Recipe

ByTime = Mapping[int | None, float]
"""A number for each readout time, in order of time; the key is None for a net with a single readout."""


@dataclass(frozen=True)
class Started:
    """Training starts.

    Attributes:
        recipe: the resolved recipe.
        dataset: the name of the data set.
        steps: per epoch.
        epochs: of the whole run.
        device: a torch device.
        images: for training.
        left_out: images left out in each epoch, as the last batch would be incomplete.
        batch_size: of each step.
        resumed_at: epoch and step (from 0) at which a resumed run goes on; None at the beginning.
        task: the name of the task: `classes`, `labels`, `values` or `pixels`.
    """

    recipe: Recipe
    dataset: str
    steps: int
    epochs: int
    device: str
    images: int
    left_out: int
    batch_size: int
    resumed_at: tuple[int, int] | None = None
    task: str = "classes"


@dataclass(frozen=True)
class StepDone:
    """A step of an epoch is done; epochs and steps count from 1.

    Not every step is reported: a loop sends about ten events per second.

    Attributes:
        epoch, step: where.
        images_per_second: since the last event; None if unknown.
        loss: None unless it was read from the device.
    """

    epoch: int
    step: int
    images_per_second: float | None
    loss: float | None


@dataclass(frozen=True)
class EpochDone:
    """An epoch is done, and the net holds its weights; errors are those of the task, for classes from 0 to 1.

    Attributes:
        epoch: counts from 1.
        learning_rate: of the epoch's last step.
        train_loss: mean over the epoch's images, each measured at its own step.
        train_error: likewise, at the last readout.
        validation_loss, validation_error: for each readout time; None without validation.
        monitored_error: of the test images; it selects nothing. None if it was not measured.
        seconds: of training in this epoch, without validation and test.
        images_per_second: likewise.
        memory_bytes: the most memory in use so far; None if unknown.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    train_error: float
    validation_loss: ByTime | None
    validation_error: ByTime | None
    monitored_error: ByTime | None
    seconds: float
    images_per_second: float
    memory_bytes: int | None


Event = Started | StepDone | EpochDone
Report = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A report that ignores all events."""
