"""Functions divided so that their Lipschitz bound is at most mu (LPK eq. 3), against exact norms of dense matrices."""

from __future__ import annotations

import copy
import math
import tomllib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import graphnet
from graphnet import SpecError
from graphnet.analysis.fixed_point import fixed_point
from graphnet.analysis.interpreter import run, tensors_of
from graphnet.analysis.lipschitz_bounds import bounds
from graphnet.planning.body import without_unread
from graphnet.planning.plan import Line
from graphnet.runtime.parameters import settle_divisors
from graphnet.runtime.python_source import write_source
from graphnet.training.calibrate import calibrate
from graphnet.training.runs.checkpoint import load_into, read_checkpoint, save_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = (3, 6, 6)
SETTLED = 100
SHARED = {"affine": "shared", "statistics": "shared"}


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


IMAGES, LABELS = random(5, *SHAPE, seed=1), torch.tensor([0, 1, 2, 3, 0])


def spec(own: Any, t: Any = 3, **changes: Any) -> dict[str, Any]:
    """h_t = own(h_{t−1}), read out by a post-net; None leaves a key out."""
    table: dict[str, Any] = {"graphnet": 1, "input": {"shape": list(SHAPE)}, "states": {"h": list(SHAPE)}}
    table |= {"transitions": [{"h": {"h": own}}], "norm": SHARED, "readout": {"t": t}}
    table |= {"post_net": {"ops": "BRGL", "classes": 4}} | changes
    return {key: value for key, value in table.items() if value is not None}


def bounded(ops: Any, mu: float = 0.5, **more: Any) -> dict[str, Any]:
    return {"ops": ops, "lipschitz": mu} | more


def shaken(table: dict[str, Any], settled: int = 0, training: bool = False) -> nn.Module:
    """A net in float64 with random weights, statistics and affine parts.

    If settled, weights are positive, which separates the first singular value, and the vectors have converged.
    """
    net = graphnet.compile(table).double().train(training)
    for seed, (name, tensor) in enumerate(net.state_dict().items()):
        if "singular_vector" not in name:
            values = random(*tensor.shape, seed=seed)
            values = values.abs() if settled and name.endswith("weight") else values
            tensor.copy_(0.3 + values.abs() if name.endswith("running_var") else 0.5 * values)
    if settled:
        settle_divisors(net, settled)
    return net


def close(found: Any, wanted: Any, within: float = 1e-10) -> None:
    assert found.shape == wanted.shape
    found, wanted = found.detach(), wanted.detach()
    assert float((found - wanted).abs().max()) <= within * float(wanted.abs().max())


def divisors(net: nn.Module) -> list[Line]:
    return [line for line in net.meta["plan"].lines if line.op.kind == "lipschitz"]


def c_of(net: nn.Module) -> list[float]:
    """The divisor of each function, in evaluation mode."""
    lines = divisors(net)
    found = run(lines, tensors_of(net), {}, {line.name for line in lines})
    return [float(found[line.name]) for line in lines]


def vectors(net: nn.Module) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in net.named_buffers() if "singular_vector" in name}


