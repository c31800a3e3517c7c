"""Lipschitz bounds against singular values of dense matrices and against pairs of inputs."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import graphnet
from graphnet.analysis.lipschitz_bounds import LipschitzBounds, bounds
from graphnet.network.functions.lipschitz import Bounds, SpectralNorm, norms_in
from graphnet.network.functions.ops import op
from graphnet.planning.plan import Line
from graphnet.runtime.lipschitz_divisor import applied, improved, spectral_norm, transposed

pytestmark = pytest.mark.usefixtures("one_thread")

SELF = ("h", "h", 1)


def shaken(spec: dict[str, Any], seed: int = 0) -> nn.Module:
    """A net in float64 with random weights, statistics and affine parts."""
    net = graphnet.compile(spec).double().eval()
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(0.2 + torch.rand(tensor.shape, generator=generator))
        else:
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
    return net


def spec(ops: Any, source: tuple[int, ...] = (3, 6, 6), target: tuple[int, ...] | None = None, **more: Any) -> Any:
    """A net with one transition: h→h, or h→g of another shape."""
    states = {"h": list(source)} | ({"g": list(target)} if target else {})
    cell = ops if isinstance(ops, dict) and "ops" in ops else {"ops": ops}
    return {
        "graphnet": 1,
        "input": {"shape": list(source)},
        "states": states,
        "transitions": [{"h": {"g" if target else "h": cell}}],
        "norm": {"affine": "shared"},
        "readout": {"t": 1},
    } | more


def largest(function: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> float:
    """The largest singular value of an affine function's Jacobian, as a dense matrix."""
    x = torch.zeros(1, *shape, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(function, x)
    rows = jacobian.numel() // x.numel()
    return float(torch.linalg.matrix_norm(jacobian.reshape(rows, -1), 2))


CONVOLUTIONS: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...] | None]] = {
    "plain": ("C", (3, 6, 6), None),
    "1x1": ("C1", (3, 6, 6), None),
    "kernel 5": ("C5", (3, 7, 7), None),
    "stride": ("C/2", (3, 8, 8), (5, 4, 4)),
    "stride, odd size": ("C/2", (3, 7, 7), (5, 4, 4)),
    "groups": ([{"conv": {"groups": 2}}], (4, 6, 6), (6, 6, 6)),
    "depthwise, stride": ([{"conv": {"groups": 4, "stride": 2}}], (4, 8, 8), (4, 4, 4)),
    "dilation": ([{"conv": {"dilation": 2}}], (3, 7, 7), None),
    "bias": ([{"conv": {"bias": True}}], (3, 6, 6), None),
    "transposed": ("D", (3, 6, 6), None),
    "transposed, stride": ("D", (4, 4, 4), (3, 8, 8)),
    "transposed, stride, groups": ([{"deconv": {"groups": 2}}], (4, 4, 4), (2, 8, 8)),
    "transposed, dilation": ([{"deconv": {"dilation": 2}}], (3, 6, 6), None),
    "1-D": ("C", (3, 12), None),
    "1-D, stride, groups": ([{"conv": {"groups": 2, "stride": 2}}], (4, 12), (6, 6)),
    "1-D, transposed": ("D", (4, 6), (3, 12)),
    "linear": ("L", (12,), (7,)),
    "flattened": ("L", (3, 4, 4), (7,)),
    "norm before": ("BC", (3, 6, 6), None),
    "norms around": ("BCB", (3, 6, 6), None),
    "norms around, stride": ("BC/2B", (3, 8, 8), (4, 4, 4)),
    "norms around, transposed": ("BDB", (3, 4, 4), (4, 8, 8)),
    "norm alone": ("B", (3, 6, 6), None),
    "average pool": ("C A", (3, 8, 8), (4, 4, 4)),
    "overlapping average pool": ("A3/2 C", (3, 8, 8), (4, 4, 4)),
    "global pool": ("BGL", (3, 6, 6), (5,)),
    "padded identity": ("Ip", (3, 8, 8), (5, 4, 4)),
    "gain": ({"ops": "C", "gain": 0.3}, (3, 6, 6), None),
    "learned gain": ({"ops": "CB", "gain": {"init": 1, "learn": True}}, (3, 6, 6), None),
    "linear branches": ("C+I", (3, 6, 6), None),
    "linear branches in a row": ("B(C+C1)C1+C/2", (3, 8, 8), (4, 4, 4)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_linear_run_is_within_a_percent_of_the_largest_singular_value(name: str) -> None:
    ops, source, target = CONVOLUTIONS[name]
    net = shaken(spec(ops, source, target))
    exact = largest(net, source)
    (found,) = (bound for (_, to, t), bound in bounds(net, iterations=100).items() if t == 1 and to in ("h", "g"))
    assert found == pytest.approx(exact, rel=0.01)
    assert found <= exact * (1 + 1e-9)


def matrix_norm(matrix: Tensor) -> tuple[SpectralNorm, dict[str, Tensor]]:
    """The norm of a matrix, as an operator."""
    line = Line("y", op("linear", channels=len(matrix)), ("x",), ("weight",), (len(matrix),), 0, "")
    return SpectralNorm(((line,),), (matrix.shape[1],)), {"weight": matrix}


def test_spectral_norm_of_a_matrix_of_known_singular_values() -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = torch.linalg.qr(torch.randn(2, 6, 6, generator=generator, dtype=torch.float64))[0]
    matrix = left @ torch.diag(torch.tensor([5, 3, 2, 1, 0.5, 0], dtype=torch.float64)) @ right
    assert float(spectral_norm(*matrix_norm(matrix))) == pytest.approx(5, rel=1e-12)
    assert float(spectral_norm(*matrix_norm(0 * matrix))) == 0


def test_kept_vectors_go_on_where_they_were() -> None:
    norm, tensors = matrix_norm(torch.randn(9, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    start = torch.randn(9, generator=torch.Generator().manual_seed(1)).double()
    vector, found = start, []
    for _ in range(30):
        vector = improved(norm, vector, tensors)
        found.append(float((tensors["weight"] @ vector).norm()))
    assert all(after >= before * (1 - 1e-12) for before, after in pairwise(found))
    assert torch.equal(vector, improved(norm, start, tensors, iterations=30))


def test_the_norm_is_differentiable_with_the_vectors_held_fixed() -> None:
    matrix = torch.randn(5, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(spectral_norm(*matrix_norm(matrix), iterations=500), matrix)
    left, _, right = torch.linalg.svd(matrix.detach())
    torch.testing.assert_close(gradient, torch.outer(left[:, 0], right[0]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_the_transpose_of_every_linear_op(name: str) -> None:
    """⟨A x, y⟩ = ⟨x, Aᵀ y⟩."""
    ops, source, target = CONVOLUTIONS[name]
    net = shaken(spec(ops, source, target))
    lines = [line for line in net.meta["plan"].lines if line.place.endswith("from_h") and line.t == 1]
    for norm in norms_in(Bounds(lines, {lines[0].arguments[0]: source}).of(lines[-1].name)):
        tensors = dict(net.named_parameters()) | dict(net.named_buffers())
        x = torch.randn(1, *norm.shape, dtype=torch.float64, requires_grad=True)
        value = applied(norm, x, tensors)
        y = torch.randn(value.shape, dtype=torch.float64)
        (expected,) = torch.autograd.grad(value, x, y)
        torch.testing.assert_close(transposed(norm, y, tensors), expected, rtol=1e-12, atol=1e-12)


def test_bounds_are_differentiable_in_weights_and_affine_parts() -> None:
    net = shaken(spec("BRCBRC+I"))
    bound = LipschitzBounds(net)(5)[SELF]
    torch.autograd.backward(bound)
    for name in ("conv1.weight", "conv2.weight", "norm1.weight", "norm2.weight"):
        gradient = net.get_parameter(f"h.from_h.{name}").grad
        assert gradient is not None
        assert bool(gradient.any())
    assert net.get_parameter("h.from_h.norm1.bias").grad is None


def diagonal(net: nn.Module, name: str) -> Tensor:
    variance = net.get_buffer(f"h.from_h.{name}.t1.running_var")
    return (net.get_parameter(f"h.from_h.{name}.weight") / (variance + 1e-5).sqrt()).view(-1, 1, 1)


def conv(net: nn.Module, name: str) -> Callable[[Tensor], Tensor]:
    weight = net.get_parameter(f"h.from_h.{name}.weight")
    return lambda x: F.conv2d(x, weight, padding=1)


def test_the_paper_s_block_is_the_product_of_its_two_runs() -> None:
    """LPK: ‖Conv2‖ · ‖BN2 ∘ Conv1 ∘ BN1‖, and the identity adds 1."""
    net = shaken(spec("BRCx2+I"))
    one = largest(lambda x: diagonal(net, "norm2") * conv(net, "conv1")(diagonal(net, "norm1") * x), (3, 6, 6))
    two = largest(conv(net, "conv2"), (3, 6, 6))
    assert bounds(net, iterations=300)[SELF] == pytest.approx(1 + one * two, rel=2e-3)


def test_branches_add_and_gains_multiply() -> None:
    net = shaken(spec({"ops": "BRC + RC1 + I", "gain": 0.25}))
    one = largest(lambda x: conv(net, "conv1")(diagonal(net, "norm1") * x), (3, 6, 6))
    weight = net.get_parameter("h.from_h.skip.conv1.weight")
    two = float(torch.linalg.matrix_norm(weight[:, :, 0, 0].detach(), 2))
    assert bounds(net, iterations=300)[SELF] == pytest.approx(0.25 * (1 + one + two), rel=2e-3)


SLOPES = {
    "relu": 1,
    "tanh": 1,
    "sigmoid": 0.25,
    "elu": 1,
    "softplus": 1,
    "leaky_relu": 1,
    "sigmoid tanh": 0.25,
    "P3/1": 3,
    "P3/1 sigmoid": 0.75,
}


@pytest.mark.parametrize("ops", SLOPES)
def test_activations_multiply_by_their_largest_slope(ops: str) -> None:
    assert bounds(shaken(spec(ops)))[SELF] == pytest.approx(SLOPES[ops], rel=1e-12)


def test_settings_of_activations_and_windows_of_pools() -> None:
    assert bounds(shaken(spec([{"leaky_relu": {"negative_slope": -2.0}}])))[SELF] == 2
    assert bounds(shaken(spec([{"elu": {"alpha": 1.5}}])))[SELF] == 1.5
    assert bounds(shaken(spec("P", (3, 8, 8), (3, 4, 4))))[("h", "g", 1)] == 1
    assert bounds(shaken(spec("P3/2", (3, 8, 8), (3, 4, 4))))[("h", "g", 1)] == 2
    assert bounds(shaken(spec("P3/2", (3, 8), (3, 4))))[("h", "g", 1)] == pytest.approx(math.sqrt(2))


OPS = ["BRCx2+I", "CBRCB+C1B", "BR(C1:4 BR C:4 BR C1 + C1)", "B tanh C sigmoid", "P3/1 C elu", "B leaky_relu B R + I"]


@pytest.mark.parametrize("ops", OPS)
def test_no_pair_is_stretched_further_than_the_bound(ops: str) -> None:
    net = shaken(spec(ops))
    assert stretches(net, (3, 6, 6)).max() <= bounds(net, iterations=300)[SELF] * (1 + 1e-6)


def stretches(net: nn.Module, shape: tuple[int, ...], pairs: int = 1000) -> Tensor:
    """‖f(x) − f(y)‖ / ‖x − y‖ of pairs, half of them close; the differences are positive and largest in the middle."""
    generator = torch.Generator().manual_seed(5)
    x, far = (torch.rand(pairs, *shape, generator=generator, dtype=torch.float64) for _ in range(2))
    hill = torch.sin(math.pi * torch.arange(1, shape[-1] + 1) / (shape[-1] + 1))
    far = (0.5 + far) * hill * hill[:, None]
    scale = torch.where(torch.arange(pairs) % 2 == 0, 1.0, 1e-3).view(-1, *[1] * len(shape))
    y = x + scale * far
    with torch.no_grad():
        return (net(x) - net(y)).flatten(1).norm(dim=1) / (x - y).flatten(1).norm(dim=1)


def test_the_bound_is_nearly_reached_where_all_relus_are_open() -> None:
    net = shaken(spec("BRCx2", (4, 10, 10)), seed=3)
    for name, tensor in net.state_dict().items():
        if name.endswith(("weight", "running_var")):
            tensor.copy_(0.5 + tensor.abs().clamp_max(1) / 2)
        else:
            tensor.fill_(0 if name.endswith("running_mean") else 1)  # norms map positive values to positive values
    one = largest(lambda x: diagonal(net, "norm2") * conv(net, "conv1")(diagonal(net, "norm1") * x), (4, 10, 10))
    exact = one * largest(conv(net, "conv2"), (4, 10, 10))
    ratios = stretches(net, (4, 10, 10))
    assert float(ratios.max()) <= exact
    assert float(ratios.max()) > 0.85 * exact
    assert bounds(net)[SELF] == pytest.approx(exact, rel=0.01)


def test_every_transition_at_every_time_it_fires() -> None:
    net = shaken(
        {
            "graphnet": 1,
            "input": {"shape": [2, 4, 4], "t": "0..1"},
            "states": {"h": [3, 4, 4], "g": [3, 4, 4]},
            "transitions": [{"h": {"h": "BRC", "g": "I"}, "g": {"h": "C"}}],
            "pre_net": {"ops": "C"},
            "post_net": {"ops": "RGL", "classes": 2},
            "readout": {"t": 3},
        }
    )
    found = bounds(net)
    plan = net.meta["plan"]
    assert list(found) == [firing[:3] for firing in plan.firings if firing.fate == "fires"]
    assert found["input", "h", 0] == found["input", "h", 1] > 0
    assert found["h", "g", 1] == 1
    assert found["h", "h", 1] != found["h", "h", 2]  # statistics per time
    assert ("g", "logits", 3) in found


def test_readouts_that_are_nets_of_their_own() -> None:
    slab = {"t": "T-1", "h": {"h": "RC"}}
    net = shaken(spec("BRC+I", transitions=[{"h": {"h": "C"}}, slab], readout={"t": [2, 3]}))
    assert all(bound > 0 for bound in bounds(net).values())


def test_the_first_value_is_held_fixed() -> None:
    """LPK's properly convergent ResNet, z_t = x + f(z_{t−1}), has f's constant at every step."""
    alone, fixed = (shaken(spec(ops, readout={"t": 3}, norm={"statistics": "shared"})) for ops in ("BRC", "BRC+I0"))
    fixed.load_state_dict(alone.state_dict())
    assert bounds(fixed) == bounds(alone)
    for t in (1, 2, 3):
        assert bounds(shaken(spec("I0+BRC+I", readout={"t": 3})))["h", "h", t] > 1


def test_calls_that_keep_their_vectors_come_closer_and_closer() -> None:
    net = shaken(spec("BRCx2+I"))
    kept = LipschitzBounds(net)
    found = [float(kept(2)[SELF].detach()) for _ in range(50)]
    assert found[0] < found[-1]
    assert found[-1] == pytest.approx(bounds(net, iterations=100)[SELF], rel=1e-12)


def test_the_mode_does_not_matter_and_nothing_changes() -> None:
    net = shaken(spec("BRCx2+I")).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    in_training = bounds(net)
    assert net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert in_training == bounds(net.eval())


@pytest.mark.parametrize(
    ("ops", "norm", "op", "fix"),
    [
        ("C gelu C", {}, "gelu", "these activations have one: relu, "),
        ("C silu", {}, "silu", "these activations have one: relu, "),
        ("BRC", {"kind": "group", "groups": 3}, "group_norm", 'norm.kind = "batch"'),
        ("BRC", {"kind": "layer"}, "layer_norm", 'norm.kind = "batch"'),
    ],
)
def test_ops_without_a_bound_are_refused_by_name(ops: str, norm: dict[str, Any], op: str, fix: str) -> None:
    with pytest.raises(
        ValueError, match=rf"for '{op}' \(h_from_h_t1_{op if 'norm' not in op else 'norm'}1\)"
    ) as caught:
        bounds(shaken(spec(ops, norm=norm)))
    assert "in h->h at t = 1\n" in str(caught.value)
    assert fix in str(caught.value)


def test_other_refusals() -> None:
    with pytest.raises(ValueError, match="not compiled by graphnet"):
        bounds(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="at least 1 iteration"):
        bounds(shaken(spec("C")), iterations=0)


def test_importing_graphnet_does_not_load_the_analysis() -> None:
    code = "import sys, graphnet; sys.exit(any(name.startswith('graphnet.analysis') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
