"""LPK's perturbations, against nets with known answers and against each perturbed net run separately."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import graphnet
from graphnet.analysis import error_curves as curves
from graphnet.analysis.error_curves import KINDS, IterativeConvergence, is_wrong, iterative_convergence
from graphnet.analysis.interpreter import Merged, run, tensors_of
from graphnet.edits import DropBlock, EditError, ReadOutEarly, RepeatLastBlock
from graphnet.planning.body import without_unread
from graphnet.planning.plan import IMAGE

pytestmark = pytest.mark.usefixtures("one_thread")

EXACT = 1e-12
BLOCKS, MORE, CLASSES = 4, 3, 4
FIRST, SECOND = range(1, 5), range(6, 10)
"""Times of the blocks of the two stages; h1 drives h2 at t = 5."""


def close(found: Tensor, wanted: Tensor) -> None:
    assert float((found - wanted).abs().max()) <= 1e-10 * float(wanted.abs().max())


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Nets of matrices, with known answers
#
# A state has three groups of four channels: a, where the image puts its class, b, and c, which is read out. The first
# stage copies a to b, the second b to c. Without evidence the net predicts class 0.

A, B, C = (slice(k, k + CLASSES) for k in (0, CLASSES, 2 * CLASSES))
LABELS = torch.arange(8) % CLASSES
AMPLITUDES = torch.tensor([1.0, 0.7]).double().repeat_interleave(CLASSES)
IMAGES = torch.zeros(8, 3 * CLASSES, 1, 1, dtype=torch.float64)
IMAGES[torch.arange(8), LABELS, 0, 0] = AMPLITUDES
CHANCE = 1 - 1 / CLASSES
THRESHOLD = 0.6


def copy_of(source: slice, target: slice, factor: float = 1.0) -> Tensor:
    """The matrix that adds one group of channels to another."""
    matrix = torch.zeros(3 * CLASSES, 3 * CLASSES, dtype=torch.float64)
    matrix[target, source] = factor * torch.eye(CLASSES)
    return matrix


NOTHING = copy_of(A, A, 0.0)


def of_matrices(one: list[Tensor], two: list[Tensor]) -> nn.Module:
    """Two stages of four blocks x + W x."""
    size = [3 * CLASSES, 1, 1]
    slabs = [{"t": "1..4", "h1": {"h1": "C1+I"}}, {"t": 5, "h1": {"h2": "I"}}, {"t": "6..9", "h2": {"h2": "C1+I"}}]
    spec = {"graphnet": 1, "input": {"shape": size}, "states": {"h1": size, "h2": size}, "transitions": slabs}
    spec |= {"sharing": {"over_time": False}, "post_net": {"ops": "GL", "classes": CLASSES}, "readout": {"t": 9}}
    net = graphnet.compile(spec).double()
    with torch.no_grad():
        for state, times, matrices in (("h1", FIRST, one), ("h2", SECOND, two)):
            for t, matrix in zip(times, matrices, strict=True):
                net.get_parameter(f"{state}.from_{state}.conv1.t{t}.weight").copy_(matrix[:, :, None, None])
        net.get_parameter("post_net.linear1.weight").copy_(copy_of(C, A)[:CLASSES])
        net.get_parameter("post_net.linear1.bias").copy_(torch.tensor([THRESHOLD, 0, 0, 0]))
    return net


def measured(net: nn.Module, **more: Any) -> IterativeConvergence:
    return iterative_convergence(net, [(IMAGES, LABELS)], **{"more": MORE, "samples": 20} | more)


def errors(found: IterativeConvergence, kind: str) -> list[list[float]]:
    return [stage.errors(kind).tolist() for stage in found.stages]


def estimates(found: IterativeConvergence, kind: str) -> list[float]:
    index = found.indices[kind]
    assert index.average.estimate == pytest.approx(np.mean([each.estimate for each in index.stages]), abs=EXACT)
    return [each.estimate for each in index.stages]


def approx(*values: float) -> Any:
    return pytest.approx(list(values), abs=EXACT)


def test_a_net_that_finishes_in_the_first_block() -> None:
    one, two = copy_of(A, B), copy_of(B, C)
    found = measured(of_matrices([one, *[NOTHING] * 3], [two, *[NOTHING] * 3]))
    assert [stage.state for stage in found.stages] == ["h1", "h2"]
    assert (found.final_error, found.chance) == (0, CHANCE)
    assert errors(found, "convergence") == [[CHANCE, 0, 0, 0, 0]] * 2
    assert errors(found, "recurrence") == [[CHANCE, 0, 0, 0]] * 2
    assert errors(found, "divergence") == [[0] * (MORE + 1)] * 2
    assert estimates(found, "convergence") == approx(1, 1)
    assert estimates(found, "recurrence") == approx(2 / 3, 2 / 3)
    assert estimates(found, "divergence") == approx(0, 0)


def test_at_chance_until_the_last_block() -> None:
    one, two = copy_of(A, B), copy_of(B, C)
    found = measured(of_matrices([*[NOTHING] * 3, one], [*[NOTHING] * 3, two]))
    assert errors(found, "convergence") == [[CHANCE] * 4 + [0]] * 2
    assert errors(found, "recurrence") == [[0, 0, 0, CHANCE]] * 2
    assert estimates(found, "convergence") == approx(0, 0)
    assert estimates(found, "recurrence") == approx(2, 2)


def test_a_linear_recurrence() -> None:
    """Each block adds a quarter. At amplitude 1 three are enough, at 0.7 all four are needed."""
    found = measured(of_matrices([copy_of(A, B, 1 / BLOCKS)] * 4, [copy_of(B, C, 1 / BLOCKS)] * 4))
    assert found.final_error == 0
    assert errors(found, "recurrence") == [[3 / 8] * 4] * 2
    assert errors(found, "convergence") == [[6 / 8, 6 / 8, 6 / 8, 3 / 8, 0]] * 2
    assert estimates(found, "recurrence") == approx(1, 1)
    assert estimates(found, "convergence") == approx(*[1 - (1 + 1 + 0.5) / 3] * 2)
    assert found.indices["recurrence"].average.low == pytest.approx(1, abs=EXACT)
    assert found.indices["recurrence"].average.high == pytest.approx(1, abs=EXACT)


def test_a_fixed_point_does_not_diverge() -> None:
    """Every block of the second stage sets c = b."""
    found = measured(of_matrices([copy_of(A, B) - copy_of(B, B)] * 4, [copy_of(B, C) - copy_of(C, C)] * 4))
    assert errors(found, "divergence") == [[0] * (MORE + 1)] * 2
    assert estimates(found, "divergence") == approx(0, 0)
    assert estimates(found, "convergence") == approx(1, 1)


def test_an_iteration_that_is_not_done_yet_gets_better_when_it_goes_on() -> None:
    """Each block moves b a quarter of the way to a: at amplitude 0.7 it exceeds 0.6 only after seven blocks."""
    one = copy_of(A, B, 0.25) + copy_of(B, B, -0.25)
    found = measured(of_matrices([one] * 4, [copy_of(B, C) - copy_of(C, C)] * 4))
    assert errors(found, "divergence") == [[3 / 8, 3 / 8, 3 / 8, 0], [3 / 8] * 4]
    assert estimates(found, "divergence") == approx(-1 / 3, 0)


def test_a_net_that_diverges_at_the_first_repetition() -> None:
    """The last block overwrites c by b, and b by nothing."""
    last = copy_of(B, C) - copy_of(C, C) - copy_of(B, B)
    found = measured(of_matrices([copy_of(A, B), *[NOTHING] * 3], [*[NOTHING] * 3, last]), more=5)
    assert errors(found, "divergence") == [[0] * 6, [0] + [CHANCE] * 5]
    assert estimates(found, "divergence") == approx(0, 1)
    assert found.indices["divergence"].average.estimate == pytest.approx(0.5, abs=EXACT)


def test_chance_may_be_given() -> None:
    net = of_matrices([copy_of(A, B, 1 / BLOCKS)] * 4, [copy_of(B, C, 1 / BLOCKS)] * 4)
    found = measured(net, chance=0.5)
    assert found.chance == 0.5
    assert estimates(found, "convergence") == approx(*[1 - (1.5 + 1.5 + 0.75) / 3] * 2)


def test_some_stages_only() -> None:
    net = of_matrices([copy_of(A, B), *[NOTHING] * 3], [*[NOTHING] * 3, copy_of(B, C)])
    both, last, other_way = measured(net), measured(net, states=["h2"]), measured(net, states=("h2", "h1"))
    assert [stage.state for stage in last.stages] == ["h2"]
    assert estimates(last, "convergence") == estimates(both, "convergence")[1:]
    assert [stage.state for stage in other_way.stages] == ["h2", "h1"]
    assert estimates(other_way, "convergence") == estimates(both, "convergence")[::-1]


def test_images_with_several_labels() -> None:
    """An image is correct if its two classes are the two most likely ones; chance is one pair in six."""
    net = of_matrices([copy_of(A, B), *[NOTHING] * 3], [*[NOTHING] * 3, copy_of(B, C)])
    with torch.no_grad():
        net.get_parameter("post_net.linear1.bias").copy_(torch.tensor([0.3, 0.2, 0.1, 0.0]))  # at first: 0 and 1
    pairs = [(j, k) for j in range(CLASSES) for k in range(j)]
    images, labels = torch.zeros(6, 3 * CLASSES, 1, 1, dtype=torch.float64), torch.zeros(6, CLASSES, dtype=torch.int64)
    for number, pair in enumerate(pairs):
        images[number, list(pair)] = 1
        labels[number, list(pair)] = 1
    found = iterative_convergence(net, [(images, labels)], more=MORE, samples=20)
    assert found.chance == pytest.approx(1 - 1 / 6, abs=EXACT)
    assert errors(found, "convergence") == [approx(5 / 6, 0, 0, 0, 0), approx(5 / 6, 5 / 6, 5 / 6, 5 / 6, 0)]
    assert estimates(found, "convergence") == approx(1, 0)
    assert errors(found, "convergence") == errors(
        iterative_convergence(net, [(images, labels.double())], more=MORE, samples=20), "convergence"
    )
    labels[0] = torch.tensor([1, 0, 0, 0])  # of one label: one of four
    mixed = iterative_convergence(net, [(images[:2], labels[:2]), (images[2:], labels[2:])], more=MORE, samples=20)
    assert mixed.chance == pytest.approx(1 - (1 / 4 + 5 / 6) / 6, abs=EXACT)


def test_wrong_arguments() -> None:
    logits = torch.tensor([[3.0, 2, 1], [3, 2, 1], [1, 2, 3]])
    assert is_wrong(logits, torch.tensor([0, 1, 2])).tolist() == [False, True, False]
    assert is_wrong(logits, torch.tensor([[1, 1, 0], [1, 0, 1], [0, 0, 1]])).tolist() == [False, True, False]
    assert is_wrong(logits, torch.tensor([[1, 1, 1], [0, 0, 0], [1, 1, 0]])).tolist() == [False, False, True]


# Nets of any kind, against each perturbed net run separately

SHAPE = [3, 6, 6]
PHOTOS, KINDS_SEEN = random(40, 2, 6, 6, seed=1), torch.arange(40) % 5


def staged(own: Any = "BRC+I", t: Any = 8, **changes: Any) -> nn.Module:
    """Four blocks and three, with random weights, statistics and affine parts."""
    slabs = [{"t": "1..4", "h1": {"h1": own}}, {"t": 5, "h1": {"h2": "BRC"}}, {"t": "6..8", "h2": {"h2": own}}]
    spec: dict[str, Any] = {"graphnet": 1, "input": {"shape": [2, 6, 6]}, "transitions": slabs, "readout": {"t": t}}
    spec |= {"states": {"h1": SHAPE, "h2": [4, 3, 3]}, "pre_net": {"ops": "CB"}}
    net = graphnet.compile(spec | {"post_net": {"ops": "BRGL", "classes": 5}} | changes).double().eval()
    for seed, (name, tensor) in enumerate(net.state_dict().items()):
        if "singular_vector" not in name:
            values = random(*tensor.shape, seed=seed)
            tensor.copy_(0.3 + values.abs() if name.endswith("running_var") else 0.5 * values)
    return net


def own_answers(net: nn.Module) -> Tensor:
    """Labels that the net predicts, except for every fifth image, so that it is better than chance."""
    with torch.no_grad():
        found = net(PHOTOS)
    logits = found if isinstance(found, Tensor) else found[max(found)]
    labels = logits.argmax(1)
    labels[::5] = (labels[::5] + 1) % 5
    return labels


VARIANTS: dict[str, dict[str, Any]] = {
    "tied": {},
    "untied": {"sharing": {"over_time": False}},
    "affine per time": {"norm": {"affine": "per-time"}},
    "all shared": {"norm": {"affine": "shared", "statistics": "shared"}},
    "first value, bounded": {"own": {"ops": "BRC+I0", "lipschitz": 0.5, "gain": {"learn": True}}},
    "several readouts": {"t": [5, 7, 8]},
    "averaged readouts": {"readout": {"t": [7, 8], "combine": "mean"}},
    "cumulative readouts": {"readout": {"t": [7, 8], "combine": "cumulative"}},
    "summed readouts": {"readout": {"t": [7, 8], "combine": "cumulative-sum"}},
    "coupled": {"sharing": {"sets": [{"members": ["h1->h1"], "coupling": 0.5}]}},
}


def last_of(output: Any) -> Tensor:
    last: Tensor = output if isinstance(output, Tensor) else output[max(output)]
    return last


@pytest.mark.parametrize("variant", VARIANTS)
def test_curves_are_those_of_each_perturbed_net_by_itself(variant: str) -> None:
    net = staged(**VARIANTS[variant])
    labels = own_answers(net)
    found = iterative_convergence(net, [(PHOTOS, labels)], more=MORE, samples=10)
    assert found.final_error == pytest.approx(8 / 40)
    for stage, blocks in zip(found.stages, (4, 3), strict=True):
        name = stage.state
        edits = {
            "convergence": [ReadOutEarly(name, b) for b in range(blocks + 1)],
            "recurrence": [DropBlock(name, b) for b in range(1, blocks + 1)],
            "divergence": [RepeatLastBlock(name, m) for m in range(MORE + 1)],
        }
        for kind, each in edits.items():
            with torch.no_grad():
                wanted = [(last_of(graphnet.perturb(net, edit)(PHOTOS)).argmax(1) != labels).numpy() for edit in each]
            assert np.array_equal(getattr(stage, kind), np.stack(wanted)), (name, kind)
            curve = KINDS[kind](stage.errors(kind), chance=0.8, final=0.2)
            assert found.indices[kind].stages[name == "h2"].estimate == pytest.approx(curve, abs=EXACT)
    assert len({stage.convergence.tobytes() for stage in found.stages}) == 2


@pytest.mark.parametrize("sizes", [(1,) * 40, (7, 7, 7, 7, 7, 5), (39, 1)], ids=str)
def test_batches_of_any_sizes_give_the_same(sizes: tuple[int, ...]) -> None:
    net = staged()
    labels = own_answers(net)
    whole = iterative_convergence(net, [(PHOTOS, labels)], more=MORE, samples=10)
    parts = zip(PHOTOS.split(list(sizes)), labels.split(list(sizes)), strict=True)
    found = iterative_convergence(net, parts, more=MORE, samples=10)
    assert np.array_equal(found.final, whole.final)
    for one, other in zip(found.stages, whole.stages, strict=True):
        for kind in KINDS:
            assert np.array_equal(getattr(one, kind), getattr(other, kind))
    assert found.indices == whole.indices
    assert found.chance == pytest.approx(whole.chance, abs=EXACT)


def test_the_net_is_measured_in_evaluation_mode_and_stays_as_it_is() -> None:
    net = staged()
    labels = own_answers(net)
    wanted = iterative_convergence(net, [(PHOTOS, labels)], more=1, samples=10).indices
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    chance = torch.get_rng_state()
    found = iterative_convergence(net.train(), [(PHOTOS, labels)], more=1, samples=10)
    assert net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert torch.equal(torch.get_rng_state(), chance)
    assert found.indices == wanted


def test_the_seed_is_that_of_the_bootstrap() -> None:
    net = staged()
    batches = [(PHOTOS, own_answers(net))]
    found = [iterative_convergence(net, batches, more=1, samples=50, seed=seed).indices for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    assert found[0]["convergence"].average.estimate == found[2]["convergence"].average.estimate


# Computation


class Convolutions(TorchFunctionMode):
    """Counts convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.conv2d
        return func(*args, **(kwargs or {}))