def bits(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


def gradients(net: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}


# The exact product, by dense matrices


def matrix_of(function: Callable[[Tensor], Tensor], shape: tuple[int, ...] = SHAPE) -> Tensor:
    """The matrix of a linear function."""
    size = math.prod(shape)
    return function(torch.eye(size, dtype=torch.float64).view(size, *shape)).flatten(1).T


def dense(function: Callable[[Tensor], Tensor], shape: tuple[int, ...] = SHAPE) -> Tensor:
    """The largest singular value of a linear function; differentiable in its parameters."""
    return torch.linalg.matrix_norm(matrix_of(function, shape), 2)


def norm_of(function: Callable[[Tensor], Tensor], shape: tuple[int, ...] = SHAPE) -> float:
    return float(dense(function, shape).detach())


class Hand:
    """The layers of a transition, with its tensors at a time; norms are without their shift."""

    def __init__(self, net: nn.Module, place: str = "h.from_h", t: int = 1) -> None:
        self.tensors, self.place, self.t = tensors_of(net), place, t

    def get(self, layer: str, role: str) -> Any:
        names = (f"{self.place}.{layer}.t{self.t}.{role}", f"{self.place}.{layer}.{role}")
        return next((self.tensors[name] for name in names if name in self.tensors), None)

    def conv(self, k: int, stride: int = 1, prefix: str = "") -> Callable[[Tensor], Tensor]:
        weight = self.get(f"{prefix}conv{k}", "weight")
        return lambda x: F.conv2d(x, weight, padding=weight.shape[-1] // 2, stride=stride)

    def scale(self, k: int) -> Tensor:
        factors = (self.get(f"norm{k}", "running_var") + 1e-5).rsqrt()
        weight = self.get(f"norm{k}", "weight")
        found: Tensor = (factors if weight is None else factors * weight).view(-1, 1, 1)
        return found

    def norm(self, k: int, x: Tensor) -> Tensor:
        roles = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(self.get(f"norm{k}", role) for role in roles))

    def block(self, x: Tensor) -> Tensor:
        """BRCx2."""
        return self.conv(2)(self.norm(2, self.conv(1)(self.norm(1, x).relu())).relu())

    def product(self) -> Tensor:
        """‖Conv2‖ · ‖BN2 ∘ Conv1 ∘ BN1‖."""
        inner = dense(lambda x: self.scale(2) * self.conv(1)(self.scale(1) * x))
        return inner * dense(self.conv(2))

    def exact(self) -> float:
        return float(self.product().detach())


def test_a_bound_that_is_not_reached_changes_nothing() -> None:
    for ops in ("BRCx2", "BRCx2+I", "BRCx2+I0", "BRC+C1+I"):
        plain, free = (graphnet.compile(spec(own)).double() for own in (ops, bounded(ops, 1e9)))
        for training in (False, True, False):
            outputs = [net.train(training)(IMAGES) for net in (plain, free)]
            assert torch.equal(*outputs)
            for output in outputs:
                F.cross_entropy(output, LABELS).backward()
        assert c_of(free) == [1]
        assert same(gradients(plain), gradients(free))
        ours, theirs = bits(plain), bits(free)
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
        assert {"singular_vector" in name for name in theirs.keys() - ours.keys()} == {True}


@pytest.mark.parametrize("mu", [0.05, 0.95, 1.7, 7.0, 1000.0])
def test_c_is_the_exact_product_over_mu_or_1(mu: float) -> None:
    net = shaken(spec(bounded("BRCx2+I", mu), t=1, post_net=None), settled=SETTLED)
    f = Hand(net)
    (c,), exact = c_of(net), f.exact()
    assert exact > 7
    assert c == pytest.approx(max(exact / mu, 1), rel=1e-6)
    assert c <= max(exact / mu, 1) * (1 + 1e-9)
    close(net(IMAGES), f.block(IMAGES) / c + IMAGES)
    (bound,) = (bound for key, bound in bounds(net, SETTLED).items() if key == ("h", "h", 1))
    assert bound == pytest.approx(1 + min(mu, exact), rel=1e-6)


def test_branches_add_and_identities_are_untouched() -> None:
    """I, I0 and Ip are not scaled; a gain multiplies everything afterwards."""
    net = shaken(spec(bounded("BRC+I+RC1+I0", 0.3, gain=0.25), t=2, post_net=None), settled=SETTLED)
    f = Hand(net)
    exact = norm_of(lambda x: f.conv(1)(f.scale(1) * x)) + norm_of(f.conv(1, prefix="skip."))
    (c,) = c_of(net)
    assert c == pytest.approx(exact / 0.3, rel=1e-6)
    state = IMAGES
    for _ in range(2):
        function = f.conv(1)(f.norm(1, state).relu()) + f.conv(1, prefix="skip.")(state.relu())
        state = 0.25 * (function / c + state + IMAGES)
    close(net(IMAGES), state)


def test_an_identity_that_is_padded_is_untouched() -> None:
    states = {"h": [3, 6, 6], "g": [5, 3, 3]}
    own = bounded("BC/2+Ip", 0.2, gain={"init": 3, "learn": True})
    net = shaken(spec(None, 1, transitions=[{"h": {"g": own}}], states=states, post_net=None), settled=SETTLED)
    f = Hand(net, "g.from_h")
    exact, (c,) = norm_of(lambda x: f.conv(1, 2)(f.scale(1) * x)), c_of(net)
    assert c == pytest.approx(exact / 0.2, rel=1e-6)
    padded = torch.cat([IMAGES[:, :, ::2, ::2], torch.zeros(5, 2, 3, 3)], 1)
    close(net(IMAGES), net.get_parameter("g.from_h.gain") * (f.conv(1, 2)(f.norm(1, IMAGES)) / c + padded))


@pytest.mark.parametrize(("ops", "exact"), [("BR", None), ("sigmoid", 0.25), ("P3/1", 3.0), ("P3/1 sigmoid", 0.75)])
def test_functions_without_convolutions(ops: str, exact: float | None) -> None:
    """Norms alone need no power iteration, and numbers no norms."""
    net = shaken(spec(bounded(f"{ops}+I", 0.1), t=1, post_net=None))
    wanted = float(Hand(net).scale(1).detach().abs().max()) if exact is None else exact
    assert not vectors(net)
    plain = shaken(spec(ops, t=1, post_net=None))
    close(net(IMAGES), plain(IMAGES) * 0.1 / wanted + IMAGES)
    assert bounds(net)["h", "h", 1] == pytest.approx(1.1, rel=1e-9)


def test_noise_comes_last() -> None:
    cell = bounded("BRCx2+I", 0.1, gain=0.5)
    silent, noisy = (shaken(spec(cell | more, t=1, post_net=None)) for more in ({}, {"noise": 0.3}))
    assert c_of(silent)[0] > 1
    torch.manual_seed(0)
    found = noisy(IMAGES)
    torch.manual_seed(0)
    close(found, silent(IMAGES) + 0.3 * torch.randn(found.shape, dtype=found.dtype))


@pytest.mark.parametrize("ops", ["I", "I0", "I+I0"])
def test_a_bound_of_nothing_is_refused(ops: str) -> None:
    with pytest.raises(SpecError, match="lipschitz bounds what is added to an identity"):
        graphnet.plan(spec(bounded(ops)))


def test_i0_inside_brackets_is_a_constant_of_the_function() -> None:
    """It is not an identity branch, but the function does not depend on it: the bound is that of C."""
    net = shaken(spec(bounded("(C+I0) R+I", 0.1), t=2, post_net=None), settled=SETTLED)
    f = Hand(net)
    (c,) = c_of(net)
    assert c == pytest.approx(norm_of(f.conv(1)) / 0.1, rel=1e-6)
    state = IMAGES
    for _ in range(2):
        state = (f.conv(1)(state) + IMAGES).relu() / c + state
    close(net(IMAGES), state)


# Number of computations


@pytest.mark.parametrize(
    ("norm", "over_time", "count"),
    [
        (SHARED, True, 1),
        ({"affine": "shared"}, True, 3),
        ({"statistics": "shared"}, True, 1),
        ({"statistics": "shared", "affine": "per-time"}, True, 3),
        ({"kind": "none"}, True, 1),
        (SHARED, False, 3),
    ],
)
def test_one_divisor_for_weights_shared_over_time(norm: dict[str, Any], over_time: bool, count: int) -> None:
    table = spec(bounded("BRCx2+I"), norm=norm, sharing={"over_time": over_time})
    net = shaken(table, settled=SETTLED)
    assert len(divisors(net)) == count
    assert len(vectors(net)) == 2 * count
    assert write_source(graphnet.plan(table)).count("torch.clamp(") == count
    if norm.get("kind") != "none" and over_time:
        for t, c in enumerate(c_of(net), start=1):
            assert c == pytest.approx(Hand(net, t=t).exact() / 0.5, rel=1e-6)


def test_functions_of_their_own_have_divisors_of_their_own() -> None:
    states = {"h": list(SHAPE), "g": list(SHAPE)}
    slab = {"h": {"h": bounded("BRC+I"), "g": bounded("BRC", 0.9)}, "g": {"g": "BRC+I"}}
    net = shaken(spec(None, transitions=[slab], states=states))
    assert {line.place for line in divisors(net)} == {"h.from_h", "g.from_h"}
    tied = shaken(spec(None, transitions=[slab], states=states, sharing={"sets": [{"members": ["h->h", "h->g"]}]}))
    assert len(divisors(tied)) == 2  # mu differs, and so do the statistics


# Gradients


def through_svd(net: nn.Module, mu: float) -> dict[str, Tensor]:
    (torch.clamp(Hand(net).product() / mu, min=1) ** 2).backward()
    found = gradients(net)
    net.zero_grad()
    return found


@pytest.mark.parametrize("mu", [0.5, 1000.0])
def test_the_gradient_of_c_is_that_through_an_exact_svd(mu: float) -> None:
    net = shaken(spec(bounded("BRCx2+I", mu)), settled=SETTLED)
    exact = through_svd(net, mu)
    (line,) = divisors(net)
    divisor, tensors = net.get_submodule(f"{line.place}.{line.name}"), tensors_of(net)
    (divisor(*(tensors[name] for name in line.tensors)) ** 2).backward()
    found = gradients(net)
    assert set(found) == set(exact) == {f"h.from_h.{name}.weight" for name in ("conv1", "conv2", "norm1", "norm2")}
    for name in found:
        if mu == 1000:
            assert not found[name].any()
        else:
            close(found[name], exact[name], 1e-4)


@pytest.mark.parametrize("training", [False, True])
def test_the_gradient_of_the_net_is_that_of_the_same_by_hand(training: bool) -> None:
    """The gradient of the whole net, with c; in training, norms use the batch's statistics, bounds the running ones."""
    net = shaken(spec(bounded("BRCx2+I0", 0.5), t=2, post_net=None), settled=SETTLED, training=training)
    other = copy.deepcopy(net)
    f, weights = Hand(other), random(*IMAGES.shape, seed=9)

    def norm(k: int, x: Tensor) -> Tensor:
        if not training:
            return f.norm(k, x)
        return F.batch_norm(x, None, None, f.get(f"norm{k}", "weight"), f.get(f"norm{k}", "bias"), True)

    c, state = f.product() / 0.5, IMAGES
    for _ in range(2):
        state = f.conv(2)(norm(2, f.conv(1)(norm(1, state).relu())).relu()) / c + IMAGES
    (state * weights).sum().backward()
    found = net(IMAGES)
    close(found, state, 1e-6)
    (found * weights).sum().backward()
    ours, theirs = gradients(net), gradients(other)
    assert set(ours) == set(theirs)
    for name in ours:
        close(ours[name], theirs[name], 1e-4)


def test_the_gradient_is_that_of_finite_differences() -> None:
    """With converged vectors after each change of the weights."""
    net = shaken(spec(bounded("BRCx2+I", 0.5)), settled=SETTLED)
    F.cross_entropy(net(IMAGES), LABELS).backward()
    parameter = net.get_parameter("h.from_h.conv1.weight")
    towards = random(*parameter.shape, seed=4)
    assert parameter.grad is not None
    found, losses = float((parameter.grad * towards).sum()), []
    with torch.no_grad():
        for step in (1e-5, -2e-5):
            parameter += step * towards
            settle_divisors(net, SETTLED)
            losses.append(float(F.cross_entropy(net(IMAGES), LABELS)))
    assert found == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-5)


