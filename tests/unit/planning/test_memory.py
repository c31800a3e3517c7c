"""Memory of a training step: estimates from plans, against what PyTorch saves and allocates."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

import graphnet
from graphnet.planning.memory.saved_tensors import saved_for_backward
from graphnet.planning.memory.training_step import Memory, memory
from graphnet.runtime.net import Net
from graphnet.spec.recipe import Recipe
from graphnet.training.tasks import readout_loss
from tests.small import recurrent, small

NETS: dict[str, int] = {
    "quickstart": 8,
    "frnn-3-state": 4,
    "cifar-resnet": 4,
    "cornet-s": 2,
    "blt": 2,
    "lpk-recurrent": 4,
    "resnet-4-state-imagenet": 2,
}
"""Zoo net → images per batch; the last is at 224 px."""

OTHERS: dict[str, dict[str, Any]] = {
    "gates": graphnet.load("conv-gru").as_data(),
    "bounded": small(norm={"affine": "shared"}, transitions=[{"h1": {"h1": {"ops": "BRC+I", "lipschitz": 0.9}}}])
    | {"states": {"h1": [4, 8, 8]}},
    "sequence": small(input={"shape": [2, 8, 8], "t": "0..2", "sequence": True}),
    "scale and shift of each time": recurrent(4, norm={"affine": "per-time", "statistics": "shared"}),
    "scale and shift shared, statistics of each time": recurrent(4, norm={"affine": "shared"}),
    "groups": small(norm={"kind": "group", "groups": 2}),
    "layers": small(norm={"kind": "layer"}),
    "maximum": small(merge="max"),
    "product of three": small(
        {"h1": {"h1": "C+I", "h2": "C", "h3": "C"}, "h2": {"h3": "C"}, "h3": {"h3": "softplus"}},
        states={"h1": [4, 8, 8], "h2": [6, 4, 4], "h3": {"shape": [6, 4, 4], "merge": "product"}},
        unpopulated="zeros",
    ),
    "pools": small({"h1": {"h1": "C gelu +I", "h2": "C:6 P"}, "h2": {"h2": "C silu"}}),
    "padded identity": small({"h1": {"h1": "BRC+I", "h2": "BRC+Ip"}, "h2": {"h2": "A3/1 + I"}}),
    "subsampled identity": small(
        {"h1": {"h2": "IpC"}, "h2": {"h2": "C tanh + I"}}, states={"h1": [4, 8, 8], "h2": [4, 4, 4]}
    ),
    "maximum with an image": small(
        {"h1": {"h2": "I", "h3": "C"}, "h2": {"h3": "I"}},
        input={"shape": [4, 8, 8], "t": "0..2"},
        states={"h1": [4, 8, 8], "h2": [4, 8, 8], "h3": {"shape": [4, 8, 8], "merge": "max"}},
        pre_net=None,
    ),
    "flattened": small(post_net={"ops": "BRL", "classes": 3}),
    "gain": small({"h1": {"h1": {"ops": "BRC", "gain": {"init": 0.5, "learn": True}}, "h2": "BRC"}, "h2": {"h2": "I"}}),
}


def counted(net: Net, batch: int, precision: str) -> int:
    """Bytes of the storages that autograd saves in a forward pass, except those of parameters and buffers."""
    if precision == "fp64":
        net.double()
    own = {tensor.untyped_storage().data_ptr() for tensor in (*net.parameters(), *net.buffers())}
    storages: dict[int, int] = {}
    alive: list[Tensor] = []  # so that no address is used twice

    def pack(tensor: Tensor) -> Tensor:
        alive.append(tensor)
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    images = torch.randn(batch, *net.meta["plan"].input_shape, dtype=next(net.parameters()).dtype)
    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        net.train()(images)
    return sum(storages.values())


@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize("name", NETS)
def test_saved_bytes_of_the_zoo_are_those_that_hooks_count(name: str, level: int) -> None:
    net = graphnet.compile(name, optimize=level)
    found = saved_for_backward(net.meta["executed"]).bytes(NETS[name])
    assert found == pytest.approx(counted(net, NETS[name], "fp32"), rel=0.01)


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("name", OTHERS)
def test_saved_bytes_of_other_ops(name: str, level: int) -> None:
    net = graphnet.compile(OTHERS[name], optimize=level)
    found = saved_for_backward(net.meta["executed"]).bytes(5)
    assert found == pytest.approx(counted(net, 5, "fp32"), rel=0.01)


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("precision", ["bf16", "fp64"])
@pytest.mark.parametrize("name", ["quickstart", "frnn-3-state", "lpk-recurrent"])
def test_saved_bytes_of_other_number_types(name: str, precision: str, level: int) -> None:
    net = graphnet.compile(name, optimize=level)
    found = saved_for_backward(net.meta["executed"], precision).bytes(2)
    assert found == pytest.approx(counted(net, 2, precision), rel=0.01)


@pytest.mark.parametrize("stepwise", [False, True])
def test_flat_and_stepwise_nets_save_the_same(stepwise: bool) -> None:
    net = graphnet.compile(recurrent(6), stepwise=stepwise)
    found = saved_for_backward(net.meta["executed"]).bytes(4)
    assert found == pytest.approx(counted(net, 4, "fp32"), rel=0.01)


def test_saved_bytes_belong_to_states() -> None:
    saved = saved_for_backward(graphnet.plan("frnn-3-state"))
    assert sum(saved.places.values()) == saved.per_image
    assert next(iter(saved.places)) == "h1"
    assert set(saved.places) == {"input", "pre_net", "h1", "h2", "h3", "post_net"}


def estimate(net: Net, recipe: Recipe) -> Memory:
    return memory(net.meta["executed"], recipe)


def test_what_the_optimizer_keeps() -> None:
    net = graphnet.compile(small())
    count = sum(parameter.numel() for parameter in net.parameters())
    matrices = sum(parameter.numel() for parameter in net.parameters() if parameter.dim() == 2)
    wanted = {
        Recipe(momentum=0.0): 0,
        Recipe(): count,
        Recipe(optimizer="adamw"): 2 * count,
        Recipe(optimizer="muon"): matrices + 2 * (count - matrices),
        Recipe(precision="fp64"): 2 * count,
    }
    assert {recipe: estimate(net, recipe).optimizer for recipe in wanted} == {r: 4 * n for r, n in wanted.items()}
    assert 0 < matrices < count


def test_frozen_parameters_have_no_gradient_and_an_average_is_a_copy() -> None:
    net = graphnet.compile(small())
    count = sum(parameter.numel() for parameter in net.parameters())
    frozen = memory(net.meta["executed"], Recipe(ema=0.99), frozen={"pre_net.conv1.weight"})
    assert frozen.gradients == frozen.optimizer == 4 * (count - 4 * 9)
    assert frozen.average == 4 * count
    assert estimate(net, Recipe()).average == 0


def allocated(net: nn.Module, recipe: Recipe, shape: tuple[int, ...]) -> int:
    """The most bytes of tensors during a training step, with the parameters and the optimiser's state."""
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=recipe.momentum)
    images, labels = torch.randn(recipe.batch_size, *shape), torch.zeros(recipe.batch_size, dtype=torch.long)

    def step() -> None:
        for _ in range(recipe.accumulate):
            torch.autograd.backward(readout_loss(net(images), labels))
        optimizer.step()
        optimizer.zero_grad()

    step()
    states = [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)]
    kept = sum(tensor.nbytes for tensor in (*net.parameters(), *net.buffers(), *states))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step()
    in_use = most = 0
    for event in seen.profiler.kineto_results.events():  # type: ignore[union-attr]
        if event.name() == "[memory]":
            in_use += event.nbytes()
            most = max(most, in_use)
    return kept + most


@pytest.mark.parametrize(
    ("name", "batch", "accumulate"),
    [
        ("quickstart", 64, 1),
        ("quickstart", 64, 2),
        ("frnn-3-state", 8, 1),
        ("cifar-resnet", 16, 1),
        ("lpk-recurrent", 4, 1),
        pytest.param("cornet-s", 2, 1, marks=pytest.mark.thorough),
        pytest.param("blt", 2, 2, marks=pytest.mark.thorough),
    ],
)
@pytest.mark.parametrize("level", [0, 2])
def test_the_peak_is_what_a_profiler_sees(name: str, batch: int, accumulate: int, level: int) -> None:
    net = graphnet.compile(name, optimize=level).train()
    recipe = Recipe(batch_size=batch, accumulate=accumulate)
    assert estimate(net, recipe).peak == pytest.approx(allocated(net, recipe, net.meta["plan"].input_shape), rel=0.05)


def test_the_peak_grows_with_the_batch() -> None:
    net = graphnet.compile(small())
    peaks = [estimate(net, Recipe(batch_size=batch)).peak for batch in (16, 32, 64)]
    assert peaks[2] - peaks[1] == 2 * (peaks[1] - peaks[0]) > 0
