"""The oracle against independent references: published counts, torch's own modules, nets written by hand."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.property.oracle import Net, Oracle, Sum, Transition, parse, tensor_shapes, whole

torch.set_num_threads(2)
SEED = 0


def tensors_for(spec: dict, seed: int = SEED) -> dict[str, Tensor]:
    """Random parameters and nontrivial statistics, in float64."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in tensor_shapes(spec).items():
        x = torch.randn(shape, generator=generator, dtype=torch.float64)
        if name.endswith("running_var"):
            x = x.abs() + 0.5
        tensors[name] = x if "running_" in name else (x / 4).requires_grad_()
    return tensors


def image(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def count(spec: dict) -> int:
    return sum(math.prod(shape) for name, shape in tensor_shapes(spec).items() if "running_" not in name)


def close(a: Tensor | None, b: Tensor) -> None:
    assert a is not None
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def bn(x: Tensor, mean: Tensor | None = None, var: Tensor | None = None) -> Tensor:
    """Batch norm without affine part, with the batch's or given statistics."""
    return F.batch_norm(x, mean, var, training=mean is None)


# ---------------------------------------------------------------- published figures (numbers.md)


def cycle(unroll: str, times: list[int], **more: object) -> dict:
    return {
        "input": {"shape": [1], "t": "0..inf"},
        "unroll": unroll,
        "states": {"A": [1], "B": [1]},
        "transitions": [{"A": {"B": {"ops": "I", "gain": 2}}, "B": {"A": "I"}}],
        "readout": {"t": times},
        **more,
    }


def read_cycle(spec: dict) -> list[float]:
    return [y.item() for y in Oracle(spec, {}, training=False)(torch.ones(1, 1)).values()]


def test_two_node_cycle_in_both_unrollings() -> None:
    assert read_cycle(cycle("engineering", [0, 1, 2, 3])) == [2, 6, 14, 30]
    assert read_cycle(cycle("biological", [1, 2, 3])) == [2, 2, 6]
    assert read_cycle(cycle("biological", [0, 1, 2, 3], unpopulated="zeros")) == [0, 2, 2, 6]
    with pytest.raises(ValueError, match="B is empty at t = 0"):
        read_cycle(cycle("biological", [0, 1]))
    one_step = cycle("engineering", [1, 2])
    one_step["transitions"][0]["A"]["B"]["delay"] = 1
    assert read_cycle(one_step) == [2, 2]


FRNN = {
    "input": {"shape": [3, 32, 32], "t": 1},
    "merge": "mean",
    "states": {"h1": [64, 32, 32], "h2": [128, 16, 16], "h3": [256, 8, 8]},
    "transitions": [
        {
            "t": "1..inf",
            "h1": {"h1": "BRCx2+I", "h2": "BRCx2", "h3": "BRCx2"},
            "h2": {"h1": "BRDx2", "h2": "BRCx2+I", "h3": "BRCx2"},
            "h3": {"h1": "BRDx2", "h2": "BRDx2", "h3": "BRCx2+I"},
        }
    ],
    "norm": {"statistics": "per-time", "affine": "none"},
    "pre_net": {"ops": "CBRCBRC", "norm": {"affine": "shared"}},
    "post_net": {"ops": "BRGL", "classes": 10, "norm": {"affine": "shared"}},
    "readout": {"t": 5},
}


def depth(spec: dict) -> int:
    """Rule 22: convolutions, deconvolutions, linear and pooling layers on the longest path."""
    net = Net(spec)
    (readout,) = net.readout_times()

    def longest(chain: list) -> int:
        weighed = ("conv", "deconv", "linear", "max_pool", "avg_pool", "global_pool")
        return sum(
            max(map(longest, item.branches)) if isinstance(item, Sum) else item.kind in weighed for item in chain
        )

    def layers(transition: Transition | None) -> int:
        return longest(transition.chain) if transition else 0

    @cache
    def way(state: str, t: int) -> int:
        ways = []
        for arrival in net.arrivals(state, t, readout):
            if arrival.cell is None:
                ways.append(layers(net.transition(("input", state))))
            else:
                function = net.transition((arrival.source, state), arrival.cell)
                ways.append(way(arrival.source, arrival.read) + layers(function))
        return max(ways)

    return way(net.last, readout) + layers(net.transition((net.last, "logits")))


def test_frnn_of_liao_and_poggio() -> None:
    assert depth(FRNN) == 13
    assert depth(FRNN | {"readout": {"t": 10}}) == 23
    shapes = tensor_shapes(FRNN)
    assert shapes["h2.from_h1.conv1.weight"] == (96, 64, 3, 3)  # the mean of 64 and 128
    assert shapes["h1.from_h3.deconv1.weight"] == (256, 160, 3, 3)
    assert shapes["post_net.linear1.weight"] == (10, 256)
    assert "pre_net.norm2.t1.running_var" in shapes  # statistics per time, of the arrival
    assert "pre_net.norm2.weight" in shapes
    assert "post_net.norm1.t5.running_mean" in shapes
    times = sorted(name.split(".")[3] for name in shapes if name.startswith("h3.from_h1.norm1."))
    assert times == [f"t{t}" for t in (2, 3, 4, 5) for _ in range(2)]
    assert not any(name.startswith("h1.from_h1.norm1.t5") for name in shapes)  # h1@5 reaches no readout


def test_few_steps_need_few_parameters() -> None:
    """LP, Figure 4 E: recurrent connections that have not contributed by time t do not count."""

    def transitions(readout: int) -> set[str]:
        names = tensor_shapes(FRNN | {"readout": {"t": readout}})
        return {".".join(name.split(".")[:2]) for name in names if ".from_" in name}

    assert transitions(2) == {"h3.from_h1"}
    assert transitions(3) == {"h3.from_h1", "h1.from_h1", "h2.from_h1", "h3.from_h2", "h3.from_h3"}
    assert len(transitions(4)) == 9
    with pytest.raises(ValueError, match="h3 is empty at t = 1"):
        transitions(1)


def test_unrolling_factor_of_figure_5() -> None:
    """LP, Figure 5 A: with readout at t, the first state's self-transition fires t - 3 times."""
    spec = {
        "input": {"shape": [3, 8, 8], "t": 1},
        "states": {"h1": [4, 8, 8], "h2": [6, 4, 4]},
        "transitions": [
            {"t": "1..T-2", "h1": {"h1": "BRCx2+I"}},
            {"t": "T-1", "h1": {"h2": "BRCx2"}},
            {"t": "T", "h2": {"h2": "BRCx2+I"}},
        ],
        "pre_net": {"ops": "C"},
        "readout": {"t": 13},
    }
    names = tensor_shapes(spec)
    assert sum(name.startswith("h1.from_h1.norm1.t") for name in names) == 2 * (13 - 3)
    assert "h2.from_h1.norm1.t12.running_mean" in names
    assert "h2.from_h2.conv1.weight" in names


def resnet(blocks: int) -> dict:
    """He 2015 for CIFAR: three stages of `blocks` blocks, 16, 32 and 64 channels, separate weights for each time."""
    return {
        "input": {"shape": [3, 32, 32]},
        "states": {f"h{i + 1}": {"shape": [16 << i, 32 >> i, 32 >> i], "update": "R"} for i in range(3)},
        "let": {"N": blocks},
        "transitions": [
            {"t": "1..N", "h1": {"h1": "CBRCB+I"}},
            {"t": "N+1", "h1": {"h2": "C:32 BRCB+Ip"}},
            {"t": "N+2..2N", "h2": {"h2": "CBRCB+I"}},
            {"t": "2N+1", "h2": {"h3": "C:64 BRCB+Ip"}},
            {"t": "2N+2..3N", "h3": {"h3": "CBRCB+I"}},
        ],
        "sharing": {"over_time": False},
        "norm": {"affine": "shared"},
        "pre_net": {"ops": "CB"},
        "post_net": {"ops": "GL", "classes": 10},
        "readout": {"t": 3 * blocks},
    }


@pytest.mark.parametrize(("blocks", "parameters"), [(3, 269_722), (5, 464_154), (18, 1_727_962)])
def test_parameters_of_cifar_resnets(blocks: int, parameters: int) -> None:
    assert count(resnet(blocks)) == parameters
    assert depth(resnet(blocks)) == 6 * blocks + 2 + 1  # and the pooling


def test_parameters_of_preactivation_resnet_164() -> None:
    """A bracket at the end of a chain; its projection does not count as a strided convolution."""
    widths = {1: (16, 64, 32), 2: (32, 128, 16), 3: (64, 256, 8)}
    slabs, states, t = [], {"h0": [16, 32, 32]}, 0
    for i, (inside, outside, size) in widths.items():
        states[f"h{i}"] = [outside, size, size]
        first = f"BR(C1:{inside} BR C:{inside} BR C1 + C1)"
        slabs.append({"t": t + 1, f"h{i - 1}": {f"h{i}": first}})
        slabs.append({"t": f"{t + 2}..{t + 18}", f"h{i}": {f"h{i}": f"BRC1:{inside}BRC:{inside}BRC1+I"}})
        t += 18
    spec = {
        "input": {"shape": [3, 32, 32]},
        "states": states,
        "transitions": slabs,
        "sharing": {"over_time": False},
        "norm": {"affine": "shared"},
        "pre_net": {"ops": "C"},
        "post_net": {"ops": "BRGL", "classes": 10},
        "readout": {"t": t},
    }
    assert count(spec) == 1_703_258
    assert depth(spec) == 1 + 3 * 54 + 2  # 164 layers, and the pooling


def test_cornet_s() -> None:
    """Sets over two transitions of one target: the same weights at stride 2 and 1, norms per time, a skip once."""
    visit = {"first": "C1:{w} BR C:{w}/2 BR C1B + C1B", "later": "C1:{w} BR C:{w} BR C1B + I"}
    states: dict = {"V1": [64, 56, 56]}
    slab: dict = {"V1": {"V2i": "C1"}}
    for area, channels, size in (("V2", 128, 28), ("V4", 256, 14), ("IT", 512, 7)):
        states[f"{area}i"] = [channels, 2 * size, 2 * size]
        states[area] = {"shape": [channels, size, size], "update": "R"}
        slab[f"{area}i"] = {area: visit["first"].format(w=4 * channels)}
        slab[area] = {area: visit["later"].format(w=4 * channels)}
    spec = {
        "input": {"shape": [3, 224, 224]},
        "states": states,
        "transitions": [slab, {"t": 4, "V2": {"V4i": "C1"}}, {"t": 9, "V4": {"ITi": "C1"}}],
        "sharing": {"sets": [{"members": [f"{a}i->{a}", f"{a}->{a}"]} for a in ("V2", "V4", "IT")]},
        "norm": {"affine": "per-time"},
        "pre_net": {"ops": "C7:64/2 B R P3/2 C B R"},
        "post_net": {"ops": "GL", "classes": 1000},
        "readout": {"t": 11},
    }
    shapes = tensor_shapes(spec)
    assert count(spec) == 53_416_616
    assert sum(name.endswith("running_mean") for name in shapes) == 29
    assert sum("conv" in name for name in shapes) == 17
    assert shapes["V2.from_V2i.conv2.weight"] == (512, 512, 3, 3)
    assert shapes["V2.from_V2i.skip.conv1.weight"] == (128, 128, 1, 1)
    assert "V2.from_V2.norm1.t3.weight" in shapes
    assert "V2.from_V2.conv1.weight" not in shapes


def test_cornet_rt() -> None:
    """Updates after a merge, group norm, biases in the list form."""
    states, row = {}, {}
    areas = (("V1", 64, 56), ("V2", 128, 28), ("V4", 256, 14), ("IT", 512, 7))
    for area, channels, size in areas:
        states[area] = {"shape": [channels, size, size], "update": "CBR"}
        row[area] = {area: "I"}
    for (below, *_), (above, *_) in pairwise(areas):
        row[below][above] = [{"conv": {"bias": True, "stride": 2}}, "BR"]
    spec = {
        "input": {"shape": [3, 224, 224], "t": "0..inf"},
        "states": states,
        "unpopulated": "zeros",
        "transitions": [row],
        "norm": {"kind": "group", "groups": 32, "affine": "shared"},
        "pre_net": {"ops": [{"conv": {"kernel": 7, "stride": 4, "bias": True}}, "BR"]},
        "post_net": {"ops": "GL", "classes": 1000},
        "readout": {"t": 4},
    }
    assert count(spec) == 5_208_936
    per_area = dict.fromkeys(states, 0)
    for name, shape in tensor_shapes(spec).items():
        area = "V1" if name.startswith("pre_net") else name.split(".")[0]
        per_area[area] = per_area.get(area, 0) + math.prod(shape)
    decoder = {"post_net": 513_000}
    assert per_area == {"V1": 46_592, "V2": 221_824, "V4": 886_016, "IT": 3_541_504} | decoder


@pytest.mark.parametrize(
    ("variant", "parameters"), [("B", 2_602_980), ("BL", 5_961_700), ("BT", 4_077_540), ("BLT", 7_436_260)]
)
def test_parameters_of_blt(variant: str, parameters: int) -> None:
    """Layer norm over (C, H, W) and over a vector, top-down deconvolutions; none into V1."""
    areas = (("V1", 64, 64), ("V2", 128, 32), ("V4", 256, 16), ("IT", 512, 8))
    states: dict = {"retina": [32, 64, 64]}
    rows: dict = {"retina": {"V1": "C"}}
    for area, channels, size in areas:
        states[area] = {"shape": [channels, size, size], "update": "BR"}
        rows[area] = {area: "C"} if "L" in variant and area != "V1" else {}
    for (below, *_), (above, *_) in pairwise(areas):
        rows[below][above] = "PC"
        if "T" in variant and below != "V1":
            rows[above][below] = "D"
    states["GAP"] = {"shape": [512], "update": "BR"}
    rows["IT"]["GAP"] = "G"
    rows["GAP"] = {"GAP": [{"linear": {"bias": False}}]} if "L" in variant else {}
    spec = {
        "input": {"shape": [3, 64, 64], "t": "0..inf"},
        "unroll": "engineering",
        "states": states,
        "transitions": [rows],
        "norm": {"kind": "layer", "affine": "shared"},
        "pre_net": {"ops": [{"conv": {"bias": True}}, "R"]},
        "post_net": {"ops": "L", "classes": 100},
        "readout": {"t": "0..9"},
    }
    assert count(spec) == parameters


def test_parameters_of_bl_net() -> None:
    """Spoerer 2020: seven areas in one step, batch norm per layer and time, logits at every t."""
    areas = [(96, 7), (128, 5), (192, 3), (256, 3), (512, 3), (1024, 3), (2048, 1)]
    states, rows = {}, {}
    for i, (channels, kernel) in enumerate(areas):
        states[f"a{i}"] = {"shape": [channels, 128 >> i, 128 >> i], "update": "BR"}
        rows[f"a{i}"] = {f"a{i}": f"C{kernel}"}
        if i + 1 < len(areas):
            rows[f"a{i}"][f"a{i + 1}"] = f"PC{areas[i + 1][1]}"
    spec = {
        "input": {"shape": [3, 128, 128], "t": "0..inf"},
        "unroll": "engineering",
        "states": states,
        "transitions": [rows],
        "norm": {"affine": "per-time"},
        "pre_net": {"ops": "C7"},
        "post_net": {"ops": "GL", "classes": 565},
        "readout": {"t": "0..7"},
    }
    assert count(spec) == 27_979_605


# ---------------------------------------------------------------- nets written by hand


def test_three_state_resnet_written_by_hand() -> None:
    spec = {
        "input": {"shape": [3, 8, 8], "t": 0},
        "states": {"h1": [4, 8, 8], "h2": [7, 4, 4], "h3": [8, 2, 2]},
        "transitions": [
            {"t": "1..2", "h1": {"h1": "BRCx2+I"}},
            {"t": 3, "h1": {"h2": "BRCx2"}},
            {"t": 4, "h2": {"h2": "BRCx2+I"}},
            {"t": 5, "h2": {"h3": "BRCx2"}},
            {"t": [6], "h3": {"h3": "BRCx2+I"}},
        ],
        "sharing": {"over_time": False},
        "norm": {"statistics": "shared", "affine": "shared"},
        "pre_net": {"ops": "C"},
        "post_net": {"ops": "BRGL", "classes": 5},
        "readout": {"t": 6},
    }

    class ResNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
            widths = [(4, 4, 4, 1), (4, 4, 4, 1), (4, 5, 7, 2), (7, 7, 7, 1), (7, 7, 8, 2), (8, 8, 8, 1)]
            self.blocks = nn.ModuleList(
                nn.Sequential(
                    nn.BatchNorm2d(a),
                    nn.ReLU(),
                    nn.Conv2d(a, b, 3, stride, 1, bias=False),
                    nn.BatchNorm2d(b),
                    nn.ReLU(),
                    nn.Conv2d(b, c, 3, 1, 1, bias=False),
                )
                for a, b, c, stride in widths
            )
            self.head_norm, self.head = nn.BatchNorm2d(8), nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            for number, block in enumerate(self.blocks, start=1):
                x = block(x) + (x if number not in (3, 5) else 0)
            return self.head(self.head_norm(x).relu().mean((2, 3)))

    net, tensors = ResNet().double(), tensors_for(spec)
    place = {1: "h1.from_h1", 2: "h1.from_h1", 3: "h2.from_h1", 4: "h2.from_h2", 5: "h3.from_h2", 6: "h3.from_h3"}
    names = {"stem.": "pre_net.conv1.", "head_norm.": "post_net.norm1.", "head.": "post_net.linear1."}
    for t, where in place.items():
        for index, layer in {0: "norm1", 2: "conv1", 3: "norm2", 5: "conv2"}.items():
            names[f"blocks.{t - 1}.{index}."] = f"{where}.{layer}.t{t}."
    theirs = {key: key for key in net.state_dict() if "num_batches" not in key}
    for key in theirs:
        module, _, tensor = key.rpartition(".")
        theirs[key] = names[module + "."] + tensor
    assert set(theirs.values()) == set(tensors)
    net.load_state_dict({key: tensors[name].detach() for key, name in theirs.items()}, strict=False)

    x = image(5, 3, 8, 8)
    close(Oracle(spec, tensors, training=False)(x)[6], net.eval()(x))
    oracle = Oracle(spec, tensors, training=True)
    ours, yours = oracle(x)[6], net.train()(x)
    close(ours, yours)
    ours.square().sum().backward()
    yours.square().sum().backward()
    for key, parameter in net.named_parameters():
        torch.testing.assert_close(tensors[theirs[key]].grad, parameter.grad, rtol=1e-8, atol=1e-9)
    for key, buffer in net.named_buffers():
        if "running" in key:
            close(oracle.running[theirs[key]], buffer)


MEANS = {
    "input": {"shape": [2, 6, 6], "t": [0, 2]},
    "merge": "mean",
    "states": {"h1": [2, 6, 6], "h2": [3, 3, 3]},
    "transitions": [
        {"t": "1..inf", "h1": {"h1": "BRC+I", "h2": "RC"}, "h2": {"h1": "D", "h2": "I"}},
        {"t": "3..inf", "h2": {"h2": "-"}},
    ],
    "norm": {"statistics": "shared"},
    "readout": {"t": [2, 3]},
}


def test_two_state_net_with_means_written_by_hand() -> None:
    spec, x = MEANS, image(4, 2, 6, 6)
    tensors = tensors_for(spec)
    assert set(tensors) == {
        "h1.from_h1.norm1.running_mean",
        "h1.from_h1.norm1.running_var",
        "h1.from_h1.conv1.weight",
        "h2.from_h1.conv1.weight",
        "h1.from_h2.deconv1.weight",
    }
    w11, w12 = tensors["h1.from_h1.conv1.weight"], tensors["h2.from_h1.conv1.weight"]
    w21 = tensors["h1.from_h2.deconv1.weight"]
    norm = nn.BatchNorm2d(2, affine=False).double()
    norm.load_state_dict({k: tensors[f"h1.from_h1.norm1.{k}"] for k in ("running_mean", "running_var")}, strict=False)

    def loop(h: Tensor) -> Tensor:
        return F.conv2d(norm(h).relu(), w11, padding=1) + h

    def up(h: Tensor) -> Tensor:
        return F.conv2d(h.relu(), w12, stride=2, padding=1)

    def down(h: Tensor) -> Tensor:
        return F.conv_transpose2d(h, w21, stride=2, padding=1, output_padding=1)

    for training in (False, True):
        norm.train(training)
        h1 = {0: x}
        h1[1] = loop(h1[0])  # h2@0 is empty: the mean of one arrival
        h2 = {1: up(h1[0])}
        h1[2] = (x + loop(h1[1]) + down(h2[1])) / 3
        h2[2] = (up(h1[1]) + h2[1]) / 2
        h2[3] = up(h1[2])  # "-" blocks h2 -> h2
        oracle = Oracle(spec, tensors, training)
        outputs = oracle(x)
        assert list(outputs) == [2, 3]
        close(outputs[2], h2[2])
        close(outputs[3], h2[3])
        close(oracle.value("h1", 2, 3), h1[2])
        assert oracle.value("h2", 0, 3) is None
    for key in ("running_mean", "running_var"):  # two updates, at t = 1 and t = 2, in that order
        close(oracle.running[f"h1.from_h1.norm1.{key}"], getattr(norm, key))
        assert not torch.equal(oracle.running[f"h1.from_h1.norm1.{key}"], tensors[f"h1.from_h1.norm1.{key}"])


def test_running_statistics_shared_and_per_time_against_torch() -> None:
    def spec(statistics: str) -> dict:
        return {
            "input": {"shape": [3, 4, 4]},
            "states": {"h": [3, 4, 4]},
            "transitions": [{"h": {"h": "BC"}}],
            "norm": {"statistics": statistics, "affine": "shared"},
            "readout": {"t": 3},
        }

    x = image(4, 3, 4, 4)
    for statistics, names in (("shared", ["norm1"] * 3), ("per-time", [f"norm1.t{t}" for t in (1, 2, 3)])):
        tensors = tensors_for(spec(statistics))
        modules: dict[str, nn.BatchNorm2d] = {}
        for name in names:
            modules[name] = nn.BatchNorm2d(3).double()
            statistic = {k: tensors[f"h.from_h.{name}.running_{k[8:]}"] for k in ("running_mean", "running_var")}
            affine = {k: tensors[f"h.from_h.norm1.{k}"].detach() for k in ("weight", "bias")}
            modules[name].load_state_dict(statistic | affine, strict=False)
        before = {name: x.clone() for name, x in tensors.items()}
        oracle, h = Oracle(spec(statistics), tensors, training=True), x
        for name in names:
            h = F.conv2d(modules[name](h), tensors["h.from_h.conv1.weight"], padding=1)
        close(oracle(x)[3], h)
        assert len(oracle.running) == 2 * len(modules)
        for name, module in modules.items():
            close(oracle.running[f"h.from_h.{name}.running_mean"], module.running_mean)
            close(oracle.running[f"h.from_h.{name}.running_var"], module.running_var)
        assert all(torch.equal(tensors[name], before[name]) for name in tensors)


def test_order_of_updates_is_time_target_source_layer() -> None:
    """One running mean for four norms: the last update weighs most."""
    spec = {
        "input": {"shape": [2, 4, 4]},
        "unroll": "engineering",
        "states": {"a": [2, 4, 4], "b": [2, 4, 4]},
        "transitions": [{"a": {"a": "B", "b": "RBRB"}, "b": {"b": "B", "a": "B"}}],
        "norm": {"statistics": "shared"},
        "sharing": {"sets": [{"members": ["*->*#norm*"]}]},
        "readout": {"t": 1},
    }
    assert set(tensor_shapes(spec)) == {f"a.from_a.norm1.running_{k}" for k in ("mean", "var")}
    x = image(3, 2, 4, 4)
    mean = torch.tensor([5.0, -5.0], dtype=torch.float64)
    tensors = {"a.from_a.norm1.running_mean": mean, "a.from_a.norm1.running_var": torch.ones(2).double()}
    b0 = bn(bn(x.relu()).relu())
    a1 = bn(x) + bn(b0)
    seen = [x.relu(), bn(x.relu()).relu(), x, b0, a1.relu(), bn(a1.relu()).relu(), b0]
    expected = mean
    for value in seen:
        expected = 0.9 * expected + 0.1 * value.mean((0, 2, 3))
    oracle = Oracle(spec, tensors, training=True)
    close(oracle(x)[1], bn(bn(a1.relu()).relu()) + bn(b0))
    close(oracle.running["a.from_a.norm1.running_mean"], expected)


def test_elman_rnn_against_torch() -> None:
    """A sequence arriving step by step (LP eq. 2), zeros before t = 0, an update by tanh."""
    spec = {
        "input": {"shape": [3], "t": "0..inf", "sequence": True},
        "states": {"h": {"shape": [5], "update": "tanh", "unpopulated": "zeros"}},
        "transitions": [{"h": {"h": "L"}}],
        "pre_net": {"ops": "L"},
        "readout": {"t": "0..3"},
    }
    tensors = tensors_for(spec)
    rnn = nn.RNN(3, 5, batch_first=True).double()
    names = {
        "weight_ih_l0": "pre_net.linear1.weight",
        "bias_ih_l0": "pre_net.linear1.bias",
        "weight_hh_l0": "h.from_h.linear1.weight",
        "bias_hh_l0": "h.from_h.linear1.bias",
    }
    assert set(tensors) == set(names.values())
    rnn.load_state_dict({theirs: tensors[ours].detach() for theirs, ours in names.items()})
    x = image(2, 4, 3)
    outputs = Oracle(spec, tensors, training=True)(x)
    for t, y in outputs.items():
        close(y, rnn(x)[0][:, t])


def test_lstm_against_torch() -> None:
    """Arrows within the step, gates as updates, products; zeros for the whole net."""
    gates = {"i": "sigmoid", "f": "sigmoid", "g": "tanh", "o": "sigmoid"}
    inner = {
        **{name: {"shape": [4], "update": update} for name, update in gates.items()},
        "write": {"shape": [4], "merge": "product"},
        "keep": {"shape": [4], "merge": "product"},
        "c": [4],
        "tanh_c": {"shape": [4], "update": "tanh"},
        "h": {"shape": [4], "merge": "product"},
    }
    spec = {
        "input": {"shape": [3], "t": "0..inf", "sequence": True},
        "unpopulated": "zeros",
        "states": {"x": [3], **inner},
        "transitions": [
            {"delay": 0, "x": dict.fromkeys(gates, "L"), "i": {"write": "I"}, "g": {"write": "I"}},
            {"delay": 0, "f": {"keep": "I"}, "write": {"c": "I"}, "keep": {"c": "I"}},
            {"delay": 0, "c": {"tanh_c": "I", "keep": {"ops": "I", "delay": 1}}, "tanh_c": {"h": "I"}},
            {"delay": 0, "o": {"h": "I"}},
            {"h": dict.fromkeys(gates, "L")},
        ],
        "readout": {"t": "0..4"},
    }
    tensors = tensors_for(spec)
    lstm = nn.LSTM(3, 4, batch_first=True).double()

    def stacked(source: str, kind: str) -> Tensor:
        return torch.cat([tensors[f"{gate}.from_{source}.linear1.{kind}"].detach() for gate in "ifgo"])

    lstm.load_state_dict(
        {
            "weight_ih_l0": stacked("x", "weight"),
            "bias_ih_l0": stacked("x", "bias"),
            "weight_hh_l0": stacked("h", "weight"),
            "bias_hh_l0": stacked("h", "bias"),
        }
    )
    x = image(2, 5, 3)
    outputs = Oracle(spec, tensors, training=False)(x)
    assert list(outputs) == [0, 1, 2, 3, 4]
    for t, y in outputs.items():
        close(y, lstm(x)[0][:, t])


# ---------------------------------------------------------------- time


def test_later_slabs_override_cell_by_cell_and_lists_and_constants() -> None:
    def sources(t: int) -> dict[str, str]:
        net = Net(
            {
                "input": {"shape": [1]},
                "let": {"N": 3, "M": "2N"},
                "states": {"a": [1], "b": [1]},
                "transitions": [
                    {"a": {"b": "I"}, "b": {"b": "R"}},
                    {"t": ["1", "N..N+1", "2*(M-1)..inf"], "a": {"b": "L"}},
                    {"t": "M-1", "a": {"b": "-"}},
                    {"t": "7..M", "b": {"b": "L"}},
                ],
                "readout": {"t": 2},
            }
        )
        cells = {source: net.cell(source, "b", t, 0) for source in "ab"}
        return {source: cell.ops.strip('"') for source, cell in cells.items() if cell}

    assert sources(0) == {"a": "I", "b": "R"}
    assert [sources(t).get("a", "-") for t in range(1, 12)] == [*"LILL-IIIILL"]
    assert sources(6) == sources(7) == {"a": "I", "b": "R"}


def test_readout_times_are_other_nets_where_slabs_name_T() -> None:  # noqa: N802
    spec = {
        "input": {"shape": [1]},
        "states": {"a": [1], "b": [1]},
        "transitions": [
            {"a": {"a": {"ops": "I", "gain": 3}}},
            {"t": "T", "a": {"b": "I"}},
            {"t": "2..T-1", "a": {"a": {"ops": "I", "gain": 5}}},
        ],
        "readout": {"t": [1, 2, 4, 5]},
    }
    oracle = Oracle(spec, {}, training=False)
    outputs = {t: y.item() for t, y in oracle(torch.ones(1, 1)).items()}
    assert outputs == {1: 1, 2: 3, 4: 3 * 5 * 5, 5: 3 * 5 * 5 * 5}
    assert oracle.value("a", 2, 2).item() == 9
    assert oracle.value("a", 2, 4).item() == 15
    assert oracle.value("b", 3, 4) is None


def test_equal_values_of_two_readout_times_are_made_once() -> None:
    spec = {
        "input": {"shape": [2, 3, 3]},
        "states": {"a": [2, 3, 3], "b": [2, 3, 3]},
        "transitions": [{"a": {"a": "B"}}, {"t": "T", "a": {"b": "B"}}, {"t": "T-2", "a": {"a": "BR"}}],
        "norm": {"statistics": "shared"},
        "readout": {"t": [3, 4]},
    }
    tensors = tensors_for(spec)
    oracle = Oracle(spec, tensors, training=True)
    x = image(5, 2, 3, 3)
    outputs = oracle(x)
    first = bn(x).relu(), bn(x)  # a@1 in the nets of T = 3 and of T = 4
    third = bn(bn(first[0])), bn(bn(bn(first[1]).relu()))
    close(outputs[3], third[0])
    close(outputs[4], third[1])
    # a@1_T3, a@1_T4, a@2_T3, a@2_T4, a@3_T4 and b twice: each is computed exactly once
    assert len(oracle.updates) == 7
    one = Oracle(spec | {"readout": {"t": [4]}}, tensors, training=True)
    close(one(x)[4], third[1])
    same = Oracle(spec | {"transitions": spec["transitions"][:2]}, tensors, training=True)
    same(x)
    assert len(same.updates) == 3 + 2  # both share a@1, a@2, a@3


def test_delays() -> None:
    spec = {
        "input": {"shape": [1]},
        "states": {"a": [1], "b": {"shape": [1], "merge": "max"}},
        "transitions": [
            {"a": {"a": {"ops": "I", "gain": 2}}},
            {"delay": 3, "a": {"b": "I"}},
            {"t": 5, "delay": 3, "a": {"b": {"ops": "I", "delay": 0}}},
        ],
        "readout": {"t": [3, 4, 5]},
    }
    outputs = Oracle(spec, {}, training=False)(torch.ones(1, 1))
    assert {t: y.item() for t, y in outputs.items()} == {3: 1, 4: 2, 5: 32}


def test_cycle_without_delay_is_an_error() -> None:
    spec = cycle("biological", [1])
    spec["transitions"][0]["delay"] = 0
    with pytest.raises(ValueError, match="cycle of arrows without delay"):
        tensor_shapes(spec)


def test_hold_keeps_a_value_and_does_not_update_it_again() -> None:
    spec = {
        "input": {"shape": [1], "t": [0, 3]},
        "states": {"a": {"shape": [1], "hold": True, "update": [{"elu": {}}, "softplus"]}, "b": [1]},
        "transitions": [{"delay": 0, "a": {"b": "I"}}],
        "readout": {"t": "0..4"},
    }
    x = torch.tensor([[0.5]], dtype=torch.float64)
    outputs = Oracle(spec, {}, training=False)(x)
    for y in outputs.values():
        close(y, F.softplus(x))
    late = spec | {"readout": {"t": 2}}
    close(Oracle(late, {}, training=False)(x)[2], F.softplus(x))
    assert list(tensor_shapes(late | {"pre_net": {"ops": "L"}})) == [f"pre_net.linear1.{k}" for k in ("weight", "bias")]
    spec["states"]["a"]["hold"] = False
    with pytest.raises(ValueError, match="b is empty at t = 1"):
        Oracle(spec, {}, training=False)(x)


def test_a_held_input_runs_the_pre_net_once() -> None:
    spec = {
        "input": {"shape": [2, 3, 3], "t": "2..4"},
        "states": {"h": [2, 3, 3]},
        "transitions": [{"h": {"h": "I"}}],
        "pre_net": {"ops": "BC"},
        "readout": {"t": [4, 5]},
    }
    tensors = tensors_for(spec)
    assert set(tensors) == {
        "pre_net.norm1.t2.running_mean",
        "pre_net.norm1.t2.running_var",
        "pre_net.conv1.weight",
    }
    oracle, x = Oracle(spec, tensors, training=True), image(3, 2, 3, 3)
    once = F.conv2d(bn(x), tensors["pre_net.conv1.weight"], padding=1)
    close(oracle(x)[4], 3 * once)
    close(oracle(x)[5], 3 * once)
    assert len(oracle.updates) == 1


def test_a_sequence_has_statistics_for_each_slice() -> None:
    spec = {
        "input": {"shape": [2, 3, 3], "t": [1, 4], "sequence": True},
        "states": {"h": [2, 3, 3]},
        "transitions": [{"h": {"h": "I"}}],
        "pre_net": {"ops": "B"},
        "readout": {"t": 5},
    }
    tensors, x = tensors_for(spec), image(3, 2, 2, 3, 3)
    assert [f"pre_net.norm1.t{t}.running_mean" in tensors for t in (1, 4)] == [True, True]
    close(Oracle(spec, tensors, training=True)(x)[5], bn(x[:, 0]) + bn(x[:, 1]))


# ---------------------------------------------------------------- merges, ops, sizes


@pytest.mark.parametrize(
    ("merge", "early", "late"),
    [("sum", 3.0, 3 + 4.0), ("mean", 3.0, 3.5), ("max", 3.0, 4.0), ("product", None, 12.0)],
)
def test_merges_with_empty_sources(merge: str, early: float | None, late: float) -> None:
    spec = {
        "input": {"shape": [1], "t": "0..inf"},
        "states": {"a": [1], "b": [1], "c": {"shape": [1], "merge": merge}},
        "transitions": [{"a": {"b": {"ops": "I", "gain": 4}, "c": {"ops": "I", "gain": 3}}, "b": {"c": "I"}}],
        "readout": {"t": 2},
    }
    oracle = Oracle(spec, {}, training=False)
    assert oracle(torch.ones(1, 1))[2].item() == late
    one = oracle.value("c", 1, 2)
    assert (None if one is None else one.item()) == early
    spec["states"]["c"]["unpopulated"] = "zeros"
    oracle = Oracle(spec, {}, training=False)
    oracle(torch.ones(1, 1))
    assert [oracle.value("c", t, 2).item() for t in (-1, 0, 1)] == [0, 0, early or 0]


def test_concat_in_the_order_of_states_after_the_input() -> None:
    spec = {
        "input": {"shape": [2, 4, 4], "t": "0..inf"},
        "states": {"late": {"shape": [7, 4, 4], "merge": "concat"}, "x": {"shape": [2, 4, 4]}},
        "transitions": [{"late": {"x": "C1"}, "x": {"late": "C:3"}}, {"late": {"late": "C1:2"}}],
        "readout": {"t": 2},
    }
    x = image(1, 2, 4, 4)
    with pytest.raises(ValueError, match="is empty at t = 2"):
        tensor_shapes(spec)  # late waits for itself
    spec["states"]["late"]["unpopulated"] = "zeros"
    spec["states"]["x"]["unpopulated"] = "zeros"
    tensors = tensors_for(spec)
    assert tensors["late.from_x.conv1.weight"].shape == (3, 2, 3, 3)
    oracle = Oracle(spec, tensors, training=False)
    oracle(x)
    once = oracle.value("late", 1, 2)
    close(once[:, :2], x)
    close(once[:, 2:4], F.conv2d(oracle.value("late", 0, 2), tensors["late.from_late.conv1.weight"]))
    close(once[:, 4:], F.conv2d(oracle.value("x", 0, 2), tensors["late.from_x.conv1.weight"], padding=1))


@pytest.mark.parametrize("start", [0, 1])
def test_first_value_added_at_every_step(start: int) -> None:
    """LPK's PCR: z_t = x + f(z_{t-1})."""
    spec = {
        "input": {"shape": [3, 4, 4], "t": start},
        "states": {"z": [2, 4, 4]},
        "transitions": [{"z": {"z": "RC+I0"}}],
        "pre_net": {"ops": "C"},
        "readout": {"t": start + 3},
    }
    tensors, picture = tensors_for(spec), image(2, 3, 4, 4)
    z = x = F.conv2d(picture, tensors["pre_net.conv1.weight"], padding=1)
    for _ in range(3):
        z = x + F.conv2d(z.relu(), tensors["z.from_z.conv1.weight"], padding=1)
    close(Oracle(spec, tensors, training=False)(picture)[start + 3], z)


def test_values_that_differ_by_their_first_value_only() -> None:
    """Both readouts share a@3, but not a@4, since the first value of a differs."""
    spec = {
        "input": {"shape": [1]},
        "states": {"b": {"shape": [1], "hold": True}, "a": [1]},
        "transitions": [
            {"t": "T-5", "b": {"a": {"ops": "I", "gain": 7}}},
            {"t": "T-4", "b": {"a": {"ops": "I", "gain": 2}}},
            {"t": 3, "b": {"a": "I"}},
            {"t": "4..inf", "a": {"a": "I+I0"}},
        ],
        "readout": {"t": [5, 6]},
    }
    outputs = Oracle(spec, {}, training=False)(torch.ones(1, 1))
    assert {t: y.item() for t, y in outputs.items()} == {5: 1 + 2 * 2, 6: 1 + 3 * 7}


def test_gains() -> None:
    spec = {
        "input": {"shape": [2]},
        "states": {"z": [2]},
        "transitions": [
            {"z": {"z": {"ops": "tanh", "gain": {"init": 0, "learn": True}}}},
            {"t": 2, "z": {"z": {"ops": "sigmoid", "gain": {"init": -0.5}}}},
        ],
        "readout": {"t": 2},
    }
    assert tensor_shapes(spec) == {"z.from_z.gain": ()}
    gain = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    x = image(3, 2)
    y = Oracle(spec, {"z.from_z.gain": gain}, training=False)(x)[2]
    close(y, -0.5 * torch.sigmoid(0.3 * torch.tanh(x)))
    y.sum().backward()
    assert gain.grad is not None
    assert gain.grad.abs() > 0


def one_transition(ops: object, source: list[int], target: list[int], **more: object) -> dict:
    return {
        "input": {"shape": source},
        "states": {"a": source, "b": target},
        "transitions": [{"a": {"b": ops}}],
        "readout": {"t": 1},
        **more,
    }


@pytest.mark.parametrize(
    ("ops", "source", "target", "strides", "widths"),
    [
        ("BRCx2", [64, 32, 32], [128, 16, 16], [2, 1], [96, 128]),
        ("BRCx2", [64, 32, 32], [129, 8, 8], [2, 2], [96, 129]),
        ("BRCx3", [8, 32, 32], [64, 4, 4], [2, 2, 2], [36, 36, 64]),
        ("BRCx3", [8, 32, 32], [64, 16, 16], [2, 1, 1], [36, 36, 64]),
        ("BRDx2", [128, 16, 16], [64, 32, 32], [2, 1], [96, 64]),
        ("BRDx2", [128, 8, 8], [64, 32, 32], [2, 2], [96, 64]),
        ("CRC/2", [4, 8, 8], [4, 4, 4], [1, 2], [4, 4]),
        ("CRC/2", [4, 16, 16], [4, 4, 4], [2, 2], [4, 4]),
        ("CRPC", [4, 16, 16], [6, 4, 4], [2, 2, 1], [5, None, 6]),
        ("PCC", [4, 16, 16], [6, 8, 8], [2, 1, 1], [None, 5, 6]),
        ("C:10CB+C1", [4, 7, 7], [6, 4, 4], [2, 1, 2], [10, 6, 6]),
        ("C/4", [4, 33, 33], [4, 9, 9], [4], [4]),
        ("C P3/2", [3, 15, 15], [4, 4, 4], [2, 2], [4, None]),
        ("BR(C1:2 BR C:2 BR C1 + C1)", [4, 8, 8], [8, 4, 4], [2, 1, 1, 2], [2, 2, 8, 8]),
        ("C(C+I)", [6, 8, 8], [6, 4, 4], [2, 1], [6, 6]),
        ("C(C+C1)", [4, 16, 16], [6, 4, 4], [2, 2, 2], [5, 6, 6]),
        ("(C+C1)BRC", [4, 16, 16], [6, 4, 4], [2, 2, 2], [5, 5, 6]),
        ("C1:(2N)x2 C", [4, 9], [3, 5], [2, 1, 1], [6, 6, 3]),
        ("D3/4", [4, 3, 3], [4, 12, 12], [4], [4]),
        ("A G L", [4, 8, 8], [5], [2, None, None], [None, None, 5]),
    ],
)
def test_inference_of_sizes_and_widths(
    ops: str, source: list[int], target: list[int], strides: list[int], widths: list[int]
) -> None:
    spec = one_transition(ops, source, target, let={"N": 3})
    net = Net(spec)
    layers = net.transition(("a", "b"), net.cell("a", "b", 1, 0)).layers
    sized = [op for op in layers if op.kind in ("conv", "deconv", "linear", "max_pool", "avg_pool", "global_pool")]
    weighted = ("conv", "deconv", "linear")
    assert [None if op.kind in ("linear", "global_pool") else op.stride for op in sized] == strides
    assert [op.width if op.kind in weighted else None for op in sized] == widths
    x = image(3, *source)  # and torch agrees with the shapes
    assert Oracle(spec, tensors_for(spec), training=True)(x)[1].shape == (3, *target)


@pytest.mark.parametrize(
    ("ops", "source", "target"),
    [
        ("C", [4, 16, 16], [4, 4, 4]),
        ("CBRCB", [4, 9, 9], [4, 4, 4]),
        ("BRD", [4, 4, 4], [4, 7, 7]),
        ("R", [4, 4, 4], [5, 4, 4]),
    ],
)
def test_sizes_that_do_not_fit(ops: str, source: list[int], target: list[int]) -> None:
    spec = one_transition(ops, source, target)
    with pytest.raises(ValueError, match=r"no stride takes|gives"):
        Oracle(spec, tensors_for(spec), training=False)(image(1, *source))


def test_ops_against_torch_modules() -> None:
    x = image(3, 4, 9, 9)

    def run(ops: object, target: list[int], **more: object) -> tuple[Tensor, dict[str, Tensor]]:
        spec = one_transition(ops, [4, 9, 9], target, **more)
        tensors = tensors_for(spec)
        own = {name.removeprefix("b.from_a."): x.detach() for name, x in tensors.items()}
        return Oracle(spec, tensors, training=True)(x)[1].detach(), own

    def module(net: nn.Module, own: dict[str, Tensor], layer: str) -> Tensor:
        net = net.double()
        state = {name.rpartition(".")[2]: x for name, x in own.items() if name.startswith(layer + ".")}
        missing, extra = net.load_state_dict(state, strict=False)
        assert not extra
        assert all("num_batches" in name for name in missing)
        return net(x).detach()

    y, own = run([{"conv": {"kernel": 5, "groups": 2, "bias": True, "dilation": 2, "width": 6}}], [6, 9, 9])
    close(y, module(nn.Conv2d(4, 6, 5, padding=4, groups=2, dilation=2), own, "conv1"))
    y, own = run([{"conv": {"kernel": 4, "stride": 2, "padding": 0}}], [3, 3, 3])
    close(y, module(nn.Conv2d(4, 3, 4, 2, bias=False), own, "conv1"))
    y, own = run("D5", [3, 18, 18])
    close(y, module(nn.ConvTranspose2d(4, 3, 5, 2, 2, output_padding=1, bias=False), own, "deconv1"))
    y, own = run([{"deconv": {"bias": True, "groups": 2}}], [6, 9, 9])
    close(y, module(nn.ConvTranspose2d(4, 6, 3, 1, 1, groups=2), own, "deconv1"))
    assert own["deconv1.weight"].shape == (4, 3, 3, 3)
    y, own = run("L", [7])
    close(y, module(nn.Sequential(), {}, "").flatten(1) @ own["linear1.weight"].T + own["linear1.bias"])
    close(run("P3", [4, 5, 5])[0], F.max_pool2d(x, 3, 2, 1))
    close(run("P", [4, 4, 4])[0], F.max_pool2d(x, 2))
    close(run("P4", [4, 3, 3])[0], F.max_pool2d(x, 4, 2))
    close(run("A3/3", [4, 3, 3])[0], F.avg_pool2d(x, 3, 3, 1))
    close(run("G", [4])[0], x.mean((2, 3)))
    y, own = run("B", [4, 9, 9], norm={"kind": "layer", "affine": "shared"})
    close(y, module(nn.LayerNorm((4, 9, 9)), own, "norm1"))
    y, own = run("B", [4, 9, 9], norm={"kind": "group", "groups": 2, "affine": "shared"})
    close(y, module(nn.GroupNorm(2, 4), own, "norm1"))
    y, own = run("B", [4, 9, 9], norm={"affine": "per-time"})
    close(y, module(nn.BatchNorm2d(4), own, "norm1.t1"))
    y, own = run("BR", [4, 9, 9], norm={"kind": "none"})
    close(y, x.relu())
    assert own == {}
    modules = [nn.ELU(), nn.GELU(), nn.LeakyReLU(), nn.Sigmoid(), nn.SiLU(), nn.Softplus(), nn.Tanh()]
    for word, activation in zip(
        ["elu", "gelu", "leaky_relu", "sigmoid", "silu", "softplus", "tanh"], modules, strict=True
    ):
        close(run(f"I {word}R", [4, 9, 9])[0], activation(x).relu())
    y, _ = run("Ip", [6, 5, 5])
    close(y[:, :4], x[:, :, ::2, ::2])
    assert y[:, 4:].abs().max() == 0


def test_batch_norm_of_vectors_and_sequences() -> None:
    for shape in ([5], [5, 4]):
        spec = one_transition("B", shape, shape)
        tensors, x = tensors_for(spec), image(6, *shape)
        module = nn.BatchNorm1d(5, affine=False).double()
        state = {k: tensors[f"b.from_a.norm1.t1.{k}"] for k in ("running_mean", "running_var")}
        module.load_state_dict(state, strict=False)
        for training in (False, True):
            oracle = Oracle(spec, tensors, training)
            close(oracle(x)[1], module.train(training)(x))
        close(oracle.running["b.from_a.norm1.t1.running_var"], module.running_var)


def test_convolutions_of_1d_states() -> None:
    spec = one_transition("RCRD/2", [3, 8], [4, 8])
    tensors, x = tensors_for(spec), image(2, 3, 8)
    with pytest.raises(ValueError, match="no stride takes"):
        tensor_shapes(one_transition("RCRD", [3, 8], [4, 9]))
    down = F.conv1d(x.relu(), tensors["b.from_a.conv1.weight"], stride=2, padding=1)
    up = F.conv_transpose1d(down.relu(), tensors["b.from_a.deconv1.weight"], stride=2, padding=1, output_padding=1)
    close(Oracle(spec, tensors, training=False)(x)[1], up)


def test_repeats_and_brackets() -> None:
    def kinds(text: str) -> list:
        def spelt(chain: list) -> list:
            return [[spelt(b) for b in i.branches] if isinstance(i, Sum) else i.kind for i in chain]

        return spelt(parse(text, {"N": 2}))

    block = ["norm", "relu", "conv"]
    assert kinds("BRCx2") == block * 2
    assert kinds("B RC x2+ I") == [[block * 2, ["identity"]]]
    assert kinds("BRCx2Px2") == (block * 2 + ["max_pool"]) * 2
    assert kinds("R(C1:4+I)Bx2") == ["relu", [[[["conv"], ["identity"]]]], "norm"] * 2
    assert kinds("C sigmoid x3") == ["conv", "sigmoid"] * 3


# ---------------------------------------------------------------- names and sharing


def two(**more: object) -> dict:
    """Two states of equal shape, all four arrows; read at 8."""
    return {
        "input": {"shape": [2, 4, 4]},
        "states": {"h1": [2, 4, 4], "h2": [2, 4, 4]},
        "transitions": [{"t": "1..inf", "h1": {"h1": "RC", "h2": "RC"}, "h2": {"h1": "RC", "h2": "RC"}}],
        "readout": {"t": 8},
        **more,
    }


def shared(*members: object, **more: object) -> dict:
    return {"sharing": {"sets": [{"members": list(members), **more}]}}


PLAIN = {f"h{j}.from_h{i}.conv1.weight" for i in (1, 2) for j in (1, 2)}
OTHERS = PLAIN - {"h1.from_h1.conv1.weight"}


def timed(*times: int, place: str = "h1.from_h1") -> set[str]:
    return {f"{place}.conv1.t{t}.weight" for t in times}


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({}, PLAIN),
        (shared("*->*"), {"h1.from_h1.conv1.weight"}),
        (shared("h2->*", "h1->h1"), {"h1.from_h2.conv1.weight", "h2.from_h1.conv1.weight"}),
        (shared("h2->h2", "h1->h1"), PLAIN - {"h1.from_h1.conv1.weight"}),
        (
            shared("*->*", **{"except": ["h2->h1", "h1->h2@3"]}),
            {"h1.from_h1.conv1.weight", "h1.from_h2.conv1.weight"} | timed(3, place="h2.from_h1"),
        ),
        (shared("h1->h1@1..5"), OTHERS | timed(1, 6)),
        (shared("h1->h1@3..4"), OTHERS | timed(1, 3)),
        (shared(["h1", "h1", 3], ["h1", "h1", 4]), OTHERS | timed(1, 3)),
        (shared("h1->h1@1..5", "h2->h2"), OTHERS - {"h2.from_h2.conv1.weight"} | timed(1, 6)),
        # h2->h2 from 2 on is tied to h1->h1@3; its own tensor of t = 1 is dead, but still counts for names
        (shared("h1->h1@3", "h2->h2@2..inf"), OTHERS - {"h2.from_h2.conv1.weight"} | timed(1, 3)),
        (shared("h1->h1@1..inf"), PLAIN),
    ],
)
def test_names_of_sets(more: dict, names: set[str]) -> None:
    assert set(tensor_shapes(two(**more))) == names


