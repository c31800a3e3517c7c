"""What the states of a net are at given times, of many images."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor

from graphnet.analysis.calibrate import Batch
from graphnet.runtime.activations import Activations, selected
from graphnet.runtime.net import Net
from graphnet.training.loop import in_mode


@torch.no_grad()
def activations(
    net: Net,
    images: Tensor | Iterable[Batch],
    at: str | Iterable[str],
    *,
    batch_size: int = 64,
    device: str | torch.device | None = None,
) -> Activations:
    """The values of states at times in evaluation mode, without gradients; the net is left as it is.

        graphnet.activations(net, images, ["V2@3", "IT@*"], device="cuda")["V2", 3]

    Args:
        net: what `graphnet.compile` made.
        images: `[N, …]`, or batches as a data loader gives them, of images or of images first and labels then.
        at: states and times: `V2@3`, `V2@2..4`, `V2@T-1`; `V2@*` or `V2` for all times at which it is made.
        batch_size: how many images run at once, of one tensor.
        device: where they run; None is where the net is.

    Returns:
        (state, t) → `[N, C, H, W]` or `[N, C]` on the CPU, in the order of `at`.

    Raises:
        ValueError: no state of that name, or it is not made then; no images; a batch size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: a whole number from 1 on")
    at = [at] if isinstance(at, str) else list(at)
    selected(net.meta["executed"], at)
    like = next(iter(net.state_dict().values()), torch.empty(0))
    if device is not None and torch.device(device) != like.device:
        net = deepcopy(net).to(device)
        like = like.to(device)
    found: dict[tuple[str, int], list[Tensor]] = {}
    with in_mode(net, training=False):
        for batch in torch.split(images, batch_size) if isinstance(images, Tensor) else images:
            given = batch if isinstance(batch, Tensor) else batch[0]
            for key, value in net.activations(given.to(like), at).items():
                found.setdefault(key, []).append(value.cpu())
    if not found:
        raise ValueError("there are no images")
    return {key: torch.cat(values) for key, values in found.items()}