NORMS: dict[str, dict[str, Any]] = {"shared": SHARED, "per time": {"affine": "shared"}}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_activation_checkpointing_gives_the_same_gradients(norm: str, reentrant: bool, training: bool) -> None:
    net = shaken(spec(bounded("BRCx2+I"), norm=NORMS[norm]), training=training)
    other = copy.deepcopy(net)
    for step in range(3):
        ours, theirs = (IMAGES.clone().requires_grad_() for _ in range(2))
        F.cross_entropy(net(ours), LABELS).backward()
        F.cross_entropy(checkpoint(other, theirs, use_reentrant=reentrant), LABELS).backward()
        assert same(gradients(net), gradients(other)), step
        assert ours.grad is not None
        assert theirs.grad is not None
        assert torch.equal(ours.grad, theirs.grad)
        assert same(vectors(net), vectors(other))
        with torch.no_grad():  # batch norm updates its statistics in each pass; weights change
            for parameter, twin in zip(net.parameters(), other.parameters(), strict=True):
                parameter -= 0.1 * parameter.grad
                twin.copy_(parameter)
            for buffer, twin in zip(net.buffers(), other.buffers(), strict=True):
                twin.copy_(buffer)


@pytest.mark.parametrize("reentrant", [False, True])
def test_two_checkpointed_passes_before_one_backward_pass(reentrant: bool) -> None:
    """Exact if c is 1; otherwise see the docstring of `Divisor` for the difference."""
    net = shaken(spec(bounded("BRCx2+I", 1e9)), training=True)
    other, more = copy.deepcopy(net), random(*IMAGES.shape, seed=2)
    (net(IMAGES).square().sum() + net(more).square().sum()).backward()
    inputs = [images.clone().requires_grad_() for images in (IMAGES, more)]
    outputs = [checkpoint(other, images, use_reentrant=reentrant) for images in inputs]
    (outputs[0].square().sum() + outputs[1].square().sum()).backward()
    ours, theirs = gradients(net), gradients(other)
    for name in ours:
        close(theirs[name], ours[name])


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints_within_checkpoints_give_the_same_vectors(reentrant: bool) -> None:
    net = shaken(spec(bounded("BRCx2+I")), training=True)
    other = copy.deepcopy(net)

    def inner(images: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = checkpoint(other, images * 1, use_reentrant=False)
        return made

    net(IMAGES).square().sum().backward()
    checkpoint(inner, IMAGES.clone().requires_grad_(), use_reentrant=reentrant).square().sum().backward()
    assert same(vectors(net), vectors(other))
    assert same(gradients(net), gradients(other))


def test_a_forward_pass_in_a_backward_hook_is_one_like_any_other() -> None:
    net = shaken(spec(bounded("BRCx2+I")), training=True)
    other, seen = copy.deepcopy(net), []
    net(IMAGES)
    images = IMAGES.clone().requires_grad_()
    images.register_hook(lambda gradient: seen.append(other(IMAGES)))
    (images * 2).sum().backward()
    assert len(seen) == 1
    assert same(vectors(net), vectors(other))


@pytest.mark.parametrize("norm", NORMS)
def test_two_passes_before_one_backward_pass(norm: str) -> None:
    net = shaken(spec(bounded("BRCx2+I"), norm=NORMS[norm]), training=True)
    other, more = copy.deepcopy(net), random(*IMAGES.shape, seed=2)
    (net(IMAGES).square().sum() + net(more).square().sum()).backward()
    for images in (IMAGES, more):
        other(images).square().sum().backward()
    ours, theirs = gradients(net), gradients(other)
    for name in ours:
        close(ours[name], theirs[name])
    assert same(bits(net), bits(other))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("training", [False, True])
def test_torch_compile_gives_the_same(norm: str, training: bool) -> None:
    net = shaken(spec(bounded("BRCx2+I"), norm=NORMS[norm]), training=training)
    other = copy.deepcopy(net)
    fast = torch.compile(other, backend="aot_eager", fullgraph=True)
    for step in range(3):
        one, two = net(IMAGES), fast(IMAGES)
        close(two, one)
        for output in (one, two):
            F.cross_entropy(output, LABELS).backward()
        ours, theirs = gradients(net), gradients(other)
        assert set(ours) == set(theirs)
        for name in ours:
            close(theirs[name], ours[name])
        mine, its = bits(net), bits(other)
        assert list(mine) == list(its), step
        for name in mine:
            close(its[name], mine[name])
        with torch.no_grad():
            for each in (net, other):
                for parameter in each.parameters():
                    parameter -= 0.05 * parameter.grad
    torch.compiler.reset()


def test_a_copy_made_while_training_goes_on_alike() -> None:
    """Weight averaging copies nets."""
    net = shaken(spec(bounded("BRCx2+I")), training=True)
    net(IMAGES).square().sum().backward()
    other = copy.deepcopy(net)
    assert torch.equal(net(IMAGES), other(IMAGES))
    assert same(bits(net), bits(other))


def test_autocast_leaves_the_bound_in_full_precision() -> None:
    table = spec(bounded("BRCx2+I", 0.5), t=1, post_net=None)
    net = graphnet.compile(table)
    exact = c_of(copy.deepcopy(net).double())[0]
    seen = []
    (line,) = divisors(net)
    net.get_submodule(f"{line.place}.{line.name}").register_forward_hook(lambda *given: seen.append(given[-1]))
    with torch.autocast("cpu", torch.bfloat16):
        net.eval()(IMAGES.float())
    assert seen[0].dtype == torch.float32
    assert float(seen[0].detach()) == pytest.approx(exact, rel=1e-5)


# The vectors


@pytest.mark.parametrize("norm", NORMS)
def test_evaluation_changes_nothing_and_training_makes_one_iteration(norm: str) -> None:
    net = shaken(spec(bounded("BRCx2+I"), t=2, norm=NORMS[norm]))
    before = bits(net)
    net(IMAGES)
    with torch.no_grad():
        net(IMAGES)
    assert same(bits(net), before)
    hands = {t: Hand(copy.deepcopy(net), t=t) for t in (1, 2)}
    net.train()(IMAGES)
    after = vectors(net)
    assert len(after) == 2 * len(divisors(net))
    for name, vector in after.items():
        f = hands[2 if ".t2." in name else 1]
        outer = name.endswith("1")
        matrix = matrix_of(f.conv(2) if outer else lambda x, f=f: f.scale(2) * f.conv(1)(f.scale(1) * x)).detach()
        wanted = matrix.T @ (matrix @ before[name].flatten())
        close(vector.flatten(), wanted / wanted.norm())
    net(IMAGES)
    assert not any(torch.equal(value, after[name]) for name, value in vectors(net).items())


def test_training_brings_c_to_the_exact_value() -> None:
    """With constant weights and statistics."""
    net = shaken(spec(bounded("BRCx2+I"), t=1, norm=SHARED | {"momentum": 0.0}), settled=1).train()
    exact, found = Hand(net).exact() / 0.5, []
    for _ in range(60):
        found.append(c_of(net)[0])
        net(IMAGES)
    assert found[0] < found[1] < found[-1] <= exact * (1 + 1e-9)
    assert found[-1] == pytest.approx(exact, rel=1e-3)


def test_a_new_net_begins_with_15_iterations() -> None:
    net = graphnet.compile(spec(bounded("BRCx2+I", 0.01)))
    exact = Hand(copy.deepcopy(net).double()).exact() / 0.01
    assert 0.8 * exact < c_of(net)[0] <= exact * (1 + 1e-5)


@pytest.mark.parametrize("start", ["conv", "norm"])
def test_weights_that_start_at_zero_are_bounded_once_they_are_not(start: str) -> None:
    """Residual branches often start at zero, by the last weight or scale."""
    ops: Any = ["B", "R", {"conv": {"init": "zeros"}}] if start == "conv" else "BRC"
    norm = SHARED | ({"scale": 0.0} if start == "norm" else {})
    net = graphnet.compile(spec(bounded(ops, 0.1), t=1, norm=norm)).double().train()
    net(IMAGES)
    assert c_of(net) == [1]
    with torch.no_grad():
        for name in ("conv1", "norm1"):
            parameter = net.get_parameter(f"h.from_h.{name}.weight")
            parameter.copy_(1 + random(*parameter.shape, seed=3).abs())
    for _ in range(50):
        net(IMAGES)
    f = Hand(net)
    exact = norm_of(lambda x: f.conv(1)(f.scale(1) * x))
    assert c_of(net)[0] == pytest.approx(exact / 0.1, rel=1e-3)


# State dicts


def test_a_round_trip_through_a_state_dict(tmp_path: Any) -> None:
    net = shaken(spec(bounded("BRCx2+I")), training=True)
    for _ in range(3):
        net(IMAGES)
    net.eval()
    wanted = {f"h.from_h.lipschitz1.singular_vector{k}" for k in (1, 2)}
    assert {name for name in net.state_dict() if "singular" in name} == wanted
    other = graphnet.compile(spec(bounded("BRCx2+I")), seed=1).double().eval()
    assert not torch.equal(net(IMAGES), other(IMAGES))
    other.load_state_dict(net.state_dict())
    assert torch.equal(net(IMAGES), other(IMAGES))
    save_checkpoint(tmp_path / "net", net, "{}")
    other = graphnet.compile(spec(bounded("BRCx2+I")), seed=1).double().eval()
    report = load_into(other, read_checkpoint(tmp_path / "net").tensors)
    assert (report.left, report.uncalibrated) == ((), ())
    assert torch.equal(net(IMAGES), other(IMAGES))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("missing", ["all", "first", "second"])
def test_vectors_that_a_checkpoint_lacks_are_found(norm: str, missing: str) -> None:
    """As in a checkpoint of a net without the bound."""
    table = spec(bounded("BRCx2+I"), norm=NORMS[norm])
    net = shaken(table, settled=SETTLED)
    lacks = {"all": "singular_vector", "first": "singular_vector1", "second": "singular_vector2"}[missing]
    held = {name: tensor for name, tensor in bits(net).items() if lacks not in name}
    other = graphnet.compile(table, seed=3).double().eval()
    report = load_into(other, held)
    assert report.left == ()
    assert c_of(other) == pytest.approx(c_of(net), rel=1e-3)
    kept = [name for name in vectors(net) if name in held]
    for name in kept:
        close(vectors(other)[name], held[name], 1e-6)


def test_weights_of_a_net_without_the_bound_fit() -> None:
    plain = shaken(spec("BRCx2+I"))
    net = graphnet.compile(spec(bounded("BRCx2+I", 1e9))).double().eval()
    load_into(net, plain.state_dict())
    assert torch.equal(net(IMAGES), plain(IMAGES))
    back = graphnet.compile(spec("BRCx2+I"), seed=4).double().eval()
    assert all("singular_vector" in name for name in load_into(back, net.state_dict()).left)
    assert torch.equal(back(IMAGES), plain(IMAGES))


# The source


SOURCES: dict[str, tuple[Any, dict[str, Any]]] = {
    "shared": (bounded("BRCx2+I"), {}),
    "per time, untied": (bounded("BRCx2+I0"), {"norm": {"affine": "per-time"}, "sharing": {"over_time": False}}),
    "branches, gain": (bounded("BRC+RC1+I", 0.2, gain=0.5), {}),
    "activation moved behind": (bounded("BRCBR+I", 0.2), {}),
    "no norm": (bounded("C tanh C sigmoid+I", 0.01), {"norm": {"kind": "none"}}),
    "linear branches in a row": (bounded("B(C+C1)C1+I", 0.2), {}),
    "diagonal": (bounded("BR+I", 0.2), {}),
    "pools": (bounded("P3/1 C+I", 0.2), {}),
    "brackets": (bounded("(C+I0) R+I", 0.1), {}),
}


def forward_of(table: dict[str, Any]) -> Callable[..., Tensor]:
    scope: dict[str, Any] = {}
    exec(compile(write_source(graphnet.plan(table)), "<generated>", "exec"), scope)
    forward: Callable[..., Tensor] = scope["forward"]
    return forward


@pytest.mark.parametrize("name", SOURCES)
def test_generated_source_is_the_net(name: str) -> None:
    own, changes = SOURCES[name]
    table = spec(own, **changes)
    net, forward = shaken(table), forward_of(table)
    learnt = dict(net.named_parameters())
    state = {key: value.detach().clone().requires_grad_(key in learnt) for key, value in net.state_dict().items()}
    for training in (False, True, True, False):
        before = {key: value.detach().clone() for key, value in state.items()}
        wanted, found = net.train(training)(IMAGES), forward(IMAGES, state, training)
        close(found, wanted)
        for key, value in net.state_dict().items():
            close(state[key].detach(), value)
            assert training or torch.equal(state[key], before[key])
        for output in (wanted, found):
            output.square().sum().backward()
    for key, gradient in gradients(net).items():
        grad = state[key].grad
        assert grad is not None
        close(grad, gradient)


def test_generated_source_stays_on_the_device_of_its_weights() -> None:
    table = spec(bounded("BR+I", 0.2))
    state = {name: tensor.to("meta") for name, tensor in graphnet.compile(table).state_dict().items()}
    for training in (False, True):
        assert forward_of(table)(torch.zeros(2, *SHAPE, device="meta"), state, training).device.type == "meta"


# Calibration, perturbation


def test_calibration_ends_where_statistics_and_bounds_agree() -> None:
    net = shaken(spec(bounded("BRCx2+I", 0.5), norm={"affine": "shared"}), settled=SETTLED)
    calibrate(net, [random(16, *SHAPE, seed=5)])
    found = bits(net)
    assert [c for c in c_of(net) if c > 1]
    for t, c in zip((1, 2, 3), c_of(net), strict=True):
        assert c == pytest.approx(Hand(net, t=t).exact() / 0.5, rel=1e-2)
    calibrate(net, [random(16, *SHAPE, seed=5)])
    for name, buffer in net.named_buffers():
        if "running" in name:
            close(buffer, found[name], 2e-3)


def test_calibration_that_fails_changes_nothing() -> None:
    net = shaken(spec(bounded("BRCx2+I", 0.5)))
    before = bits(net)
    with pytest.raises(ValueError, match="no finite statistics"):
        calibrate(net, [IMAGES * float("nan")])
    with pytest.raises(ValueError, match="no batches"):
        calibrate(net, [])
    assert same(bits(net), before)


def stopped(dtype: torch.dtype) -> nn.Module:
    """Two bounded blocks with statistics per time, and an identity at t = 3."""
    slab = {"t": "1..2", "h": {"h": bounded("BRCx2+I")}}
    net = shaken(spec(None, transitions=[slab, {"t": 3, "h": {"h": "I"}}], norm={"affine": "shared"}))
    settle_divisors(net, 100)
    return net.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_perturbed_net_has_bounds_that_are_new(dtype: torch.dtype) -> None:
    images = IMAGES.to(dtype)
    made = graphnet.perturb(stopped(dtype), {"t": 3, "h": {"h": bounded("BRCx2+I")}}, calibrate=[images])
    for t, c in zip((1, 2, 3), c_of(made.double()), strict=True):
        exact = Hand(made, t=t).exact() / 0.5
        assert 0.8 * exact < c <= exact * (1 + 1e-5)
    plain = shaken(spec("BRCx2+I")).to(dtype)
    made = graphnet.perturb(plain, {"h": {"h": bounded("BRCx2+I")}})
    assert 0.8 * Hand(made.double()).exact() / 0.5 < c_of(made)[0]


def test_calibrating_a_perturbed_net_leaves_the_net_as_it_is() -> None:
    """Common tensors share storage: only new ones may change."""
    net, images = stopped(torch.float32), IMAGES.float()
    before, wanted = bits(net), net(images)
    graphnet.perturb(net, {"t": 3, "h": {"h": bounded("BRCx2+I")}}, calibrate=[images])
    changed = [name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])]
    assert changed == []
    assert torch.equal(net(images), wanted)


