"""The layers of nets: classes and names, calls, refusals, and the mode of each norm."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

import graphnet
from graphnet import zoo
from graphnet.planning.holders import LAYERS
from tests.small import small, statistics

FORMS = [(0, False), (0, True), (1, False), (1, True), (2, False), (2, True)]
IMAGES = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)).double()
LABELS = torch.arange(6) % 3
CLASSES = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)


# ---- modules


def test_every_tensor_of_a_layer_is_in_a_module_of_its_class() -> None:
    net = graphnet.compile(small(norm={"affine": "shared"}))
    kinds = {name: type(module).__name__ for name, module in net.named_modules()}
    assert kinds["h1.from_h1.conv1"] == "Conv2d"
    assert kinds["h1.from_h2.deconv1"] == "ConvTranspose2d"
    assert kinds["post_net.linear1"] == "Linear"
    assert kinds["h1.from_h1.norm1.t2"] == "BatchNorm2d"
    assert not net.h1.from_h1.norm1.t2.affine
    assert [name for name, _ in net.h1.from_h1.norm1.named_parameters()] == ["weight", "bias"]
    conv = net.h2.from_h1.conv1
    assert (conv.in_channels, conv.out_channels, conv.stride, conv.padding) == (4, 6, (2, 2), (1, 1))


@pytest.mark.parametrize("name", sorted(zoo.names()))
def test_layers_of_the_zoo_take_what_the_plan_says(name: str) -> None:
    """Each layer of a plan has a class of torch.nn, and tensor names are the plan's."""
    plan = graphnet.plan(zoo.path(name))
    net = graphnet.compile(zoo.path(name))
    assert set(net.state_dict()) == {tensor.name for tensor in plan.tensors}
    used = {each.rpartition(".")[0] for line in plan.lines if line.op.kind in LAYERS for each in line.tensors[:1]}
    for place in used:
        assert type(net.get_submodule(place)).__module__.startswith("torch.nn.modules"), place


SHARED_GEOMETRY: dict[str, Any] = {
    "graphnet": 1,
    "input": {"shape": [2, 8, 8]},
    "states": {"h1": [2, 8, 8], "h2": [2, 4, 4], "h3": [2, 8, 8]},
    "transitions": [{"h1": {"h1": "C+I", "h2": "C"}, "h2": {"h2": "C+I", "h3": "D"}, "h3": {"h3": "C+I"}}],
    "sharing": {"sets": [{"members": ["h1->h1", "h1->h2"]}]},
    "readout": {"t": 4, "state": "h3"},
}


@pytest.mark.parametrize(("level", "stepwise"), FORMS)
def test_a_weight_of_several_geometries_belongs_to_the_layer_that_it_is_named_after(level: int, stepwise: bool) -> None:
    net = graphnet.compile(SHARED_GEOMETRY, optimize=level, stepwise=stepwise).double()
    layer = net.h1.from_h1.conv1
    assert isinstance(layer, nn.Conv2d)
    assert layer.stride == (1, 1)
    images = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    wanted = graphnet.compile(SHARED_GEOMETRY, optimize=1).double()(images)
    close(net(images), wanted)
    calls: list[int] = []
    handle = layer.register_forward_hook(lambda *given: calls.append(1))
    if level == 0:
        net(images)
        uses = [line for line in net.meta["plan"].lines if line.op.kind == "conv" and line.place == "h1.from_h1"]
        assert len(calls) == len(uses) > 1
    else:
        with pytest.raises(RuntimeError, match="compile with optimize=0"):
            net(images)
    handle.remove()
    prune.l1_unstructured(layer, "weight", 0.5)
    with pytest.raises(RuntimeError, match="compile with optimize=0" if level else "another function also uses"):
        net(images)
    prune.remove(layer, "weight")
    net(images)


def test_loading_ignores_what_batch_norms_count() -> None:
    net = graphnet.compile(small())
    norm = net.h1.from_h1.norm1.t2
    assert "num_batches_tracked" not in "".join(net.state_dict())
    norm.load_state_dict(nn.BatchNorm2d(4, affine=False).state_dict())
    norm.load_state_dict(norm.state_dict())
    with pytest.raises(RuntimeError, match="other"):
        norm.load_state_dict(norm.state_dict() | {"other": torch.zeros(1)})


def test_functions_that_differ_from_time_to_time_have_layers_of_their_own() -> None:
    slabs = [{"t": 1, "h1": {"h1": "BRC", "h2": "C"}}, {"t": "2..inf", "h1": {"h1": [{"conv": {"bias": True}}]}}]
    spec = small(*slabs, {"t": "2..inf", "h2": {"h2": "I"}, "h1": {"h2": "C"}}, sharing={"over_time": False})
    for level in (0, 1, 2):
        net = graphnet.compile(spec, optimize=level).double()
        assert not any(tensor.is_meta for tensor in (*net.parameters(), *net.buffers()))
        assert net.h1.from_h1.conv1.t1.bias is None
        assert net.h1.from_h1.conv1.t2.bias is not None
        close(net(IMAGES), graphnet.compile(spec, optimize=2).double()(IMAGES))


