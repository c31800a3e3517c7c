"""Training starts from other weights: whatever is missing or unused is refused, or reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import graphnet
from graphnet.interop.start_from import listed, start_from
from graphnet.training.errors import CheckpointError, RunError
from graphnet.training.runs.checkpoint import save_checkpoint
from graphnet.training.runs.creation import create_run
from tests.small import SMALL

HEAD = {"post_net.linear1.weight", "post_net.linear1.bias"}


def net_of(classes: int = 3, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return graphnet.compile(SMALL | {"post_net": {"ops": "BRGL", "classes": classes}})


def equal(net: nn.Module, other: nn.Module, without: set[str] = frozenset()) -> bool:  # type: ignore[assignment]
    theirs = other.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in net.state_dict().items() if name not in without)


@pytest.fixture
def trained() -> Any:
    net = net_of(seed=1)
    for tensor in net.state_dict().values():
        tensor.copy_(torch.rand(tensor.shape) * 100 + 1)
    return net


@pytest.fixture
def source(request: pytest.FixtureRequest, trained: Any, tmp_path: Path) -> Path:
    """The weights of `trained` as a run, a checkpoint, or a file of others."""
    kind = getattr(request, "param", "run")
    path = tmp_path / kind
    if kind == "run":
        run = create_run(path, "small")
        run.save_last(net_of(seed=2), "{}", {"epoch": "1"}, {"step": torch.tensor(1)})
        run.save_as("averaged", trained, "{}")
        run.write_record({"status": "finished", "tested": "averaged"})
    elif kind == "checkpoint.safetensors":
        save_checkpoint(path, trained, "{}", None, {"step": torch.tensor(1)})
    elif kind == "others.safetensors":
        save_file({f"module.{name}": tensor for name, tensor in trained.state_dict().items()}, path)
    else:
        torch.save({"state_dict": trained.state_dict(), "epoch": 3}, path)
    return path


@pytest.mark.parametrize("source", ["run", "checkpoint.safetensors", "others.safetensors", "others.pth"], indirect=True)
def test_weights_come_from_a_run_or_a_file(source: Path, trained: Any) -> None:
    net = net_of()
    assert not equal(net, trained)
    report = start_from(net, source)
    assert equal(net, trained)
    assert (set(report.taken), report.missing, report.unused) == (set(net.state_dict()), (), ())
    name = source / "averaged.safetensors" if source.is_dir() else source
    assert str(report) == f"{len(net.state_dict())} tensors from {name}"


def lacking(trained: nn.Module, path: Path, **more: torch.Tensor) -> Path:
    save_file({name: tensor for name, tensor in trained.state_dict().items() if name not in HEAD} | more, path)
    return path


def test_missing_and_unused_names_are_refused(trained: Any, tmp_path: Path) -> None:
    path, net = lacking(trained, tmp_path / "body.safetensors", extra=torch.ones(2)), net_of()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        start_from(net, path)
    assert str(caught.value).splitlines() == [
        f"{path} holds no post_net.linear1.weight, post_net.linear1.bias",
        f"the net has no extra, which {path} holds",
        "  --partial takes what fits, and reports the rest",
    ]
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    report = start_from(net, path, partial=True)
    assert (set(report.missing), report.unused) == (HEAD, ("extra",))
    assert str(report).splitlines()[1:] == [
        "  not in it, so they keep their initial values: post_net.linear1.weight, post_net.linear1.bias",
        "  not in the net: extra",
    ]
    assert equal(net, trained, HEAD)
    assert all(torch.equal(net.state_dict()[name], before[name]) for name in HEAD)


def test_ignored_names_are_neither_taken_nor_expected(source: Path, trained: Any, tmp_path: Path) -> None:
    net = net_of(classes=5)
    with pytest.raises(CheckpointError, match=r"post_net\.linear1\.weight is \[3, 6\] in the weights, \[5, 6\] in"):
        start_from(net, source)
    report = start_from(net, source, ["post_net.linear1.*"])
    assert set(report.missing) == HEAD
    assert equal(net, trained, HEAD)
    assert set(start_from(net_of(classes=5), source, partial=True).missing) == HEAD
    start_from(net, lacking(trained, tmp_path / "b.safetensors", extra=torch.ones(2)), ["post_net.linear1.*", "extra"])
    with pytest.raises(CheckpointError, match=r"nothing is called 'post_net\.conv9\.\*', which is to be ignored"):
        start_from(net, source, ["post_net.conv9.*"])


def test_what_cannot_be_taken_is_told(trained: Any, tmp_path: Path) -> None:
    net, path = net_of(), tmp_path / "w.safetensors"
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        start_from(net, path)
    with pytest.raises(RunError, match="is not a run folder"):
        start_from(net, tmp_path)
    with torch.no_grad():
        trained.state_dict()["pre_net.conv1.weight"].fill_(torch.nan)
    save_checkpoint(path, trained, "{}")
    with pytest.raises(CheckpointError, match=r"holds values that are not finite: pre_net\.conv1\.weight"):
        start_from(net, path)
    start_from(net, path, "pre_net.conv1.weight")
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match="is damaged"):
        start_from(net, path, "pre_net.conv1.weight")


def test_many_names_are_shortened() -> None:
    assert listed("abc") == "a, b, c"
    assert listed("abcdefg") == "a, b, c, d, e and 2 more"


def test_statistics_of_another_readout_time_name_calibration(trained: Any, tmp_path: Path) -> None:
    path = tmp_path / "others.safetensors"
    save_file(trained.state_dict(), path)
    longer = graphnet.compile(SMALL | {"readout": {"t": 4}})
    with pytest.raises(CheckpointError) as caught:
        start_from(longer, path)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path} holds no running statistics at t = 3, 4"
    assert lines[-2:] == [
        "  for another readout time, calibrate first: graphnet.calibrate(net, batches of training images)",
        "  of a run folder, `graphnet calibrate RUN --readout 4` writes a checkpoint that holds them",
    ]
    report = start_from(longer, path, partial=True)
    assert "h1.from_h1.norm1.t3.running_mean" in report.missing
