"""Options of a command that make up a recipe."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from graphnet.cli.common import recipe_options as options
from graphnet.given_recipes import recipe_files, resolve_recipe


@pytest.fixture
def app() -> typer.Typer:
    """A command as `graphnet train` will be."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    @options.takes_recipe_options
    def train(
        ctx: typer.Context,
        spec: str,
        recipe: options.RecipeOption = None,
        data: options.Data = None,
        lr: options.LearningRate = None,
        epochs: options.Epochs = None,
        validation: options.Validation = None,
        amp: options.Amp = False,
        channels_last: options.ChannelsLast = False,
        device: str = "auto",
    ) -> None:
        short = {"data": data, "lr": lr, "epochs": epochs, "validation": options.validation_value(validation)}
        short |= {"precision": "bf16" if amp else None, "channels_last": channels_last or None}
        print(spec, recipe, *options.recipe_settings(ctx.meta[options.META], short), sep="\n")

    app.callback()(lambda: None)
    app.command("train", cls=train.command_class)(train)  # type: ignore[attr-defined]
    return app


def called(app: typer.Typer, *args: str) -> Any:
    return CliRunner().invoke(app, ["train", *args])


@pytest.mark.parametrize(
    ("args", "settings"),
    [
        ([], []),
        (["--train.lr=0.3"], ["train.lr=0.3"]),
        (["--train.lr", "0.3", "--device", "cpu"], ["train.lr=0.3"]),
        (["--train.lr", "-1"], ["train.lr=-1"]),
        (["--train.nesterov", "--train.compile"], ["train.nesterov=true", "train.compile=true"]),
        (["--train.data='a=b'"], ["train.data='a=b'"]),
        (["--train.data", "folder:/a"], ["train.data=folder:/a"]),
        (["--train.lr=1", "--lr", "2"], ["train.lr=2.0", "train.lr=1"]),
        (["--data", "folder:/a b", "--epochs", "3"], ['train.data="folder:/a b"', "train.epochs=3"]),
        (["--validation", "0.1"], ["train.validation=0.1"]),
        (["--validation", "published"], ['train.validation="published"']),
        (["--amp", "--channels-last"], ['train.precision="bf16"', "train.channels_last=true"]),
    ],
    ids=str,
)
def test_options_become_settings(app: typer.Typer, args: list[str], settings: list[str]) -> None:
    done = called(app, "s.toml", *args)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == ["s.toml", "None", *settings]
    resolve_recipe(settings=[each for each in settings if "=-" not in each])


def test_options_may_stand_before_the_spec(app: typer.Typer) -> None:
    done = called(app, "--train.lr", "3", "--train.seed=1", "s.toml", "--train.nesterov")
    assert done.output.splitlines() == ["s.toml", "None", "train.lr=3", "train.seed=1", "train.nesterov=true"]


def test_a_recipe_is_named(app: typer.Typer) -> None:
    assert called(app, "s.toml", "--recipe", "lp-cifar").output.splitlines() == ["s.toml", "lp-cifar"]
    shown = called(app, "--help").output
    assert all(name in shown for name in recipe_files())


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (["s.toml", "--epoch", "3"], "--epochs"),
        (["s.toml", "--trian.lr=3"], "No such option: --trian.lr"),
        (["s.toml", "--epochs", "many"], "Invalid value for '--epochs'"),
        (["s.toml", "--", "--train.lr=3"], "unexpected extra argument"),
        (["--train.lr=3"], "Missing argument"),
    ],
    ids=str,
)
def test_all_else_is_refused_as_in_other_commands(app: typer.Typer, args: list[str], what: str) -> None:
    done = called(app, *args)
    assert done.exit_code == 2
    assert what in done.output


def test_arguments_after_two_dashes_are_left_alone() -> None:
    assert options.split(["--train.a=1", "x", "--", "--train.b=2"]) == (["--train.a=1"], ["x", "--", "--train.b=2"])
    assert options.split(["--train.a"]) == (["--train.a"], [])
