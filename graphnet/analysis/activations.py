"""Values of a net's states at given times, for many images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy

import torch
from torch import Tensor

from graphnet.runtime.activations import Activations, selected
from graphnet.runtime.net import Net
from graphnet.training.calibrate import Batch
from graphnet.training.loop.settings import in_mode


def activations(
    net: Net,
    images: Tensor | Iterable[Batch],
    at: str | Iterable[str],
    *,
    batch_size: int = 64,
    device: str | torch.device | None = None,
) -> Activations:
    """Return the values of states at times, in evaluation mode, without gradients; the net does not change.

        graphnet.activations(net, images, ["V2@3", "IT@*"], device="cuda")["V2", 3]

    Args:
        net: from `graphnet.compile`.
        images: `[N, …]`, or batches as from a data loader: images, or images and labels.
        at: states and times: `V2@3`, `V2@2..4`, `V2@T-1`; `V2@*` or `V2` for all times at which V2 is computed.
        batch_size: images per batch, if `images` is one tensor.
        device: where to run; None is the net's device.

    Returns:
        (state, t) → `[N, C, H, W]` or `[N, C]` on the CPU, in the order of `at`.

    Raises:
        ValueError: no state of that name, or it is not computed at that time; no images; a batch size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: a whole number of at least 1")
    at = [at] if isinstance(at, str) else list(at)
    selected(net.meta["executed"], at)
    if device is not None and torch.device(device) != _like(net).device:
        net = deepcopy(net).to(device)
    batches = torch.split(images, batch_size) if isinstance(images, Tensor) else images
    found: dict[tuple[str, int], list[Tensor]] = {}
    for values in activations_by_batch(net, batches, at):
        for key, value in values.items():
            found.setdefault(key, []).append(value)
    if not found:
        raise ValueError("no images")
    return {key: torch.cat(values) for key, values in found.items()}


def activations_by_batch(net: Net, batches: Iterable[Batch], at: Iterable[str]) -> Iterator[Activations]:
    """Yield the values of states at times for each batch, on the CPU, as `activations` does for all images.

    Batches are moved to the net's device. Raises ValueError as `activations` does.
    """
    at, like = list(at), _like(net)
    for batch in batches:
        images = batch if isinstance(batch, Tensor) else batch[0]
        with in_mode(net, training=False), torch.no_grad():
            found = {key: value.cpu() for key, value in net.activations(images.to(like), at).items()}
        yield found


def _like(net: Net) -> Tensor:
    return next(iter(net.state_dict().values()), torch.empty(0))