# Contractions (LPK, "Spectral normalization can guarantee convergence")


MU = 0.95


def signed(table: dict[str, Any]) -> nn.Module:
    """Weights of both signs, so that the active units change from step to step."""
    net = shaken(table)
    settle_divisors(net, 500)
    return net


def trained(own: Any) -> nn.Module:
    """A net trained for some steps from large weights."""
    net = graphnet.compile(spec(own, t=4)).double().train()
    with torch.no_grad():
        for name in ("conv1", "conv2"):
            net.get_parameter(f"h.from_h.{name}.weight").mul_(4)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    images, labels = random(32, *SHAPE, seed=7), torch.arange(32) % 4
    first = last = 0.0
    for step in range(20):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        first, last = (float(loss.detach()), 0.0) if step == 0 else (first, float(loss.detach()))
    assert last < first
    return net.eval()


def block(net: nn.Module, first: Tensor) -> Callable[[Tensor], Tensor]:
    """The last block of a net as a function of the state, with the state's first value given."""
    lines, tensors = net.meta["plan"].lines, tensors_of(net)
    made = [line.name for line in lines if line.op.kind == "value" and line.place == "h"]
    last = without_unread(lines, {made[-1]}, acting=False)
    known = {line.name for line in without_unread(lines, set(made[:-1]), acting=False) if line.op.kind != "lipschitz"}
    step = [line for line in last if line.name not in known]

    def function(z: Tensor) -> Tensor:
        return run(step, tensors, {made[0]: first.expand_as(z), made[-2]: z}, {made[-1]})[made[-1]]

    return function


