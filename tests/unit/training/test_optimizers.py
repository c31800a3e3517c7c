import pytest
import torch
from torch import nn

import graphnet
from graphnet.spec.recipe import Recipe
from graphnet.training.errors import RecipeError, TrainingError
from graphnet.training.loop.optimizers import Optimizers, optimizers_of, selected
from tests.small import small
from tests.unit.training.nets import small_cnn


def settings(found: Optimizers) -> dict[str, tuple[str, float, float]]:
    """Name → optimiser, rate and decay of each trained parameter."""
    return {
        found.names[parameter]: (type(each).__name__, group["lr"], group["weight_decay"])
        for each in found.each
        for group in each.param_groups
        for parameter in group["params"]
    }


def test_all_parameters_have_the_recipes_settings() -> None:
    net = small_cnn()
    found = optimizers_of(net, Recipe(lr=0.3, momentum=0.8, nesterov=True, weight_decay=0.01))
    assert settings(found) == {name: ("SGD", 0.3, 0.01) for name, _ in net.named_parameters()}
    assert found.each[0].param_groups[0]["momentum"] == 0.8
    assert found.each[0].param_groups[0]["nesterov"]


def test_only_weights_decay() -> None:
    found = settings(optimizers_of(small_cnn(), Recipe(weight_decay=0.01, decay="weights")))
    assert {name for name, (_, _, decay) in found.items() if decay} == {"0.weight", "3.weight", "7.weight"}


def test_muon_trains_matrices_and_leaves_convolutions_to_the_second() -> None:
    second = {"optimizer": "adamw", "lr": 0.002, "weight_decay": 0.05}
    found = settings(optimizers_of(small_cnn(), Recipe(optimizer="muon", lr=0.02, second=second)))
    assert found.pop("7.weight") == ("Muon", 0.02, 0.0)
    assert set(found.values()) == {("AdamW", 0.002, 0.05)}


def test_muon_without_matrices_is_refused() -> None:
    with pytest.raises(RecipeError, match="only convolutions, biases and norms\n  use sgd or adamw"):
        optimizers_of(nn.Conv2d(1, 1, 3), Recipe(optimizer="muon"))


def test_a_later_group_takes_precedence_key_by_key_and_the_rate_scales_all() -> None:
    groups = [{"members": ["h1->*", "pre_net.*"], "lr": 0.02, "weight_decay": 0.1}, {"members": "h1->h2", "lr": 0.5}]
    net = graphnet.compile(small())
    optimizers = optimizers_of(net, Recipe(lr=0.1, weight_decay=0.3, groups=groups))
    found = settings(optimizers)
    assert found["pre_net.conv1.weight"] == found["h1.from_h1.conv1.weight"] == ("SGD", 0.02, 0.1)
    assert found["h2.from_h1.conv1.weight"] == ("SGD", 0.5, 0.1)
    assert found["h2.from_h2.conv1.weight"] == ("SGD", 0.1, 0.3)
    optimizers.set_rate(0.1)
    assert settings(optimizers)["h2.from_h1.conv1.weight"][1] == pytest.approx(0.05)


def test_a_selector_finds_weights_where_sharing_keeps_them() -> None:
    """h2->h2 uses the weights of h1->h1, which has their name."""
    shapes = {"states": {"h1": [8, 8, 8], "h2": [8, 8, 8]}}
    net = graphnet.compile(small(**shapes, sharing={"sets": [{"members": ["h1->h1", "h2->h2"]}]}))
    names = list(dict(net.named_parameters()))
    assert "h2.from_h2.conv1.weight" not in names
    assert list(selected(net, "h2->h2", names)) == ["h1.from_h1.conv1.weight"]


def test_selectors_of_times_and_layers() -> None:
    net = graphnet.compile(small(sharing={"over_time": False}, let={"N": 2}))
    names = list(dict(net.named_parameters()))
    own = [name for name in names if name.startswith("h1.from_h1.conv1.t")]
    assert len(own) > 1
    assert list(selected(net, "h1->h1@2#conv*", names)) == ["h1.from_h1.conv1.t2.weight"]
    assert list(selected(net, "h1->h1@N#conv*", names)) == ["h1.from_h1.conv1.t2.weight"]
    assert list(selected(net, "h1->h1#pool*", names)) == []


def test_frozen_parameters_are_left_out_and_their_statistics_stay() -> None:
    net = graphnet.compile(small())
    found = optimizers_of(net, Recipe(groups=[{"members": "h1->*", "freeze": True}]))
    assert set(found.frozen) == {"h1.from_h1.conv1.weight", "h2.from_h1.conv1.weight"}
    assert not set(found.frozen) & set(settings(found))
    names = {module: name for name, module in net.named_modules()}
    assert {names[module].partition(".t")[0] for module in found.still} == {"h1.from_h1.norm1", "h2.from_h1.norm1"}


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("V9->*", "groups[0].members: 'V9->*' selects no weights of this net\n"),
        ("h1.conv", "groups[0].members: 'h1.conv' selects no weights of this net\n"),
    ],
)
def test_a_group_that_selects_nothing_is_refused(member: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        optimizers_of(graphnet.compile(small()), Recipe(groups=[{"members": member, "lr": 1.0}]))
    assert str(caught.value).startswith(said)


def test_selectors_need_a_compiled_net() -> None:
    with pytest.raises(RecipeError, match="not compiled by graphnet"):
        optimizers_of(small_cnn(), Recipe(groups=[{"members": "a->b", "lr": 1.0}]))


def test_a_net_that_is_wholly_frozen_is_refused() -> None:
    with pytest.raises(TrainingError, match="no parameters to train"):
        optimizers_of(small_cnn(), Recipe(groups=[{"members": "*", "freeze": True}]))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_the_state_of_optimisers_is_restored(optimizer: str) -> None:
    """Two steps, against one step, a restored state and another step."""

    def made() -> tuple[nn.Module, Optimizers]:
        net = small_cnn()
        return net, optimizers_of(net, Recipe(optimizer=optimizer))

    def step(net: nn.Module, optimizers: Optimizers, seed: int) -> None:
        torch.manual_seed(seed)
        for parameter in net.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizers.step()

    net, optimizers = made()
    step(net, optimizers, 1)
    other, others = made()
    other.load_state_dict(net.state_dict())
    others.restore({name: tensor.clone() for name, tensor in optimizers.state().items()})
    step(net, optimizers, 2)
    step(other, others, 2)
    for mine, theirs in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_fused_step_is_left_out_if_it_is_bad(optimizer: str) -> None:
    net = small_cnn()
    optimizers = optimizers_of(net, Recipe(optimizer=optimizer), fused=True)
    for is_bad in (0.0, 1.0):
        before = {name: each.detach().clone() for name, each in net.named_parameters()}
        for parameter in net.parameters():
            parameter.grad = torch.full_like(parameter, torch.nan if is_bad else 1.0)
        optimizers.step(torch.tensor(is_bad))
        same = [torch.equal(before[name], each) for name, each in net.named_parameters()]
        assert all(same) if is_bad else not any(same)
