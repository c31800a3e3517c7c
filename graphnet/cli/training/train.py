"""`graphnet train`: train a spec's net on images."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.recipe_options import (
    META,
    Amp,
    BatchSize,
    ChannelsLast,
    Data,
    Epochs,
    LearningRate,
    Momentum,
    Optimizer,
    RecipeOption,
    Seed,
    Steps,
    TrainSize,
    Validation,
    WeightDecay,
    recipe_settings,
    takes_recipe_options,
    validation_value,
)
from graphnet.cli.common.report import Failure, Settings, Unlimited, planned, told
from graphnet.cli.common.training import resume_run, start_run
from graphnet.given_recipes import resolve_recipe
from graphnet.spec.recipe import Group, Recipe
from graphnet.training.errors import Stopped, TrainingError

if TYPE_CHECKING:
    from graphnet.training.runs.train_run import Machine

OptionalSpec = Annotated[
    str | None,
    typer.Argument(metavar="SPEC", help="A spec file, a zoo spec's name, or '-'; none with --resume."),
]
INTERRUPTED = 130


@takes_recipe_options
def train(
    ctx: typer.Context,
    spec: OptionalSpec = None,
    settings: Settings = None,
    plugins: Plugins = None,
    unlimited: Unlimited = False,
    recipe: RecipeOption = None,
    data: Data = None,
    train_size: TrainSize = None,
    validation: Validation = None,
    epochs: Epochs = None,
    steps: Steps = None,
    batch_size: BatchSize = None,
    optimizer: Optimizer = None,
    lr: LearningRate = None,
    momentum: Momentum = None,
    weight_decay: WeightDecay = None,
    seed: Seed = None,
    amp: Amp = False,
    channels_last: ChannelsLast = False,
    freeze: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MEMBER",
            help='Do not train these weights: transitions, "V1->*", or tensors, "pre_net.*"; may be repeated.',
        ),
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(metavar="RUN|FILE", help="Start from the weights of a run or a file.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="With --start-from: take what fits, report the rest.")
    ] = False,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Go on with a run, from where it stopped.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Run folder to create.", show_default="runs/NAME-N")
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder that holds the data.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that read images from files.")] = 0,
    deterministic: Annotated[bool, typer.Option("--deterministic", help="Use deterministic algorithms only.")] = False,
    max_time: Annotated[
        str | None, typer.Option(metavar="TIME", help="Save and stop after a time such as 90m or 11h30m.")
    ] = None,
    save_every: Annotated[
        str, typer.Option(metavar="TIME", help="Also save within an epoch, after a time such as 10m.")
    ] = "10m",
    keep_every: Annotated[int, typer.Option(min=0, help="Also keep the checkpoint of every n-th epoch.")] = 0,
    tracker: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Also send numbers to tensorboard, wandb or mlflow; may be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Estimate memory and time; train nothing.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the results only.")] = False,
) -> None:
    """Train a spec's net on images and write all results to a run folder.

    Every entry of a training recipe can be set: --train.KEY=VALUE, such as --train.schedule=cosine; specs/README.md and
    `graphnet schema --of recipe` list the keys.
    Ctrl-C, SIGTERM, SIGHUP and --max-time save the state and stop; a run resumed on a CPU ends bit for bit the same.
    """
    short = {
        "data": data,
        "train_size": train_size,
        "validation": validation_value(validation),
        "epochs": epochs,
        "steps": steps,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "lr": lr,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "seed": seed,
        "precision": "bf16" if amp else None,
        "channels_last": channels_last or None,
    }
    given = recipe_settings(ctx.meta[META], short)
    seconds = None if max_time is None else seconds_of("--max-time", max_time)
    save_seconds = seconds_of("--save-every", save_every)
    try:
        machine = _machine(device, workers, deterministic, keep_every, save_seconds, tracker)
        if resume is not None:
            _refuse_beside_resume(spec, [*given, *(settings or ())], recipe, freeze, start_from, output)
            resume_run(resume, machine, data_root, seconds, quiet)
            return
        if spec is None:
            raise Failure("error: name a spec to train, or a run to go on with: --resume RUN", 2)
        loaded, plan = planned(spec, settings, unlimited=unlimited)
        with told():
            resolved = _frozen(resolve_recipe(loaded, recipe, given), freeze)
        start = None if start_from is None else (start_from, partial)
        start_run(loaded, plan, resolved, machine, output, data_root, seconds, quiet, start, dry_run)
    except TrainingError as error:
        raise Failure(f"error: {error}") from None
    except Stopped as stopped:
        raise Failure(str(stopped), stopped.status) from None
    except KeyboardInterrupt:
        raise Failure("interrupted", INTERRUPTED) from None


def seconds_of(option: str, text: str) -> float:
    """Read a time such as `90m` or `11h30m`. Raises Failure."""
    if not re.fullmatch(r"(\d{1,9}(\.\d+)?[dhms])+", text):
        raise Failure(f"error: {option} {text}\n  write a time with its unit, such as 45s, 90m, 11h30m or 6d", 2)
    factors = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(float(number) * factors[unit] for number, _, unit in re.findall(r"(\d+(\.\d+)?)([dhms])", text))


def _machine(
    device: str, workers: int, deterministic: bool, keep_every: int, save_seconds: float, tracker: list[str] | None
) -> Machine:
    from graphnet.training.runs.train_run import Machine

    return Machine(device, workers, deterministic, keep_every, save_seconds, tuple(tracker or ()))


def _frozen(recipe: Recipe, members: list[str] | None) -> Recipe:
    """Add a group of frozen weights to a recipe."""
    if not members:
        return recipe
    return recipe.model_copy(update={"groups": (*recipe.groups, Group(members=tuple(members), freeze=True))})


def _refuse_beside_resume(spec: str | None, given: list[str], *others: object) -> None:
    if spec is not None or given or any(each is not None and each != [] for each in others):
        what = "error: --resume goes on with the spec, the recipe and the folder of the run"
        raise Failure(f"{what}\n  leave out the others, or start a new run with --start-from", 2)
