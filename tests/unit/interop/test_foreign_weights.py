"""Weights of other implementations: whole checkpoints, tables, mismatches, and the names of published nets."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

import graphnet
from graphnet import zoo
from graphnet.training.errors import CheckpointError

TABLE = {
    "h1.from_h1.conv1.weight": "block.conv.weight",
    "h1.from_h1.norm1.t1.running_mean": "block.bn.running_mean",
    "h1.from_h1.norm1.t1.running_var": "block.bn.running_var",
    "post_net.linear1.weight": "fc.weight",
    "post_net.linear1.bias": "fc.bias",
}
SHAPES = {
    "block.conv.weight": (4, 4, 3, 3),
    "block.bn.running_mean": (4,),
    "block.bn.running_var": (4,),
    "fc.weight": (3, 4),
    "fc.bias": (3,),
}


def net() -> nn.Module:
    return graphnet.compile(
        {
            "graphnet": 1,
            "input": {"shape": [4, 6, 6]},
            "states": {"h1": [4, 6, 6]},
            "transitions": [{"h1": {"h1": "BRC"}}],
            "post_net": {"ops": "GL", "classes": 3},
            "readout": {"t": 1},
        }
    )


def foreign(shapes: dict[str, tuple[int, ...]] = SHAPES) -> dict[str, Tensor]:
    """Random tensors in the form that another implementation saves."""
    numbers = torch.Generator().manual_seed(0)
    return {name: torch.rand(shape, generator=numbers) for name, shape in shapes.items()}


def holds(net: nn.Module, tensors: dict[str, Tensor], table: dict[str, str] = TABLE) -> bool:
    ours = net.state_dict()
    return ours.keys() == table.keys() and all(torch.equal(ours[name], tensors[table[name]]) for name in table)


def prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def refused(*given: Any, **more: Any) -> list[str]:
    """The lines of the error; checks that nothing is copied."""
    made = net()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        graphnet.import_state_dict(made, *given, **more)
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.state_dict().items())
    return str(caught.value).split("\n")


# ---- whole checkpoints

STATE = foreign()
LOST = {"step": torch.tensor(3), "momentum": {"0": torch.ones(4)}}
CHECKPOINTS: dict[str, dict[str, Any]] = {
    "a state dict": STATE,
    "of DataParallel": prefixed("module.", STATE),
    "of torch.compile": prefixed("_orig_mod.", STATE),
    "of a compiled part": {name.replace("block.", "block._orig_mod."): tensor for name, tensor in STATE.items()},
    "of both": prefixed("module._orig_mod.", STATE),
    "in a dict": {"epoch": 3, "state_dict": STATE, "optimizer": LOST, "args": {"lr": 0.1, "name": "x"}},
    "of Lightning": {"state_dict": prefixed("model.net.", STATE), "callbacks": {}, "hyper_parameters": {"a": None}},
    "deep": {"a": {"b": {"c": prefixed("backbone.", STATE)}}},
    "one dict under two names": {"model": STATE, "ema": STATE},
    "with counts of batches": STATE | {"block.bn.num_batches_tracked": torch.tensor(7)},
    "with a copy that lacks something": {"first": {"fc.bias": torch.ones(3)}, "model": STATE},
    "of arrays": {name: tensor.numpy() for name, tensor in STATE.items()},
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_state_dict_is_found_in_a_whole_checkpoint(name: str) -> None:
    made = net()
    graphnet.import_state_dict(made, CHECKPOINTS[name], TABLE)
    assert holds(made, STATE)


def test_a_table_with_the_names_as_they_are_saved() -> None:
    made = net()
    table = {ours: f"module.{theirs}" for ours, theirs in TABLE.items()}
    graphnet.import_state_dict(made, prefixed("module.", STATE), table)
    assert holds(made, STATE)


def test_two_copies_are_not_chosen_between() -> None:
    both = {"model": STATE, "ema": prefixed("module.", {name: tensor + 1 for name, tensor in STATE.items()})}
    lines = ["the checkpoint holds these weights 2 times: model/* and ema/module.*", "  give one of them"]
    assert refused(both, TABLE) == lines
    made = net()
    graphnet.import_state_dict(made, both["model"], TABLE)
    assert holds(made, STATE)


def test_a_checkpoint_that_holds_itself() -> None:
    loop: dict[str, Any] = {"state_dict": STATE}
    loop["loop"] = loop
    made = net()
    graphnet.import_state_dict(made, loop, TABLE)
    assert holds(made, STATE)


def test_a_checkpoint_without_tensors() -> None:
    assert refused({"epoch": 1, "lr": 2}, TABLE) == ["no tensors in the checkpoint: it holds epoch and 1 more"]


@pytest.mark.parametrize("whole", [False, True])
def test_files_are_read(tmp_path: Path, whole: bool) -> None:
    torch.save({"state_dict": STATE, "epoch": 1} if whole else STATE, tmp_path / "net.pth.tar")
    save_file(STATE, tmp_path / "net.safetensors")
    for file in (tmp_path / "net.pth.tar", str(tmp_path / "net.safetensors")):
        made = net()
        graphnet.import_state_dict(made, file, TABLE)
        assert holds(made, STATE)


class Trap:
    """Runs when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("sprung"),)


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for more in (Trap(), Namespace(lr=0.1)):
        torch.save({"state_dict": STATE, "args": more}, "net.pth")
        what, hint = refused("net.pth", TABLE)
        assert what.startswith("net.pth is not a torch.save file, or holds more than tensors, numbers, strings")
        assert hint == "  nothing in a checkpoint runs here: load it yourself if you trust it, and give its state dict"
    assert not Path("sprung").exists()


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("data", [b"", b"no checkpoint", b"PK\x03\x04 half a file of zip"])
def test_invalid_files(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert "is not a " in refused(tmp_path / name, TABLE)[0]
    assert refused(tmp_path / "none" / name, TABLE) == [f"no checkpoint at {tmp_path / 'none' / name}"]
    torch.save([torch.ones(2)], tmp_path / "list.pth")
    assert refused(tmp_path / "list.pth", TABLE) == [f"{tmp_path / 'list.pth'} holds a list, not a dict of tensors"]


# ---- tables


def test_a_table_of_modules() -> None:
    made = net()
    table = {"h1.from_h1.conv1": "block.conv", "h1.from_h1.norm1.t1": "block.bn", "post_net.linear1": "fc"}
    graphnet.import_state_dict(made, STATE, table)
    assert holds(made, STATE)


def test_a_slice_of_a_foreign_tensor() -> None:
    """The gates of an LSTM are rows of one tensor."""
    made = graphnet.compile("elman")
    shapes = {name: tensor.shape for name, tensor in made.state_dict().items()}
    given = {"module.all": torch.arange(200.0).view(2, 100)}
    table: dict[str, Any] = {name: ("all", (0, slice(0, 5))) for name in shapes if len(shapes[name]) == 1}
    others = [name for name in shapes if name not in table]
    given |= {f"module.{name}": torch.ones(shapes[name]) for name in others}
    graphnet.import_state_dict(made, given, table | {name: name for name in others})
    assert all(made.state_dict()[name].tolist() == [0, 1, 2, 3, 4] for name in table)


@pytest.mark.parametrize(
    "ignore",
    ["aux.*", ["aux.weight", "aux.bias"], ("aux.w*", "*.bias")],
)
def test_unused_tensors_are_skipped_on_request(ignore: Any) -> None:
    given = STATE | {"aux.weight": torch.zeros(3), "aux.bias": torch.zeros(3)}
    made = net()
    graphnet.import_state_dict(made, given, TABLE, ignore=ignore)
    assert holds(made, STATE)


# ---- mismatches


def test_unused_tensors_are_one_line_with_advice() -> None:
    given = STATE | {f"aux.{number}.weight": torch.zeros(3) for number in range(31)}
    assert refused(given, TABLE) == [
        "nothing in the net takes aux.0.weight and 30 more of the state dict",
        '  if this net does not need it: ignore=["aux.0.*", "aux.1.*", "aux.2.*", ...]',
    ]
    assert refused(STATE | {"head.weight": torch.zeros(3)}, TABLE) == [
        "nothing in the net takes head.weight of the state dict",
        '  if this net does not need it: ignore=["head.weight"]',
    ]
    assert refused(STATE, TABLE, ignore="aux*")[0] == "ignore='aux*': the state dict has no such name"


def test_missing_tensors_are_one_line_with_the_available_ones() -> None:
    given = {name.replace("block.", "blok."): tensor for name, tensor in STATE.items()}
    missing, hint, *_ = refused(given, TABLE)
    assert missing == "the state dict has no block.bn.running_mean and 2 more"
    assert hint.startswith("  did you mean 'blok.bn.running_mean'?")
    alone = {name: tensor for name, tensor in STATE.items() if name != "fc.bias"}
    assert refused(alone, TABLE)[0] == "the state dict has no fc.bias for post_net.linear1.bias"


def test_all_kinds_of_faults_come_at_once() -> None:
    given = STATE | {"fc.weight": torch.zeros(2, 4), "fc.bias": torch.zeros(2), "head.weight": torch.zeros(3)}
    del given["block.conv.weight"]
    table = {**TABLE, "V1.weight": "fc.bias"}
    del table["h1.from_h1.norm1.t1.running_mean"]
    given["block.bn.running_mean"] = STATE["block.bn.running_mean"]
    said = [line for line in refused(given, table) if not line.startswith("  ")]
    assert said == [
        "the table lacks h1.from_h1.norm1.t1.running_mean",
        "the table names V1.weight, which the net does not have",
        "the state dict has no block.conv.weight for h1.from_h1.conv1.weight",
        "fc.weight is [2, 4], but post_net.linear1.weight is [3, 4]; 1 more differ in shape",
        "nothing in the net takes block.bn.running_mean and 1 more of the state dict",
    ]


def test_a_reversed_table() -> None:
    table = {theirs: ours for ours, theirs in TABLE.items()}
    what = "the table is reversed: its keys must be names of this net, its values foreign names"
    assert refused(STATE, table)[0] == what


def test_a_name_without_a_table() -> None:
    with pytest.raises(zoo.UnknownName, match="there are tables for resnet18"):
        graphnet.import_state_dict(net(), STATE, "lstm")


# ---- the published nets: names and shapes from their code


def block_s(area: str, before: int, width: int, times: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{area}.conv_input.weight", (width, before, 1, 1)
    yield f"{area}.skip.weight", (width, width, 1, 1)
    yield from bn(f"{area}.norm_skip", width)
    yield f"{area}.conv1.weight", (4 * width, width, 1, 1)
    yield f"{area}.conv2.weight", (4 * width, 4 * width, 3, 3)
    yield f"{area}.conv3.weight", (width, 4 * width, 1, 1)
    for t in range(times):
        for layer, channels in ((1, 4 * width), (2, 4 * width), (3, width)):
            yield from bn(f"{area}.norm{layer}_{t}", channels)


def bn(name: str, channels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from ((f"{name}.{role}", (channels,)) for role in ("weight", "bias", "running_mean", "running_var"))
    yield f"{name}.num_batches_tracked", ()


def cornet_s() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from (("V1.conv1.weight", (64, 3, 7, 7)), ("V1.conv2.weight", (64, 64, 3, 3)))
    yield from (*bn("V1.norm1", 64), *bn("V1.norm2", 64))
    yield from (*block_s("V2", 64, 128, 2), *block_s("V4", 128, 256, 4), *block_s("IT", 256, 512, 2))
    yield from decoder()


def decoder() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from (("decoder.linear.weight", (1000, 512)), ("decoder.linear.bias", (1000,)))


AREAS = (("V1", 3, 64, 7), ("V2", 64, 128, 3), ("V4", 128, 256, 3), ("IT", 256, 512, 3))


def cornet_rt() -> Iterator[tuple[str, tuple[int, ...]]]:
    for area, before, width, kernel in AREAS:
        yield f"{area}.conv_input.weight", (width, before, kernel, kernel)
        yield f"{area}.conv1.weight", (width, width, 3, 3)
        yield f"{area}.conv_input.bias", (width,)
        for name in ("norm_input", "norm1"):
            yield from ((f"{area}.{name}.{role}", (width,)) for role in ("weight", "bias"))
    yield from decoder()


def cornet_z() -> Iterator[tuple[str, tuple[int, ...]]]:
    for area, before, width, kernel in AREAS:
        yield from ((f"{area}.conv.weight", (width, before, kernel, kernel)), (f"{area}.conv.bias", (width,)))
    yield from decoder()


PUBLISHED = {"cornet-s": cornet_s, "cornet-rt": cornet_rt, "cornet-rt-skipping": cornet_rt, "cornet-z": cornet_z}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_checkpoints_of_cornet(name: str) -> None:
    """As downloaded: saved from DataParallel, with other entries."""
    tensors = {name: torch.rand(shape) for name, shape in PUBLISHED[name]()}
    made = graphnet.compile(name)
    graphnet.import_state_dict(made, {"state_dict": prefixed("module.", tensors), "epoch": 43}, name)
    counts = {name for name in tensors if name.endswith("num_batches_tracked")}
    assert holds(made, tensors, table := zoo.foreign_names(name))
    assert tensors.keys() - counts == set(table.values())


def test_a_shorter_net_leaves_out_what_is_dead_in_it() -> None:
    made = graphnet.compile("cornet-rt-skipping", settings={"states.V4": [256, 14, 14], "readout.state": "V4"})
    tensors = {name: torch.rand(shape) for name, shape in cornet_rt()}
    tensors["decoder.linear.weight"] = torch.rand(1000, 256)
    with pytest.raises(CheckpointError, match=r"nothing in the net takes V4.conv1.weight and \d+ more"):
        graphnet.import_state_dict(made, tensors, "cornet-rt-skipping")
    graphnet.import_state_dict(made, tensors, "cornet-rt-skipping", ignore=["IT.*", "V4.conv1.*", "V4.norm1.*"])


@pytest.mark.parametrize("name", ["blt", "blt-as-published", "blt-b"])
def test_what_the_published_code_never_uses_is_left_out(name: str) -> None:
    made = graphnet.compile(name)
    table = zoo.foreign_names(name)
    tensors = {table[ours]: torch.rand(tensor.shape) for ours, tensor in made.state_dict().items()}
    dead = {"v1.lateral.weight": torch.rand(64, 64, 3, 3), "v1.top_down.weight": torch.rand(128, 64, 3, 3)}
    graphnet.import_state_dict(made, {"model": tensors | dead}, name)
    assert holds(made, tensors, table)
    with pytest.raises(CheckpointError, match=r"nothing in the net takes v1\.lateral\.weight and 1 more"):
        graphnet.import_state_dict(made, tensors | dead, table)


# ---- bl-net, in the layout and with the names of Keras

WIDTHS = (4, 5, 6, 4, 3, 5, 6)
KERNELS = (7, 5, 3, 3, 3, 3, 1)
TIMES = 3


def keras() -> dict[str, np.ndarray]:
    """Weights as in the published code, with fewer channels; kernels are height, width, in, out."""
    numbers = np.random.default_rng(0)
    found: dict[str, np.ndarray] = {}
    for layer, (before, width, kernel) in enumerate(zip((3, *WIDTHS), WIDTHS, KERNELS, strict=False)):
        found[f"RCL_{layer}_BConv/kernel:0"] = numbers.normal(size=(kernel, kernel, before, width))
        found[f"RCL_{layer}_LConv/kernel:0"] = numbers.normal(size=(kernel, kernel, width, width))
        for t in range(TIMES):
            for role in ("gamma", "beta", "moving_mean", "moving_variance"):
                found[f"BatchNorm_Layer_{layer}_Time_{t}/{role}:0"] = numbers.uniform(0.5, 1.5, width)
    found["ReadoutDense/kernel:0"] = numbers.normal(size=(WIDTHS[-1], 10))
    found["ReadoutDense/bias:0"] = numbers.normal(size=10)
    return found


def by_hand(weights: dict[str, np.ndarray], image: Tensor, eps: float) -> Tensor:
    """The published forward pass, from its description: a norm for each layer and time, pooling between layers."""
    tensors = {name.removesuffix(":0"): torch.from_numpy(array) for name, array in weights.items()}

    def convolved(name: str, x: Tensor) -> Tensor:
        return F.conv2d(x, tensors[name].permute(3, 2, 0, 1), padding="same")

    before: list[Tensor] = []
    for t in range(TIMES):
        now: list[Tensor] = []
        for layer in range(len(WIDTHS)):
            below = F.max_pool2d(now[-1], 2) if layer else image
            x = convolved(f"RCL_{layer}_BConv/kernel", below)
            if t:
                x = x + convolved(f"RCL_{layer}_LConv/kernel", before[layer])
            roles = ("moving_mean", "moving_variance", "gamma", "beta")
            norm = [tensors[f"BatchNorm_Layer_{layer}_Time_{t}/{role}"] for role in roles]
            now.append(F.relu(F.batch_norm(x, *norm, eps=eps)))
        before = now
    return before[-1].mean((2, 3)) @ tensors["ReadoutDense/kernel"] + tensors["ReadoutDense/bias"]


def grouped(weights: dict[str, np.ndarray]) -> dict[str, Any]:
    """A Keras file as read by h5py: a group for each layer, containing one of the same name."""
    groups: dict[str, Any] = {}
    for name, array in weights.items():
        layer, _, role = name.partition("/")
        groups.setdefault(layer, {}).setdefault(layer, {})[role] = array
    return groups


LAYOUTS = {
    "by name": lambda weights: weights,
    "without number": lambda weights: {name.removesuffix(":0"): array for name, array in weights.items()},
    "in groups": grouped,
    "of a whole model": lambda weights: {"model_weights": grouped(weights), "optimizer_weights": {"m": np.ones(3)}},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_weights_of_keras_give_the_logits_of_the_published_code(layout: str) -> None:
    states = {
        f"L{number}": {"shape": [width, 128 >> number, 128 >> number]} for number, width in enumerate(WIDTHS, start=1)
    }
    settings = {f"states.{name}.shape": each["shape"] for name, each in states.items()}
    settings |= {"input.shape": [3, 64, 64], "post_net.classes": 10, "readout": {"t": TIMES - 1}}
    made = graphnet.compile("bl-net", settings=settings).double().eval()
    weights = keras()
    graphnet.import_state_dict(made, LAYOUTS[layout](weights), "bl-net")
    image = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    wanted = by_hand(weights, image, made.get_submodule("L1.update.norm1.t0").eps)
    assert float((made(image).detach() - wanted).abs().max() / wanted.abs().max()) < 1e-10


def test_the_whole_of_bl_net_has_the_published_names() -> None:
    names = set(zoo.foreign_names("bl-net").values())
    layers = {f"RCL_{layer}_{kind}Conv/kernel" for layer in range(7) for kind in "BL"}
    roles = ("gamma", "beta", "moving_mean", "moving_variance")
    norms = {f"BatchNorm_Layer_{n}_Time_{t}/{role}" for n in range(7) for t in range(8) for role in roles}
    assert names == layers | norms | {"ReadoutDense/kernel", "ReadoutDense/bias"}


def test_statistics_of_another_readout_time_name_calibration() -> None:
    longer = graphnet.compile(net().meta["spec"], settings=["readout.t=2"])
    with pytest.raises(CheckpointError) as caught:
        graphnet.import_state_dict(longer, foreign(), TABLE)
    what, hint = str(caught.value).splitlines()
    assert what == "the table lacks h1.from_h1.norm1.t2.running_mean and 1 more"
    assert hint.startswith("  no running statistics at t = 2? import into a net of the trained readout time")
    assert hint.endswith("then graphnet.calibrate(net, batches of training images)")
    named = TABLE | {f"h1.from_h1.norm1.t2.{role}": f"block.bn2.{role}" for role in ("running_mean", "running_var")}
    with pytest.raises(CheckpointError) as caught:
        graphnet.import_state_dict(longer, foreign(), named)
    assert str(caught.value) == f"the state dict has no block.bn2.running_mean and 1 more\n{hint}"
