"""What `graphnet.perturb` can do to a net: each is one edit of its transition matrix."""

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

    from graphnet.analysis.calibrate import Batch
    from graphnet.runtime.net import Net

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
    """A net with its transition matrix edited, on the weights of a trained one.

    The new net is compiled from the edited spec: its plan, in `meta["plan"]`, is that of `meta["spec"]`, and it can be
    drawn and compared as any other. Its tensors share storage with those of `net`, which is left as it is: train it
    further and the edited one follows; run the edited one in evaluation mode, or it writes statistics of both.

    A repeated block has the statistics of the one that it repeats. Where an edit makes something happen at a time at
    which it never did, there are no statistics for it.

    Args:
        net: what `graphnet.compile` made, trained or not.
        edits: those of `graphnet.edits`, made one after the other; a dict is a slab that is appended to the spec.
        calibrate: images, or pairs of images and labels, to find missing statistics on; see `calibrate`.

    Raises:
        EditError: an edit does not fit the net, or asks for weights or statistics that it does not have.
        SpecError: what comes out is no net.
    """
    from graphnet.analysis.perturb import perturbed

    return perturbed(net, edits, calibrate)
