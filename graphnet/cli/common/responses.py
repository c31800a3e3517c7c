"""Responses of a run's net, or of a file of activations, for commands that analyse representations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphnet.cli.common.report import Failure
from graphnet.cli.training.evaluate import run_told
from graphnet.training.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from graphnet.analysis.representations.responses import Responses
    from graphnet.planning.plan import Plan

RunOrFile = Annotated[
    Path,
    typer.Argument(
        metavar="RUN|FILE",
        help="A run folder written by `graphnet train`; or an .npz file with an array such as V2@3 for each state and "
        "time, and perhaps `targets`.",
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        metavar="STATE@TIME,…",
        help="States and times: V2@3, V2@2..4, or V2@* for all times; several with commas.",
        show_default="all states at all times",
    ),
]
FILE = ".npz"


@dataclass(frozen=True, eq=False)
class Source:
    """Responses and where they are from.

    Attributes:
        task: what the targets are, a name in `graphnet.training.tasks.TASKS`.
        plan: of the net that made them; None for a file.
    """

    responses: Responses
    task: str
    plan: Plan | None

    @property
    def score(self) -> str:
        """What a probe's score is."""
        return "accuracy" if self.task == "classes" else "R²"

    @property
    def milliseconds(self) -> bool:
        """Whether each step takes 20 to 50 ms of biological time."""
        from graphnet.pictures.states import takes_time

        return self.plan is not None and takes_time(self.plan)


def responses_of(
    path: Path, at: str | None, most: int, checkpoint: str | None, data_root: Path | None, device: str
) -> Source:
    """Find the responses to test images of a run, or those in a file.

    Args:
        at: as in the command line.
        most: number of images.

    Raises Failure.
    """
    from graphnet.analysis.representations.responses import classes_of, of_file, of_net
    from graphnet.training.runs.load_run import load_run

    wanted = [text.strip() for text in (at or "").split(",") if text.strip()]
    with analysis_told(path):
        if path.suffix == FILE:
            given = of_file(path, wanted, most=most)
            return Source(given, "values" if classes_of(given.targets) is None else "classes", None)
        net, dataset = load_run(RunFolder.open(path), device, data_root, checkpoint)
        found = of_net(net, dataset.test, wanted, task=dataset.task, most=most)
        return Source(found, dataset.task, net.meta["plan"])


@contextmanager
def analysis_told(place: Path) -> Iterator[None]:
    """Turn errors of a run, of its data or of an analysis into a Failure that names the place."""
    try:
        with run_told():
            yield
    except ValueError as fault:
        raise Failure(f"error: {place}: {fault}") from None


def folder_of_results(path: Path, output: Path | None, name: str) -> Path:
    """Create the folder for results: `output`, or `name` in a run, or beside a file. Raises Failure."""
    folder = output or (path.with_name(f"{path.stem}-{name}") if path.suffix == FILE else path / name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise Failure(f"cannot make {folder}: {fault.strerror}") from None
    return folder


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn faults of writing into a Failure."""
    try:
        yield
    except OSError as fault:
        raise Failure(f"cannot write {fault.filename or folder}: {fault.strerror}") from None


def draw_values(folder: Path, plan: Plan, values: dict[str, float], quantity: str) -> None:
    """Draw the unrolled net with boxes coloured by values, `unrolled.svg`, `.pdf` and `.png`, into the folder."""
    from graphnet.atomic_files import write_bytes
    from graphnet.cli.common.report import pictures_told
    from graphnet.pictures.formats import drawn
    from graphnet.pictures.unrolled.values import Colouring
    from graphnet.pictures.views import PictureOptions, Rendering

    shown = Rendering(plan, PictureOptions(title=False, colouring=Colouring(values, quantity)))
    with pictures_told():
        for suffix in (".svg", ".pdf", ".png"):
            write_bytes(folder / f"unrolled{suffix}", drawn(f"unrolled{suffix}", shown))
