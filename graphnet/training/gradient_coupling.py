"""Soft gradient coupling in training: Δ_t ← (1 − λ) Δ_t + λ Σ_s k_ts Δ_s before each step (LPK eq. 1, 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphnet.planning.plan import Coupling, Plan

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer


def couple_gradients(net: nn.Module, optimizer: Optimizer) -> Any:
    """Mix the gradients of a net's softly coupled weights before each step of an optimiser.

    Call it once after creating the optimiser; `graphnet train` does so. Mixing is linear: it may follow the sum over
    accumulated batches, the all-reduce of DDP and the sharding of FSDP2, and it sees the gradients unscaled by AMP's
    `GradScaler.step`. Gradients clipped before the step are clipped before mixing, which does not raise their norm
    under a uniform kernel.

    Args:
        net: a net from `graphnet.compile`, or a wrapper around one (such as DDP, by its `.module`).
        optimizer: any; the hook is one of its `register_step_pre_hook`.

    Returns:
        A handle; `.remove()` ends the coupling.

    Raises:
        ValueError: the net was not compiled by graphnet.
    """
    compiled = getattr(net, "module", net)
    plan = getattr(compiled, "meta", {}).get("plan")
    if not isinstance(plan, Plan):
        raise ValueError("the net was not compiled by graphnet: it has no plan with couplings")
    parameters = dict(compiled.named_parameters())
    groups = [(coupling, [parameters[name] for name in coupling.tensors]) for coupling in plan.couplings]

    def mix(*_: Any) -> None:
        for coupling, members in groups:
            mix_gradients(coupling, members)

    return optimizer.register_step_pre_hook(mix)


def kernel(coupling: Coupling) -> list[list[float]]:
    """The weights k_ts of the gradient of t in that of s; each row sums to 1.

    `uniform` is LPK's eq. 1, 1/T for all; `triangular` falls off with the distance in time order, proportionally to
    T − |t − s| (LPK name it without a formula).
    """
    size = len(coupling.tensors)
    if coupling.kernel == "uniform":
        return [[1 / size] * size for _ in range(size)]
    rows = [[size - abs(t - s) for s in range(size)] for t in range(size)]
    return [[weight / sum(row) for weight in row] for row in rows]


def mix_gradients(coupling: Coupling, members: Sequence[nn.Parameter]) -> None:
    """Mix the gradients of coupled parameters in place; a missing gradient counts as zero, and is created.

    If no parameter has a gradient, do nothing.
    """
    import torch

    if coupling.strength == 0 or all(member.grad is None for member in members):
        return
    with torch.no_grad():
        for member in members:
            if member.grad is None:
                member.grad = torch.zeros_like(member)
        gradients: list[Tensor] = [member.grad for member in members if member.grad is not None]
        if coupling.kernel == "uniform":
            mean = gradients[0].clone()
            for gradient in gradients[1:]:
                mean += gradient
            torch._foreach_mul_(gradients, 1 - coupling.strength)
            torch._foreach_add_(gradients, [mean] * len(gradients), alpha=coupling.strength / len(gradients))
            return
        mixing = coupling.strength * torch.tensor(kernel(coupling), dtype=torch.float64)
        mixing += (1 - coupling.strength) * torch.eye(len(gradients), dtype=torch.float64)
        local = [gradient.to_local() if hasattr(gradient, "to_local") else gradient for gradient in gradients]  # FSDP2
        stacked = torch.stack([gradient.flatten() for gradient in local])  # equal tensors have equal shards
        mixed = mixing.to(stacked) @ stacked
        for gradient, row in zip(local, mixed, strict=True):
            gradient.copy_(row.view_as(gradient))
