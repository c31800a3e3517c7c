import os
import random
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import graphnet.training.runs.checkpoint as module
from graphnet.training.errors import CheckpointError
from graphnet.training.runs.checkpoint import LoadReport, load_into, read_checkpoint, save_checkpoint

SPEC = '{"graphnet": 1, "name": "Grüße"}'


def norm_net(channels: int = 4, times: tuple[int, ...] = (2, 3)) -> nn.Module:
    """A net with names like the compiler's: `conv1.weight`, `norm1.t2.running_mean`, …"""
    norms = nn.ModuleDict({f"t{t}": nn.BatchNorm2d(channels, affine=False) for t in times})
    net = nn.Module()
    net.conv1 = nn.Conv2d(1, channels, 3, bias=False)
    net.norm1 = norms
    for tensor in net.state_dict().values():
        tensor.copy_(torch.randint(1, 100, tensor.shape))
    return net


def tensors_of(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def test_a_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    net, path = norm_net(), tmp_path / "checkpoint.safetensors"
    net.conv1.weight.data = net.conv1.weight.data.transpose(2, 3)  # not contiguous
    save_checkpoint(path, net, SPEC, {"epoch": "7"})
    checkpoint = read_checkpoint(path)
    assert checkpoint.spec_text == SPEC
    assert checkpoint.metadata == {"epoch": "7"}
    wanted = net.state_dict()
    assert checkpoint.tensors.keys() == wanted.keys()
    other = norm_net()
    assert load_into(other, checkpoint.tensors) == LoadReport((), ())
    for name, tensor in other.state_dict().items():
        assert tensor.dtype == wanted[name].dtype
        assert torch.equal(tensor, wanted[name])
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_loading_reports_unused_tensors() -> None:
    tensors = tensors_of(norm_net(times=(2, 3, 4)))
    net = norm_net(times=(2, 3))
    report = load_into(net, tensors)
    assert report.left == ("norm1.t4.running_mean", "norm1.t4.running_var", "norm1.t4.num_batches_tracked")
    assert all(torch.equal(tensors[name], tensor) for name, tensor in net.state_dict().items())


def test_loading_keeps_the_parameters_and_their_type() -> None:
    net = norm_net().double()
    parameter = net.conv1.weight
    load_into(net, tensors_of(norm_net()))
    assert net.conv1.weight is parameter
    assert parameter.requires_grad
    assert parameter.dtype == torch.float64


def test_missing_weights_and_unfit_shapes_are_a_line_each_and_nothing_is_loaded() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4), nn.Linear(4, 5))
    before = tensors_of(net)
    tensors = {"0.weight": torch.zeros(3, 2), "0.bias": torch.zeros(3), "1.weight": torch.zeros(4, 7)}
    with pytest.raises(CheckpointError) as caught:
        load_into(net, tensors | {"1.bias": torch.zeros(4)})
    assert str(caught.value).splitlines() == [
        "the weights hold no 2.weight and 1 more",
        "1.weight is [4, 7] in the weights, [4, 3] in the net",
    ]
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_statistics_of_times_that_were_not_trained_ask_for_calibration() -> None:
    tensors = tensors_of(norm_net(times=(2, 3)))
    net = norm_net(times=(3, 4, 11))
    with pytest.raises(CheckpointError) as caught:
        load_into(net, tensors)
    assert str(caught.value).splitlines() == [
        "the weights hold no running statistics at t = 4, 11: calibrate them on training images first",
        "  load_into(net, tensors, calibrate=True), then graphnet.calibrate(net, batches of training images)",
        "  of a run folder, `graphnet calibrate RUN --readout TIMES` writes a checkpoint that holds them",
    ]


def test_statistics_may_be_missing_for_a_caller_who_calibrates() -> None:
    tensors = tensors_of(norm_net(times=(2, 3)))
    net = norm_net(times=(3, 4))
    report = load_into(net, tensors, calibrate=True)
    assert report.uncalibrated == (
        "norm1.t4.running_mean",
        "norm1.t4.running_var",
        "norm1.t4.num_batches_tracked",
    )
    assert report.left == ("norm1.t2.running_mean", "norm1.t2.running_var", "norm1.t2.num_batches_tracked")
    assert torch.equal(net.state_dict()["norm1.t3.running_mean"], tensors["norm1.t3.running_mean"])
    del tensors["conv1.weight"]
    with pytest.raises(CheckpointError, match=r"^the weights hold no conv1\.weight$"):
        load_into(net, tensors, calibrate=True)


