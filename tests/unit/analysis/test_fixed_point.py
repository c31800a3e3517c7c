"""Iterating a state's last block, against linear iterations in closed form and perturbed nets."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import graphnet
from graphnet.analysis.fixed_point import FixedPoint, fixed_point
from graphnet.edits import EditError, RepeatLastBlock

pytestmark = pytest.mark.usefixtures("one_thread")

CHANNELS, EXACT = 4, 1e-10


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


POINTS, LABELS = random(6, CHANNELS, 1, 1, seed=1), torch.arange(6) % CHANNELS
EYE = torch.eye(CHANNELS).double()


def by_hand(step: Callable[[Tensor], Tensor], z: Tensor, steps: int) -> np.ndarray:
    found = []
    for _ in range(steps):
        new = step(z)
        found.append(((new - z).flatten(1).norm(dim=1) / new.flatten(1).norm(dim=1)).numpy())
        z = new
    return np.stack(found)


def with_readout(matrix: Tensor, ops: str = "C1", t: int = 1) -> nn.Module:
    """z_t = A z_{t−1}, with one-pixel images as z_0 and the channels as logits."""
    size = [CHANNELS, 1, 1]
    spec = {"graphnet": 1, "input": {"shape": size}, "states": {"h": size}, "readout": {"t": t}}
    spec |= {"transitions": [{"h": {"h": ops}}], "post_net": {"ops": "GL", "classes": CHANNELS}}
    net = graphnet.compile(spec).double()
    with torch.no_grad():
        net.get_parameter("h.from_h.conv1.weight").copy_(matrix[:, :, None, None])
        net.get_parameter("post_net.linear1.weight").copy_(EYE)
    return net


def closed(matrix: Tensor, steps: int = 30, ops: str = "C1", t: int = 1, **more: Any) -> FixedPoint:
    return fixed_point(with_readout(matrix, ops, t), [(POINTS, LABELS)], "h", steps=steps, **more)


@pytest.mark.parametrize("factor", [0.5, 0.9, -0.5, 1.1, 2.0, -1.0])
def test_a_factor_has_the_same_residual_at_every_step(factor: float) -> None:
    """‖a z − z‖ / ‖a z‖ = |1 − 1/a|; relative residuals do not vanish if a state goes to 0."""
    found = closed(factor * EYE)
    assert found.residuals.shape == (30, 6)
    np.testing.assert_allclose(found.residuals, abs(1 - 1 / factor), rtol=EXACT)
    assert found.converged is None


@pytest.mark.parametrize("factor", [0.5, 0.9, -0.8])
@pytest.mark.parametrize("t", [1, 3])
def test_with_the_first_value_it_is_a_geometric_series(factor: float, t: int) -> None:
    """z_t = z_0 (1 + a + … + a^t); the k-th further step adds a^{t+k} z_0."""
    found = closed(factor * EYE, 200, "C1+I0", t, tolerance=1e-6)
    k = np.arange(1, 201)
    wanted = np.abs(factor ** (t + k) * (1 - factor) / (1 - factor ** (t + k + 1)))
    np.testing.assert_allclose(found.residuals, np.broadcast_to(wanted[:, None], (200, 6)), rtol=1e-6, atol=1e-15)
    assert found.converged == int(np.flatnonzero(wanted <= 1e-6)[0]) + 1


def test_any_matrix() -> None:
    matrix = 0.2 * random(CHANNELS, CHANNELS, seed=3)
    net = with_readout(matrix, "C1+I0", 2)
    maps = POINTS.flatten(1)
    z = maps @ (EYE + matrix + matrix @ matrix).T
    found = fixed_point(net, [(POINTS, LABELS)], "h", steps=20)
    np.testing.assert_allclose(found.residuals, by_hand(lambda z: z @ matrix.T + maps, z, 20), rtol=1e-6, atol=1e-15)
    ends = [z]
    for _ in range(20):
        ends.append(ends[-1] @ matrix.T + maps)
    errors = [float((end.argmax(1) != LABELS).double().mean()) for end in ends]
    assert found.errors.tolist() == errors
    assert len(found.errors) == 21


def test_a_rotation_does_not_converge() -> None:
    angle = torch.tensor(1.0).double()
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
    found = closed(torch.block_diag(turn, turn), 50)
    np.testing.assert_allclose(found.residuals, float(2 * (angle / 2).sin()), rtol=1e-9)
    assert found.converged is None


def test_a_constant_state_converges_immediately() -> None:
    found = closed(EYE)
    assert not found.residuals.any()
    assert found.converged == 1
    nilpotent = torch.zeros(CHANNELS, CHANNELS).double()
    nilpotent[0, 1] = 1
    to_nothing = closed(nilpotent, 5)  # z_1 ≠ 0, z_2 = 0: its change is infinite relative to itself, then none
    assert np.isinf(to_nothing.residuals[0]).all()
    assert not to_nothing.residuals[1:].any()
    assert to_nothing.converged == 2


def test_a_projection_has_converged_after_one_step() -> None:
    projection = torch.diag(torch.tensor([1.0, 1, 0, 0])).double()
    assert closed(projection).converged == 1  # the net itself has made the step
    found = closed(projection + 0.5 * (EYE - projection), 60, tolerance=1e-3)
    first = int(np.flatnonzero(found.residuals.max(1) <= 1e-3)[0]) + 1
    assert found.converged == first > 1
    assert closed(projection + 0.5 * (EYE - projection), first - 1, tolerance=1e-3).converged is None


def test_a_growing_component_has_not_converged() -> None:
    """A component too small to notice grows."""
    small = POINTS.clone()
    small[:, 3] *= 1e-9
    net = with_readout(torch.diag(torch.tensor([1.0, 1.0, 1.0, 2.0])).double())
    for steps, converged in ((5, 1), (60, None)):
        assert fixed_point(net, [(small, LABELS)], "h", steps=steps).converged == converged


def test_converged_means_for_good_and_for_all_images() -> None:
    def of(*rows: list[float]) -> int | None:
        return FixedPoint("h", np.array(rows), np.zeros(len(rows) + 1), np.ones((len(rows) + 1, 1)), 0.1).converged

    assert of([0.0]) == of([0.1]) == 1
    assert of([0.2]) is None
    assert of([1.0], [0.05], [0.0]) == 2
    assert of([0.05], [1.0], [0.0]) == 3
    assert of([0.05], [0.05], [1.0]) is None
    assert of([1.0, 0.0], [0.0, 1.0], [0.0, 0.0]) == 3
    assert of([0.0, 1.0], [0.0, 1.0]) is None
    assert of([float("inf")], [0.0]) == 2


def test_a_state_that_overflows_has_not_converged() -> None:
    """It grows to infinity, and further changes are not numbers."""
    found = closed(1e200 * EYE, 5)
    assert not np.isfinite(found.residuals).all()
    assert found.converged is None


# Anywhere in a net

SHAPE = [3, 6, 6]
PHOTOS, KINDS = random(12, 2, 6, 6, seed=2), torch.arange(12) % 5


def shaken(slabs: list[dict[str, Any]], states: Any, t: Any, **changes: Any) -> nn.Module:
    spec: dict[str, Any] = {"graphnet": 1, "input": {"shape": [2, 6, 6]}, "states": states, "transitions": slabs}
    spec |= {"pre_net": {"ops": "CB"}, "post_net": {"ops": "BRGL", "classes": 5}, "readout": {"t": t}} | changes
    net = graphnet.compile({key: value for key, value in spec.items() if value is not None}).double().eval()
    for seed, (name, tensor) in enumerate(net.state_dict().items()):
        if "singular_vector" not in name:
            values = random(*tensor.shape, seed=seed)
            tensor.copy_(0.3 + values.abs() if name.endswith("running_var") else 0.5 * values)
    return net


STAGES = {"h1": SHAPE, "h2": [4, 3, 3]}
ONE, STEP = {"t": "1..3", "h1": {"h1": "BRC+I"}}, {"t": 4, "h1": {"h2": "BRC"}}
TWO = {"t": "5..6", "h2": {"h2": "BRC+I"}}
BACK = {"h1": {"h1": "BRC+I", "h2": "BRC"}, "h2": {"h1": "BC", "h2": "BRC+I"}}
ALIKE: dict[str, Any] = {"h1": SHAPE, "h2": SHAPE}
BOUNDED = {"ops": "BRC+I0", "lipschitz": 0.5, "gain": {"learn": True}}
SHARED = {"affine": "shared", "statistics": "shared"}
NETS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], Any, dict[str, Any]]] = {
    "stages": ([ONE, STEP, TWO], STAGES, 6, {}),
    "all shared": ([ONE, STEP, TWO], STAGES, 6, {"norm": SHARED}),
    "untied": ([ONE, STEP, TWO], STAGES, 6, {"sharing": {"over_time": False}}),
    "a skip around it": (
        [
            {"t": "1..3", "h1": {"h1": "BRC+I"}},
            {"t": 2, "h1": {"h3": {"ops": "BC", "delay": 2}}},
            {"t": 4, "h1": {"h2": "BRC"}},
            {"t": 5, "h2": {"h2": "BRC+I"}},
            {"t": 6, "h2": {"h3": "BC"}, "h1": {"h3": {"ops": "RC", "delay": 5}}},
        ],
        ALIKE | {"h3": SHAPE},
        6,
        {},
    ),
    "wired both ways": ([BACK], ALIKE, 3, {}),
    "no time between areas": ([BACK], ALIKE, 3, {"unroll": "engineering"}),
    "an update": ([BACK], {"h1": {"shape": SHAPE, "update": "BR"}, "h2": SHAPE}, 3, {}),
    "first value, bounded": ([{"t": "1..3", "h1": {"h1": BOUNDED}}, STEP, TWO], STAGES, 6, {"norm": SHARED}),
    "bounded at each time": ([{"t": "1..3", "h1": {"h1": BOUNDED}}, STEP, TWO], STAGES, 6, {}),
    "held": ([ONE, {"t": 5, "h1": {"h2": "BRC"}}], {"h1": {"shape": SHAPE, "hold": True}, "h2": SHAPE}, 5, {}),
    "image held": ([BACK], ALIKE, 3, {"input": {"shape": [2, 6, 6], "t": "0..inf"}}),
    "several readouts": ([ONE, STEP, TWO], STAGES, [4, 6], {}),
    "averaged readouts": ([BACK], ALIKE, 4, {"readout": {"t": [3, 4], "combine": "mean"}}),
    "read out itself": ([ONE], {"h1": SHAPE}, 3, {}),
    "zeros before": ([BACK], ALIKE, 3, {"unpopulated": "zeros"}),
}


@pytest.mark.parametrize("name", NETS)
def test_each_step_is_the_net_perturbed_by_as_many_repetitions(name: str) -> None:
    slabs, states, t, changes = NETS[name]
    net = shaken(slabs, states, t, **changes)
    found = fixed_point(net, [(PHOTOS, KINDS)], "h1", steps=3, tolerance=1e-9)
    assert found.state == "h1"
    values, errors = [], []
    for more in range(4):
        made = graphnet.perturb(net, RepeatLastBlock("h1", more))
        seen: list[Tensor] = []
        made.get_submodule("h1.output").register_forward_hook(lambda *given, seen=seen: seen.append(given[-1]))
        with torch.no_grad():
            output = made(PHOTOS)
        output = output if isinstance(output, Tensor) else output[max(output)]
        values.append(seen)
        errors.append(float((output.argmax(1) != KINDS).double().mean()))
    assert found.errors.tolist() == errors
    most = values[-1]  # the state's values in the net with three repetitions, including its last block
    wanted = by_hand_between(most, found.residuals.shape[0])
    np.testing.assert_allclose(found.residuals, wanted, rtol=1e-9)


def by_hand_between(values: list[Tensor], steps: int) -> np.ndarray:
    pairs = list(pairwise(values))[-steps:]
    return np.stack([((b - a).flatten(1).norm(dim=1) / b.flatten(1).norm(dim=1)).numpy() for a, b in pairs])


def test_inner_states_of_parts() -> None:
    part = {"states": {"r": {}, "s": {}}, "transitions": [{"r": {"r": "BRC+I", "s": "BRC"}}]}
    states = {"h1": {"shape": SHAPE, "part": "loop"}}
    net = shaken([], states, 3, parts={"loop": part})
    found = fixed_point(net, [(PHOTOS, KINDS)], "h1.r", steps=2)
    errors = []
    for more in range(3):
        with torch.no_grad():
            output = graphnet.perturb(net, RepeatLastBlock("h1.r", more))(PHOTOS)
        errors.append(float((output.argmax(1) != KINDS).double().mean()))
    assert found.errors.tolist() == errors


@pytest.mark.parametrize("sizes", [(1,) * 12, (5, 7)], ids=["one by one", "5 and 7"])
def test_batches_of_any_sizes_give_the_same(sizes: tuple[int, ...]) -> None:
    net = shaken(*NETS["stages"][:3])
    whole = fixed_point(net, [(PHOTOS, KINDS)], "h1", steps=4)
    parts = zip(PHOTOS.split(list(sizes)), KINDS.split(list(sizes)), strict=True)
    found = fixed_point(net, parts, "h1", steps=4)
    np.testing.assert_allclose(found.residuals, whole.residuals, rtol=1e-9)
    np.testing.assert_allclose(found.errors, whole.errors, rtol=1e-12)


def test_the_net_stays_as_it_is() -> None:
    net = shaken(*NETS["stages"][:3]).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    fixed_point(net, [(PHOTOS, KINDS)], "h2", steps=2)
    assert net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_images_with_several_labels() -> None:
    net = with_readout(torch.flip(EYE, [0]))
    images = torch.tensor([[3.0, 2, 1, 0], [0, 1, 2, 3]]).double()[:, :, None, None]
    labels = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1]])  # after an odd number of steps the first is right
    found = fixed_point(net, [(images, labels)], "h", steps=2)
    assert found.errors.tolist() == [0.5, 0.5, 0.5]
    found = fixed_point(net, [(images[:1], labels[:1])], "h", steps=2)
    assert found.errors.tolist() == [0, 1, 0]


def test_refusals() -> None:
    net = shaken(*NETS["stages"][:3])
    with pytest.raises(EditError, match="no state is called 'h3'\n  did you mean 'h"):
        fixed_point(net, [(PHOTOS, KINDS)], "h3")
    alone = shaken([{"t": 1, "h1": {"h2": "BRC"}}], STAGES, 1)
    with pytest.raises(EditError, match="'h1' has no self-transition"):
        fixed_point(alone, [(PHOTOS, KINDS)], "h1")
    with pytest.raises(EditError, match="not compiled by graphnet"):
        fixed_point(nn.Linear(2, 2), [(PHOTOS, KINDS)], "h1")
    with pytest.raises(ValueError, match="no images"):
        fixed_point(net, [], "h1")


def test_no_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="step"):
        fixed_point(shaken(*NETS["stages"][:3]), [(PHOTOS, KINDS)], "h1", steps=0)


def test_a_state_that_grows_without_bound_says_when_and_how_fast() -> None:
    """Numbers of float32 end below 2^128; squares of values would overflow after half as many steps."""
    net = with_readout(2 * EYE).float()
    ones = torch.ones(3, CHANNELS, 1, 1)
    found = fixed_point(net, [(ones, torch.arange(3))], "h", steps=140)
    assert found.overflow == 127, "the state of the net, before all steps, is 2"
    np.testing.assert_allclose(found.residuals[:126], 0.5, rtol=1e-6)
    assert found.why_not_finite() == (
        "'h' grows without bound: at step 127 the values of 3 images are not finite; "
        "its last block makes them 2 times as large per step"
    )
    assert found.converged is None
    assert closed(2 * EYE).why_not_finite() == ""


def test_a_net_that_is_not_finite_says_so() -> None:
    found = closed(float("nan") * EYE)
    assert found.overflow == 0
    assert found.why_not_finite().startswith("'h' is not finite as trained: weights, statistics or images")