def test_common_beginnings_of_nets_are_computed_once() -> None:
    """Nets are sequences of convolutions; common beginnings form a tree."""
    one, two = "abcd", "xyz"
    nets = {one + "/" + two}
    for before, blocks, after in (("", one, "/" + two), (one + "/", two, "")):
        nets |= {before + blocks[:b] + after for b in range(len(blocks) + 1)}
        nets |= {before + blocks[:b] + blocks[b + 1 :] + after for b in range(len(blocks))}
        nets |= {before + blocks + m * blocks[-1] + after for m in range(MORE + 1)}
    tree = {"P" + net[:end] for net in nets for end in range(len(net) + 1)}
    for variant in ({"sharing": {"over_time": False}}, {}):  # statistics differ by time
        net = staged(**variant)
        batches = list(zip(PHOTOS.split(20), own_answers(net).split(20), strict=True))
        with Convolutions() as counted:
            iterative_convergence(net, batches, more=MORE, samples=2)
        assert counted.count == 2 * len(tree)


def test_equal_blocks_share_applications() -> None:
    """With shared statistics, dropping any block equals an earlier readout, repeating one a later readout."""
    net = staged(norm={"affine": "shared", "statistics": "shared"})
    batches = [(PHOTOS, own_answers(net))]
    with Convolutions() as counted:
        found = iterative_convergence(net, batches, more=MORE, samples=2)
    blocks = 4 + MORE  # of h1, 0 to 7 of which a step and three blocks of h2 come after
    assert counted.count == 1 + blocks + 4 * (blocks + 1) + MORE
    for stage in found.stages:
        assert (stage.recurrence == stage.convergence[-2]).all()
        assert np.array_equal(stage.divergence[0], stage.convergence[-1])
    assert [each.estimate for each in found.indices["recurrence"].stages] == approx(1, 1)


