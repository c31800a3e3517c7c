"""`graphnet eval`: test a trained net again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure, told
from graphnet.training.errors import RunError, TrainingError
from graphnet.training.runs.run_folder import RunFolder

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder written by `graphnet train`.")]
DataRoot = Annotated[Path | None, typer.Option(help="Folder that holds the data.", show_default="as in training")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]
WhichCheckpoint = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        metavar="last|best|averaged|FILE",
        help="Checkpoint to load; best is that of the smallest validation error.",
        show_default="the one tested after training",
    ),
]


@contextmanager
def run_told() -> Iterator[None]:
    """Turn errors of a run, the compiler or an edit into a Failure."""
    from graphnet.rewrite.spec_editor import EditError

    try:
        with told():
            yield
    except (TrainingError, EditError) as error:
        raise Failure(f"error: {error}") from None


def evaluate(
    run: RunPath,
    checkpoint: WhichCheckpoint = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    plugins: Plugins = None,
) -> None:
    """Test a run's checkpoint again and compare with the predictions made after training."""
    with run_told():
        _evaluate(RunFolder.open(run), checkpoint, data_root, device)


def _evaluate(folder: RunFolder, checkpoint: str | None, data_root: Path | None, device: str) -> None:
    from graphnet.training.loop.evaluation import EVALUATION_BATCH
    from graphnet.training.loop.evaluation import evaluate as test
    from graphnet.training.progress import accuracies, agreement
    from graphnet.training.runs.load_run import load_run

    net, dataset = load_run(folder, device, data_root, checkpoint)
    result = test(net, dataset.test.batches(EVALUATION_BATCH))
    print(f"test accuracy {accuracies(result.accuracy)}")
    if folder.predictions.exists():
        before = folder.read_predictions()
        if len(before) != len(result.predictions):
            counts = f"it has {len(before)} predictions, for {len(result.predictions)} images"
            raise RunError(f"{folder.predictions} is damaged: {counts}")
        print(agreement(result.predictions.tolist(), before, result.accuracy, "made after training"))
