"""Our specs of vision models against plain PyTorch implementations of their descriptions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn.functional import conv2d, max_pool2d, relu

import graphnet
from graphnet import zoo
from tests.conftest import ROOT
from tests.property.test_published_cells import Counter
from tests.small import statistics

PATH = f"{ROOT}/specs/vision/{{}}.toml"
TOLERANCE = 1e-10  # of the largest value of a tensor, in float64
States = dict[tuple[str, int], Tensor]  # by area (or "logits") and time
AREAS = ("V1", "V2", "V4", "IT")
conv = partial(nn.Conv2d, bias=False)


class CornetRT(nn.Module):
    """Four areas; each drives itself and the next one, one step later. Before the first step all areas are zero."""

    def __init__(self, channels: tuple[int, ...], classes: int, side: int) -> None:
        super().__init__()
        self.shapes = [(c, side // 4 // 2**k, side // 4 // 2**k) for k, c in enumerate(channels)]
        for area, below, width in zip(AREAS, (3, *channels[:-1]), channels, strict=True):
            into = nn.Conv2d(below, width, 7, 4, 3) if area == "V1" else nn.Conv2d(below, width, 3, 2, 1)
            norms = {name: nn.GroupNorm(channels[0] // 2, width) for name in ("norm_in", "norm")}
            self.add_module(area, nn.ModuleDict({"conv_in": into, "conv": conv(width, width, 3, padding=1)} | norms))
        self.readout = nn.Linear(channels[-1], classes)

    def forward(self, image: Tensor) -> States:
        states: States = {}
        for t, (k, name) in product(range(5), enumerate(AREAS)):
            area: Any = self.get_submodule(name)
            held = states[name, t - 1] if t else image.new_zeros(len(image), *self.shapes[k])
            if t or k == 0:  # at first there is no bottom-up input
                held = held + relu(area["norm_in"](area["conv_in"](states[AREAS[k - 1], t - 1] if k else image)))
            states[name, t] = relu(area["norm"](area["conv"](held)))
        return states | {("logits", t): self.readout(states["IT", t].mean((2, 3)))}


class CornetSArea(nn.Module):
    """A bottleneck applied several times, with separate batch norms; the first pass halves the map."""

    def __init__(self, below: int, width: int, times: range) -> None:
        super().__init__()
        self.entry, self.skip, self.skip_norm = conv(below, width, 1), conv(width, width, 1, 2), nn.BatchNorm2d(width)
        self.conv1, self.conv3 = conv(width, 4 * width, 1), conv(4 * width, width, 1)
        self.conv2 = conv(4 * width, 4 * width, 3)
        norms = {"1": 4 * width, "2": 4 * width, "3": width}.items()
        self.norms = nn.ModuleDict({f"t{t}": nn.ModuleDict({k: nn.BatchNorm2d(c) for k, c in norms}) for t in times})

    def forward(self, x: Tensor) -> list[Tensor]:
        held = [self.entry(x)]
        for visit, norm in enumerate(self.norms.values()):
            x = relu(norm["1"](self.conv1(held[-1])))
            x = relu(norm["2"](conv2d(x, self.conv2.weight, stride=1 if visit else 2, padding=1)))
            skip = held[-1] if visit else self.skip_norm(self.skip(held[-1]))
            held.append(relu(norm["3"](self.conv3(x)) + skip))
        return held


class CornetS(nn.Module):
    """A stem, then V2, V4 and IT in sequence, each with inner recurrence."""

    def __init__(self, channels: tuple[int, ...], classes: int, side: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv(3, channels[0], 7, 2, 3), nn.BatchNorm2d(channels[0])
        self.conv2, self.norm2 = conv(channels[0], channels[0], 3, padding=1), nn.BatchNorm2d(channels[0])
        times = (range(2, 4), range(5, 9), range(10, 12))
        self.V2, self.V4, self.IT = map(CornetSArea, channels, channels[1:], times)
        self.readout = nn.Linear(channels[-1], classes)

    def forward(self, image: Tensor) -> States:
        x = max_pool2d(relu(self.norm1(self.conv1(image))), 3, 2, 1)
        states = {("V1", 0): (x := relu(self.norm2(self.conv2(x))))}
        for name, area in (("V2", self.V2), ("V4", self.V4), ("IT", self.IT)):
            for visit, held in enumerate(area(x)):
                states[name if visit else f"{name}i", len(states)] = x = held
        return states | {("logits", 11): self.readout(x.mean((2, 3)))}


class CornetZ(nn.Module):
    """Convolution, ReLU and pooling, four times."""

    def __init__(self, channels: tuple[int, ...], classes: int, side: int) -> None:
        super().__init__()
        self.V1 = nn.Conv2d(3, channels[0], 7, 2, 3)
        self.V2, self.V4, self.IT = map(partial(nn.Conv2d, kernel_size=3, padding=1), channels[:-1], channels[1:])
        self.readout = nn.Linear(channels[-1], classes)

    def forward(self, x: Tensor) -> States:
        states: States = {}
        for t, area in enumerate(AREAS):
            states[area, t] = x = max_pool2d(relu(self.get_submodule(area)(x)), 3, 2, 1)
        return states | {("logits", 3): self.readout(x.mean((2, 3)))}


class BL(nn.Module):
    """Seven layers, each with bottom-up and lateral input, the latter from the previous step; logits accumulate."""

    def __init__(self, channels: tuple[int, ...], classes: int, side: int) -> None:
        super().__init__()
        layers = list(zip((3, *channels[:-1]), channels, (7, 5, 3, 3, 3, 3, 1), strict=True))
        self.bottom_up = nn.ModuleList(conv(below, width, k, padding=k // 2) for below, width, k in layers)
        self.lateral = nn.ModuleList(conv(width, width, k, padding=k // 2) for _, width, k in layers)
        self.norms = nn.ModuleList(nn.ModuleList(nn.BatchNorm2d(c, 1e-3, 0.01) for c in channels) for _ in range(8))
        self.readout = nn.Linear(channels[-1], classes)

    def forward(self, image: Tensor) -> States:
        states: States = {}
        for t, norms in enumerate(self.norms):
            x = image
            for k, norm in enumerate(norms):
                x = self.bottom_up[k](max_pool2d(x, 2) if k else x)
                if t:
                    x = x + self.lateral[k](states[f"L{k + 1}", t - 1])
                states[f"L{k + 1}", t] = x = relu(norm(x))
            logits = self.readout(x.mean((2, 3)))
            states["logits", t] = states["logits", t - 1] + logits if t else logits
        return states


class BLT(nn.Module):
    """A sweep from the retina to GAP in each step; lateral (L) and top-down (T) signals come from the previous step.

    V1 has weights for these too, but never receives the signals. Modules are named as in the published code.
    """

    def __init__(self, channels: tuple[int, ...], classes: int, side: int, arrows: str) -> None:
        super().__init__()
        self.retina = nn.Conv2d(3, channels[0], 3, padding=1)
        for k, area in enumerate(AREAS):
            below, width, *above = channels[k:]
            weights: dict[str, nn.Module] = {"bottom_up": conv(below, width, 3, padding=1)}
            if "L" in arrows:
                weights["lateral"] = conv(width, width, 3, padding=1)
            if "T" in arrows and above:
                weights["top_down"] = nn.ConvTranspose2d(above[0], width, 3, 2, 1, 1, bias=False)
            self.add_module(area.lower(), nn.ModuleDict(weights))
            self.add_module(f"{area.lower()}_ln", nn.LayerNorm([width, side // 2**k, side // 2**k]))
        lateral = {"lateral": nn.Linear(channels[-1], channels[-1], bias=False)} if "L" in arrows else {}
        self.gap, self.gap_ln = nn.ModuleDict(lateral), nn.LayerNorm(channels[-1])
        self.readout = nn.Linear(channels[-1], classes)

    def forward(self, image: Tensor) -> States:
        states: States = {}
        for t in range(10):
            states["retina", t] = x = relu(self.retina(image))
            for area, above in zip((*AREAS, "GAP"), (*AREAS[1:], "", ""), strict=True):
                weights: Any = self.get_submodule(area.lower())
                x = x.mean((2, 3)) if area == "GAP" else weights["bottom_up"](x if area == "V1" else max_pool2d(x, 2))
                for arrow, source in (("lateral", area), ("top_down", above)):
                    if t and area != "V1" and arrow in weights:
                        x = x + weights[arrow](states[source, t - 1])
                states[area, t] = x = relu(self.get_submodule(f"{area.lower()}_ln")(x))
            states["logits", t] = self.readout(x)
        return states


class MultiplicativeBLT(nn.Module):
    """Areas with bottom-up drive times lateral and top-down signals; arrows between areas take a step."""

    def __init__(self, channels: tuple[int, ...], classes: int, side: int) -> None:
        super().__init__()
        self.retina_conv, self.retina_norm = nn.Conv2d(3, channels[0], 3, 1, 1), nn.GroupNorm(channels[0], channels[0])
        self.bottom_up, self.lateral, self.top_down, self.norm = (nn.ModuleDict() for _ in range(4))
        for k, area in enumerate(AREAS):
            below, width, *above = channels[k:]
            self.bottom_up[area] = nn.Conv2d(below, width, 3, padding=1)
            self.lateral[area] = conv(width, width, 3, padding=1)
            self.norm[area] = nn.LayerNorm([width, side // 2**k, side // 2**k])
            if above:
                self.top_down[area] = nn.ConvTranspose2d(above[0], width, 3, 2, 1, 1, bias=False)
        self.readout = nn.Linear(channels[-1], classes)

    def forward(self, image: Tensor) -> States:
        states: States = {}
        for t in range(10):
            before = {area: value for (area, then), value in states.items() if then == t - 1}
            states["retina", t] = relu(self.retina_norm(self.retina_conv(image)))
            for below, area, above in zip(("retina", *AREAS), AREAS, (*AREAS[1:], ""), strict=False):
                if below in before:
                    x = self.bottom_up[area](before[below] if area == "V1" else max_pool2d(before[below], 2))
                    arrows = ((self.lateral, area), (self.top_down, above))
                    back = sum(arrow[area](before[held]) for arrow, held in arrows if area in arrow and held in before)
                    states[area, t] = relu(self.norm[area](x * (1 + back)))
            if "IT" in before:
                states["GAP", t] = before["IT"].mean((2, 3))
        return states | {("logits", t): self.readout(states["GAP", t])}


READOUT = {r"post_net\.linear1\.(\w+)": r"readout.\1"}
RT_NAMES = READOUT | {
    r"pre_net\.(conv|norm)1\.(\w+)": r"V1.\1_in.\2",
    r"(\w+)\.from_\w+\.(conv|norm)1\.(\w+)": r"\1.\2_in.\3",
    r"(\w+)\.update\.(conv|norm)1\.(\w+)": r"\1.\2.\3",
}
S_NAMES = READOUT | {
    r"pre_net\.(conv\d|norm\d)(?:\.t0)?\.(\w+)": r"\1.\2",
    r"(\w+)i\.from_\w+\.conv1\.weight": r"\1.entry.weight",
    r"(\w+)\.from_\1i\.(conv\d|skip)(?:\.conv1)?\.weight": r"\1.\2.weight",
    r"(\w+)\.from_\1i\.skip\.norm1\.t\d+\.(\w+)": r"\1.skip_norm.\2",
    r"(\w+)\.from_\1i?\.norm(\d)\.(t\d+)\.(\w+)": r"\1.norms.\3.\2.\4",
}
Z_NAMES = READOUT | {r"pre_net\.conv1\.(\w+)": r"V1.\1", r"(\w+)\.from_\w+\.conv1\.(\w+)": r"\1.\2"}
BL_NAMES = READOUT | {r"pre_net\.conv1\.weight": "bottom_up.0.weight"}
for layer in range(1, 8):
    BL_NAMES[rf"L{layer}\.from_L{layer - 1}\.conv1\.weight"] = f"bottom_up.{layer - 1}.weight"
    BL_NAMES[rf"L{layer}\.from_L{layer}\.conv1\.weight"] = f"lateral.{layer - 1}.weight"
    BL_NAMES[rf"L{layer}\.update\.norm1\.t(\d)\.(\w+)"] = rf"norms.\1.{layer - 1}.\2"
MULTIPLICATIVE_NAMES = READOUT | {
    r"pre_net\.(conv|norm)1\.(\w+)": r"retina_\1.\2",
    r"(\w+)\.out\.update\.norm1\.(\w+)": r"norm.\1.\2",
    r"(\w+)(?:\.b)?\.from_(?!\1)\w+(?:\.out)?\.conv1\.(\w+)": r"bottom_up.\1.\2",
    r"(\w+)\.lt\.from_\1\.out\.conv1\.weight": r"lateral.\1.weight",
    r"(\w+)\.lt\.from_\w+\.out\.deconv1\.weight": r"top_down.\1.weight",
}
BLT_NAMES = {re.escape(ours): theirs for ours, theirs in zoo.foreign_names("blt").items()}
"""Used for the other BLT nets too, which have fewer tensors."""
UNUSED = ("v1.lateral.weight", "v1.top_down.weight")
"""Unused weights of the published BLT nets."""


CORNET = ((64, 128, 256, 512), 1000, 224)
BLT_NET = ((32, 64, 128, 256, 512), 100, 64)
MODELS: dict[str, tuple[Any, ...]] = {
    "cornet-rt": (CornetRT, RT_NAMES, *CORNET, 5_208_936, 8, 64),
    "cornet-s": (CornetS, S_NAMES, *CORNET, 53_416_616, 8, 64),
    "cornet-z": (CornetZ, Z_NAMES, *CORNET, 2_071_656, 8, 64),
    "bl-net": (BL, BL_NAMES, (96, 128, 192, 256, 512, 1024, 2048), 565, 128, 27_979_605, 32, 128),
    "blt": (partial(BLT, arrows="BLT"), BLT_NAMES, *BLT_NET, 7_436_260, 8, 16),
    "blt-b": (partial(BLT, arrows="B"), BLT_NAMES, *BLT_NET, 2_602_980, 8, 16),
    "blt-bl": (partial(BLT, arrows="BL"), BLT_NAMES, *BLT_NET, 5_961_700, 8, 16),
    "blt-bt": (partial(BLT, arrows="BT"), BLT_NAMES, *BLT_NET, 4_077_540, 8, 16),
    "blt-multiplicative": (MultiplicativeBLT, MULTIPLICATIVE_NAMES, *BLT_NET, 7_284_708, 8, 16),
}
"""The plain version, our names → its names; published channels, classes, image side and parameters; for the small net,
the divisor of channels, groups and classes, and the image side."""


def twins(name: str, keep_dead: bool) -> tuple[fx.GraphModule, nn.Module, dict[str, str]]:
    """Our small net, the plain one with equal random weights and statistics, and our names → its names."""
    plain, patterns, channels, classes, side, _, by, small = MODELS[name]
    spec = json.dumps(graphnet.load(PATH.format(name)).as_data())
    spec = re.sub(r'(C1?:|"groups": |"classes": |\[)(\d\d+)', lambda m: f"{m[1]}{int(m[2]) // by}", spec)
    spec = re.sub(r", (\d+)(?=[],])", lambda m: f", {int(m[1]) * small // side}", spec)
    ours = graphnet.compile(json.loads(spec), keep_dead=keep_dead).double()
    theirs = plain(tuple(width // by for width in channels), classes // by, small).double()
    target, names = theirs.state_dict(), {}
    for own, values in ours.state_dict().items():
        (names[own],) = [m.expand(other) for pattern, other in patterns.items() if (m := re.fullmatch(pattern, own))]
        values += 0.2 * torch.rand_like(values) - (0 if "running_var" in own else 0.1)
        target[names[own]].copy_(values)
    assert sorted(names.values()) == sorted(key for key in target if "num_batches" not in key and key not in UNUSED)
    return ours, theirs, names


def record(net: fx.GraphModule) -> States:
    """A record, filled as the net runs, of its areas' values; for areas of several states, the one that others read."""
    states: States = {}
    values = [line for line in net.meta["plan"].lines if line.op.kind == "value"]
    for place in {line.place for line in values if not line.place.endswith(("logits", ".b", ".lt", ".blt"))}:
        keys = iter([(place.removesuffix(".out"), line.t) for line in values if line.place == place])
        keep = net.get_submodule(f"{place}.output").register_forward_hook
        keep(lambda _module, _given, value, keys=keys: states.update({next(keys): value}))
    return states


