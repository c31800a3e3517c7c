"""How much each block of a stage changes it: the size of iterative refinement, block by block."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from graphnet.analysis.activations import activations_by_batch
from graphnet.analysis.blocks.stage_blocks import stage_blocks
from graphnet.runtime.net import Net
from graphnet.training.calibrate import Batch


def residual_norms(net: Net, batches: Iterable[Batch]) -> dict[str, list[float]]:
    """Return the norm of each block's update relative to its input, averaged over images: stage → one number a block.

    The update is the stage after the block minus the stage before it: for a block `f + I`, f. Images on which the stage
    is 0 before the block do not count.

    Args:
        net: from `graphnet.compile`; evaluation mode is used.
        batches: images `[N, …]`, or images and labels.

    Raises:
        EditError: there is no stage, or the net was not compiled by graphnet.
        ValueError: no images, or none that counts.
    """
    stages = stage_blocks(net)
    at = {f"{stage}@{t}": None for stage, blocks in stages.items() for block in blocks for t in (block.read, block.t)}
    found: dict[str, list[list[torch.Tensor]]] = {stage: [[] for _ in blocks] for stage, blocks in stages.items()}
    for values in activations_by_batch(net, batches, at):
        for stage, blocks in stages.items():
            for own, block in zip(found[stage], blocks, strict=True):
                before, after = values[stage, block.read].double(), values[stage, block.t].double()
                norms = before.flatten(1).norm(dim=1)
                own.append(((after - before).flatten(1).norm(dim=1) / norms)[norms > 0])
    if not all(ratios and sum(map(len, ratios)) for each in found.values() for ratios in each):
        raise ValueError("no images to measure on")
    return {stage: [float(torch.cat(ratios).mean()) for ratios in each] for stage, each in found.items()}
