"""Training augmentation on batches of tensors; N images, C channels, H W pixels."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""(images `[N, C, H, W]`, CPU generator) → images of the same shape."""

PADDING = 4


def crop_and_mirror(images: Tensor, generator: torch.Generator) -> Tensor:
    """Pad each image by 4 zeros on every side, crop it to its size at random, and mirror half of the images.

    He et al. 2015a, section 4.2. Zero is the mean of standardised images.

    Args:
        images: `[N, C, H, W]`.
        generator: a CPU generator; the images may be on any device.
    """
    count, _, height, width = images.shape
    shift = torch.randint(2 * PADDING + 1, (2, count, 1), generator=generator)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    x = torch.arange(width)
    rows = (shift[0] + torch.arange(height)).to(images.device)  # [N, H]
    columns = (shift[1] + torch.where(mirrored, width - 1 - x, x)).to(images.device)  # [N, W]
    picture = torch.arange(count, device=images.device)
    # Indices apart from the channel's come first in the result: [N, H, W, C].
    padded = F.pad(images, [PADDING] * 4)
    crops = padded[picture[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return crops.permute(0, 3, 1, 2).contiguous()
