"""The device that a net runs on."""

from __future__ import annotations

import torch

from graphnet.errors import shortened
from graphnet.training.errors import TrainingError


def choose_device(name: str) -> torch.device:
    """Return the torch device of that name; "auto" is CUDA if available, else the CPU.

    Raises:
        TrainingError: no such device here, or one that holds no numbers.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as fault:
        reason = shortened(str(fault).splitlines()[0])
        raise TrainingError(f"device '{name}' cannot be used here: {reason}\n  use auto or cpu") from fault
    if device.type == "meta":
        raise TrainingError("device 'meta' cannot be used here: its tensors hold no numbers\n  use auto or cpu")
    return device
