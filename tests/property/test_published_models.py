"""Vision models as anybody would write them in PyTorch from their descriptions, against our specs of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu
from torch.utils._python_dispatch import TorchDispatchMode

import graphnet
from tests.conftest import ROOT

TOLERANCE = 1e-10
"""Of the largest value of a tensor, in float64."""

States = dict[tuple[str, int], Tensor]
"""What an area holds at a time."""
Run = tuple[dict[int, Tensor], States]
"""Logits by readout time, and the states."""


def conv(into: int, out: int, kernel: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(into, out, kernel, stride, padding=kernel // 2, bias=bias)


class CornetRT(nn.Module):
    """Four areas; each drives itself and the next one, a step later. Before the first step all areas hold zeros."""

    AREAS = ("V1", "V2", "V4", "IT")

    def __init__(self, channels: tuple[int, ...], classes: int, side: int, groups: int, steps: int = 5) -> None:
        super().__init__()
        self.steps, self.side = steps, side
        for k, (area, into, out) in enumerate(zip(self.AREAS, (3, *channels[:-1]), channels, strict=True)):
            parts = {
                "conv_in": conv(into, out, 3, 2, bias=True) if k else conv(into, out, 7, 4, bias=True),
                "norm_in": nn.GroupNorm(groups, out),
                "conv": conv(out, out, 3),
                "norm": nn.GroupNorm(groups, out),
            }
            self.add_module(area, nn.ModuleDict(parts))
        self.decoder = nn.Linear(channels[-1], classes)

    def forward(self, image: Tensor) -> Run:
        states: States = {}
        for t in range(self.steps):
            for k, name in enumerate(self.AREAS):
                area: Any = self.get_submodule(name)
                if t == 0 and k > 0:  # nothing has come from below
                    size = self.side // 4 // 2**k
                    drive = image.new_zeros(len(image), area["conv"].in_channels, size, size)
                else:
                    below = states[self.AREAS[k - 1], t - 1] if k else image
                    drive = relu(area["norm_in"](area["conv_in"](below)))
                own = states[name, t - 1] if t else torch.zeros_like(drive)
                states[name, t] = relu(area["norm"](area["conv"](drive + own)))
        return {t: self.decoder(states["IT", t].mean((2, 3)))}, states


class CornetSArea(nn.Module):
    """A bottleneck that is passed several times, with a batch norm for each time; the first halves the map."""

    def __init__(self, into: int, out: int, visits: int) -> None:
        super().__init__()
        wide = 4 * out
        self.visits = visits
        self.entry = conv(into, out, 1)
        self.skip, self.skip_norm = conv(out, out, 1, 2), nn.BatchNorm2d(out)
        self.conv1, self.conv2, self.conv3 = conv(out, wide, 1), conv(wide, wide, 3), conv(wide, out, 1)
        self.norm1 = nn.ModuleList(nn.BatchNorm2d(wide) for _ in range(visits))
        self.norm2 = nn.ModuleList(nn.BatchNorm2d(wide) for _ in range(visits))
        self.norm3 = nn.ModuleList(nn.BatchNorm2d(out) for _ in range(visits))

    def forward(self, x: Tensor) -> list[Tensor]:
        """What the area takes in, and then holds after each visit."""
        held = [self.entry(x)]
        for visit in range(self.visits):
            skip = held[-1] if visit else self.skip_norm(self.skip(held[-1]))
            self.conv2.stride = (1, 1) if visit else (2, 2)
            x = relu(self.norm1[visit](self.conv1(held[-1])))
            x = relu(self.norm2[visit](self.conv2(x)))
            held.append(relu(skip + self.norm3[visit](self.conv3(x))))
        return held


class CornetS(nn.Module):
    """A stem, then V2, V4 and IT one after another, each with recurrence inside."""

    VISITS = (("V2", 2), ("V4", 4), ("IT", 2))

    def __init__(self, channels: tuple[int, ...], classes: int, side: int) -> None:
        super().__init__()
        first = channels[0]
        self.conv1, self.norm1 = conv(3, first, 7, 2), nn.BatchNorm2d(first)
        self.conv2, self.norm2 = conv(first, first, 3), nn.BatchNorm2d(first)
        for (area, visits), into, out in zip(self.VISITS, channels, channels[1:], strict=False):
            self.add_module(area, CornetSArea(into, out, visits))
        self.decoder = nn.Linear(channels[-1], classes)

    def forward(self, image: Tensor) -> Run:
        x = max_pool2d(relu(self.norm1(self.conv1(image))), 3, 2, 1)
        x = relu(self.norm2(self.conv2(x)))
        states = {("V1", 0): x}
        t = 0
        for area, _ in self.VISITS:
            first, *later = self.get_submodule(area)(x)
            states[f"{area}i", t := t + 1] = first
            for x in later:
                states[area, t := t + 1] = x
        return {t: self.decoder(x.mean((2, 3)))}, states


class CornetZ(nn.Module):
    """Convolution, ReLU and pooling, four times."""

    def __init__(self, channels: tuple[int, ...], classes: int, side: int) -> None:
        super().__init__()
        self.V1 = conv(3, channels[0], 7, 2, bias=True)
        self.V2, self.V4, self.IT = (conv(channels[k], channels[k + 1], 3, bias=True) for k in range(3))
        self.decoder = nn.Linear(channels[-1], classes)

    def forward(self, x: Tensor) -> Run:
        states: States = {}
        for t, area in enumerate(("V1", "V2", "V4", "IT")):
            states[area, t] = x = max_pool2d(relu(self.get_submodule(area)(x)), 3, 2, 1)
        return {3: self.decoder(x.mean((2, 3)))}, states


class BL(nn.Module):
    """Seven layers, each adding its bottom-up drive to what it sends itself from the step before."""

    KERNELS = (7, 5, 3, 3, 3, 3, 1)

    def __init__(self, channels: tuple[int, ...], classes: int, side: int, steps: int = 8) -> None:
        super().__init__()
        kernels = self.KERNELS
        self.bottom_up = nn.ModuleList(map(conv, (3, *channels[:-1]), channels, kernels))
        self.lateral = nn.ModuleList(map(conv, channels, channels, kernels))
        self.norms = nn.ModuleList(nn.ModuleList(nn.BatchNorm2d(c) for c in channels) for _ in range(steps))
        self.readout = nn.Linear(channels[-1], classes)

    def forward(self, image: Tensor) -> Run:
        outputs: dict[int, Tensor] = {}
        states: States = {}
        held: list[Tensor] = []
        for t, norms in enumerate(self.norms):
            x, before, held = image, held, []
            for k, norm in enumerate(norms):
                x = self.bottom_up[k](max_pool2d(x, 2) if k else x)
                if t:
                    x = x + self.lateral[k](before[k])
                x = relu(norm(x))
                states[f"L{k + 1}", t] = x
                held.append(x)
            outputs[t] = self.readout(x.mean((2, 3)))
        return outputs, states


class BLT(nn.Module):
    """Areas with bottom-up, lateral (L) and top-down (T) arrows that take a step; an area is silent until something arrives."""

    AREAS = ("retina", "V1", "V2", "V4", "IT")

    def __init__(
        self, channels: tuple[int, ...], classes: int, side: int, arrows: str, product: bool = False, steps: int = 10
    ) -> None:
        super().__init__()
        self.product, self.steps = product, steps
        self.retina, self.retina_norm = conv(3, channels[0], 3, bias=True), nn.GroupNorm(channels[0], channels[0])
        self.bottom_up, self.lateral, self.top_down, self.norm = (nn.ModuleDict() for _ in range(4))
        for k, area in enumerate(self.AREAS[1:], 1):
            width, size = channels[k], side // 2 ** (k - 1)
            self.bottom_up[area] = conv(channels[k - 1], width, 3, bias=True)
            self.norm[area] = nn.LayerNorm([width, size, size])
            if "L" in arrows:
                self.lateral[area] = conv(width, width, 3)
            if "T" in arrows and area != "IT":
                back = nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1, bias=False)
                self.top_down[area] = back
        if "L" in arrows and not product:
            self.gap_lateral = nn.Linear(channels[-1], channels[-1], bias=False)
        self.readout = nn.Linear(channels[-1], classes)

    def forward(self, image: Tensor) -> Run:
        states: States = {}
        old: dict[str, Tensor] = {}
        for t in range(self.steps):
            new = {"retina": relu(self.retina_norm(self.retina(image)))}
            for k, area in enumerate(self.AREAS[1:], 1):
                below, above = self.AREAS[k - 1], self.AREAS[k + 1] if area != "IT" else ""
                if below not in old:
                    continue
                drive = self.bottom_up[area](old[below] if area == "V1" else max_pool2d(old[below], 2))
                modulation: Any = 0
                if area in self.lateral and area in old:
                    modulation = modulation + self.lateral[area](old[area])
                if area in self.top_down and above in old:
                    modulation = modulation + self.top_down[area](old[above])
                new[area] = relu(self.norm[area](drive * (1 + modulation) if self.product else drive + modulation))
            if "IT" in old:
                new["GAP"] = old["IT"].mean((2, 3))
                if hasattr(self, "gap_lateral") and "GAP" in old:
                    new["GAP"] = new["GAP"] + self.gap_lateral(old["GAP"])
            states |= {(area, t): value for area, value in new.items()}
            old = new
        return {self.steps - 1: self.readout(old["GAP"])}, states


def cornet_s_names() -> dict[str, str]:
    names = {
        r"pre_net\.conv(\d)\.weight": r"conv\1.weight",
        r"pre_net\.norm(\d)\.t0\.(\w+)": r"norm\1.\2",
        r"(V2|V4|IT)i\.from_\w+\.conv1\.weight": r"\1.entry.weight",
        r"(V2|V4|IT)\.from_\1i\.skip\.conv1\.weight": r"\1.skip.weight",
        r"(V2|V4|IT)\.from_\1i\.skip\.norm1\.t\d+\.(\w+)": r"\1.skip_norm.\2",
        r"(V2|V4|IT)\.from_\1i\.(conv\d\.weight)": r"\1.\2",
    }
    for area, first, visits in (("V2", 2, 2), ("V4", 5, 4), ("IT", 10, 2)):
        for k in range(visits):
            source = area if k else f"{area}i"
            names[rf"{area}\.from_{source}\.norm(\d)\.t{first + k}\.(\w+)"] = rf"{area}.norm\1.{k}.\2"
    return names


DECODER = {r"post_net\.linear1\.(\w+)": r"decoder.\1"}
READOUT = {r"post_net\.linear1\.(\w+)": r"readout.\1"}
RT_NAMES = DECODER | {
    r"pre_net\.(conv|norm)1\.(\w+)": r"V1.\1_in.\2",
    r"(\w+)\.from_\w+\.(conv|norm)1\.(\w+)": r"\1.\2_in.\3",
    r"(\w+)\.update\.(conv|norm)1\.(\w+)": r"\1.\2.\3",
}
Z_NAMES = DECODER | {r"pre_net\.conv1\.(\w+)": r"V1.\1", r"(\w+)\.from_\w+\.conv1\.(\w+)": r"\1.\2"}
BL_NAMES = READOUT | {r"pre_net\.conv1\.weight": "bottom_up.0.weight"}
for _k in range(7):
    BL_NAMES[rf"L{_k + 1}\.from_L{_k + 1}\.conv1\.weight"] = f"lateral.{_k}.weight"
    BL_NAMES[rf"L{_k + 1}\.from_L{_k}\.conv1\.weight"] = f"bottom_up.{_k}.weight"
    BL_NAMES[rf"L{_k + 1}\.update\.norm1\.t(\d)\.(\w+)"] = rf"norms.\1.{_k}.\2"
BLT_NAMES = READOUT | {
    r"pre_net\.conv1\.(\w+)": r"retina.\1",
    r"pre_net\.norm1\.(\w+)": r"retina_norm.\1",
    r"(\w+)(?:\.out)?\.update\.norm1\.(\w+)": r"norm.\1.\2",
    r"(\w+)(?:\.lt)?\.from_\1(?:\.out)?\.conv1\.weight": r"lateral.\1.weight",
    r"(\w+)(?:\.b)?\.from_(?!\1)\w+(?:\.out)?\.conv1\.(\w+)": r"bottom_up.\1.\2",
    r"(\w+)(?:\.lt)?\.from_\w+(?:\.out)?\.deconv1\.weight": r"top_down.\1.weight",
    r"GAP\.from_GAP\.linear1\.weight": "gap_lateral.weight",
}


class Model(NamedTuple):
    """A spec's plain version by (channels, classes, side of the image), how their weights are called, and their size."""

    plain: Callable[[tuple[int, ...], int, int], nn.Module]
    names: dict[str, str]
    channels: tuple[int, ...]
    classes: int
    side: int
    parameters: int
    """As published, or counted by hand where nothing is."""
    small_side: int
    narrower: int = 8
    settings: tuple[str, ...] = ()
    zero: tuple[str, ...] = ()
    """Weights whose gradients are zero in theory."""