def test_many_nets_are_compiled_by_torch_in_one_process() -> None:
    """torch limits recompilations per code object, so each net has a separate one."""
    for seed in range(10):
        net = graphnet.compile(small(), seed=seed).eval()
        made = torch.compile(net, backend="eager", fullgraph=True)(IMAGES.float())
        close(made, net(IMAGES.float()), 1e-5)


# ---- calls


@pytest.mark.parametrize("stepwise", [False, True])
@pytest.mark.parametrize("affine", ["none", "shared", "per-time"])
def test_level_0_calls_each_layer_as_often_as_the_plan_uses_it(affine: str, stepwise: bool) -> None:
    net = graphnet.compile(small(norm={"affine": affine}), optimize=0, stepwise=stepwise)
    calls: Counter[str] = Counter()
    for name, module in net.named_modules():
        if isinstance(module, CLASSES):
            module.register_forward_hook(lambda *given, name=name: calls.update([name]))
    net(IMAGES.float())
    lines = net.meta["plan"].lines
    assert calls == Counter(line.tensors[0].rpartition(".")[0] for line in lines if line.op.kind in LAYERS)


def spoil_hook(net: Any) -> None:
    net.h1.from_h1.conv1.register_forward_pre_hook(lambda *given: None)


def spoil_backward_hook(net: Any) -> None:
    net.h1.from_h1.norm1.t2.register_full_backward_hook(lambda *given: None)


def spoil_hook_above(net: Any) -> None:
    net.h1.from_h1.register_forward_hook(lambda *given: None)


def spoil_class(net: Any) -> None:
    net.h1.from_h1.conv1.__class__ = type("Mine", (nn.Conv2d,), {})


def spoil_module(net: Any) -> None:
    net.h1.from_h1.conv1 = nn.Conv2d(4, 4, 3, padding=2, dilation=2, bias=False)


def spoil_module_above(net: Any) -> None:
    net.h1 = copy.deepcopy(net.h1)
    net.h1.from_h1.conv1.stride = (2, 2)


def spoil_setting(net: Any) -> None:
    net.h2.from_h1.norm1.t1.eps = 1e-3


def spoil_momentum(net: Any) -> None:
    net.h2.from_h1.norm1.t1.momentum = None


def spoil_by_leaving_out(net: Any) -> None:
    del net.h1.from_h1.conv1


SPOILERS = [each for name, each in list(globals().items()) if name.startswith("spoil_")]


@pytest.mark.parametrize("ran", [False, True], ids=["at first", "after a pass"])
@pytest.mark.parametrize("stepwise", [False, True])
@pytest.mark.parametrize("spoil", SPOILERS)
def test_changes_without_effect_are_refused(spoil: Callable[[Any], None], stepwise: bool, ran: bool) -> None:
    net = graphnet.compile(small(), stepwise=stepwise).double()
    if ran:
        net(IMAGES)
        net(IMAGES)
    spoil(net)
    for call in (net, net.step):
        with pytest.raises(RuntimeError, match=r"optimize=0|no longer has"):
            call(IMAGES)


def test_a_copy_does_not_take_the_layers_of_another_for_its_own() -> None:
    net = graphnet.compile(small()).double()
    net(IMAGES)
    for other in (copy.copy(net), copy.deepcopy(net)):
        other.h1 = copy.deepcopy(net.h1)
        spoil_hook(other)
        net(IMAGES)
        with pytest.raises(RuntimeError, match="optimize=0"):
            other(IMAGES)


# ---- modes


@pytest.mark.parametrize(("level", "stepwise"), FORMS[1:])
@pytest.mark.parametrize("frozen", ["h1", "h2", "h2.from_h1", "h1.from_h1.norm1.t2", "post_net"])
def test_each_norm_s_own_mode_decides(frozen: str, level: int, stepwise: bool) -> None:
    """Outputs, gradients and statistics equal those of level 0, which calls `nn.BatchNorm2d`."""
    spec = small({"h1": {"h1": "BRC+I", "h2": "BRC"}, "h2": {"h1": "BRD", "h2": "BRC+I"}}, readout={"t": 4})
    nets = [graphnet.compile(spec, optimize=0, stepwise=False).double()]
    nets.append(graphnet.compile(spec, optimize=level, stepwise=stepwise).double())
    for net in nets:
        for number, buffer in enumerate(statistics(net).values()):
            buffer.add_(torch.rand(buffer.shape, generator=torch.Generator().manual_seed(number)).double())
        net.train().get_submodule(frozen).eval()
    before = {name: value.clone() for name, value in statistics(nets[1]).items()}
    outputs = [net(IMAGES) for net in nets]
    for output in outputs:
        F.cross_entropy(output, LABELS).backward()
    close(outputs[1], outputs[0])
    gradients = [{name: p.grad for name, p in net.named_parameters()} for net in nets]
    largest = max(float(each.abs().max()) for each in gradients[0].values() if each is not None)
    for name, gradient in gradients[0].items():
        other = gradients[1][name]
        assert gradient is not None
        assert other is not None
        assert float((gradient - other).abs().max()) <= 1e-10 * largest
    after, wanted = statistics(nets[1]), statistics(nets[0])
    for name, value in after.items():
        close(value, wanted[name])
        assert torch.equal(value, before[name]) == name.startswith(f"{frozen}."), name


