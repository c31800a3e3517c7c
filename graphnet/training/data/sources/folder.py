"""`folder:PATH`: image files in a folder for each class, in torchvision's ImageFolder layout."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from graphnet.errors import printable, shortened
from graphnet.training.data.dataset import Dataset, build
from graphnet.training.data.images import FileImages
from graphnet.training.data.splits import stratified_order
from graphnet.training.errors import DataError

SIZE = 224
TEST_SHARE = 0.2
AUGMENT = ("random-crop", "flip")
LAYOUT = "it must hold train/CLASS/*.jpg and val/CLASS/*.jpg, or only CLASS/*.jpg"


@dataclass(frozen=True)
class _Files:
    paths: tuple[Path, ...]
    labels: Tensor


def load_folder(name: str, path: Path, size: tuple[int, int] | None, seed: int) -> Dataset:
    """Load image files as RGB of 224 x 224 pixels, or of `size`.

    The test part is PATH/test, or PATH/val without it; PATH/val beside PATH/test is a published validation part. If
    PATH holds classes only, a stratified fifth, drawn by `seed`, is the test part. Images are standardised by
    ImageNet's usual mean and deviation, whatever they show.

    Raises:
        DataError: the folder is missing or has another layout.
    """
    if not path.is_dir():
        looked = printable(shortened(str(path)))
        raise DataError(f"{printable(shortened(name))} is missing: looked for the folder {looked}\n  {LAYOUT}")
    height, width = size or (SIZE, SIZE)
    if not (path / "train").is_dir():
        return _split(name, path, height, width, seed)
    held_out = [each for each in ("test", "val") if (path / each).is_dir()]
    if not held_out:
        raise DataError(f"{name} has no test images: looked for {path / 'test'} and {path / 'val'}\n  {LAYOUT}")
    classes = _classes(name, path / "train")
    parts = {each: _files(name, path / each, classes) for each in ("train", *held_out)}
    read = {each: (FileImages(files.paths, height, width), files.labels) for each, files in parts.items()}
    return build(
        name,
        read["train"],
        read[held_out[0]],
        read["val"] if len(held_out) == 2 else None,
        classes=len(classes),
        held_out_hash=_hash(parts[held_out[0]], path),
        augment=AUGMENT,
    )


def _split(name: str, path: Path, height: int, width: int, seed: int) -> Dataset:
    classes = _classes(name, path)
    files = _files(name, path, classes)
    order = stratified_order(files.labels, "folder", seed)
    count = round(TEST_SHARE * len(order))
    test, train = order[:count].sort().values, order[count:].sort().values
    images = FileImages(files.paths, height, width)
    return build(
        name,
        (images.subset(train.tolist()), files.labels[train]),
        (images.subset(test.tolist()), files.labels[test]),
        classes=len(classes),
        held_out_hash=hashlib.sha256(test.numpy().astype("<i8").tobytes()).hexdigest(),
        held_out_seed=seed,
        indices=(train, test),
        augment=AUGMENT,
    )


def _classes(name: str, path: Path) -> dict[str, int]:
    classes = sorted(each.name for each in path.iterdir() if each.is_dir())
    if not classes:
        raise DataError(f"{name} has no classes: {path} holds no folders\n  {LAYOUT}")
    return {word: k for k, word in enumerate(classes)}


def _files(name: str, path: Path, classes: dict[str, int]) -> _Files:
    from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset  # type: ignore[import-untyped]

    if unknown := [word for word in _classes(name, path) if word not in classes]:
        raise DataError(f"{name}: {path} has the class '{unknown[0]}', which the training images have not")
    found = make_dataset(str(path), classes, extensions=IMG_EXTENSIONS, allow_empty=True)
    if not found:
        raise DataError(f"{name} has no images: no {', '.join(IMG_EXTENSIONS)} in {path}\n  {LAYOUT}")
    return _Files(tuple(Path(file) for file, _ in found), torch.tensor([label for _, label in found]))


def _hash(files: _Files, root: Path) -> str:
    digest = hashlib.sha256()
    for file, label in zip(files.paths, files.labels.tolist(), strict=True):
        digest.update(f"{file.relative_to(root).as_posix()}\0{label}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