def test_files_that_are_not_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(CheckpointError, match=r"^no checkpoint at "):
        read_checkpoint(path)
    with pytest.raises(CheckpointError, match="not a safetensors file, or is damaged"):
        read_checkpoint(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="not a safetensors file, or is damaged"):
        read_checkpoint(path)
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="not a safetensors file, or is damaged"):
        read_checkpoint(path)
    save_file({"weight": torch.zeros(3)}, path, {"format": "pt"})
    with pytest.raises(CheckpointError, match="not a checkpoint from graphnet"):
        read_checkpoint(path)
    save_file({"weight": torch.zeros(3)}, path, {"graphnet_checkpoint": "3", "spec": "{}"})
    with pytest.raises(CheckpointError, match="version 3; this graphnet reads up to 2"):
        read_checkpoint(path)
    save_file({"weight": torch.zeros(3)}, path, {"graphnet_checkpoint": "2", "spec": "{}"})
    with pytest.raises(CheckpointError, match="it lacks the SHA-256 of a checkpoint of version 2"):
        read_checkpoint(path)


def test_a_checkpoint_of_the_first_version_has_no_checksum(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_file({"weight": torch.zeros(3)}, path, {"graphnet_checkpoint": "1", "spec": "{}"})
    assert not read_checkpoint(path).has_checksum
    save_checkpoint(path, norm_net(), SPEC)
    assert read_checkpoint(path).has_checksum


def test_any_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    spec = '{"sha256":"' + "0" * 64 + '"}'  # what looks like the hash
    save_checkpoint(path, norm_net(), spec, None, STATE)
    raw = path.read_bytes()
    draw = random.Random(0)
    for bit in draw.sample(range(8 * len(raw)), 1000):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(CheckpointError):
            read_checkpoint(path)
    path.write_bytes(raw)
    assert read_checkpoint(path).has_checksum


@pytest.mark.parametrize("text", ['"/etc/passwd"', "null", "[1]", "{", "[" * 100_000, "", "NaN"])
def test_the_spec_in_a_checkpoint_is_a_table(text: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, norm_net(), text)
    with pytest.raises(CheckpointError, match="the spec in the checkpoint is not "):
        _ = read_checkpoint(path).spec_data


def test_the_spec_in_a_checkpoint_opens_no_file(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, norm_net(), '{"graphnet": 1, "extends": "../secret.toml"}')
    with pytest.raises(CheckpointError, match="the spec in the checkpoint extends a file"):
        _ = read_checkpoint(path).spec_data


def test_weights_of_another_type_are_told() -> None:
    net = norm_net()
    with pytest.raises(CheckpointError, match=r"^conv1\.weight is int64 in the weights, float32 in the net$"):
        load_into(net, tensors_of(net) | {"conv1.weight": torch.zeros(4, 1, 3, 3, dtype=torch.int64)})


@pytest.mark.parametrize("kept", [4, 40, -1])
def test_a_truncated_checkpoint(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, norm_net(), SPEC)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(path)


def test_an_interrupted_save_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, norm_net(), SPEC)
    before = path.read_bytes()

    def interrupted(tensors: dict[str, Tensor], target: Path, metadata: dict[str, str]) -> None:
        target.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, norm_net(), SPEC)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_read_checkpoint_outlives_the_next_save(tmp_path: Path) -> None:
    path, net = tmp_path / "checkpoint.safetensors", norm_net()
    save_checkpoint(path, net, SPEC)
    first = read_checkpoint(path).tensors["conv1.weight"]
    expected = first.clone()
    net.conv1.weight.data.zero_()
    save_checkpoint(path, net, SPEC)
    assert torch.equal(first, expected)
    assert not load_file(path)["conv1.weight"].any()


