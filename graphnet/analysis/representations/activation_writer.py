"""Write the values of states at times for many images to a file; N images, C channels, H W pixels."""

from __future__ import annotations

import errno
import json
import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.filesize import decimal

from graphnet.analysis.activations import activations_by_batch
from graphnet.analysis.representations.array_writers import WRITERS
from graphnet.pictures.states import takes_time
from graphnet.planning.plan import Plan
from graphnet.runtime.activations import selected
from graphnet.runtime.net import Net
from graphnet.training.data.dataset import Part

Array = NDArray[Any]
OUTPUT = "logits"
"""The post-net's state; its values at the readout times are kept in each file."""
DTYPES = ("float16", "float32", "float64")


@dataclass(frozen=True)
class Contents:
    """What a file of activations will hold.

    Attributes:
        shapes: name such as `V2@3` → `(N, C, H, W)` or `(N, C)`; `logits@t` for each readout time t at the end.
        dtype: of the values, one of `DTYPES`.
    """

    shapes: Mapping[str, tuple[int, ...]]
    dtype: str

    @property
    def sizes(self) -> dict[str, int]:
        """Name → bytes."""
        return {name: math.prod(shape) * np.dtype(self.dtype).itemsize for name, shape in self.shapes.items()}


def contents(net: Net, at: str | Iterable[str], images: int, dtype: str = "float32") -> Contents:
    """Return what `write_activations` would write, without running the net.

    Raises:
        ValueError: no state of that name, or it is not computed at that time.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype='{dtype}': it must be one of {', '.join(DTYPES)}")
    plan: Plan = net.meta["executed"]
    shapes = {area.name: area.shape for area in plan.areas}
    wanted = selected(plan, at)
    if OUTPUT in plan.made_at:
        shapes[OUTPUT] = plan.output_shape
        wanted = list(dict.fromkeys([*wanted, *selected(plan, OUTPUT)]))
    return Contents({f"{state}@{t}": (images, *shapes[state]) for state, t in wanted}, dtype)


def write_activations(
    path: Path,
    net: Net,
    part: Part,
    at: str | Iterable[str],
    *,
    images: int | None = None,
    batch_size: int = 64,
    dtype: str = "float32",
    about: Mapping[str, object] | None = None,
    pulse: Callable[[int], None] = lambda done: None,
) -> Contents:
    """Run the net on images in evaluation mode, batch by batch, and write the values of states at times to a file.

    Only one batch is in memory. The file appears once it is complete. Its arrays are, with K states at times:

    - `V2@3`, … `[N, C, H, W]`; where it depends on the readout time (slabs name `T`), that of the last readout;
    - the outputs `logits@t` `[N, …]` at each readout time t, before any combination;
    - `targets`, and `indices` `[N]`: the place of each image in the part of the source that it was drawn from;
    - `names`, `times` `[K]`: the names of the states at times, and the times in steps;
    - `milliseconds` `[K, 2]`: 20t and 50t, unless some arrow takes no time (Liao & Poggio 2016, section 3);
    - `about`: JSON text with the net's name, and what `about` adds.

    Args:
        path: ends in .npz or .zarr.
        net: from `graphnet.compile`; it runs on its device.
        part: of a data set, `dataset.test`.
        at: states and times: `V2@3`, `V2@2..4`; `V2@*` or `V2` for all times at which V2 is computed.
        images: how many, from the first; None takes all.
        dtype: of the values: float16, float32 or float64.
        pulse: called after each batch with its number of images.

    Raises:
        ValueError: no such state or time; no such format; values too large for the type.
        OSError: the disk has too little room, or the file cannot be written.
        ImportError: the package zarr is missing.
    """
    if path.suffix not in WRITERS:
        raise ValueError(f"{path}: the name of a file of activations ends in {' or '.join(WRITERS)}")
    if path.suffix == ".zarr" and path.exists():
        raise ValueError(f"{path} exists: remove it first, or choose another name")
    count = len(part) if images is None else min(images, len(part))
    planned = contents(net, at, count, dtype)
    _check_room(path, planned)
    wanted = {tuple(name.split("@")): name for name in planned.shapes}
    with WRITERS[path.suffix](path, planned.shapes, dtype, _facts(net, part, count, planned, about or {})) as append:
        batches = part.batches(batch_size, next(net.parameters(), torch.empty(0)).device, most=count)
        for values in activations_by_batch(net, batches, planned.shapes):
            for (state, t), value in values.items():
                name = wanted[state, str(t)]
                append(name, _cast(name, value, dtype))
            pulse(len(value))
    return planned


def _facts(net: Net, part: Part, count: int, planned: Contents, about: Mapping[str, object]) -> dict[str, Array]:
    """The arrays that do not depend on the values."""
    plan: Plan = net.meta["plan"]
    times = np.array([int(name.partition("@")[2]) for name in planned.shapes], dtype=np.int64)
    facts: dict[str, Array] = {
        "targets": part.targets[:count].numpy(),
        "indices": part.indices[:count].numpy(),
        "names": np.array(list(planned.shapes), dtype=np.str_),
        "times": times,
    }
    if takes_time(plan):
        facts["milliseconds"] = np.stack([20 * times, 50 * times], axis=1)
    return facts | {"about": np.array(json.dumps({"net": plan.name, **about}))}


def _cast(name: str, value: torch.Tensor, dtype: str) -> Array:
    cast = value.to(getattr(torch, dtype))
    if dtype == "float16" and bool((cast.isinf() & ~value.isinf()).any()):
        raise ValueError(f"{name} has values beyond ±65,504, the largest float16: use float32")
    array: Array = cast.numpy()
    return array


def _check_room(path: Path, planned: Contents) -> None:
    """Raise OSError if the disk has too little room; an .npz file needs some for a second copy of its largest array."""
    sizes = list(planned.sizes.values())
    needed = sum(sizes) + (max(sizes, default=0) if path.suffix == ".npz" else 0)
    free = shutil.disk_usage(path.absolute().parent).free
    if needed > free:
        told = f"{decimal(needed)} are needed on this disk, and {decimal(free)} are free"
        raise OSError(errno.ENOSPC, told, str(path))
