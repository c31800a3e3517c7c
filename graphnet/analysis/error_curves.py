"""LPK's perturbations of a trained net, stage by stage, and the three indices of iterative convergence (Figure 2).

B blocks of a stage, N images, m further applications of the last block.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from graphnet.analysis.indices import (
    Bootstrap,
    bootstrap,
    chance_error,
    convergence_index,
    divergence_index,
    recurrence_index,
)
from graphnet.analysis.interpreter import Merged, run, tensors_of
from graphnet.analysis.perturb import find, origin_of
from graphnet.planning.plan import IMAGE
from graphnet.planning.time_expansion import expand_in_time
from graphnet.rewrite.perturbations import DropBlock, Edit, ReadOutEarly, RepeatLastBlock
from graphnet.rewrite.spec_editor import EditError, stages

Wrong = NDArray[np.bool_]
KINDS = {"convergence": convergence_index, "recurrence": recurrence_index, "divergence": divergence_index}
"""Name → index; the name is also that of its perturbation."""


@dataclass(frozen=True, eq=False)
class Stage:
    """Misclassified images under each perturbation of one stage.

    Attributes:
        convergence: `[B + 1, N]`, read out after 0 … B blocks.
        recurrence: `[B, N]`, without the 1st … B-th block.
        divergence: `[m + 1, N]`, with the last block 0 … m more times.
    """

    state: str
    convergence: Wrong
    recurrence: Wrong
    divergence: Wrong

    def errors(self, kind: str) -> NDArray[np.float64]:
        """The error rates under one kind of perturbation."""
        errors: NDArray[np.float64] = getattr(self, kind).mean(axis=1)
        return errors


@dataclass(frozen=True, eq=False)
class IterativeConvergence:
    """The curves of all stages, and their indices, by stage and averaged.

    Attributes:
        final: `[N]`, images that the unperturbed net misclassifies.
        chance: the error rate of guessing.
        indices: `convergence`, `recurrence` and `divergence`.
    """

    stages: tuple[Stage, ...]
    final: Wrong
    chance: float
    indices: dict[str, Bootstrap]

    @property
    def final_error(self) -> float:
        return float(self.final.mean())


def iterative_convergence(
    net: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    more: int = 16,
    chance: float | None = None,
    samples: int = 1000,
    seed: int = 0,
    states: Sequence[str] | None = None,
) -> IterativeConvergence:
    """Perturb every stage of a trained net as LPK do, and measure the three indices.

    A stage is a state whose self-transition fires at least twice. All perturbed nets run in one pass over the data, in
    evaluation mode; computations they share with each other and with the net itself run once.

    Args:
        net: from `graphnet.compile`, trained. Of several readouts, the last counts.
        batches: images `[N, C, H, W]` and labels: classes, int64 `[N]`, or for images with several labels 0 and 1,
            `[N, classes]`; such an image is right if its n labels are the n most likely ones of the net.
        more: maximum number of further applications of the last block.
        chance: the error rate of guessing; None finds it from the labels (see `analysis.indices`).
        samples, seed: of the bootstrap over images.
        states: the stages; None takes all.

    Raises:
        EditError: the net has no such stage, or was not compiled by graphnet.
        ValueError: no images, or the net is at chance.
    """
    plan, spec = origin_of(net)
    known = stages(expand_in_time(spec))
    chosen = list(known) if states is None else list(states)
    if wrong := [name for name in chosen if name not in known]:
        raise EditError(f"'{wrong[0]}' is no stage\n  stages: {', '.join(known) or 'none'}")
    if not chosen:
        raise EditError("no stages: no state has a self-transition that fires at least twice")
    merged = Merged()
    merged.add(plan, {tensor.name: tensor.name for tensor in plan.tensors})
    counts = []
    for name in chosen:
        edits = _perturbations(name, known[name], more)
        counts += [len(each) for each in edits]
        for edit in (edit for each in edits for edit in each):
            found = find(plan, spec, [edit])
            assert not found.weights, "a perturbed net has extra weights"
            merged.add(found.plan, found.table)
    wrong_about, guess = _run(net, merged, batches)
    final, *curves = np.split(wrong_about, np.cumsum([1, *counts])[:-1])
    found_stages = tuple(Stage(name, *curves[3 * k : 3 * k + 3]) for k, name in enumerate(chosen))
    chance = guess if chance is None else chance
    indices = {
        kind: bootstrap(
            index, [getattr(stage, kind) for stage in found_stages], final[0], chance=chance, samples=samples, seed=seed
        )
        for kind, index in KINDS.items()
    }
    return IterativeConvergence(found_stages, final[0], chance, indices)


def _perturbations(state: str, blocks: int, more: int) -> list[list[Edit]]:
    return [
        [ReadOutEarly(state, count) for count in range(blocks + 1)],
        [DropBlock(state, block) for block in range(1, blocks + 1)],
        [RepeatLastBlock(state, again) for again in range(more + 1)],
    ]


def _run(net: nn.Module, merged: Merged, batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[Wrong, float]:
    """Images that each merged net misclassifies `[nets, N]`, and the error rate of guessing."""
    tensors = tensors_of(net)
    like = next(iter(tensors.values()))
    found, guesses = [], []
    for images, labels in batches:
        values = run(merged.lines, tensors, {IMAGE: images.to(like)}, set(merged.outputs))
        targets = labels.to(like.device)
        found.append(torch.stack([is_wrong(values[name], targets) for name in merged.outputs]).cpu().numpy())
        guesses += [_chance(values[merged.outputs[0]].shape[1], targets)] * len(labels)
    if not found:
        raise ValueError("no images to measure on")
    return np.concatenate(found, axis=1), float(np.mean(guesses))


def is_wrong(logits: Tensor, labels: Tensor) -> Tensor:
    """Misclassified images `[N]`, from logits `[N, classes]` and labels as in `iterative_convergence`."""
    if labels.dim() == 1:
        return logits.argmax(1) != labels
    ranks = logits.argsort(1, descending=True).argsort(1)
    chosen = ranks < labels.bool().sum(1, keepdim=True)
    return (chosen != labels.bool()).any(1)


def _chance(classes: int, labels: Tensor) -> float:
    if labels.dim() == 1:
        return chance_error(classes)
    return float(np.mean([1 - 1 / math.comb(classes, int(count)) for count in labels.sum(1)]))