def assert_close(a: Any, b: Any, what: Any, scale: Tensor | None = None) -> None:
    scale = b.detach().abs().max() if scale is None else scale
    assert (a - b).detach().abs().max() <= TOLERANCE * scale > 0, what


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Run with one thread: on small nets threads wait more than they compute."""
    threads = torch.get_num_threads()
    yield torch.set_num_threads(1)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("name", "keep_dead"), [*((n, False) for n in MODELS), ("cornet-rt", True), ("blt", True)])
def test_specs_are_the_published_models(name: str, keep_dead: bool, training: bool) -> None:
    """The same states, logits, gradients and running statistics."""
    torch.manual_seed(0)
    ours, theirs, names = twins(name, keep_dead)
    given = torch.randn(3, 3, *[MODELS[name][-1]] * 2, dtype=torch.float64, requires_grad=True)
    expecting = given.detach().clone().requires_grad_()
    held, found, expected = record(ours.train(training)), ours(given), theirs.train(training)(expecting)
    found = found if isinstance(found, dict) else {ours.meta["plan"].outputs[0][0]: found}
    held |= {("logits", t): value for t, value in found.items()}
    assert set(held) == {key for key in expected if key in held or keep_dead or key[0] == "logits"}
    assert {area for area, _ in held} == {area for area, _ in expected}
    for key, value in held.items():
        assert_close(value, expected[key], key)
    for states in (held, expected):
        logits = {t: value for (area, t), value in states.items() if area == "logits"}
        torch.stack([(value.square() + value).sum() / (t + 1) for t, value in logits.items()]).sum().backward()
    assert_close(given.grad, expecting.grad, "image")
    gradients: dict[str, Any] = {own: theirs.get_parameter(names[own]).grad for own, _ in ours.named_parameters()}
    largest = max(gradient.abs().max() for gradient in gradients.values())
    for own, gradient in gradients.items():
        zero = name == "blt-multiplicative" and own == "pre_net.conv1.bias"  # before a norm of each channel
        assert_close(ours.get_parameter(own).grad, gradient, own, largest if zero else None)
    for own, statistic in statistics(ours).items():
        assert_close(statistic, theirs.get_buffer(names[own]), own)


@pytest.mark.parametrize("name", MODELS)
def test_published_models_have_their_published_sizes(name: str) -> None:
    plain, _, *shape, parameters, _, _ = MODELS[name]
    with torch.device("meta"):
        sizes = {key: weights.numel() for key, weights in plain(*shape).named_parameters()}
    unused = sum(sizes.get(key, 0) for key in UNUSED)
    assert sum(sizes.values()) - unused == parameters == graphnet.plan(PATH.format(name)).parameters
    assert unused == {"blt": 110_592, "blt-bl": 36_864, "blt-bt": 73_728}.get(name, 0)


@pytest.mark.parametrize(
    ("keep_dead", "optimize", "convolutions"), [(None, 0, 37), (True, 0, 33), (False, 0, 24), (False, 2, 21)]
)
def test_convolutions_that_cornet_rt_executes(keep_dead: bool | None, optimize: int, convolutions: int) -> None:
    """Counts as published; with the held image processed once; only for the readout; without convolutions of zeros."""
    path = PATH.format("cornet-rt")
    net = CornetRT(*CORNET) if keep_dead is None else graphnet.compile(path, keep_dead=keep_dead, optimize=optimize)
    with torch.no_grad(), Counter() as counter:
        net.eval()(torch.randn(1, 3, 224, 224))
    assert counter.convolutions == convolutions
