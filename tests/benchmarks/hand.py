"""Competent hand-written PyTorch nets: the baseline of the benchmarks.

A loop over time with a dict of modules; empty states and their transitions are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Norm, ReLU, convolution, twice; separate batch norms for each time (LP's TSBN); optionally an identity."""

    def __init__(self, source: tuple[int, int], target: tuple[int, int], times: range, skip: bool) -> None:
        super().__init__()
        widths = [source[0], (source[0] + target[0]) // 2, target[0]]
        factor = source[1] // target[1] if source[1] >= target[1] else target[1] // source[1]
        self.skip = skip
        for k, (below, above) in enumerate(pairwise(widths), start=1):
            stride = 2 if factor >= 2**k else 1
            if source[1] < target[1]:
                made = nn.ConvTranspose2d(below, above, 3, stride, 1, stride - 1, bias=False)
            else:
                made = nn.Conv2d(below, above, 3, stride, 1, bias=False)
            self.add_module(f"conv{k}", made)
            norms = {f"t{t}": nn.BatchNorm2d(below, affine=False) for t in times}
            self.add_module(f"norm{k}", nn.ModuleDict(norms))

    def forward(self, x: Tensor, t: int) -> Tensor:
        y = self.conv1(torch.relu(self.norm1[f"t{t}"](x)))
        y = self.conv2(torch.relu(self.norm2[f"t{t}"](y)))
        return x + y if self.skip else y


class Head(nn.Module):
    """Norm, ReLU, global average pooling, linear."""

    def __init__(self, width: int, classes: int = 10) -> None:
        super().__init__()
        self.norm1, self.linear1 = nn.BatchNorm2d(width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear1(torch.relu(self.norm1(x)).mean((2, 3)))


class Recurrent(nn.Module):
    """LP's fully recurrent net: every state to every state (or to its neighbours), joined by their mean."""

    def __init__(self, shapes: Sequence[tuple[int, int]], steps: int, adjacent: bool = False) -> None:
        super().__init__()
        self.steps = steps
        self.pre_net = nn.Conv2d(3, shapes[0][0], 3, padding=1, bias=False)
        self.head = Head(shapes[-1][0])
        self.arrows = [
            (i, j) for i in range(len(shapes)) for j in range(len(shapes)) if not adjacent or abs(i - j) <= 1
        ]
        blocks = {f"{i}>{j}": Block(shapes[i], shapes[j], range(2, steps + 1), i == j) for i, j in self.arrows}
        self.blocks = nn.ModuleDict(blocks)
        self.states = len(shapes)

    def forward(self, image: Tensor) -> Tensor:
        states: list[Tensor | None] = [None] * self.states
        states[0] = self.pre_net(image)
        for t in range(2, self.steps + 1):
            new: list[Tensor | None] = []
            for j in range(self.states):
                arrivals = [
                    self.blocks[f"{i}>{k}"](states[i], t) for i, k in self.arrows if k == j and states[i] is not None
                ]
                new.append(sum(arrivals[1:], start=arrivals[0]) / len(arrivals) if arrivals else None)
            states = new
        return self.head(states[-1])


class Staged(nn.Module):
    """A ResNet of stages whose blocks share weights, a convolution of stride 2 between them."""

    def __init__(self, shapes: Sequence[tuple[int, int]], blocks: int) -> None:
        super().__init__()
        self.pre_net = nn.Conv2d(3, shapes[0][0], 3, padding=1, bias=False)
        self.head = Head(shapes[-1][0])
        self.down = nn.ModuleList(nn.Conv2d(a[0], b[0], 3, 2, 1, bias=False) for a, b in pairwise(shapes))
        self.times = [range(2 + k * (blocks + 1), 2 + k * (blocks + 1) + blocks) for k in range(len(shapes))]
        self.stages = nn.ModuleList(
            Block(shape, shape, times, True) for shape, times in zip(shapes, self.times, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.pre_net(x)
        for k, (stage, times) in enumerate(zip(self.stages, self.times, strict=True)):
            for t in times:
                x = stage(x, t)
            if k < len(self.down):
                x = self.down[k](x)
        return self.head(x)


def our_name(name: str) -> str:
    """Graphnet's name of a tensor of these nets."""
    name = name.replace("pre_net.weight", "pre_net.conv1.weight")
    if (m := re.match(r"blocks\.(\d)>(\d)\.(.*)", name)) is not None:
        layer = m[3].replace("conv", "deconv") if m[1] > m[2] else m[3]
        return f"h{int(m[2]) + 1}.from_h{int(m[1]) + 1}.{layer}"
    name = re.sub(r"^stages\.(\d)\.", lambda m: f"h{int(m[1]) + 1}.from_h{int(m[1]) + 1}.", name)
    name = re.sub(r"^down\.(\d)\.", lambda m: f"h{int(m[1]) + 2}.from_h{int(m[1]) + 1}.conv1.", name)
    return re.sub(r"^head\.", "post_net.", name)