def close(a: Tensor, b: Tensor, tolerance: float = 1e-10) -> None:
    assert float((a - b).detach().abs().max()) <= tolerance * float(b.detach().abs().max())


# ---- against a net by hand


WIRED: dict[str, Any] = small({"h1": {"h1": "BRC+I", "h2": "BRC"}, "h2": {"h2": "BRC+I"}}, readout={"t": 3})


class Hand(nn.Module):
    """The same net by hand, with the same names."""

    def __init__(self) -> None:
        super().__init__()
        places = {"pre_net": nn.Module(), "h1": nn.Module(), "h2": nn.Module(), "post_net": nn.Module()}
        for name, place in places.items():
            self.add_module(name, place)
        self.pre_net.conv1 = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.h1.from_h1 = _block(4, 4, 1, (1, 2))
        self.h2.from_h1 = _block(4, 6, 2, (1, 2, 3))
        self.h2.from_h2 = _block(6, 6, 1, (2, 3))
        self.post_net.norm1 = nn.Module()
        self.post_net.norm1.t3 = nn.BatchNorm2d(6, affine=False)
        self.post_net.linear1 = nn.Linear(6, 3)

    def forward(self, image: Tensor) -> Tensor:
        h1, h2 = self.pre_net.conv1(image), None
        for t in (1, 2, 3):
            new = _run(self.h2.from_h1, h1, t)
            if h2 is not None:
                new = new + (_run(self.h2.from_h2, h2, t) + h2)
            if t < 3:
                h1 = _run(self.h1.from_h1, h1, t) + h1
            h2 = new
        x = torch.relu(self.post_net.norm1.t3(h2))
        made: Tensor = self.post_net.linear1(x.mean(dim=(2, 3)))
        return made


def _block(source: int, target: int, stride: int, times: tuple[int, ...]) -> nn.Module:
    made = nn.Module()
    made.norm1 = nn.Module()
    for t in times:
        made.norm1.add_module(f"t{t}", nn.BatchNorm2d(source, affine=False))
    made.conv1 = nn.Conv2d(source, target, 3, stride, 1, bias=False)
    return made


def _run(block: Any, x: Tensor, t: int) -> Tensor:
    made: Tensor = block.conv1(torch.relu(getattr(block.norm1, f"t{t}")(x)))
    return made


def train_with_a_spectral_norm(net: Any) -> None:
    torch.manual_seed(0)
    parametrizations.spectral_norm(net.h1.from_h1.conv1)
    _train(net, torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9))


def train_pruned(net: Any) -> None:
    prune.l1_unstructured(net.h2.from_h2.conv1, "weight", 0.5)
    _train(net, torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9))


def train_with_a_frozen_area(net: Any) -> None:
    net.h1.requires_grad_(False)
    _train(net, torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.05, momentum=0.9), net.h1)


def train_by_lbfgs(net: Any) -> None:
    _train(net, torch.optim.LBFGS(net.parameters(), lr=0.05, max_iter=2))


def _train(net: Any, optimizer: torch.optim.Optimizer, frozen: nn.Module | None = None) -> None:
    net.train()
    if frozen is not None:
        frozen.eval()

    def closure() -> float:
        optimizer.zero_grad()
        with parametrize.cached():  # compute a parametrised weight once per pass, as above level 0
            loss = F.cross_entropy(net(IMAGES), LABELS)
        loss.backward()
        return loss.item()

    for _ in range(20):
        optimizer.step(closure)


TRAININGS = [train_with_a_spectral_norm, train_pruned, train_with_a_frozen_area, train_by_lbfgs]


@pytest.mark.parametrize(("level", "stepwise"), FORMS)
@pytest.mark.parametrize("training", TRAININGS)
def test_twenty_steps_are_those_of_a_net_by_hand(training: Callable[[Any], None], level: int, stepwise: bool) -> None:
    """To 1e-8, as twenty steps amplify rounding. Pruning by hooks works only at level 0."""
    net, hand = graphnet.compile(WIRED, optimize=level, stepwise=stepwise).double(), Hand().double()
    start = {name: value.clone() for name, value in net.state_dict().items()}
    left = hand.load_state_dict(start, strict=False)
    assert not left.unexpected_keys
    assert all(name.endswith("num_batches_tracked") for name in left.missing_keys)
    if training is train_pruned and level > 0:
        with pytest.raises(RuntimeError, match="optimize=0"):
            training(net)
        return
    training(net)
    training(hand)
    trained = hand.state_dict()
    for name, value in net.state_dict().items():
        close(value, trained[name], 1e-8)
    moved = {name for name, value in net.state_dict().items() if name in start and not torch.equal(value, start[name])}
    frozen = {name for name in start if training is train_with_a_frozen_area and name.startswith("h1.")}
    assert moved == (start.keys() & net.state_dict().keys()) - frozen
    close(net.eval()(IMAGES), hand.eval()(IMAGES), 1e-8)
