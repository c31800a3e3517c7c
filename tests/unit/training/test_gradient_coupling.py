"""Soft gradient coupling against a slow reference of LPK's eq. 2, with any optimiser."""

from __future__ import annotations

import os
from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

import graphnet

TIMES = range(1, 6)
NAME = "h1.from_h1.conv1.t{}.weight"


def spec(coupling: float, kernel: str = "uniform", **more: Any) -> dict[str, Any]:
    """Five blocks of one stage, coupled."""
    return {
        "graphnet": 1,
        "input": {"shape": [2, 6, 6]},
        "states": {"h1": [3, 6, 6]},
        "transitions": [{"t": "1..inf", "h1": {"h1": "RC+I"}}],
        "pre_net": {"ops": "C"},
        "post_net": {"ops": "GL", "classes": 4},
        "sharing": {
            "over_time": False,
            "sets": [{"members": ["h1->h1"], "coupling": coupling, "kernel": kernel} | more],
        },
        "readout": {"t": 5},
    }


def batches(count: int, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(4, 2, 6, 6, generator=generator, dtype=torch.float64), torch.randint(4, (4,), generator=generator))
        for _ in range(count)
    ]


OPTIMIZERS: dict[str, Any] = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.01),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.005, momentum=0.9, weight_decay=1e-3),
    "Adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
}


def loss_of(net: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return nn.functional.cross_entropy(net(batch[0]), batch[1])


def reference_step(net: nn.Module, strength: float, kernel: str) -> None:
    """Eq. 2 as printed, one number at a time."""
    members = [net.get_parameter(NAME.format(t)) for t in TIMES]
    before = [member.grad.clone() for member in members]
    size = len(members)
    for t, member in enumerate(members):
        weights = [1.0 if kernel == "uniform" else float(size - abs(t - s)) for s in range(size)]
        common = sum(weight / sum(weights) * gradient for weight, gradient in zip(weights, before, strict=True))
        member.grad = (1 - strength) * before[t] + strength * common


@pytest.mark.parametrize("kernel", ["uniform", "triangular"])
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twenty_steps_are_those_of_the_reference(name: str, strength: float, kernel: str) -> None:
    ours = graphnet.compile(spec(strength, kernel)).double()
    theirs = deepcopy(ours)
    mine, other = OPTIMIZERS[name](ours.parameters()), OPTIMIZERS[name](theirs.parameters())
    graphnet.couple_gradients(ours, mine)
    for batch in batches(20):
        for net, optimizer in ((ours, mine), (theirs, other)):
            optimizer.zero_grad()
            loss_of(net, batch).backward()
            if net is theirs:
                reference_step(net, strength, kernel)
            optimizer.step()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert (a - b).abs().max() <= 1e-12 * b.abs().max(), name


def test_a_coupling_of_0_is_no_coupling() -> None:
    coupled, untied = graphnet.compile(spec(0.0)).double(), graphnet.compile(spec(0.0)).double()
    optimizers = [OPTIMIZERS["momentum"](net.parameters()) for net in (coupled, untied)]
    graphnet.couple_gradients(coupled, optimizers[0])
    for batch in batches(5):
        for net, optimizer in zip((coupled, untied), optimizers, strict=True):
            optimizer.zero_grad()
            loss_of(net, batch).backward()
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(coupled.parameters(), untied.parameters(), strict=True))


def test_a_coupling_of_1_from_an_equal_start_is_the_hard_set_at_another_rate() -> None:
    """The hard set has the sum of T gradients, eq. 1 their mean: the learning rate compensates."""
    size, rate, decay = len(TIMES), 0.001, 1e-3
    soft = graphnet.compile(spec(1.0)).double()
    tied = spec(1.0)
    tied["sharing"] = {"over_time": True}
    hard = graphnet.compile(tied).double()
    with torch.no_grad():
        for name, parameter in hard.named_parameters():
            parameter.copy_(soft.get_parameter(NAME.format(1) if name == "h1.from_h1.conv1.weight" else name))
    rest = [name for name, _ in hard.named_parameters() if "from_h1" not in name]
    mine = torch.optim.SGD(
        [
            {
                "params": [soft.get_parameter(NAME.format(t)) for t in TIMES],
                "lr": rate * size,
                "weight_decay": decay / size,
            },
            {"params": [soft.get_parameter(name) for name in rest], "lr": rate, "weight_decay": decay},
        ],
        momentum=0.9,
    )
    other = torch.optim.SGD(hard.parameters(), lr=rate, momentum=0.9, weight_decay=decay)
    graphnet.couple_gradients(soft, mine)
    for batch in batches(20):
        for net, optimizer in ((soft, mine), (hard, other)):
            optimizer.zero_grad()
            loss_of(net, batch).backward()
            optimizer.step()
    expected = hard.get_parameter("h1.from_h1.conv1.weight")
    for t in TIMES:
        assert (soft.get_parameter(NAME.format(t)) - expected).abs().max() <= 1e-12 * expected.abs().max()


