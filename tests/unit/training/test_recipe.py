import subprocess
import sys

import pytest

from graphnet.training.errors import RecipeError
from graphnet.training.recipe import Recipe


def test_sixty_epochs_have_the_papers_learning_rates() -> None:
    recipe = Recipe()
    rates = [recipe.learning_rate(epoch) for epoch in range(1, 61)]
    assert rates == [0.01] * 40 + [0.001] * 10 + [0.0001] * 10


def test_the_defaults_are_the_papers() -> None:
    recipe = Recipe()
    assert (recipe.epochs, recipe.batch_size, recipe.lr, recipe.momentum) == (60, 64, 0.01, 0.9)
    assert recipe.weight_decay == 0


@pytest.mark.parametrize(
    ("epochs", "divisors"),
    [
        (1, [1]),
        (2, [1, 1]),
        (3, [1, 1, 10]),
        (5, [1, 1, 1, 1, 10]),
        (6, [1, 1, 1, 1, 10, 100]),
        (12, [1] * 8 + [10] * 2 + [100] * 2),
    ],
)
def test_the_steps_scale_with_the_epochs(epochs: int, divisors: list[int]) -> None:
    recipe = Recipe(epochs=epochs, lr=0.3)
    rates = [recipe.learning_rate(epoch) for epoch in range(1, epochs + 1)]
    assert rates == [0.3 / divisor for divisor in divisors]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"epochs": 0}, "epochs"),
        ({"epochs": 2.0}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"lr": 0.0}, "lr"),
        ({"lr": float("nan")}, "lr"),
        ({"momentum": 1.0}, "momentum"),
        ({"momentum": -0.1}, "momentum"),
        ({"weight_decay": -1e-4}, "weight_decay"),
        ({"seed": -1}, "seed"),
        ({"readout_weights": {}}, "readout_weights"),
        ({"readout_weights": {3: 0.0, 4: 0.0}}, "readout_weights"),
        ({"readout_weights": {3: -1.0, 4: 2.0}}, "readout_weights"),
        ({"evaluate": "never"}, "evaluate"),
    ],
)
def test_a_value_out_of_range_is_named(values: dict[str, object], name: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe(**values)  # type: ignore[arg-type]
    text = str(caught.value)
    assert text.startswith(f"{name}: {values[name]!r} is not ")
    assert "\n" not in text


def test_all_faults_come_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe(epochs=0, lr=-1, seed=-3)
    assert str(caught.value).splitlines() == [
        "epochs: 0 is not a whole number of at least 1",
        "lr: -1 is not a number above 0",
        "seed: -3 is not a whole number from 0 to 2**63 - 1",
    ]


def test_recipe_run_and_report_import_no_torch() -> None:
    modules = "graphnet.training.recipe, graphnet.training.runs.run_folder, graphnet.training.progress"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