def stretches(function: Callable[[Tensor], Tensor], towards: Sequence[Tensor] = (), pairs: int = 1000) -> Tensor:
    """‖f(x) − f(y)‖ / ‖x − y‖ of random pairs, near and far, some along given directions."""
    x, apart = random(pairs, *SHAPE, seed=11), random(pairs, *SHAPE, seed=12)
    for k, direction in enumerate(towards):
        apart[k :: 2 * len(towards)] = direction
    y = x + apart * torch.logspace(-4, 2, pairs, dtype=torch.float64)[torch.randperm(pairs)].view(-1, 1, 1, 1)
    return (function(x) - function(y)).flatten(1).norm(dim=1) / (x - y).flatten(1).norm(dim=1)


@pytest.mark.parametrize("how", ["trained", "shaken"])
def test_no_pair_comes_apart_further_than_mu(how: str) -> None:
    own = bounded("BRCx2+I0", MU)
    net = trained(own) if how == "trained" else signed(spec(own, t=4))
    assert c_of(net)[0] > 1
    ratios = stretches(block(net, IMAGES[:1]), list(vectors(net).values()))
    assert len(ratios) == 1000
    assert float(ratios.max()) <= MU
    residual = stretches(block(signed(spec(bounded("BRCx2+I", MU), t=4)), IMAGES[:1]))
    assert float(residual.max()) <= 1 + MU


