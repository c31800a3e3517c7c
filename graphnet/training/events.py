"""Training events; no torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from graphnet.training.recipe import Recipe

ByTime = Mapping[int | None, float]
"""A number for each readout time, in order of time; the key is None for a net with a single readout."""


@dataclass(frozen=True)
class Started:
    """Training starts on a torch device, with `steps` steps per epoch."""

    recipe: Recipe
    dataset: str
    steps: int
    device: str


@dataclass(frozen=True)
class StepDone:
    """One step of an epoch is done; epochs and steps count from 1."""

    epoch: int
    step: int
    loss: float


@dataclass(frozen=True)
class EpochDone:
    """One epoch is done, and the net holds its weights.

    Attributes:
        epoch: counts from 1.
        learning_rate: in this epoch.
        train_loss: mean over the epoch's images, each measured at its own step.
        train_accuracy: likewise, at the last readout; from 0 to 1.
        test_loss, test_accuracy: for each readout time; None if this epoch was not tested.
        seconds: of training in this epoch, without the test.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    test_loss: ByTime | None
    test_accuracy: ByTime | None
    seconds: float


Event = Started | StepDone | EpochDone
Report = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A report that ignores all events."""
