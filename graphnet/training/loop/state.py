"""Where training is, and who keeps what it produces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from torch import nn

if TYPE_CHECKING:
    from graphnet.training.loop.trainer import Trainer


@dataclass
class Progress:
    """Where training is, and what it has measured.

    Attributes:
        epoch: the epoch under way, from 1.
        step: its steps that are done.
        losses, errors, images, seconds: sums over these steps; errors are those of the last readout.
        first_loss: of the first step of all.
        best_error, best_epoch: the smallest validation error so far.
    """

    epoch: int = 1
    step: int = 0
    losses: float = 0.0
    errors: float = 0.0
    images: int = 0
    seconds: float = 0.0
    first_loss: float | None = None
    best_error: float | None = None
    best_epoch: int = 0


class Keeper(Protocol):
    """Keeps what training produces."""

    def last(self, trainer: Trainer) -> None:
        """Keep the net and the training state, to continue from; after each epoch, and when training stops."""

    def best(self, trainer: Trainer, net: nn.Module) -> None:
        """Keep a net whose validation error is the smallest so far."""

    def go_back(self, trainer: Trainer) -> bool:
        """Restore the state that `last` kept; return False if there is none."""


class Nothing:
    """Keeps nothing."""

    def last(self, trainer: Trainer) -> None: ...

    def best(self, trainer: Trainer, net: nn.Module) -> None: ...

    def go_back(self, trainer: Trainer) -> bool:
        return False
