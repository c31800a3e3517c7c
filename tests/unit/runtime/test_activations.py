"""Values of states at times, against hooks and the oracle."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import torch
from torch import Tensor

import graphnet
from tests.property.oracle import Oracle
from tests.property.test_published_models import twins
from tests.small import small

FORMS = [(0, False), (0, True), (1, False), (1, True), (2, False), (2, True)]
FEEDBACK = small(readout={"t": 4})


def spec_of(name: str) -> dict[str, Any]:
    """A small CORnet-S, or two areas connected both ways."""
    data: dict[str, Any] = twins("cornet-s", False)[0].meta["spec"].as_data() if name == "cornet-s" else FEEDBACK
    return data


def images_for(net: Any, count: int = 3) -> Tensor:
    return torch.randn(count, *net.meta["plan"].input_shape, generator=torch.Generator().manual_seed(0)).double()


def by_hooks(net: Any, images: Tensor) -> dict[tuple[str, int], Tensor]:
    """Values seen by hooks on the outputs of all states, with the times listed by the states."""
    found: dict[tuple[str, int], Tensor] = {}
    handles = []
    for state in net.meta["executed"].made_at:
        module = net.get_submodule(state)
        times = iter(module.times)

        def keep(module: Any, given: Any, value: Tensor, state: str = state, times: Any = times) -> None:
            found[state, next(times)] = value

        handles.append(module.output.register_forward_hook(keep))
    net(images)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize(("level", "stepwise"), FORMS)
@pytest.mark.parametrize("name", ["cornet-s", "feedback"])
def test_activations_are_what_hooks_give_and_the_oracle(name: str, level: int, stepwise: bool) -> None:
    spec = spec_of(name)
    net = graphnet.compile(spec, optimize=level, stepwise=stepwise).double().eval()
    images, made = images_for(net), net.meta["executed"].made_at
    with torch.no_grad():
        wanted = by_hooks(net, images)
        found = net.activations(images, [f"{state}@*" for state in made])
    assert {state: tuple(t for other, t in found if other == state) for state in made} == dict(made)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in found)
    tensors = {key: tensor.detach() for key, tensor in net.state_dict().items()}
    oracle, last = Oracle(spec, tensors, False), net.meta["plan"].last_time
    with torch.no_grad():
        oracle(images)
        for (state, t), value in found.items():
            if state != "logits":
                expected = oracle.value(state, t, last)
                assert expected is not None, (state, t)
                assert float((value - expected).abs().max()) <= 1e-10 * float(expected.abs().max()), (state, t)
    copied = copy.deepcopy(net)
    assert copied.h1.times == made["h1"] if name == "feedback" else copied.IT.times == made["IT"]


def test_times_are_named_as_in_specs() -> None:
    net = graphnet.compile(FEEDBACK)
    images = images_for(net).float()
    assert list(net.activations(images, "h1@1")) == [("h1", 1)]
    assert list(net.activations(images, ["h2@2..T", "h1@T-1", "h2@2"])) == [("h2", 2), ("h2", 3), ("h2", 4), ("h1", 3)]
    assert net.activations(images, "h1").keys() == net.activations(images, "h1@*").keys()
    assert net.activations(images, []) == {}


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("h3@1", "'h3@1': no state of this net has that name\n  did you mean 'h"),
        ("h1@9", "'h1@9': 'h1' is not computed then, only at t = 0, 1, 2, 3\n  values that no readout needs"),
        ("h1@-1", "'h1@-1': a negative number is not a time"),
        ("h1@x", "'h1@x': 'x' is no time; only T, the last readout time, has a name\n  write h1@3"),
        ("h1@2-3", "write h1@3, h1@2..4 or h1@*"),
    ],
)
def test_missing_values_are_reported(at: str, said: str) -> None:
    net = graphnet.compile(FEEDBACK)
    with pytest.raises(ValueError, match=re.escape(said)):
        net.activations(images_for(net).float(), ["h1@2", at])
    with pytest.raises(ValueError, match=re.escape(said)):
        graphnet.activations(net, images_for(net).float(), at)
    assert not net.h1.output._forward_hooks


def test_activations_of_many_images_come_batch_by_batch() -> None:
    net = graphnet.compile(FEEDBACK)
    net.h1.eval()
    images = images_for(net, 7).float()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    found = graphnet.activations(net, images, ["h2@2", "h1@*"], batch_size=3)
    batches = [(part, torch.zeros(len(part))) for part in images.split(2)]
    again = graphnet.activations(net, batches, ["h2@2", "h1@*"])
    assert found.keys() == again.keys()
    assert found["h2", 2].shape == (7, 6, 4, 4)
    assert not found["h2", 2].requires_grad
    assert net.training
    assert not net.h1.training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    for key, value in found.items():
        assert torch.allclose(value, again[key], rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="no images"):
        graphnet.activations(net, [], "h1@1")
    with pytest.raises(ValueError, match="batch_size=0"):
        graphnet.activations(net, images, "h1@1", batch_size=0)


def test_gradients_flow_through_activations() -> None:
    net = graphnet.compile(FEEDBACK)
    images = images_for(net).float().requires_grad_()
    net.activations(images, "h2@2")["h2", 2].sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