def test_tensors_per_time() -> None:
    untied = set(tensor_shapes(two(sharing={"over_time": False})))
    assert {name for name in untied if name.startswith("h1.from_h1")} == timed(*range(1, 8))
    assert {name for name in untied if name.startswith("h2.from_h2")} == timed(*range(2, 9), place="h2.from_h2")
    some = {"over_time": False, "sets": [{"members": ["h1->h1@2..3", "h2->h1"]}]}
    names = set(tensor_shapes(two(sharing=some)))
    assert {name for name in names if name.startswith("h1.")} == timed(1, 2, 4, 5, 6, 7)
    alone = {"over_time": False, "sets": [{"members": ["a->b"]}]}  # a member without a partner
    once = one_transition("C", [2, 4, 4], [2, 4, 4], sharing=alone)
    once["transitions"][0]["t"] = 1
    assert set(tensor_shapes(once)) == {"b.from_a.conv1.t1.weight"}
    soft = {
        "sets": [{"members": ["h1->h1"], "coupling": 0.5}]
    }  # several tensors, although weights are shared over time
    assert set(tensor_shapes(two(sharing=soft))) == OTHERS | timed(*range(1, 8))


def test_readout_and_pruning_change_no_name() -> None:
    for more in ({}, shared("h1->h1@1..5", "h2->h2"), {"sharing": {"over_time": False}}):
        every = set(tensor_shapes(two(**more)))
        for t in range(1, 8):
            assert set(tensor_shapes(two(**more) | {"readout": {"t": t}})) <= every
        assert len(every) > len(tensor_shapes(two(**more) | {"readout": {"t": 1}})) == 1