def blt(parameters: int, arrows: str, product: bool = False) -> Model:
    channels = (32, 64, 128, 256, 512)
    plain = partial(BLT, arrows=arrows, product=product)
    zero = ("pre_net.conv1.bias",)  # before a norm of each channel
    return Model(plain, BLT_NAMES, channels, 100, 64, parameters, 16, 8, ("pre_net.norm.groups=4",), zero)


CORNET = (64, 128, 256, 512)
MODELS = {
    "cornet-rt": Model(CornetRT, RT_NAMES, CORNET, 1000, 224, 5_208_936, 64, 8, ("norm.groups=4",)),
    "cornet-s": Model(CornetS, cornet_s_names(), CORNET, 1000, 224, 53_416_616, 64),
    "cornet-z": Model(CornetZ, Z_NAMES, CORNET, 1000, 224, 2_071_656, 64),
    "bl-net": Model(BL, BL_NAMES, (96, 128, 192, 256, 512, 1024, 2048), 565, 128, 27_979_605, 128, 16),
    "blt": blt(7_546_852, "BLT"),
    "blt-b": blt(2_602_980, "B"),
    "blt-bl": blt(5_998_564, "BL"),
    "blt-bt": blt(4_151_268, "BT"),
    "blt-multiplicative": blt(7_546_852 - 512 * 512, "BLT", product=True),
}


def shrunk(name: str) -> dict[str, Any]:
    """A spec with fewer channels, smaller maps and 10 classes."""
    model = MODELS[name]
    data = graphnet.load(
        ROOT / f"specs/vision/{name}.toml", settings=("post_net.classes=10", *model.settings)
    ).as_data()
    text = re.sub(r"(?<=\bC[:1])(:?)(\d+)", lambda m: f"{m[1]}{int(m[2]) // model.narrower}", json.dumps(data))
    return data


def translated(names: dict[str, str], ours: str) -> str:
    """The plain version's name of one of our weights: one pattern alone has to fit."""
    (found,) = [match.expand(theirs) for pattern, theirs in names.items() if (match := re.fullmatch(pattern, ours))]
    return found
