"""Errors of training, each with a message for the user; no torch here."""

from __future__ import annotations


class TrainingError(Exception):
    """Raised when training cannot continue; the message says what is wrong, where, and what would be right."""


class DataError(TrainingError):
    """Raised when a data set is unknown, missing, or does not fit the net."""


class RecipeError(TrainingError):
    """Raised when values of a recipe are out of range or do not fit the net; lists all of them."""


class DivergenceError(TrainingError):
    """Raised when the training loss is not finite."""


class CheckpointError(TrainingError):
    """Raised when a checkpoint cannot be read, or lacks what the net needs."""


class RunError(TrainingError):
    """Raised when a run folder cannot be created, read or written."""


class TrainingWarning(UserWarning):
    """Training goes on, but something about it should be known."""


class CheckpointWarning(UserWarning):
    """A checkpoint is read that has no checksum, or in place of a damaged one."""


class OutOfMemory(TrainingError):  # noqa: N818 - the device's memory is at fault
    """Raised when the memory of a device is too small."""


class Stopped(Exception):  # noqa: N818 - a request, no error
    """Raised when training stops on request; its state is saved.

    Attributes:
        status: exit status of the command.
    """

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status