def test_gradients_of_a_set_add_up() -> None:
    """LP, section 3: the gradient of a tied weight is the sum over the members of its set."""
    x = image(2, 2, 4, 4)
    tied, untied = two(**shared("*->*")), two(sharing={"over_time": False})
    tensors = tensors_for(tied)
    (weight,) = tensors.values()
    own = {name: weight.detach().clone().requires_grad_() for name in tensor_shapes(untied)}
    one, many = Oracle(tied, tensors, training=True)(x)[8], Oracle(untied, own, training=True)(x)[8]
    close(one, many)
    one.sum().backward()
    many.sum().backward()
    assert weight.grad is not None
    close(weight.grad, sum(x.grad for x in own.values()))


def test_cells_that_differ_over_time_share_what_agrees() -> None:
    """Rule 14: sharing depends on name and shape, not on stride or fixed gain."""
    spec = {
        "input": {"shape": [4, 4, 4]},
        "states": {"h": [4, 4, 4]},
        "transitions": [
            {"h": {"h": "C:6 R C + I"}},
            {"t": "3..4", "h": {"h": {"ops": "C1:6 R C", "gain": 2}}},
            {"t": 5, "h": {"h": "C:6 B C + C1"}},
        ],
        "readout": {"t": 6},
    }
    assert {name.removeprefix("h.from_h."): shape for name, shape in tensor_shapes(spec).items()} == {
        "conv1.t0.weight": (6, 4, 3, 3),  # a slab without t holds from 0
        "conv1.t3.weight": (6, 4, 1, 1),
        "conv2.weight": (4, 6, 3, 3),
        "norm1.t5.running_mean": (6,),
        "norm1.t5.running_var": (6,),
        "skip.conv1.weight": (4, 4, 1, 1),
    }


