"""`net.step`: process the input one time step at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import graphnet
from graphnet import zoo
from graphnet.runtime.net import Memory, Net
from graphnet.training.runs.checkpoint import load_into
from tests.small import recurrent, statistics
from tests.unit.runtime.test_steps import images, stepped

MOVIE: dict[str, Any] = {
    "graphnet": 1,
    "input": {"shape": [2, 6, 6], "t": "0..inf", "sequence": True},
    "states": {"h1": [4, 6, 6], "h2": [4, 3, 3]},
    "transitions": [{"h1": {"h1": "BRC", "h2": "BRC"}, "h2": {"h1": "BRD", "h2": "BRC+I"}}],
    "pre_net": {"ops": "C"},
    "post_net": {"ops": "BRGL", "classes": 3},
}


def movie(frames: int, n: int = 3) -> Tensor:
    return torch.randn(n, frames, 2, 6, 6, generator=torch.Generator().manual_seed(0)).double()


def run(net: Net, given: list[Tensor | None]) -> tuple[list[Tensor | None], list[Memory]]:
    outputs, memories = [], []
    memory = None
    for image in given:
        output, memory = net.step(image, memory)
        outputs.append(output)
        memories.append(memory)
    return outputs, memories


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("optimize", "combine"), [(0, "none"), (2, "none"), (2, "cumulative"), (2, "cumulative-sum")])
def test_frame_by_frame_equals_the_whole_sequence(optimize: int, combine: str, training: bool) -> None:
    spec = MOVIE | {"readout": {"t": [3, 5, 8], "combine": combine}}
    flat, net = graphnet.compile(spec, optimize=0).double(), stepped(spec, optimize=optimize).double()
    load_into(net, flat.state_dict())
    frames = movie(9)
    wanted = flat.train(training)(frames)
    found, memories = run(net.train(training), list(frames.unbind(1)))
    assert [t for t, output in enumerate(found) if output is not None] == [3, 5, 8]
    for t, expected in wanted.items():
        output = found[t]
        assert output is not None
        assert float((output - expected).detach().abs().max()) <= 1e-10 * float(expected.detach().abs().max())
    for name, buffer in statistics(flat).items():
        assert torch.allclose(net.get_buffer(name), buffer, rtol=1e-10, atol=1e-12), name
    assert [memory.t for memory in memories] == list(range(9))


def test_a_sequence_s_steps_recur() -> None:
    """Slicing the sequence is not part of a step, so sequences of all lengths have the same steps."""
    counts = [len(stepped(MOVIE | {"readout": {"t": t}}).programs) for t in (6, 40)]
    assert counts[0] == counts[1] <= 6


def test_memory_does_not_grow_and_is_not_changed() -> None:
    net = stepped(MOVIE | {"readout": {"t": 30}}).double().eval()
    frames = list(movie(31).unbind(1))
    _, memories = run(net, frames)
    sizes = [sum(value.numel() for value in memory.values.values()) for memory in memories[2:28]]
    assert max(sizes) == min(sizes)
    at_ten = {name: value.clone() for name, value in memories[10].values.items()}
    once, twice = (run_on(net, memories[10], frames[11:]) for _ in range(2))
    assert torch.equal(once, twice)
    assert all(torch.equal(value, at_ten[name]) for name, value in memories[10].values.items())
    other = run_on(net, memories[10], [-frame for frame in frames[11:]])
    assert not torch.allclose(other, once)


def run_on(net: Net, memory: Memory, frames: list[Tensor]) -> Tensor:
    output = None
    for frame in frames:
        output, memory = net.step(frame, memory)
    assert output is not None
    return output


def test_gradients_reach_through_the_memory() -> None:
    spec = MOVIE | {"readout": {"t": 4}}
    flat, net = graphnet.compile(spec).double(), stepped(spec).double()
    load_into(net, flat.state_dict())
    frames = movie(5)
    flat(frames).square().sum().backward()
    output = run(net, list(frames.unbind(1)))[0][-1]
    assert output is not None
    output.square().sum().backward()
    for name, parameter in flat.named_parameters():
        grad = net.get_parameter(name).grad
        assert grad is not None
        assert parameter.grad is not None
        assert float((grad - parameter.grad).abs().max()) <= 1e-10 * float(parameter.grad.abs().max())


def test_a_held_image_is_given_once() -> None:
    """LP's image arrives at t = 1; the net then continues without input."""
    net = stepped(recurrent(6)).double().eval()
    found, memories = run(net, [images(), *[None] * 5])
    assert [memory.t for memory in memories] == [1, 2, 3, 4, 5, 6]
    assert [output is not None for output in found] == [False] * 5 + [True]
    output = found[-1]
    assert output is not None
    torch.testing.assert_close(output, net(images()), rtol=1e-12, atol=0)


def test_states_that_are_zeros_before_they_are_reached() -> None:
    net = graphnet.compile(zoo.path("conv-gru"), stepwise=True).double().eval()
    plan, times = net.meta["plan"], net._timeline
    sequence = torch.randn(2, *plan.input_shape, generator=torch.Generator().manual_seed(0)).double()
    given = list(sequence.unbind(1)) if times.sequence else [sequence, *[None] * plan.last_time]
    output, memory = None, None
    for t in range(min(times.arrivals), plan.last_time + 1):
        output, memory = net.step(given.pop(0) if t in times.arrivals else None, memory)
    wanted = net(sequence)
    assert output is not None
    torch.testing.assert_close(
        output, wanted if isinstance(wanted, Tensor) else wanted[plan.last_time], rtol=1e-12, atol=0
    )


def test_nets_that_cannot_be_stepped() -> None:
    net = stepped(recurrent(3)).double().eval()
    with pytest.raises(ValueError, match="t = 1: an image arrives, pass it"):
        net.step()
    _, memory = net.step(images())
    with pytest.raises(ValueError, match="t = 2: no image arrives; the one at t = 1 stays"):
        net.step(images(), memory)
    for _ in range(2):
        _, memory = net.step(None, memory)
    with pytest.raises(ValueError, match=r"the net ends at t = 3: it has no step t = 4"):
        net.step(None, memory)
