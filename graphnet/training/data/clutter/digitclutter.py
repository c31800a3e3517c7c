"""Digitclutter as a torch Dataset, in the manner of torchvision's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from graphnet.training.data.clutter.options import SIDE, Clutter
from graphnet.training.data.clutter.painter import Painter
from graphnet.training.data.clutter.scenes import PartName, digits_of
from graphnet.training.data.sources.digitclutter import TEST, TRAIN, labels_of


class Digitclutter(Dataset[Any]):
    """Images of 1 to 5 overlapping digits and their labels (Spoerer et al. 2017), drawn when they are asked for.

    Item i is the same for the same arguments, in any order and in any process: `length` and `transform` change no
    image, and a part shares no draws with the other. The images are those of `--data digitclutter-N`.

    ```python
    from torch.utils.data import DataLoader
    from torchvision.transforms import ToTensor

    train = Digitclutter(3, transform=ToTensor())
    images, labels = next(iter(DataLoader(train, batch_size=100, num_workers=4)))  # [100, 1, 32, 32], [100, 10]
    ```

    Attributes:
        targets: of all items, float32 `[N, 10]` of 0 and 1, before `target_transform`.
        digits: of all items, from the rearmost to the foremost, int64 `[N, n_digits]`.

    Args:
        n_digits: digits in each image, all different.
        part: "train" or "test".
        size: height and width in pixels.
        seed: draws all images.
        debris: fragments of digits pasted over each image.
        handwritten: glyphs are scikit-learn's handwritten digits; those of the test part are not in the training part.
        length: number of images; by default 100,000 for training and 10,000 for the test.
        transform: takes the Pillow image, grey of 8 bits.
        target_transform: takes the target, float32 `[10]`.

    Raises:
        DataError: a number is out of range, or Pillow has no FreeType.
        ValueError: no such part, or the length is below 1.
    """

    def __init__(
        self,
        n_digits: int,
        part: PartName = "train",
        size: int = SIDE,
        seed: int = 0,
        *,
        debris: int = 0,
        handwritten: bool = False,
        length: int | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Tensor], Any] | None = None,
    ) -> None:
        if part not in ("train", "test"):
            raise ValueError(f"Digitclutter has the parts 'train' and 'test', not {part!r}")
        count = (TRAIN if part == "train" else TEST) if length is None else length
        if count < 1:
            raise ValueError(f"Digitclutter has at least one image, not {count}")
        self.painter = Painter(Clutter(n_digits, debris, handwritten, size), seed, part)
        self.digits = digits_of(self.painter.clutter, seed, part, count)
        self.targets = labels_of(self.digits)
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return the image, a Pillow image or what `transform` makes of it, and its target."""
        place = range(len(self))[index]  # raises IndexError, at which iteration ends
        image, target = self.painter.image(place), self.targets[place]
        return (
            image if self.transform is None else self.transform(image),
            target if self.target_transform is None else self.target_transform(target),
        )