def test_sets_of_layers() -> None:
    """LP's first version: `*->*#conv*` ties every convolution of a net."""
    spec = {
        "input": {"shape": [4, 8, 8]},
        "states": {"a": [4, 8, 8], "b": [4, 4, 4]},
        "transitions": [{"a": {"a": "BRCx2+C1", "b": "BRCx3"}, "b": {"b": "BRC", "a": "BRD"}}],
        "norm": {"statistics": "shared", "affine": "shared"},
        "readout": {"t": 4},
    }
    plain = set(tensor_shapes(spec))
    convolutions = {name for name in plain if ".conv" in name and "skip" not in name}
    assert len(convolutions) == 2 + 3 + 1
    first = "a.from_a.conv1.weight"
    tied = set(tensor_shapes(spec | shared("*->*#conv*")))
    assert tied == plain - convolutions | {first}
    within = set(tensor_shapes(spec | shared("a->b#conv[13]", **{"except": ["a->b@2"]})))
    assert plain - within == {f"b.from_a.conv{n}.weight" for n in (1, 3)}
    assert within - plain == {f"b.from_a.conv{n}.t{t}.weight" for n, t in ((1, 0), (1, 2), (3, 2))}
    norms = set(tensor_shapes(spec | shared("a->a#norm*", "b->b#norm1")))
    assert {name for name in plain - norms if "norm" in name} == {
        f"{place}.{tensor}"
        for place in ("a.from_a.norm2", "b.from_b.norm1")
        for tensor in ("weight", "bias", "running_mean", "running_var")
    }


