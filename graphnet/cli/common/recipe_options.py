"""Options of `graphnet train` that make up a recipe: `--train.KEY=VALUE`, and short forms such as `--lr`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from graphnet.given_recipes import recipe_files
from graphnet.spec.recipe import DEFAULT_EPOCHS, Recipe
from graphnet.spec.write import to_settings

PREFIX = "--train."
META = "graphnet.recipe_options"
"""Key of the context's `meta` that holds the options that begin with `PREFIX`."""
_PANEL = "Recipe"
_Function = TypeVar("_Function", bound=Callable[..., Any])


class RecipeCommand(TyperCommand):
    """A command that takes `--train.KEY=VALUE` for every key, before or behind its arguments."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the options of a recipe out of the arguments; the rest is parsed as usual."""
        ctx.meta[META], rest = split(args)
        return super().parse_args(ctx, rest)


def takes_recipe_options(function: _Function) -> _Function:
    """Mark a command's function: its command is then a `RecipeCommand`."""
    vars(function)["command_class"] = RecipeCommand
    return function


def split(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate the options of a recipe, as written, from all other arguments; `--` ends the options."""
    own: list[str] = []
    rest: list[str] = []
    left = list(args)
    while left:
        arg = left.pop(0)
        if arg == "--":
            return own, [*rest, arg, *left]
        if not arg.startswith(PREFIX):
            rest.append(arg)
            continue
        own.append(arg)
        if "=" not in arg and left and not left[0].startswith("--"):
            own.append(left.pop(0))
    return own, rest


def recipe_settings(ctx_args: Sequence[str], short: Mapping[str, object]) -> list[str]:
    """Return the settings of a recipe, `train.KEY=VALUE`, in the order in which they apply.

    Args:
        ctx_args: the options that begin with `--train.`, as `split` returns them; `--train.KEY` alone means true.
        short: values of short forms by key of the recipe; None for those not given. They come first, so that
            `--train.lr=1` takes precedence over `--lr 2`.
    """
    given = {f"train.{key}": value for key, value in short.items() if value is not None}
    settings = to_settings(given)
    for arg in ctx_args:
        if arg.startswith(PREFIX):
            settings.append(arg.removeprefix("--"))
        else:  # the value of the option before it
            settings[-1] += f"={arg}"
    return [each if "=" in each else f"{each}=true" for each in settings]


# ---- short forms


def _default(key: str) -> str:
    return str(Recipe.model_fields[key].default)


def _short(help: str, default: str | None = None) -> Any:
    """Return a short form. Its value is None unless given, and the recipe decides; the help shows the default then."""
    return typer.Option(help=help, rich_help_panel=_PANEL, show_default=default or False)


RecipeOption = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="RECIPE",
        help=f"A recipe file, or one of {', '.join(recipe_files())}; it overrides the spec's own.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Data = Annotated[str | None, _short("Data set, such as mnist-5k@16 or folder:PATH.", _default("data"))]
TrainSize = Annotated[int | None, _short("Number of training images.", "all")]
Validation = Annotated[str | None, _short('Share of the training images for validation, or "published".', "none")]
Epochs = Annotated[int | None, _short("Passes over the training images.", str(DEFAULT_EPOCHS))]
Steps = Annotated[int | None, _short("Steps of the optimizer, instead of epochs.")]
BatchSize = Annotated[int | None, _short("Images per batch.", _default("batch_size"))]
Optimizer = Annotated[str | None, _short("sgd, adamw or muon.", _default("optimizer"))]
LearningRate = Annotated[float | None, _short("Learning rate.", _default("lr"))]
Momentum = Annotated[float | None, _short("Momentum of sgd and muon.", _default("momentum"))]
WeightDecay = Annotated[float | None, _short("Weight decay.", _default("weight_decay"))]
Seed = Annotated[int | None, _short("Seed of the weights, the order of images and augmentation.", _default("seed"))]
Amp = Annotated[bool, typer.Option("--amp", help="Compute in bf16.", rich_help_panel=_PANEL)]
ChannelsLast = Annotated[
    bool, typer.Option("--channels-last", help="Run with maps in channels-last memory.", rich_help_panel=_PANEL)
]


def validation_value(given: str | None) -> str | float | None:
    """Return the value of `--validation`: a number where one is given."""
    try:
        return float(given) if given is not None else None
    except ValueError:
        return given