def test_the_bound_of_a_step_is_nearly_reached() -> None:
    """A single convolution, in the direction that it stretches most."""
    net = shaken(spec(bounded("C+I0", MU), t=3), settled=SETTLED)
    (vector,) = vectors(net).values()
    ratios = stretches(block(net, IMAGES[:1]), [vector])
    assert MU * (1 - 1e-6) < float(ratios.max()) <= MU * (1 + 1e-6)


@pytest.mark.parametrize("how", ["trained", "shaken"])
def test_iterates_reach_the_fixed_point(how: str) -> None:
    own = bounded("BRCx2+I0", MU)
    net = trained(own) if how == "trained" else signed(spec(own, t=4))
    found = fixed_point(net, [(IMAGES, LABELS)], "h", steps=150, tolerance=1e-9)
    assert found.converged is not None
    now, then = found.residuals[1:], found.residuals[:-1]
    falls = (then > 1e-12) & (then < 1e-3)  # the state's norm has converged
    assert falls.any()
    assert (now[falls] <= MU * then[falls] * 1.01).all()
    about, ends = block(net, IMAGES), []  # the same point from anywhere
    for z in (IMAGES, 10 * random(*IMAGES.shape, seed=13)):
        for _ in range(400):
            z = about(z)
        ends.append(z)
    close(ends[0], ends[1], 1e-8)
    close(about(ends[0]), ends[0], 1e-8)