def test_sets_tie_tensor_by_tensor_and_leave_per_time_statistics_alone() -> None:
    spec = {
        "input": {"shape": [4, 4, 4]},
        "states": {"a": [4, 4, 4], "b": [4, 4, 4]},
        "transitions": [{"a": {"a": "BRC", "b": "BRCBRC + BC1"}}],
        "norm": {"affine": "shared"},
        "readout": {"t": 2},
        **shared("a->*"),
    }
    names = set(tensor_shapes(spec))
    assert {name for name in names if "running" not in name} == {
        "a.from_a.norm1.weight",
        "a.from_a.norm1.bias",
        "a.from_a.conv1.weight",
        "b.from_a.norm2.weight",
        "b.from_a.norm2.bias",
        "b.from_a.conv2.weight",
        "b.from_a.skip.norm1.weight",
        "b.from_a.skip.norm1.bias",
        "b.from_a.skip.conv1.weight",
    }
    assert {name for name in names if name.endswith("running_mean")} == {
        "a.from_a.norm1.t1.running_mean",
        "b.from_a.norm1.t2.running_mean",
        "b.from_a.norm2.t2.running_mean",
        "b.from_a.skip.norm1.t2.running_mean",
    }
    spec["states"]["b"] = [6, 4, 4]
    with pytest.raises(ValueError, match="have shapes"):
        tensor_shapes(spec)


