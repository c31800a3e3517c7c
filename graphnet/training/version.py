"""The version of training."""

TRAINER_VERSION = 1
"""Raised by a change after which the same spec, recipe, data and seed give other weights."""
