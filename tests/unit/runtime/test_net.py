"""The compiled net: weights, names, modules, and absence of side effects."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

import graphnet
from tests.small import small

IMAGES = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
SHARED = {"norm": {"statistics": "shared", "affine": "shared"}}


def weights(spec: dict[str, Any], seed: int = 0) -> dict[str, Tensor]:
    return dict(graphnet.compile(spec, seed=seed).named_parameters())


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Whether tensors of equal name are equal bit for bit; one side may have fewer names."""
    both = a.keys() & b.keys()
    assert both
    return all(torch.equal(a[name], b[name]) for name in both)


def test_images_become_logits() -> None:
    assert graphnet.compile(small())(IMAGES).shape == (3, 3)
    several = graphnet.compile(small(readout={"t": "2..4"}))(IMAGES)
    assert list(several) == [2, 3, 4]
    assert all(logits.shape == (3, 3) for logits in several.values())


def test_weights_start_by_he_and_statistics_from_nothing() -> None:
    """He et al. 2015b: variance 2 / fan-in, mean 0."""
    net = graphnet.compile(small(states={"h1": [64, 8, 8], "h2": [64, 4, 4]}, norm={"affine": "shared"}))
    state = net.state_dict()
    weight = state["h2.from_h1.conv1.weight"]
    assert weight.dtype == torch.float32
    assert weight.numel() == 64 * 64 * 9
    assert abs(weight.mean()) < 4 * (2 / (64 * 9) / weight.numel()) ** 0.5
    assert weight.var().item() == pytest.approx(2 / (64 * 9), rel=0.03)
    assert state["h1.from_h2.deconv1.weight"].var().item() == pytest.approx(2 / (64 * 9), rel=0.03)
    for name, tensor in state.items():
        if "norm" in name or name.endswith("bias"):
            assert tensor.eq(float(name.endswith(("running_var", "weight")))).all(), name


@pytest.mark.parametrize(
    ("init", "variance", "bound"),
    [
        ("he-fan-out", 2 / (32 * 9), None),
        ("glorot", 2 / (96 * 9), None),
        ("glorot-uniform", 2 / (96 * 9), (6 / (96 * 9)) ** 0.5),
        ("lecun", 1 / (64 * 9), None),
    ],
)
def test_weights_start_by_their_scheme(init: str, variance: float, bound: float | None) -> None:
    """From 64 to 32 channels, so that fan-in and fan-out differ; only a uniform distribution has bounds."""
    slab = {"h1": {"h2": [{"conv": {"init": init}}]}}
    net = graphnet.compile(small(slab, states={"h1": [64, 8, 8], "h2": [32, 4, 4]}, readout={"t": 1}))
    weight = net.get_parameter("h2.from_h1.conv1.weight")
    assert abs(weight.mean()) < 4 * (variance / weight.numel()) ** 0.5
    assert weight.var().item() == pytest.approx(variance, rel=0.04)
    assert (weight.abs().max().item() < (bound or 3 * variance**0.5)) == (bound is not None)


def test_the_seed_draws_the_weights() -> None:
    assert same(weights(small()), weights(small()))
    assert not same(weights(small()), weights(small(), seed=1))
    values = list(weights(small(states={"h1": [4, 8, 8], "h2": [4, 4, 4]})).values())
    assert len({tuple(value.flatten()[:9].tolist()) for value in values}) == len(values)


@pytest.mark.parametrize(
    "changes",
    [
        {"readout": {"t": 5}},
        {"readout": {"t": 1}},
        {"readout": {"t": [1, 2, 6]}},
        {"readout": {"t": 3, "state": "h1"}},
        {"name": "other", "merge": "mean"},
        {"norm": {"statistics": "shared", "affine": "shared"}},
        {
            "transitions": [
                {"h1": {"h2": "BRC"}},
                {"t": "1..inf", "h2": {"h2": "BRC+I", "h1": "BRD"}},
                {"h1": {"h1": "BRC"}},
            ]
        },
    ],
)
def test_initial_weights_belong_to_their_place(changes: dict[str, Any]) -> None:
    """Rule 17: they depend on neither readout, pruning, slab nor order of drawing."""
    before, after = weights(small()), weights(small() | changes)
    before.pop("post_net.linear1.weight")  # of another shape where h1 is read
    assert same(before, after)


def test_pruning_changes_no_initial_weight() -> None:
    spec = small({"h1": {"h1": "C", "h2": "C"}, "h2": {"h1": "D", "h2": "BC"}}, readout={"t": 1})
    pruned = weights(spec)
    kept = dict(graphnet.compile(spec, keep_dead=True).named_parameters())
    assert pruned.keys() < kept.keys()
    assert same(pruned, kept)


