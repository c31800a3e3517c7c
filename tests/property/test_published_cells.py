"""Published nets as specs: equal to PyTorch's own modules, with the published counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import graphnet
from tests.conftest import ROOT

STEPS = 20
TOLERANCE = 1e-12
"""Tolerance relative to the largest value, in float64: sums differ only in order, over 20 steps."""

Mapping = dict[str, str | tuple[str, slice]]


def gate(number: int) -> slice:
    return slice(5 * number, 5 * number + 5)


def gates(places: dict[str, int]) -> Mapping:
    """Our gate weights from PyTorch's stacked ones: rows of `weight_ih`, `weight_hh` and the biases."""
    found: Mapping = {}
    for state, number in places.items():
        into = "rh" if state == "n" else state
        for ours, theirs in ((f"{state}.from_x", "ih"), (f"{into}.from_h", "hh")):
            found[f"{ours}.linear1.weight"] = (f"weight_{theirs}", gate(number))
            found[f"{ours}.linear1.bias"] = (f"bias_{theirs}", gate(number))
    return found


ELMAN: Mapping = {
    "pre_net.linear1.weight": "weight_ih",
    "pre_net.linear1.bias": "bias_ih",
    "h.from_h.linear1.weight": "weight_hh",
    "h.from_h.linear1.bias": "bias_hh",
}


def run(cell: nn.Module, sequence: Tensor) -> Tensor:
    """The hidden states of a PyTorch cell along a sequence, [N, T, C]."""
    state: Any = None
    outputs = []
    for x in sequence.unbind(1):
        state = cell(x, state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(outputs, 1)


@pytest.mark.parametrize(
    ("name", "cell", "mapping"),
    [
        ("elman", nn.RNNCell, ELMAN),
        ("gru", nn.GRUCell, gates({"r": 0, "z": 1, "n": 2})),
        ("lstm", nn.LSTMCell, gates({"i": 0, "f": 1, "g": 2, "o": 3})),
    ],
)
def test_recurrent_cells_equal_pytorchs(name: str, cell: Any, mapping: Mapping) -> None:
    torch.manual_seed(0)
    theirs = cell(3, 5).double()
    ours = graphnet.compile(ROOT / f"specs/small/{name}.toml").double()
    assert set(mapping) == {name for name, _ in ours.named_parameters()}
    with torch.no_grad():
        for own, source in mapping.items():
            ours.get_parameter(own).copy_(part(theirs, source, lambda p: p))
    sequence = torch.randn(4, STEPS, 3, dtype=torch.float64)
    inputs = [sequence.clone().requires_grad_(), sequence.clone().requires_grad_()]
    found = torch.stack(list(ours(inputs[0]).values()), 1)
    expected = run(theirs, inputs[1])
    found.square().sum().backward()
    expected.square().sum().backward()
    pairs = [(found, expected), (inputs[0].grad, inputs[1].grad)]
    pairs += [(ours.get_parameter(own).grad, part(theirs, source, lambda p: p.grad)) for own, source in mapping.items()]
    for a, b in pairs:
        assert (a - b).abs().max() <= TOLERANCE * b.abs().max()


def part(cell: nn.Module, source: str | tuple[str, slice], read: Any) -> Tensor:
    if isinstance(source, str):
        return read(getattr(cell, source))
    return read(getattr(cell, source[0]))[source[1]]


def test_elman_equals_the_module_that_runs_whole_sequences() -> None:
    torch.manual_seed(0)
    theirs = nn.RNN(3, 5, batch_first=True).double()
    ours = graphnet.compile(ROOT / "specs/small/elman.toml").double()
    with torch.no_grad():
        for own, source in ELMAN.items():
            ours.get_parameter(own).copy_(getattr(theirs, f"{source}_l0"))
    sequence = torch.randn(4, STEPS, 3, dtype=torch.float64)
    found, expected = torch.stack(list(ours(sequence).values()), 1), theirs(sequence)[0]
    assert (found - expected).abs().max() <= TOLERANCE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"unroll": "engineering"}, {0: 2, 1: 6, 2: 14, 3: 30}),
        ({"unroll": "biological", "readout": {"t": "1..3"}}, {1: 2, 2: 2, 3: 6}),
        ({"unroll": "biological", "unpopulated": "zeros"}, {0: 0, 1: 2, 2: 2, 3: 6}),
    ],
)
def test_two_nodes_that_drive_each_other(changes: dict[str, Any], expected: dict[int, int]) -> None:
    spec = graphnet.load(ROOT / "specs/small/two-node-cycle.toml").as_data() | changes
    net = graphnet.compile(spec)
    assert {t: value.item() for t, value in net(torch.ones(1, 1)).items()} == expected


def test_two_nodes_have_nothing_to_read_at_first_if_every_arrow_takes_a_step() -> None:
    spec = graphnet.load(ROOT / "specs/small/two-node-cycle.toml").as_data() | {"unroll": "biological"}
    with pytest.raises(graphnet.SpecError, match="'B' is empty at t = 0"):
        graphnet.plan(spec)


class Counter(TorchDispatchMode):
    """Counts executed convolutions and batch norms."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = 0
        self.norms = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.convolutions += "convolution" in function.__name__
        self.norms += "batch_norm" in function.__name__
        return function(*args, **(kwargs or {}))


def test_cornet_s_has_its_published_counts() -> None:
    plan = graphnet.plan(ROOT / "specs/vision/cornet-s.toml")
    sizes = {tensor.name: torch.Size(tensor.shape).numel() for tensor in plan.tensors if tensor.trainable}
    areas = {"V1": "pre_net", "V2": "V2", "V4": "V4", "IT": "IT", "decoder": "post_net"}
    counts = {area: sum(n for name, n in sizes.items() if name.startswith(stem)) for area, stem in areas.items()}
    assert counts == {"V1": 46_528, "V2": 2_519_808, "V4": 10_078_720, "IT": 40_258_560, "decoder": 513_000}
    assert plan.parameters == 53_416_616
    assert len({name.rpartition(".")[0] for name in sizes if ".norm" in name}) == 29
    assert sum(".conv" in name for name in sizes) == 17
    assert plan.warnings == ()


def test_cornet_s_executes_32_convolutions_with_tied_weights_at_two_strides() -> None:
    net = graphnet.compile(ROOT / "specs/vision/cornet-s.toml").eval()
    with torch.no_grad(), Counter() as counter:
        net(torch.randn(1, 3, 224, 224))
    assert (counter.convolutions, counter.norms) == (32, 29)
    strides = {line.op["stride"] for line in net.meta["plan"].lines if "V2.from_V2i.conv2.weight" in line.tensors}
    assert strides == {1, 2}
