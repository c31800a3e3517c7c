"""Spectral norms of linear operators by power iteration (Yoshida & Miyato 2017; Miyato et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

LinearMap = Callable[[Tensor], Tensor]
"""A linear map of float64 tensors: no bias, nothing added."""


class SpectralNorm:
    """The largest singular value of a linear operator, with the vector that the power iteration has reached.

    One that is kept from step to step of training needs few iterations a step, as the weights move little: PyTorch's
    own spectral norm takes one. The vector `u` has the shape of the operator's value; it is None before the first
    call, and where the operator was zero.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.u: Tensor | None = None

    def __call__(
        self,
        operator: LinearMap,
        shape: Sequence[int],
        iterations: int = 1,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Iterate further and return the norm.

        Args:
            operator: called with float64 tensors; its transpose is taken by autograd.
            shape: of its argument, with whatever axes it wants (the batch, if it has one, should be 1).
            iterations: at least 1; each applies the operator and its transpose once.
            device: of its argument.

        Returns:
            A float64 scalar, u · A v with u and v held fixed: differentiable in whatever the operator is made of. It
            is never above the true norm (but for rounding), and comes up to it as the iterations go on.
        """
        if iterations < 1:
            raise ValueError(f"power iteration takes at least 1 iteration, not {iterations}")
        with torch.enable_grad():
            x = torch.zeros(tuple(shape), dtype=torch.float64, device=device, requires_grad=True)
            y = operator(x)
        u = self.u
        if u is None or u.shape != y.shape or u.device != y.device:
            generator = torch.Generator().manual_seed(self.seed)
            u = _unit(torch.randn(y.shape, generator=generator, dtype=torch.float64).to(y.device))
        for _ in range(iterations):
            (gradient,) = torch.autograd.grad(y, x, u, retain_graph=True)
            v = _unit(gradient)
            with torch.no_grad():
                u = _unit(operator(v))
        self.u = u if bool(u.any()) else None
        return (u * operator(v)).sum()


def spectral_norm(
    operator: LinearMap, shape: Sequence[int], iterations: int = 100, device: torch.device | str | None = None
) -> Tensor:
    """The largest singular value of a linear operator, from a fresh start: see `SpectralNorm`."""
    return SpectralNorm()(operator, shape, iterations, device)


def _unit(vector: Tensor) -> Tensor:
    """A vector of length 1 in the same direction; zeros stay zeros."""
    unit: Tensor = vector / vector.norm().clamp_min(torch.finfo(vector.dtype).tiny)
    return unit
