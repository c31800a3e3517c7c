"""How similar the weights of a stage's blocks are: what coupled gradients are to raise (LPK, "Soft gradient coupling").

LPK speak of weight similarity and give no formula. Ours: the cosine of the weights of the same layer in two blocks,
averaged over layers and over all pairs of blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor, nn

from graphnet.analysis.blocks.stage_blocks import Block, stage_blocks


def weight_similarity(net: nn.Module) -> dict[str, float]:
    """Return the mean cosine of the weights of a stage's blocks, over all pairs, by stage.

    It is exactly 1 if all blocks have equal weights, and near 0 if they are independent.

    Raises:
        EditError: there is no stage, or the net was not compiled by graphnet.
        ValueError: blocks of a stage have different layers or none, or all weights of a layer are 0.
    """
    tensors = dict(net.named_parameters())
    return {stage: _similarity(stage, blocks, tensors) for stage, blocks in stage_blocks(net).items()}


def _similarity(stage: str, blocks: tuple[Block, ...], tensors: Mapping[str, Tensor]) -> float:
    weights = [[tensors[name].detach().double().flatten() for name in block.weights] for block in blocks]
    shapes = {tuple(len(layer) for layer in block) for block in weights}
    if len(shapes) > 1 or shapes == {()}:
        what = "have no weights" if shapes == {()} else "have different layers"
        raise ValueError(f"the blocks of {stage} {what}: their weights have no similarity")
    found = [_cosine(*pair) for layer in zip(*weights, strict=True) for pair in combinations(layer, 2)]
    return sum(found) / len(found)


def _cosine(one: Tensor, other: Tensor) -> float:
    """The cosine of two vectors; exactly 1 if they are equal."""
    if torch.equal(one, other) and one.any():
        return 1.0
    length = (one.square().sum() * other.square().sum()).sqrt()
    if length == 0:
        raise ValueError("all weights of a layer are 0: it has no direction")
    return float((one * other).sum() / length)
