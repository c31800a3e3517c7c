"""Random generators of named draws, apart from torch's global one."""

from __future__ import annotations

import hashlib

import torch


def generator(purpose: str, *numbers: int) -> torch.Generator:
    """Return a new CPU generator whose seed is a hash of its purpose and numbers, such as a seed and an epoch."""
    text = "/".join([purpose, *map(str, numbers)])
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    return torch.Generator().manual_seed(seed >> 1)  # torch takes 63 bits without a sign
