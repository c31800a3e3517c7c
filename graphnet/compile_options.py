"""Options of `compile`, and their validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from graphnet.passes import DEFAULT, Mode
from graphnet.planning.cost import BATCH

BACKENDS = {"eager": 0, "inductor": 300}
"""Plan length, in lines, above which one flat graph takes a minute to compile: each step is compiled on its own."""
CHOICES: dict[str, tuple[object, ...]] = {
    "keep_dead": (False, True),
    "unlimited": (False, True),
    "mode": get_args(Mode),
    "optimize": (0, 1, 2, 3),
    "backend": tuple(BACKENDS),
    "stepwise": (None, False, True),
}


@dataclass(frozen=True)
class Options:
    """Options of `compile`. Raises ValueError for an invalid value."""

    seed: int = 0
    keep_dead: bool = False
    unlimited: bool = False
    mode: Mode = "train"
    optimize: int = DEFAULT
    backend: Literal["eager", "inductor"] = "eager"
    stepwise: bool | None = None
    device: str | None = None
    batch_size: int = BATCH

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if not any(type(value) is type(choice) and value == choice for choice in choices):
                raise ValueError(f"{name}={value!r}: one of {', '.join(map(repr, choices))}")
        for name, least in (("seed", None), ("batch_size", 1)):
            value = getattr(self, name)
            if type(value) is not int or (least is not None and value < least):
                raise ValueError(f"{name}={value!r}: a whole number{'' if least is None else f' from {least} on'}")
        if self.device is not None and not isinstance(self.device, str):
            raise ValueError(f"device={self.device!r}: the name of a device, such as 'cpu' or 'cuda', or None")


def check_device(device: str | None) -> None:
    """Raise ValueError for an unknown device name."""
    import torch

    try:
        torch.device(device or "cpu")
    except RuntimeError as error:
        raise ValueError(f"device={device!r}: {str(error).partition(chr(10))[0]}") from None