def plan_alone(net: nn.Module) -> Merged:
    merged = Merged()
    plan = net.meta["plan"]
    merged.add(plan, {tensor.name: tensor.name for tensor in plan.tensors})
    return merged


def test_a_net_merged_with_itself_is_itself() -> None:
    net = staged()
    merged = plan_alone(net)
    count = len(merged.lines)
    plan = net.meta["plan"]
    merged.add(plan, {tensor.name: tensor.name for tensor in plan.tensors})
    assert len(merged.lines) == count == sum(line.op.kind != "value" for line in plan.lines)
    assert merged.outputs[0] == merged.outputs[1]
    values = run(merged.lines, tensors_of(net), {IMAGE: PHOTOS}, set(merged.outputs))
    with torch.no_grad():
        close(values[merged.outputs[0]], net(PHOTOS))


def test_noise_is_drawn_for_every_transition() -> None:
    """Two arrows with the same function of the same value have separate noise."""
    noisy = {"ops": "I", "noise": 1.0}
    slabs = [{"t": 1, "h": {"f": noisy, "g": noisy}}, {"t": 2, "f": {"k": "I"}, "g": {"k": {"ops": "I", "gain": -1}}}]
    states = {name: [2, 3, 3] for name in "hfgk"}
    spec = {"graphnet": 1, "input": {"shape": [2, 3, 3]}, "states": states, "transitions": slabs, "readout": {"t": 2}}
    net = graphnet.compile(spec)
    images = torch.zeros(3, 2, 3, 3)
    assert bool(net(images).any())
    merged = plan_alone(net)
    assert sum(line.op.kind == "noise" for line in merged.lines) == 2
    assert bool(run(merged.lines, {}, {IMAGE: images}, set(merged.outputs))[merged.outputs[0]].any())


