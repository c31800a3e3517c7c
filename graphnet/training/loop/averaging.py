"""Exponential moving average of a net's parameters, by torch; statistics of the average come from calibration."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from graphnet.training.calibrate import ROLES, calibrate
from graphnet.training.data.dataset import Part

MOST_IMAGES = 10_000
"""Images that the statistics of an averaged net are calibrated on."""


class Average:
    """A moving average of the parameters of a net."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self._model = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=False)  # type: ignore[no-untyped-call]

    def update(self, net: nn.Module) -> None:
        """Take the parameters of the net after a step of its optimiser."""
        self._model.update_parameters(net)

    def net(self, train: Part, batch_size: int) -> nn.Module:
        """The averaged net, its statistics calibrated on training images in batches of the size of training."""
        net: nn.Module = self._model.module
        if any(name.rpartition(".")[2] in ROLES for name, _ in net.named_buffers()):
            whole = min(len(train), MOST_IMAGES) // batch_size * batch_size
            calibrate(net, train.batches(batch_size, most=whole or None))
        return net

    def state(self) -> dict[str, Tensor]:
        """The averaged parameters and the number of updates."""
        return {**dict(self._model.module.named_parameters()), "n_averaged": self._model.n_averaged}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        with torch.no_grad():
            for name, tensor in self.state().items():
                tensor.copy_(tensors[name])