@pytest.mark.parametrize(
    "sharing", [{"over_time": True}, {"over_time": False}, {"sets": [{"members": ["h1->h1@2..3"]}]}]
)
def test_renaming_the_states_changes_no_initial_weight(sharing: dict[str, Any]) -> None:
    names = {"h1": "V1", "h2": "A"}
    slab = {"h1": {"h1": "BRC+I", "h2": "BRC"}, "h2": {"h1": "BRD", "h2": "BRC+I"}}
    spec = small({"t": "1..inf", **slab}, sharing=sharing, readout={"t": 4})
    renamed = graphnet.compile(_renamed(spec, names))
    before = graphnet.compile(spec).state_dict()
    after = renamed.state_dict()
    assert list(after) == [_renamed(name, names) for name in before]
    assert all(torch.equal(after[_renamed(name, names)], value) for name, value in before.items())


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {_renamed(key, names): _renamed(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    if isinstance(value, str):
        for old, new in names.items():
            value = value.replace(old, new)
    return value


def test_untied_weights_of_a_time_do_not_depend_on_the_last_one() -> None:
    untied = {"sharing": {"over_time": False}}
    early, late = weights(small(readout={"t": 3}, **untied)), weights(small(readout={"t": 6}, **untied))
    assert early.keys() < late.keys()
    assert same(early, late)
    assert not torch.equal(late["h1.from_h1.conv1.t1.weight"], late["h1.from_h1.conv1.t2.weight"])


def test_building_twice_is_identical() -> None:
    spec = small(readout={"t": [2, 3]})
    one, other = graphnet.compile(spec, seed=3), graphnet.compile(spec, seed=3)
    assert one.code == other.code
    assert list(one.state_dict()) == list(other.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_building_draws_from_no_other_generator_runs_no_model_and_leaves_the_spec_alone() -> None:
    spec = small()
    before = copy.deepcopy(spec)
    random = torch.get_rng_state()
    net = graphnet.compile(spec)
    assert torch.equal(torch.get_rng_state(), random)
    assert spec == before
    assert all(buffer.eq(float(name.endswith("var"))).all() for name, buffer in net.named_buffers())
    assert net.training


def test_one_output_per_state_is_called_once_per_populated_time() -> None:
    net = graphnet.compile(small(readout={"t": [2, 4]}))
    calls: Counter[str] = Counter()

    def count(name: str) -> Callable[..., None]:
        return lambda *_: calls.update([name])

    for state in ("h1", "h2", "logits"):
        output = net.get_submodule(f"{state}.output")
        assert type(output) is nn.Identity
        output.register_forward_hook(count(state))
    net(IMAGES)
    assert calls == {"h1": 4, "h2": 4, "logits": 2}
    assert sum(isinstance(module, nn.Identity) for module in net.modules()) == 3


def test_outputs_show_the_values_and_may_change_them() -> None:
    net = graphnet.compile(small({"h1": {"h1": "I", "h2": "C"}}, readout={"t": 2})).eval()
    seen: list[Tensor] = []
    handle = net.h1.output.register_forward_hook(lambda module, given, value: seen.append(value))
    logits = net(IMAGES)
    handle.remove()
    expected = torch.conv2d(IMAGES, net.pre_net.conv1.weight, padding=1)
    assert [torch.allclose(value, expected) for value in seen] == [True, True]
    net.h1.output.register_forward_hook(lambda module, given, value: 0 * value)
    assert not torch.allclose(net(IMAGES), logits)


def test_nodes_have_the_names_of_the_plan() -> None:
    net = graphnet.compile(small(), optimize=0)
    plan = graphnet.plan(small())
    nodes = [node.name for node in net.graph.nodes]
    assert [name for name in nodes if name in {line.name for line in plan.lines}] == [line.name for line in plan.lines]
    assert "h2_t1 = self.h2.output(h2_from_h1_t1_conv1)" in net.code
    assert "# t = 3" in net.code
    assert net.meta["plan"] == plan


@pytest.mark.parametrize("size", [[1, 8, 8], [2, 7, 5]])
def test_every_value_has_the_shape_of_its_line(size: list[int]) -> None:
    half = [6, -(-size[1] // 2), -(-size[2] // 2)]
    slab = {"h1": {"h1": "BR(C5+C1)P3/1 A1/1", "h2": "P3C sigmoid"}, "h2": {"h2": "CD1R+I"}}
    slabs = [slab, {"t": 3, "h1": {"h2": "C7"}}] + ([{"t": "2..inf", "h2": {"h1": "BD5"}}] if size[1] % 2 == 0 else [])
    spec = small(*slabs, input={"shape": size}, states={"h1": [4, *size[1:]], "h2": half}, readout={"t": [2, 4]})
    net = graphnet.compile(spec)
    shapes: dict[str, tuple[int, ...]] = {}

    class Watch(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            value = super().run_node(n)
            shapes[n.name] = tuple(value.shape[1:]) if isinstance(value, Tensor) else ()
            return value

    Watch(net).run(torch.randn(2, *size))
    lines = graphnet.plan(spec).lines
    assert {line.name: shapes[line.name] for line in lines} == {line.name: line.shape for line in lines}


def test_torchvision_finds_the_areas() -> None:
    net = graphnet.compile(small()).eval()
    names = get_graph_node_names(net)[1]
    assert "h2.output" in names
    features = create_feature_extractor(net, {"h2.output": "first", "h2.output_2": "last"})(IMAGES)
    seen: list[Tensor] = []
    net.h2.output.register_forward_hook(lambda module, given, value: seen.append(value))
    net(IMAGES)
    assert torch.equal(features["first"], seen[0])
    assert torch.equal(features["last"], seen[2])


def test_a_copy_is_a_net_of_its_own() -> None:
    net = graphnet.compile(small())
    twin = copy.deepcopy(net)
    assert torch.equal(twin.eval()(IMAGES), net.eval()(IMAGES))
    assert twin.code == net.code
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert not twin(IMAGES).any()
    assert net(IMAGES).any()


def test_names_in_the_state_dict() -> None:
    """Rule 24."""
    net = graphnet.compile(
        small({"h1": {"h2": "BC"}, "h2": {"h2": "BC+C1"}}, readout={"t": 2}, norm={"affine": "shared"})
    )
    assert list(net.state_dict()) == [
        "pre_net.conv1.weight",
        "h2.from_h1.norm1.weight",
        "h2.from_h1.norm1.bias",
        "h2.from_h1.norm1.t1.running_mean",
        "h2.from_h1.norm1.t1.running_var",
        "h2.from_h1.conv1.weight",
        "h2.from_h2.norm1.weight",
        "h2.from_h2.norm1.bias",
        "h2.from_h2.norm1.t2.running_mean",
        "h2.from_h2.norm1.t2.running_var",
        "h2.from_h2.conv1.weight",
        "h2.from_h2.skip.conv1.weight",
        "post_net.norm1.weight",
        "post_net.norm1.bias",
        "post_net.norm1.t2.running_mean",
        "post_net.norm1.t2.running_var",
        "post_net.linear1.weight",
        "post_net.linear1.bias",
    ]


def test_a_shared_weight_is_one_parameter_whose_gradient_is_the_sum_over_its_uses() -> None:
    spec = small({"h1": {"h1": "BRC+I", "h2": "C"}}, readout={"t": 4}, **SHARED)
    net = graphnet.compile(spec, stepwise=False)
    assert len({id(parameter) for parameter in net.parameters()}) == len(net.state_dict().keys() & weights(spec).keys())
    assert [name for name, _ in net.named_parameters() if "h1.from_h1.conv" in name] == ["h1.from_h1.conv1.weight"]
    assert net.code.count("self.h1.from_h1.conv1.weight") == 1
    assert net.code.count("(h1_from_h1_conv1_weight)") == 1, "the weight is converted to the layout of maps once"
    assert net.code.count("h1_from_h1_conv1_weight_channels_last, padding") == 3
    bodies = graphnet.compile(spec, stepwise=True)
    assert bodies.code.count("fused_ops.channels_last(self.h1.from_h1.conv1.weight)") == 1
    assert bodies.code.count("channels_last(") == 1 + len([each for each in net.parameters() if each.dim() == 4])


def test_evaluation_changes_no_statistics_and_training_those_of_each_time_once() -> None:
    net = graphnet.compile(small({"h1": {"h1": "BC", "h2": "C"}}, readout={"t": 3})).eval()
    before = copy.deepcopy(net.state_dict())
    net(IMAGES)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    values: list[Tensor] = []
    net.h1.output.register_forward_hook(lambda module, given, value: values.append(value.detach()))
    net.train()(IMAGES)
    for t in (1, 2):
        mean = 0.1 * values[t - 1].mean(dim=(0, 2, 3))
        assert torch.allclose(net.get_buffer(f"h1.from_h1.norm1.t{t}.running_mean"), mean, atol=1e-6)


def test_the_net_has_the_requested_device_and_type() -> None:
    net = graphnet.compile(small()).double()
    assert net(IMAGES.double()).dtype == torch.float64
    assert {value.dtype for value in net.state_dict().values()} == {torch.float64}
    meta = graphnet.compile(small()).to("meta")
    assert meta(IMAGES.to("meta")).device.type == "meta"