def test_accumulation_clipping_and_scaling() -> None:
    """The hook sees the clipped sum of two batches, unscaled by the scaler."""
    ours = graphnet.compile(spec(0.5)).double()
    theirs = deepcopy(ours)
    mine, other = (torch.optim.SGD(net.parameters(), lr=0.05) for net in (ours, theirs))
    graphnet.couple_gradients(ours, mine)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for first, second in zip(batches(5), batches(5, seed=1), strict=True):
        for net in (ours, theirs):
            for batch in (first, second):
                loss = loss_of(net, batch)
                (scaler.scale(loss) if net is ours else loss).backward()
        scaler.unscale_(mine)
        for net in (ours, theirs):
            nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        reference_step(theirs, 0.5, "uniform")
        scaler.step(mine)
        scaler.update()
        other.step()
        for optimizer in (mine, other):
            optimizer.zero_grad()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert (a - b).abs().max() <= 1e-12 * b.abs().max()


def test_a_member_without_a_gradient_counts_as_zero_and_a_removed_hook_does_nothing() -> None:
    net = graphnet.compile(spec(1.0)).double()
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    handle = graphnet.couple_gradients(net, optimizer)
    members = [net.get_parameter(NAME.format(t)) for t in TIMES]
    optimizer.step()
    assert all(member.grad is None for member in members)
    members[0].grad = torch.ones_like(members[0])
    optimizer.step()
    assert all(torch.allclose(member.grad, torch.full_like(member, 0.2)) for member in members)
    handle.remove()
    members[0].grad = torch.ones_like(members[0])
    optimizer.step()
    assert torch.equal(members[0].grad, torch.ones_like(members[0]))


def test_only_compiled_nets_are_coupled() -> None:
    net = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="not compiled by graphnet"):
        graphnet.couple_gradients(net, torch.optim.SGD(net.parameters(), lr=0.1))


def _process(rank: int, port: int, wrap: str, folder: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    net: nn.Module = graphnet.compile(spec(0.5, "triangular")).double()
    if wrap == "ddp":
        net = nn.parallel.DistributedDataParallel(net)
    else:
        from torch.distributed.fsdp import fully_shard

        net.to(memory_format=torch.contiguous_format)  # FSDP2 does not shard weights of another layout
        fully_shard(net, mesh=dist.init_device_mesh("cpu", (2,)))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.005, momentum=0.9)
    graphnet.couple_gradients(net, optimizer)
    for images, labels in batches(20):
        optimizer.zero_grad()
        half = slice(2 * rank, 2 * rank + 2)
        loss_of(net, (images[half], labels[half])).backward()
        optimizer.step()
    inner = getattr(net, "module", net)
    weights = [inner.get_parameter(NAME.format(t)) for t in TIMES]
    full = [weight.full_tensor() if hasattr(weight, "full_tensor") else weight for weight in weights]
    if rank == 0:
        torch.save([weight.detach() for weight in full], f"{folder}/weights.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("wrap", ["ddp", "fsdp2"])
def test_two_processes_take_the_steps_of_one(wrap: str, tmp_path: Any) -> None:
    """Each has half of a batch; the mean of their gradients is that of the whole batch."""
    alone = graphnet.compile(spec(0.5, "triangular")).double()
    optimizer = torch.optim.SGD(alone.parameters(), lr=0.005, momentum=0.9)
    graphnet.couple_gradients(alone, optimizer)
    for batch in batches(20):
        optimizer.zero_grad()
        loss_of(alone, batch).backward()
        optimizer.step()
    port = 20_000 + os.getpid() % 20_000 + (wrap == "ddp")
    mp.spawn(_process, (port, wrap, str(tmp_path)), nprocs=2)
    for t, weight in zip(TIMES, torch.load(tmp_path / "weights.pt"), strict=True):
        expected = alone.get_parameter(NAME.format(t))
        assert (weight - expected).abs().max() <= 1e-12 * expected.abs().max()
