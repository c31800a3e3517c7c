"""Iterate the last block of a trained net's state, to see whether it reaches a fixed point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from graphnet.analysis.error_curves import is_wrong
from graphnet.analysis.interpreter import run, tensors_of
from graphnet.analysis.perturb import find, origin_of
from graphnet.planning.body import without_unread
from graphnet.planning.plan import IMAGE, Line
from graphnet.planning.time_expansion import expand_in_time
from graphnet.rewrite.perturbations import RepeatLastBlock
from graphnet.rewrite.spec_editor import Draft


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """Movement of a state under 1 … K more applications of its last block, for N images.

    Attributes:
        residuals: `[K, N]`, ‖z_k − z_{k−1}‖ / ‖z_k‖ (0 if nothing moves).
        errors: `[K + 1]`, the error rate if the rest of the net reads z_0 (the unchanged net), z_1, …
        sizes: `[K + 1, N]`, ‖z_0‖, ‖z_1‖, …; not finite if any value is not.
        tolerance: residuals up to this count as zero.
    """

    state: str
    residuals: NDArray[np.float64]
    errors: NDArray[np.float64]
    sizes: NDArray[np.float64]
    tolerance: float

    @property
    def converged(self) -> int | None:
        """The first step from which every image's residual stays within the tolerance; None if there is none."""
        moving = np.flatnonzero(~(self.residuals.max(axis=1) <= self.tolerance))  # NaN counts as moving
        first = 0 if moving.size == 0 else int(moving[-1]) + 1
        return None if first == len(self.residuals) else first + 1

    @property
    def overflow(self) -> int | None:
        """The first step (0: before all) with a non-finite value for some image; None if there is none."""
        wrong = np.flatnonzero(~np.isfinite(self.sizes).all(axis=1))
        return int(wrong[0]) if wrong.size else None

    def why_not_finite(self) -> str:
        """Explanation of non-finite values; empty if all are finite."""
        step = self.overflow
        if step is None:
            return ""
        if step == 0:
            return f"'{self.state}' is not finite as trained: weights, statistics or images are not finite"
        lost = ~np.isfinite(self.sizes[step])
        what = f"'{self.state}' grows without bound: at step {step} the values of {lost.sum()} images are not finite"
        grown = float(np.median(self.sizes[step - 1][lost] / self.sizes[0][lost]))
        if step == 1 or not np.isfinite(grown):
            return what
        return f"{what}; its last block makes them {grown ** (1 / (step - 1)):.3g} times as large per step"


def fixed_point(
    net: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    state: str,
    *,
    steps: int = 100,
    tolerance: float = 1e-5,
) -> FixedPoint:
    """Apply the last block of a state repeatedly, with its last weights and statistics, in evaluation mode.

    Args:
        net: from `graphnet.compile`, trained.
        batches: images `[N, C, H, W]` and labels, as for `iterative_convergence`.
        state: one with a self-transition.
        steps: number of applications, at least 1.
        tolerance: residuals up to this count as zero; in float32, rounding leaves about 1e-7.

    Raises:
        EditError: the state has no self-transition, or the net was not compiled by graphnet.
        ValueError: no images, or no steps.
    """
    if steps < 1:
        raise ValueError(f"a fixed point takes at least 1 step, not {steps}")
    iteration = _Iteration(net, state)
    residuals: list[NDArray[np.float64]] = []
    wrong: list[NDArray[np.float64]] = []
    sizes: list[NDArray[np.float64]] = []
    for images, labels in batches:
        for found, part in zip((residuals, wrong, sizes), iteration.follow(images, labels, steps), strict=True):
            found.append(part)
    if not residuals:
        raise ValueError("no images to run on")
    errors = np.concatenate(wrong, 1).mean(1)
    return FixedPoint(state, np.concatenate(residuals, 1), errors, np.concatenate(sizes, 1), tolerance)


class _Iteration:
    """A net in three parts: up to a state's last value, one more application of its last block, and the rest."""

    def __init__(self, net: nn.Module, state: str) -> None:
        plan, spec = origin_of(net)
        last, _ = Draft(spec, expand_in_time(spec)).blocks(state)[-1]
        found = find(plan, spec, [RepeatLastBlock(state, 1)])
        self.tensors = tensors_of(net)
        lines = [line._replace(tensors=tuple(found.table[name] for name in line.tensors)) for line in found.plan.lines]
        self.before, self.after = (
            next(line.name for line in lines if line.op.kind == "value" and (line.place, line.t) == (state, t))
            for t in (last, last + 1)
        )
        self.output = found.plan.outputs[-1][1]
        self.first = without_unread(lines, {self.before}, acting=False)
        self.step = _less(without_unread(lines, {self.after}, acting=False), self.first)
        self.rest = _less(without_unread(lines, {self.output}, acting=False), [*self.first, *self.step])
        made = {IMAGE, *(line.name for line in self.first)}
        read = {name for line in (*self.step, *self.rest) for name in line.arguments}
        self.kept = (made & read) | {self.before}

    def follow(self, images: Tensor, labels: Tensor, steps: int) -> list[NDArray[np.float64]]:
        """Residuals `[K, N]`, misclassified images `[K + 1, N]`, and the sizes of the state `[K + 1, N]`."""
        like = next(iter(self.tensors.values()))
        image, targets = images.to(like), labels.to(like.device)
        kept = run(self.first, self.tensors, {IMAGE: image}, self.kept)
        z = kept[self.before]
        residuals, wrong, sizes = [], [self._is_wrong(kept, z, targets)], [_size(z)]
        for _ in range(steps):
            new = run(self.step, self.tensors, kept | {self.before: z}, {self.after})[self.after]
            moved = _size(new - z)
            sizes.append(_size(new))
            residuals.append(torch.where(moved == 0, moved, moved / sizes[-1]))
            z = new
            wrong.append(self._is_wrong(kept, z, targets))
        return [torch.stack(each).double().cpu().numpy() for each in (residuals, wrong, sizes)]

    def _is_wrong(self, kept: dict[str, Tensor], z: Tensor, targets: Tensor) -> Tensor:
        if self.output == self.after:
            return is_wrong(z, targets)
        return is_wrong(run(self.rest, self.tensors, kept | {self.after: z}, {self.output})[self.output], targets)


def _size(values: Tensor) -> Tensor:
    """‖z‖ of each image `[N]`; in float64, as squares overflow long before values do."""
    size: Tensor = torch.linalg.vector_norm(values.flatten(1), dim=1, dtype=torch.float64)
    return size


def _less(lines: Sequence[Line], others: Sequence[Line]) -> list[Line]:
    names = {line.name for line in others}
    return [line for line in lines if line.name not in names]