def test_names_of_branches() -> None:
    spec = one_transition("I + BC(C1+R+C1B)D + C(C+C)+C1C", [4, 4, 4], [4, 4, 4], norm={"kind": "group"})
    assert list(tensor_shapes(spec)) == [
        f"b.from_a.{layer}.weight"
        for layer in (
            *("conv1", "conv2", "skip.conv1", "deconv1"),
            *("skip2.conv1", "skip2.conv2", "skip3.conv1"),
            *("skip4.conv1", "skip4.conv2"),
        )
    ]


def test_updates_follow_the_weights() -> None:
    def names(**more: object) -> set[str]:
        spec = {
            "input": {"shape": [4, 4, 4]},
            "states": {"a": {"shape": [4, 4, 4], "update": "BC"}},
            "transitions": [{"a": {"a": "C1"}}],
            "norm": {"affine": "shared"},
            "readout": {"t": 1},
        }
        return {name for name in tensor_shapes(spec | more) if "running_var" not in name}

    statistics = {f"a.update.norm1.t{t}.running_mean" for t in (0, 1)}
    affine = {"a.update.norm1.weight", "a.update.norm1.bias"}
    assert names() == statistics | affine | {"a.from_a.conv1.weight", "a.update.conv1.weight"}
    untied = {f"a.update.{layer}" for t in (0, 1) for layer in (f"norm1.t{t}.weight", f"norm1.t{t}.bias")}
    weights = {"a.from_a.conv1.t1.weight", "a.update.conv1.t0.weight", "a.update.conv1.t1.weight"}
    assert names(sharing={"over_time": False}) == statistics | untied | weights
    everything = {name for name in names(norm={"statistics": "shared"}) if "norm" in name}
    assert everything == {"a.update.norm1.running_mean"}


