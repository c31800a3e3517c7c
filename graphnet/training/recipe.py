"""Training recipe: Liao & Poggio's, with its learning-rate steps; no torch here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from graphnet.training.errors import RecipeError

LEARNING_RATE_STEPS = ((40, 1), (50, 10), (60, 100))
"""(end of the stage in 60ths of the training, divisor of the rate) (Liao & Poggio 2016, section 5)."""


@dataclass(frozen=True)
class Recipe:
    """SGD with momentum on the cross-entropy; the defaults are Liao & Poggio 2016, section 5.

    Attributes:
        epochs: passes over the training images.
        batch_size: images per step.
        lr: the learning rate before its steps.
        momentum: of SGD, from 0 to below 1.
        weight_decay: on every parameter; the paper gives none.
        seed: of the shuffling, the augmentation and random ops, not of the initial weights.
        readout_weights: the weight of each readout time's loss, for a net with several; None: all equal.
        device: "auto" (CUDA if available), or a torch device: "cpu", "cuda", "cuda:1".
        deterministic: let torch use deterministic algorithms only; on a CPU a run repeats bit for bit anyway.
        evaluate: test after each "epoch", or only at the "end".

    Raises:
        RecipeError: values are out of range; the message lists all of them.
    """

    epochs: int = 60
    batch_size: int = 64
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.0
    seed: int = 0
    readout_weights: Mapping[int, float] | None = None
    device: str = "auto"
    deterministic: bool = False
    evaluate: Literal["epoch", "end"] = "epoch"

    def __post_init__(self) -> None:
        if faults := list(_faults(self)):
            raise RecipeError("\n".join(faults))

    def learning_rate(self, epoch: int) -> float:
        """The learning rate in an epoch, counted from 1.

        It is `lr` in the first 40/60 of the epochs, a tenth of it up to 50/60, and a hundredth in the last 10/60; an
        epoch belongs to the part in which it starts, so the first always trains with `lr`.
        """
        for until, divisor in LEARNING_RATE_STEPS:
            if 60 * (epoch - 1) < until * self.epochs:
                return self.lr / divisor
        raise ValueError(f"epoch {epoch} of {self.epochs}")


def _faults(recipe: Recipe) -> Iterator[str]:
    rules = (
        ("epochs", _whole(recipe.epochs, 1), "a whole number of at least 1"),
        ("batch_size", _whole(recipe.batch_size, 1), "a whole number of at least 1"),
        ("lr", _number(recipe.lr) and recipe.lr > 0, "a number above 0"),
        ("momentum", _number(recipe.momentum) and 0 <= recipe.momentum < 1, "a number from 0 to below 1"),
        ("weight_decay", _number(recipe.weight_decay) and recipe.weight_decay >= 0, "a number of at least 0"),
        ("seed", _whole(recipe.seed, 0) and recipe.seed < 2**63, "a whole number from 0 to 2**63 - 1"),
        (
            "readout_weights",
            _weights(recipe.readout_weights),
            "a weight of at least 0 for each time, one above 0",
        ),
        ("evaluate", recipe.evaluate in ("epoch", "end"), "'epoch' or 'end'"),
    )
    for name, fine, right in rules:
        if not fine:
            yield f"{name}: {getattr(recipe, name)!r} is not {right}"


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _weights(weights: Mapping[int, float] | None) -> bool:
    if weights is None:
        return True
    fine = all(_whole(time, 0) and _number(weight) and weight >= 0 for time, weight in weights.items())
    return fine and sum(weights.values()) > 0
