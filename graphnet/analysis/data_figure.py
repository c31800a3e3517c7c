"""A grid of a data set's images with their targets. N images, C channels, H W pixels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from graphnet.analysis.figure_files import PAGE, STYLE, new_figure, write_figure_as
from graphnet.errors import clean
from graphnet.training.data.dataset import Dataset, Part
from graphnet.training.data.summary import target_text

TEXT = 3.5
"""Millimetres above each image for its target."""
TITLE = 7
SMALLEST, LARGEST = 9, 28
"""Millimetres of a side of an image."""


def draw_images(path: Path, dataset: Dataset, part: str, images: int) -> None:
    """Draw the first images of a part, with the target above each; the file's ending is svg, pdf or png.

    Images are shown as they are read, without standardising. Grey and RGB are shown as such; of other numbers of
    channels, their mean. Real numbers are scaled to the smallest and largest of all images shown.

    Raises:
        DataError: an image cannot be read.
        OSError: the file cannot be written.
    """
    from matplotlib import rc_context

    shown = dataset.parts[part]
    count = min(images, len(shown))
    pixels = displayed(shown.images.read(range(count)))
    columns = math.ceil(math.sqrt(count * 1.6))
    side = min(LARGEST, max(SMALLEST, PAGE / columns))
    rows = math.ceil(count / columns)
    with rc_context(STYLE):
        figure = new_figure(max(columns * side, 60), rows * (side + TEXT) + TITLE)
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
        figure.suptitle(f"{clean(dataset.name)}: {count} of {len(shown):,} {part} images", fontsize=7)
        for k, axis in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
            axis.axis("off")
            if k < count:
                _show(axis, pixels[k], shown, k, dataset.task)
        write_figure_as(figure, path)


def _show(axis: Any, pixels: NDArray[np.float64], part: Part, k: int, task: str) -> None:
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.set_title(target_text(part.targets[k], task), fontsize=6, pad=1.5)


def displayed(raw: Tensor) -> NDArray[np.float64]:
    """Images `[N, C, H, W]` as matplotlib shows them: `[N, H, W]`, or `[N, H, W, 3]` of colours, from 0 to 1."""
    pixels = raw.double()
    if raw.is_floating_point():
        low, high = pixels.min(), pixels.max()
        pixels = (pixels - low) / (high - low) if high > low else pixels * 0 + 0.5
    else:
        pixels = pixels / 255
    array: NDArray[np.float64] = pixels.numpy()
    return array.transpose(0, 2, 3, 1) if array.shape[1] == 3 else array.mean(1)
