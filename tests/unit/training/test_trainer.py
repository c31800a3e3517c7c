"""A trainer continues bit for bit from any state that it gave."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphnet
from graphnet.spec.recipe import Recipe
from graphnet.training.data.dataset import Dataset
from graphnet.training.errors import DivergenceError, Stopped
from graphnet.training.loop.state import Nothing
from graphnet.training.loop.trainer import Trainer
from tests.small import small
from tests.unit.training.nets import few_digits

CPU = torch.device("cpu")


class Memory(Nothing):
    """Keeps copies of all that a run folder would keep."""

    def __init__(self) -> None:
        self.saves = 0
        self.net: dict[str, Tensor] = {}
        self.state: tuple[dict[str, Tensor], dict[str, Any]] = ({}, {})
        self.tested: dict[str, Tensor] = {}

    def last(self, trainer: Trainer) -> None:
        self.saves += 1
        tensors, numbers = trainer.state()
        self.net, self.state = copied(trainer.net), ({name: each.clone() for name, each in tensors.items()}, numbers)

    def best(self, trainer: Trainer, net: nn.Module) -> None:
        self.tested = copied(net)

    def go_back(self, trainer: Trainer) -> bool:
        trainer.net.load_state_dict(self.net)
        trainer.restore(*self.state)
        return True


def copied(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


class Polls:
    """Stops training at one of the polls."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self) -> Stopped | None:
        self.left -= 1
        return Stopped("enough", 1) if self.left == 0 else None


@pytest.fixture(scope="module")
def few() -> Dataset:
    return few_digits(260, 40, 60)


def fresh(**changes: Any) -> nn.Module:
    """A net with batch norm, noise and, if asked for, coupled weights."""
    states = {"h1": {"shape": [8, 8, 8], "noise": 0.1}, "h2": [12, 4, 4]}
    common = {"input": {"shape": [1, 8, 8]}, "states": states, "post_net": {"ops": "BRGL", "classes": 10}}
    return graphnet.compile(small(**common | changes))


COUPLED = {"sharing": {"over_time": False, "sets": [{"members": ["h1->h1"], "coupling": 0.5, "start": "independent"}]}}


@pytest.mark.parametrize(
    ("settings", "spec"),
    [
        ({}, {}),
        ({"augment": ["crop", "flip"], "schedule": "cosine"}, COUPLED),
        ({"optimizer": "adamw", "lr": 0.01, "ema": 0.9, "clip_norm": 1.0}, {}),
        ({"optimizer": "muon", "accumulate": 2}, {}),
    ],
)
def test_a_resumed_run_ends_bit_for_bit_as_an_undisturbed_one(
    settings: dict[str, Any], spec: dict[str, Any], few: Dataset
) -> None:
    """Stopped before each step of three epochs, and in each validation, in turn."""
    recipe = Recipe(epochs=3, validation=0.1, **settings)
    whole, kept = fresh(**spec), Memory()
    undisturbed = Trainer(whole, few, recipe, CPU, keeper=kept)
    undisturbed.run()
    polls = 3 * (undisturbed.steps + 1)
    for at in range(1, polls + 1, 2 if settings else 1):
        before, after, again = Memory(), Memory(), fresh(**spec)
        with pytest.raises(Stopped):
            Trainer(fresh(**spec), few, recipe, CPU, keeper=before, stop=Polls(at)).run()
        again.load_state_dict(before.net)
        trainer = Trainer(again, few, recipe, CPU, keeper=after)
        trainer.restore(*before.state)
        torch.rand(5)  # the global random state does not matter
        trainer.run()
        want, have = copied(whole), copied(again)
        assert [name for name in want if not torch.equal(want[name], have[name])] == [], at
        best = after.tested or before.tested
        assert [name for name in best if not torch.equal(best[name], kept.tested[name])] == [], at
        assert replace(trainer.progress, seconds=0) == replace(undisturbed.progress, seconds=0), at


def test_a_state_is_kept_at_the_start_after_epochs_and_in_time(few: Dataset) -> None:
    at_ends, each_step = Memory(), Memory()
    Trainer(fresh(), few, Recipe(epochs=2), CPU, keeper=at_ends).run()
    assert at_ends.saves == 1 + 2
    Trainer(fresh(), few, Recipe(epochs=2), CPU, keeper=each_step, save_seconds=0).run()
    assert each_step.saves == 1 + 2 * (4 + 1)


def test_steps_may_end_within_an_epoch(few: Dataset) -> None:
    kept = Memory()
    trainer = Trainer(fresh(), few, Recipe(steps=6), CPU, keeper=kept)
    done = trainer.run()
    assert (trainer.steps, trainer.epochs) == (4, 2)
    assert [epoch.epoch for epoch in done] == [1, 2]


def test_a_loss_noticed_late_is_found_by_a_replay(few: Dataset) -> None:
    """As on a GPU: losses are looked at after the epoch, and the steps since the last kept state are repeated."""
    net, kept, polls = fresh(), Memory(), []

    def spoil() -> None:
        polls.append(1)
        if len(polls) % 4 == 3:  # before the third step of the epoch, in the replay too
            with torch.no_grad():
                net.get_parameter("h1.from_h1.conv1.weight").fill_(float("inf"))

    trainer = Trainer(net, few, Recipe(epochs=2), CPU, keeper=kept, stop=spoil)
    trainer._stepper.check_each(False)
    with pytest.raises(DivergenceError, match=r"in epoch 1, step 3 of 4, .*: weights are not finite: h1\.from_h1\.con"):
        trainer.run()
    assert len(polls) == 4 + 3


def test_without_a_kept_state_the_place_is_a_range(few: Dataset) -> None:
    net = fresh()

    def spoil() -> None:
        with torch.no_grad():
            net.get_parameter("h1.from_h1.conv1.weight").fill_(float("inf"))

    trainer = Trainer(net, few, Recipe(epochs=2), CPU, stop=spoil)
    trainer._stepper.check_each(False)
    with pytest.raises(DivergenceError, match="not finite within 50 steps before epoch 1, step 4"):
        trainer.run()
