"""Training images of a run, for calibrating statistics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from graphnet.training.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from torch import Tensor

    from graphnet.training.data.dataset import Dataset

CalibrationImages = Annotated[
    int, typer.Option(metavar="N", min=2, help="Maximum number of training images for calibration.")
]
MOST_IMAGES = 10_000
USUAL_BATCH = 64


def calibration_batches(folder: RunFolder, dataset: Dataset, most: int) -> Iterator[Tensor]:
    """Yield training images `[N, C, H, W]`, not augmented, in whole batches of the size of training.

    Statistics depend on the size of batches, so an incomplete one is left out, unless there is no other.
    """
    recipe = folder.read_record().get("recipe")
    given = recipe.get("batch_size") if isinstance(recipe, dict) else None
    size = given if isinstance(given, int) and given > 0 else USUAL_BATCH
    count = min(most, len(dataset.train))
    for images, _ in dataset.train.batches(size, most=count // size * size or count):
        yield images
