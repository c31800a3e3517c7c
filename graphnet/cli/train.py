"""`graphnet train`: train a spec's net on images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphnet.cli.common.flattened import flattened
from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure, Settings, SpecPath, Unlimited, planned
from graphnet.compile_options import Options
from graphnet.pipeline import compile_net
from graphnet.planning.plan import Plan
from graphnet.spec.model import Spec
from graphnet.spec.write import to_json
from graphnet.training.data.registered import BUILT_IN
from graphnet.training.errors import TrainingError
from graphnet.training.recipe import Recipe
from graphnet.training.runs.creation import create_run


def train(
    spec: SpecPath,
    settings: Settings = None,
    plugins: Plugins = None,
    unlimited: Unlimited = False,
    data: Annotated[
        str, typer.Option(help=f"Data set: {', '.join(BUILT_IN)}, folder:PATH; NAME@16 resizes it to 16 x 16 pixels.")
    ] = "digits",
    data_root: Annotated[Path | None, typer.Option(help="Folder of the data.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Run folder to create.", show_default="runs/NAME-N")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = 20,
    batch_size: Annotated[int, typer.Option(help="Images per step.")] = 64,
    lr: Annotated[
        float, typer.Option(help="Learning rate; divided by 10 after 4/6 of all epochs, by 100 after 5/6.")
    ] = 0.05,
    momentum: Annotated[float, typer.Option(help="Momentum of SGD.")] = 0.9,
    weight_decay: Annotated[float, typer.Option(help="Weight decay.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights and the order of images.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Train a spec's net on images and write all results to a run folder."""
    loaded, compiled = planned(spec, settings, unlimited=unlimited)
    try:
        weights = {t: weight for (t, _), weight in zip(compiled.outputs, compiled.weights, strict=False)} or None
        recipe = Recipe(epochs, batch_size, lr, momentum, weight_decay, seed, weights, device)
        _train(loaded, compiled, recipe, data, data_root, output)
    except TrainingError as error:
        raise Failure(f"error: {error}") from None
    except KeyboardInterrupt:
        raise Failure("interrupted: the run's folder keeps the last complete epoch") from None


def _train(spec: Spec, plan: Plan, recipe: Recipe, data: str, data_root: Path | None, output: Path | None) -> None:
    from rich.console import Console

    from graphnet.pictures.text import plan_text
    from graphnet.pictures.unrolled.picture import draw_unrolled
    from graphnet.training.data.checks import check_data, check_fits
    from graphnet.training.data.named import load_dataset
    from graphnet.training.progress import accuracies, progress
    from graphnet.training.runs.train_run import train_into

    console = Console()
    dataset = load_dataset(data, data_root)
    check_data(dataset)
    check_fits(dataset, plan.input_shape, plan.classes)
    folder = create_run(output, spec.name)
    text = to_json(flattened(spec))
    folder.write_text("spec.json", text)
    folder.write_text("plan.txt", plan_text(plan))
    folder.write_text("diagram.svg", draw_unrolled(plan))
    net = compile_net(spec, Options(seed=recipe.seed, unlimited=True))
    with progress(console) as report:
        result = train_into(folder, net, dataset, recipe, text, report, {"data_root": str(data_root or "")})
    linear = folder.read_record()["dataset"]["linear_baseline"]
    told = "" if linear is None else f" (a linear classifier: {linear:.2%})"
    console.print(
        f"test accuracy {accuracies(result.evaluation.accuracy)} after {result.seconds:.1f} s"
        f"{told}\nresults in {folder.path}",
        highlight=False,
        soft_wrap=True,
    )