def test_parts_of_a_net_are_run() -> None:
    net = staged()
    lines, tensors, read = net.meta["plan"].lines, tensors_of(net), "h1_t4"
    (_, output) = net.meta["plan"].outputs[-1]
    before = without_unread(lines, {read}, acting=False)
    assert {line.t for line in before} <= {0, 1, 2, 3, 4}
    given = run(before, tensors, {IMAGE: PHOTOS}, {read, IMAGE})
    after = [line for line in without_unread(lines, {output}, acting=False) if line not in before]
    result = run(after, tensors, {read: given[read]}, {output, read})
    with torch.no_grad():
        close(result[output], net(PHOTOS))
    assert torch.equal(result[read], given[read])
    assert not result[output].requires_grad
    assert torch.equal(given[IMAGE], PHOTOS)


# Refusals


def test_refusals() -> None:
    net = staged()
    batches = [(PHOTOS, own_answers(net))]
    with pytest.raises(EditError, match="'h3' is no stage\n  stages: h1, h2"):
        iterative_convergence(net, batches, states=["h1", "h3"])
    with pytest.raises(EditError, match="not compiled by graphnet"):
        iterative_convergence(nn.Linear(2, 2), batches)
    with pytest.raises(ValueError, match="no images"):
        iterative_convergence(net, [])
    with pytest.raises(ValueError, match="at least 2 errors"):
        iterative_convergence(net, batches, more=0)
    with pytest.raises(ValueError, match=r"the final error is at chance, 0\.75"):
        measured(of_matrices([NOTHING] * 4, [NOTHING] * 4))


def test_nets_without_stages_are_refused() -> None:
    spec = {"graphnet": 1, "input": {"shape": SHAPE}, "states": {"h": SHAPE}, "readout": {"t": 1}}
    spec |= {"post_net": {"ops": "GL", "classes": 5}}
    for ops in ({"h": {"h": "C+I"}}, {}):
        net = graphnet.compile(spec | {"transitions": [ops] if ops else [], "readout": {"t": 1 if ops else 0}})
        with pytest.raises(EditError, match="no stages"):
            iterative_convergence(net, [(random(2, *SHAPE, seed=1), torch.zeros(2, dtype=torch.int64))])
        with pytest.raises(EditError, match="'h' is no stage\n  stages: none"):
            iterative_convergence(net, [], states=["h"])


def test_no_stages_asked_for() -> None:
    with pytest.raises(EditError, match="no stage"):
        iterative_convergence(staged(), [(PHOTOS, KINDS_SEEN)], states=[])


def test_guessing() -> None:
    labels = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0]])
    assert curves._chance(4, labels) == pytest.approx(1 - (1 / math.comb(4, 2) + 1 / 4) / 2, abs=EXACT)
