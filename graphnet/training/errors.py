"""What can go wrong around training, each with a message for the user; no torch here."""

from __future__ import annotations


class TrainingError(Exception):
    """Training cannot go on; the message says what, where, and what would be right."""


class DataError(TrainingError):
    """A data set is unknown, is not where it was looked for, or does not fit the net."""


class RecipeError(TrainingError):
    """Values of a recipe are out of range, or do not fit the net; all of them at once."""


class DivergenceError(TrainingError):
    """The training loss is no longer a finite number."""


class CheckpointError(TrainingError):
    """A checkpoint cannot be read, or does not hold what the net needs."""


class RunError(TrainingError):
    """A run folder cannot be made or read."""
