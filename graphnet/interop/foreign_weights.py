"""Weights from elsewhere: a state dict of another implementation, copied into a net by a table of names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphnet.training.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor, nn

Foreign = str | tuple[str, Any]
"""A name in the foreign state dict, or a name and an index into that tensor (a slice, as for the gates of an LSTM)."""


def import_state_dict(net: nn.Module, state_dict: Mapping[str, Tensor], mapping: Mapping[str, Foreign]) -> None:
    """Copy foreign weights and statistics into a compiled net; nothing is copied unless all fits.

    Args:
        net: keeps its device and number types.
        state_dict: as the other implementation saved it; a leading `module.` of its names does not matter.
        mapping: every name in `net.state_dict()` → a foreign name, or a foreign name and an index into that tensor.
            `graphnet.zoo.foreign_names` has such tables.

    Raises:
        CheckpointError: names that are missing on either side, foreign tensors that nothing takes (batch norm's
            `num_batches_tracked` aside), and shapes that differ; all of them at once.
    """
    import torch

    theirs = {name.removeprefix("module."): tensor for name, tensor in state_dict.items()}
    ours: dict[str, Tensor] = net.state_dict()
    faults = [f"the mapping says nothing of {name}" for name in ours if name not in mapping]
    faults += [f"the net has no {name}, which the mapping names" for name in mapping if name not in ours]
    taken: dict[str, Tensor] = {}
    for name, foreign in mapping.items():
        if name not in ours:
            continue
        source, index = foreign if isinstance(foreign, tuple) else (foreign, ...)
        if source not in theirs:
            faults.append(f"the state dict has no {source}, which {name} would be")
            continue
        taken[name] = theirs[source][index]
        if taken[name].shape != ours[name].shape:
            faults.append(f"{source} is {list(taken[name].shape)}, but {name} is {list(ours[name].shape)}")
    used = {foreign if isinstance(foreign, str) else foreign[0] for foreign in mapping.values()}
    left = [name for name in theirs if name not in used and not name.endswith("num_batches_tracked")]
    faults += [f"nothing takes {name} of the state dict" for name in left]
    if faults:
        raise CheckpointError("\n".join(faults))
    with torch.no_grad():
        for name, tensor in taken.items():
            ours[name].copy_(tensor)
