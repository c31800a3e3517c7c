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


class CheckpointWarning(UserWarning):
    """A checkpoint is read that has no checksum, or in place of a damaged one."""
