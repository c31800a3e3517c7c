"""`graphnet eval`: test a trained net again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from graphnet.cli.plugins import Plugins
from graphnet.cli.report import Failure, told
from graphnet.pipeline import load, plan
from graphnet.training.errors import TrainingError
from graphnet.training.run import RunFolder


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `graphnet train` wrote.")],
    data_root: Annotated[
        Path | None,
        typer.Option(help="The folder with torchvision's data sets.", show_default="as in training"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    plugins: Plugins = None,
) -> None:
    """Load a run's checkpoint, test it, and compare with the predictions made after training."""
    try:
        with told():
            _evaluate(RunFolder.open(run), data_root, device)
    except TrainingError as error:
        raise Failure(f"error: {error}") from None


def _evaluate(folder: RunFolder, data_root: Path | None, device: str) -> None:
    from graphnet.backends.fx import build
    from graphnet.training.checkpoint import load_into, read_checkpoint
    from graphnet.training.data import load_dataset
    from graphnet.training.loop import choose_device
    from graphnet.training.loop import evaluate as test
    from graphnet.training.report import accuracies

    record = folder.read_record()
    checkpoint = read_checkpoint(folder.checkpoint)
    net = build(plan(load(json.loads(checkpoint.spec_text))))
    load_into(net, checkpoint.tensors)
    root = data_root or (Path(record["data_root"]) if record.get("data_root") else None)
    dataset = load_dataset(record["dataset"]["name"], root, record["dataset"]["held_out_seed"] or 0)
    result = test(net.to(choose_device(device)), dataset.test_images, dataset.test_labels)
    print(f"test accuracy {accuracies(result.accuracy)}")
    if folder.predictions.exists():
        before = folder.read_predictions()
        same = sum(a == b for a, b in zip(result.predictions.tolist(), before, strict=True))
        print(f"{same} of {len(before)} predictions are those made after training")
