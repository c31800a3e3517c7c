"""Perturbations for `graphnet.perturb`: each is one edit of the transition matrix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from graphnet.rewrite.perturbations import (
    AddNoise,
    DropBlock,
    Edit,
    Lesion,
    Override,
    ReadOutEarly,
    RepeatLastBlock,
    ShowAnother,
    Silence,
)
from graphnet.rewrite.spec_editor import EditError, Slab

if TYPE_CHECKING:
    from torch import nn

    from graphnet.runtime.net import Net
    from graphnet.training.calibrate import Batch

__all__ = [
    "AddNoise",
    "DropBlock",
    "EditError",
    "Lesion",
    "Override",
    "ReadOutEarly",
    "RepeatLastBlock",
    "ShowAnother",
    "Silence",
    "perturb",
]


def perturb(net: nn.Module, *edits: Edit | Slab, calibrate: Iterable[Batch] | None = None) -> Net:
    """Return a net with an edited transition matrix and the weights of `net`.

    The new net is compiled from the edited spec: `meta["spec"]` and `meta["plan"]` hold that spec and its plan, and you
    can draw and compare the net like any other. `net` itself does not change, but both share storage: training `net`
    further also trains the edited one. Run the edited net in evaluation mode, or it updates the statistics of both.

    A repeated block uses the statistics of the block it repeats. Where an edit makes a norm run at a time at which it
    never ran, there are no statistics for it.

    Args:
        net: a net from `graphnet.compile`, trained or not.
        edits: edits from `graphnet.edits`, applied in order; a dict is a slab that is appended to the spec.
        calibrate: images, or pairs of images and labels, to estimate missing statistics on; see `calibrate`.

    Raises:
        EditError: an edit does not fit the net, or needs weights or statistics that the net does not have.
        SpecError: the edited spec is not a valid net.
    """
    from graphnet.analysis.perturb import perturbed

    return perturbed(net, edits, calibrate)