def test_parts() -> None:
    """Rule 26: arrivals go to the first state, others read the last; instances share nothing."""
    part = {
        "unroll": "engineering",
        "states": {"in": [3, 4, 4], "out": {"merge": "max"}},
        "transitions": [{"in": {"out": "C"}, "out": {"in": "C1"}}],
    }
    instance = {"shape": [2, 4, 4], "part": "loop"}
    spec = {
        "input": {"shape": [3, 4, 4]},
        "parts": {"loop": part},
        "states": {"V1": instance, "V2": instance},
        "transitions": [{"V1": {"V2": "RC"}}, {"t": 1, "V2.in": {"V2.out": "-"}}],
        "readout": {"t": [2, 3]},
    }
    tensors, x = tensors_for(spec), image(2, 3, 4, 4)

    def conv(x: Tensor, name: str) -> Tensor:
        weight = tensors[f"{name}.conv1.weight"]
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2)

    assert "V1.out.from_V1.in.conv1.weight" in tensors
    v1 = {0: conv(x, "V1.out.from_V1.in")}
    v2_in = {1: conv(v1[0].relu(), "V2.in.from_V1.out")}
    v1[1] = conv(conv(v1[0], "V1.in.from_V1.out"), "V1.out.from_V1.in")
    v2_in[2] = conv(v1[1].relu(), "V2.in.from_V1.out")  # V2.out@1 is blocked: nothing comes back
    v2 = {2: conv(v2_in[2], "V2.out.from_V2.in")}
    oracle = Oracle(spec, tensors, training=False)
    outputs = oracle(x)
    close(outputs[2], v2[2])
    close(oracle.value("V2.in", 1, 3), v2_in[1])
    v1[2] = conv(conv(v1[1], "V1.in.from_V1.out"), "V1.out.from_V1.in")
    third = conv(v1[2].relu(), "V2.in.from_V1.out") + conv(v2[2], "V2.in.from_V2.out")
    close(outputs[3], conv(third, "V2.out.from_V2.in"))
    tied = spec | shared("V1.in->V1.out", "V2.in->V2.out")
    assert set(tensors) - set(tensor_shapes(tied)) == {"V2.out.from_V2.in.conv1.weight"}


def test_entry_and_last_can_be_named() -> None:
    spec = {
        "input": {"shape": [1], "state": "b"},
        "states": {"a": [1], "b": [1], "c": [1]},
        "transitions": [{"b": {"a": {"ops": "I", "gain": 7}, "c": "I"}}],
        "readout": {"t": 1, "state": "a"},
    }
    assert Oracle(spec, {}, training=False)(torch.ones(1, 1))[1].item() == 7


def test_numbers_in_specs() -> None:
    known = {"N": 4, "T": 9}
    for text, number in (("2N", 8), ("N-1-1", 2), ("2(N+1)*2", 20), ("T - 2*N", 1), (3, 3), ("-N+T", 5)):
        assert whole(text, known) == number