def test_with_the_identity_residuals_need_not_vanish() -> None:
    net = signed(spec(bounded("BRCx2+I", MU), t=4))
    found = fixed_point(net, [(IMAGES, LABELS)], "h", steps=40, tolerance=1e-5)
    assert found.residuals.shape == (40, len(IMAGES))
    assert found.converged is None
    assert (found.residuals[-1] > 1e-5).all()
    assert (found.residuals <= 1 + MU).all()


# Text of a bound, and a small scale


def test_the_bound_is_shown_as_a_formula() -> None:
    (line,) = divisors(shaken(spec(bounded("BRCx2+I"))))
    assert str(line.op["bound"]) == "‖conv‖·‖batch_norm conv batch_norm‖"


def test_norms_start_with_the_given_scale() -> None:
    text = 'affine = "shared"\nscale = 0.1'
    net = graphnet.compile(spec("BRC+I", norm=tomllib.loads(text), post_net={"ops": "BRGL", "classes": 4}))
    found = {name: p for name, p in net.named_parameters() if "norm" in name and name.endswith("weight")}
    assert found
    assert all(torch.equal(p, torch.full_like(p, 0.1)) for p in found.values())
    assert all(not p.any() for name, p in net.named_parameters() if "norm" in name and name.endswith("bias"))
    plain = graphnet.compile(spec("BRC+I", norm={"affine": "shared"}))
    weight = "h.from_h.conv1.weight"
    assert torch.equal(net.get_parameter(weight), plain.get_parameter(weight))
    one = graphnet.compile(spec("BRC+I", t=1, norm=tomllib.loads(text), post_net=None)).double().eval()
    full = graphnet.compile(spec("BRC+I", t=1, norm={"affine": "shared"}, post_net=None)).double().eval()
    close(one(IMAGES) - IMAGES, 0.1 * (full(IMAGES) - IMAGES), 1e-6)  # 0.1 in float32
