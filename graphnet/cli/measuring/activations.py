"""`graphnet activations`: write the values of states at times to a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure, folder_for
from graphnet.cli.training.evaluate import DataRoot, Device, RunPath, WhichCheckpoint, run_told
from graphnet.training.errors import DataError
from graphnet.training.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from graphnet.runtime.net import Net
    from graphnet.training.data.dataset import Dataset, Part


class PartName(StrEnum):
    """A part of a data set."""

    TEST = "test"
    TRAINING = "training"
    VALIDATION = "validation"


class Dtype(StrEnum):
    """A type of numbers in a file."""

    FLOAT16 = "float16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"


def activations(
    run: RunPath,
    at: Annotated[
        list[str],
        typer.Option(
            metavar="STATE@TIMES,...",
            help="States and times: V2@3, V2@2..4, IT@* for all times; several with commas, or repeat the option.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write: .npz, or .zarr if the package zarr is installed.")
    ],
    part: Annotated[PartName, typer.Option(help="Part of the data set.")] = PartName.TEST,
    data: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Another data set of images of the same shape.", show_default="the run's"),
    ] = None,
    images: Annotated[int | None, typer.Option(min=1, help="Only the first N images.", show_default="all")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch.")] = 64,
    dtype: Annotated[Dtype, typer.Option(help="Type of the numbers in the file.")] = Dtype.FLOAT32,
    checkpoint: WhichCheckpoint = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    plugins: Plugins = None,
) -> None:
    """Save the activations of a trained net's states at chosen time steps, for each image.

    An activation is a state's value after its merge and update. The size of the file is printed first; memory holds one
    batch at a time. Images are standardised as in training.
    The file has an array for each state and time, such as V2@3 (state V2 at time step 3) of shape [N, C, H, W],
    the outputs logits@t, targets, indices (of the images in their source), names, times, and milliseconds (20 to 50 a
    step).
    In Python: numpy.load, or graphnet.analysis.representations.activation_files.read.
    """
    with run_told():
        folder = RunFolder.open(run)
        net, name, chosen = _loaded(folder, part, data, data_root, device, checkpoint)
    about = {"data": name, "part": part.value}
    folder_for(output)
    selection = [each.strip() for text in at for each in text.split(",")]
    with _file_told(output):
        _write(output, net, chosen, selection, images, batch_size, dtype.value, about)


def _loaded(
    folder: RunFolder,
    part: PartName,
    data: str | None,
    data_root: Path | None,
    device: str,
    checkpoint: str | None,
) -> tuple[Net, str, Part]:
    """The net, the name of the data, and their part, to be standardised as in training."""
    from graphnet.training.data.named import load_dataset
    from graphnet.training.runs.load_run import load_data, load_net

    net = load_net(folder, device, checkpoint)
    trained_on = load_data(folder, None if data else data_root)
    dataset = load_dataset(data, data_root) if data else trained_on
    _check_shape(dataset, net.meta["plan"].input_shape)
    if part.value not in dataset.parts:
        raise DataError(f"{dataset.name} has no {part.value} part\n  it has: {', '.join(dataset.parts)}")
    own = trained_on.train
    return net, dataset.name, replace(dataset.parts[part.value], mean=own.mean, deviation=own.deviation)


def _check_shape(dataset: Dataset, wanted: tuple[int, ...]) -> None:
    if dataset.image_shape == tuple(wanted):
        return
    told = f"images of {dataset.name} are {list(dataset.image_shape)}; the input of the net is {list(wanted)}"
    may_resize = dataset.image_shape[0] == wanted[0] and len(wanted) == 3
    size = f"{dataset.name.partition('@')[0]}@{'x'.join(map(str, wanted[1:]))}"
    raise DataError(f"{told}\n  {f'write --data {size}' if may_resize else 'choose images of that shape'}")


def _write(
    output: Path,
    net: Net,
    part: Part,
    at: list[str],
    images: int | None,
    batch_size: int,
    dtype: str,
    about: dict[str, str],
) -> None:
    from rich.console import Console
    from rich.filesize import decimal
    from rich.progress import Progress

    from graphnet.analysis.representations.activation_writer import contents, write_activations

    count = len(part) if images is None else min(images, len(part))
    planned = contents(net, at, count, dtype)
    size = decimal(sum(planned.sizes.values()))
    print(f"{len(planned.shapes)} arrays of {count:,} images, {size} as {dtype}", flush=True)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("images", total=count)
        write_activations(
            output,
            net,
            part,
            at,
            images=count,
            batch_size=batch_size,
            dtype=dtype,
            about=about,
            pulse=lambda done: progress.advance(task, done),
        )
    print(f"activations are in {output}")


@contextmanager
def _file_told(output: Path) -> Iterator[None]:
    """Turn faults of writing a file of activations into a Failure."""
    from graphnet.training.out_of_memory import is_out_of_memory

    try:
        yield
    except ValueError as fault:
        raise Failure(f"error: {fault}") from None
    except OSError as fault:
        raise Failure(f"cannot write {output}: {fault.strerror}") from None
    except ImportError as fault:
        raise Failure(f"cannot write {output}: {fault}\n  pip install 'graphnet-compiler[zarr]'") from None
    except (RuntimeError, MemoryError) as fault:
        if is_out_of_memory(fault):
            raise Failure("error: the memory does not suffice\n  use a smaller --batch-size") from None
        raise
