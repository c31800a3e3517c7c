"""Learning rates: equal to those of torch's schedulers, and of the papers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR, OneCycleLR, StepLR

from graphnet.given_recipes import resolve_recipe
from graphnet.spec.recipe import Recipe
from graphnet.training.loop.schedule import learning_rate

STEPS_PER_EPOCH, EPOCHS = 7, 12
TOTAL = STEPS_PER_EPOCH * EPOCHS


def rates(schedule: Any, total: int = TOTAL, lr: float = 0.3) -> list[float]:
    recipe = Recipe.model_validate({"lr": lr, "epochs": EPOCHS, "schedule": schedule})
    return [learning_rate(recipe, step, STEPS_PER_EPOCH, total) for step in range(total)]


def of_torch(make: Callable[[torch.optim.SGD], LRScheduler], total: int = TOTAL, lr: float = 0.3) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)
    scheduler = make(optimizer)
    found = []
    for _ in range(total):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


EQUAL: dict[str, tuple[Any, Callable[[torch.optim.SGD], LRScheduler]]] = {
    "MultiStepLR": (
        {"kind": "steps", "at": [4, 9], "factor": 0.2},
        lambda optimizer: MultiStepLR(optimizer, [4 * STEPS_PER_EPOCH, 9 * STEPS_PER_EPOCH], gamma=0.2),
    ),
    "StepLR": (
        {"kind": "steps", "at": [3, 6, 9], "factor": 0.5},
        lambda optimizer: StepLR(optimizer, 3 * STEPS_PER_EPOCH, gamma=0.5),
    ),
    "the default is 4/6 and 5/6 of the run": (
        "steps",
        lambda optimizer: MultiStepLR(optimizer, [8 * STEPS_PER_EPOCH, 10 * STEPS_PER_EPOCH]),
    ),
    "CosineAnnealingLR": (
        {"kind": "cosine", "end": 0.01},
        lambda optimizer: CosineAnnealingLR(optimizer, TOTAL, eta_min=0.01),
    ),
    "OneCycleLR": ("one-cycle", lambda optimizer: OneCycleLR(optimizer, 0.3, TOTAL, cycle_momentum=False)),
    "OneCycleLR with another rise": (
        {"kind": "one-cycle", "warmup": 3},
        lambda optimizer: OneCycleLR(optimizer, 0.3, TOTAL, pct_start=0.25, cycle_momentum=False),
    ),
}


@pytest.mark.parametrize("name", EQUAL)
def test_rates_are_those_of_torch(name: str) -> None:
    schedule, make = EQUAL[name]
    np.testing.assert_allclose(rates(schedule), of_torch(make), rtol=1e-12)


@pytest.mark.parametrize("total", [2, 3, 4, 10])
def test_one_cycle_of_short_runs_is_that_of_torch(total: int) -> None:
    expected = of_torch(lambda optimizer: OneCycleLR(optimizer, 0.3, total, cycle_momentum=False), total - 1)
    np.testing.assert_allclose(rates("one-cycle", total)[: total - 1], expected, rtol=1e-12)


def test_rates_of_imagenet_are_those_of_the_paper() -> None:
    recipe = resolve_recipe(recipe="lp-imagenet")
    found = [learning_rate(recipe, step, 100, 1200) for step in range(1200)]
    np.testing.assert_allclose(found, np.repeat(np.logspace(-1, -4, 12), 100), rtol=1e-12)


def test_rates_of_cifar_are_those_of_the_paper() -> None:
    recipe = resolve_recipe(recipe="lp-cifar")
    found = [learning_rate(recipe, 781 * (epoch - 1), 781, 781 * 60) for epoch in range(1, 61)]
    np.testing.assert_allclose(found, [0.01] * 40 + [0.001] * 10 + [0.0001] * 10)
    last = [learning_rate(recipe, 781 * epoch - 1, 781, 781 * 60) for epoch in (40, 50, 60)]
    np.testing.assert_allclose(last, [0.01, 0.001, 0.0001])


def test_logspace_has_one_rate_for_each_epoch_unless_told() -> None:
    found = rates({"kind": "logspace", "end": 0.003})
    np.testing.assert_allclose(found, np.repeat(np.geomspace(0.3, 0.003, EPOCHS), STEPS_PER_EPOCH))
    assert len(set(rates({"kind": "logspace", "end": 0.003, "count": 5}))) == 5
    assert rates({"kind": "logspace", "end": 0.003, "count": 1}) == [0.3] * TOTAL


@pytest.mark.parametrize("kind", ["constant", "steps", "cosine"])
def test_a_warm_up_rises_linearly_to_the_rate(kind: str) -> None:
    found = rates({"kind": kind, "warmup": 2})
    rising = 2 * STEPS_PER_EPOCH
    np.testing.assert_allclose(found[:rising], 0.3 * np.arange(1, rising + 1) / rising)
    assert found[rising] == 0.3
    assert max(found) == 0.3


def test_a_cosine_begins_after_the_warm_up() -> None:
    left = TOTAL - 2 * STEPS_PER_EPOCH
    expected = of_torch(lambda optimizer: CosineAnnealingLR(optimizer, left), left)
    np.testing.assert_allclose(rates({"kind": "cosine", "warmup": 2})[-left:], expected, rtol=1e-12, atol=1e-15)


def test_a_change_may_lie_inside_an_epoch_and_is_not_shifted_by_rounding() -> None:
    assert 0.55 * 100 > 55
    recipe = Recipe.model_validate({"lr": 1.0, "schedule": {"kind": "steps", "at": [0.1, 0.55]}})
    found = [learning_rate(recipe, step, 100, 200) for step in range(200)]
    assert [step for step in range(1, 200) if found[step] != found[step - 1]] == [10, 55]


def test_a_constant_rate_and_steps_that_the_run_does_not_have() -> None:
    assert rates("constant") == [0.3] * TOTAL
    for step in (-1, TOTAL):
        with pytest.raises(ValueError, match=f"step {step} of a run of {TOTAL} steps"):
            learning_rate(Recipe(), step, STEPS_PER_EPOCH, TOTAL)