STATE = {"momentum/conv1.weight": torch.ones(4, 1, 3, 3), "generator": torch.arange(9, dtype=torch.uint8)}


def test_the_state_of_training_stands_apart(tmp_path: Path) -> None:
    path, net = tmp_path / "last.safetensors", norm_net()
    save_checkpoint(path, net, SPEC, {"epoch": "7"}, STATE)
    checkpoint = read_checkpoint(path, train=True)
    assert checkpoint.tensors.keys() == net.state_dict().keys()
    assert checkpoint.train.keys() == STATE.keys()
    assert all(torch.equal(checkpoint.train[name], tensor) for name, tensor in STATE.items())
    assert checkpoint.train["generator"].dtype == torch.uint8
    assert "train/generator" in load_file(path)
    assert load_into(norm_net(), checkpoint.tensors) == LoadReport((), ())


def test_tensors_may_share_memory(tmp_path: Path) -> None:
    path, net = tmp_path / "last.safetensors", norm_net()
    save_checkpoint(path, net, SPEC, None, {"same": net.conv1.weight, "row": net.conv1.weight[1]})
    found = read_checkpoint(path, train=True)
    assert torch.equal(found.train["same"], found.tensors["conv1.weight"])
    assert torch.equal(found.train["row"], found.tensors["conv1.weight"][1])


def test_the_state_of_training_is_read_only_if_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read = tmp_path / "last.safetensors", []
    save_checkpoint(path, norm_net(), SPEC, None, STATE)

    class Watched:
        def __init__(self, *arguments: object, **options: object) -> None:
            self.file = safe_open(*arguments, **options)

        def __enter__(self) -> "Watched":
            self.file.__enter__()
            return self

        def __exit__(self, *fault: object) -> None:
            self.file.__exit__(*fault)

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

        def get_tensor(self, name: str) -> Tensor:
            read.append(name)
            return self.file.get_tensor(name)

    monkeypatch.setattr(module, "safe_open", Watched)
    assert read_checkpoint(path).train == {}
    assert set(read) == norm_net().state_dict().keys()


def test_names_of_the_state_of_training_are_reserved(tmp_path: Path) -> None:
    net = nn.Module()
    net.register_module("train/x", nn.Linear(1, 1))
    with pytest.raises(ValueError, match=r"reserved for the state of training: train/x\.weight and 1 more"):
        save_checkpoint(tmp_path / "c.safetensors", net, SPEC)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_mode_of_a_checkpoint_follows_the_umask(mask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        for _ in range(2):  # a new file, and one that replaces it
            save_checkpoint(tmp_path / "c.safetensors", norm_net(), SPEC)
            assert stat.S_IMODE((tmp_path / "c.safetensors").stat().st_mode) == mode
    finally:
        os.umask(before)


def test_a_pipe_is_neither_read_nor_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OSError, match="no regular file"):
        save_checkpoint(path, norm_net(), SPEC)
    with pytest.raises(CheckpointError, match="it is not a regular file"):
        read_checkpoint(path)
    assert path.is_fifo()


LIMITED = """
import resource, signal, sys
from pathlib import Path
from torch import nn
from graphnet.training.runs.checkpoint import save_checkpoint
path, small, large = Path(sys.argv[1]), nn.Linear(2, 2), nn.Linear(200, 200)
save_checkpoint(path, small, "{}", {"epoch": "3"})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    save_checkpoint(path, large, "{}", {"epoch": "4"})
except OSError as fault:
    assert fault.filename == str(path)
    print(fault.strerror)
"""


def test_a_file_that_the_system_refuses_is_an_oserror_and_the_old_one_stays(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    path = tmp_path / "c.safetensors"
    done = subprocess.run([sys.executable, "-c", LIMITED, path], capture_output=True, text=True, check=True)
    assert done.stdout == "File too large\n"
    assert read_checkpoint(path).metadata == {"epoch": "3"}
    assert list(tmp_path.iterdir()) == [path]


def test_the_metadata_of_the_caller_cannot_hide_the_spec(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="reserved"):
        save_checkpoint(tmp_path / "c.safetensors", norm_net(), SPEC, {"spec": "{}"})
