"""`graphnet unroll RUN`, and `graphnet compare` of trained nets: a trained recurrent net is a ResNet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import graphnet
from graphnet.equivalence.runs import apart
from graphnet.training.runs.checkpoint import read_checkpoint, save_checkpoint
from graphnet.training.runs.load_run import load_run
from graphnet.training.runs.run_folder import RunFolder
from tests.end_to_end.test_analysis_commands import STAGED, run

BLOCKS = 4
RNN: dict[str, Any] = {
    "graphnet": 1,
    "name": "rnn",
    "cite": "Liao & Poggio 2016, Figure 1",
    "input": {"shape": [1, 8, 8]},
    "states": {"h": [8, 8, 8]},
    "transitions": [{"t": "1..inf", "h": {"h": "BRCBRC+I"}}],
    "norm": {"affine": "none"},
    "pre_net": {"ops": "C"},
    "post_net": {"ops": "BRGL", "classes": 10, "norm": {"affine": "shared"}},
    "readout": {"t": BLOCKS},
}


def trained(spec: dict[str, Any], folder: Path, *options: str) -> Path:
    path = folder.with_suffix(".json")
    path.write_text(json.dumps(spec))
    done = run("train", path, "-o", folder, "--epochs", "1", "--device", "cpu", "--quiet", *options)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def rnn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained recurrent net of one state."""
    return trained(RNN, tmp_path_factory.mktemp("runs") / "rnn", "--train.lr=0.1")


@pytest.fixture(scope="module")
def dag(rnn: Path) -> Path:
    """The same net, unrolled."""
    done = run("unroll", rnn, "-o", folder := rnn.with_name("dag"))
    assert done.stdout == (
        f"{folder}: {BLOCKS + 2} states, 1,330 parameters, with the weights of {rnn}/last.safetensors\n"
        f"compare them: graphnet compare {rnn} {folder}\n"
    )
    return folder


def changed(run_folder: Path, folder: Path) -> Path:
    """A copy of an unrolled run with a kernel that is off by 1e-6."""
    shutil.copytree(run_folder, folder)
    net, _ = load_run(RunFolder.open(run_folder), "cpu")
    with torch.no_grad():
        net.get_parameter("h_1.from_h_0.conv2.weight")[0] += 1e-6
    save_checkpoint(folder / "last.safetensors", net, (folder / "spec.json").read_text())
    return folder


def test_an_unrolled_run_is_equal_to_the_run_and_tested_like_it(rnn: Path, dag: Path) -> None:
    same = run("compare", rnn, dag)
    assert (same.returncode, same.stderr) == (0, "")
    first, *kinds, last = same.stdout.splitlines()
    assert first == f"{rnn} and {dag}, with trained weights, are equal; largest differences, in float64:"
    assert [line.split("  ")[1] for line in kinds] == ["weights", "statistics", "outputs", "gradients", "test outputs"]
    accuracy = f"{json.loads((rnn / 'run.json').read_text())['results']['final_accuracy']:.2%}"
    assert last == f"test accuracy {accuracy} and {accuracy} on 450 images of digits; 450 of 450 predictions agree"
    tested = run("eval", dag, "--device", "cpu")
    assert tested.stdout == f"test accuracy {accuracy}\n450 of 450 predictions are those made after training\n"


def test_the_files_of_an_unrolled_run(rnn: Path, dag: Path, tmp_path: Path) -> None:
    names = {"diagram.svg", "last.safetensors", "logits.npz", "plan.txt", "predictions.json", "run.json", "spec.json"}
    assert {path.name for path in dag.iterdir()} == names
    record = json.loads((dag / "run.json").read_text())
    assert (record["status"], record["tested"], record["unrolled_from"]) == ("finished", "last", str(rnn))
    assert graphnet.load(dag) == graphnet.unroll(RNN)
    run("unroll", rnn, "-o", again := tmp_path / "again")
    differ = {name for name in names if (again / name).read_bytes() != (dag / name).read_bytes()}
    assert differ <= {"last.safetensors"}  # safetensors writes the metadata in any order
    full = run("unroll", rnn, "-o", dag)
    assert (full.returncode, full.stderr.splitlines()[0]) == (
        1,
        f"error: {dag} is not empty, and runs are never overwritten",
    )


class ResNet(nn.Module):
    """The unrolled net written by hand, with the tensors of its checkpoint; each block has a copy of the weights."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.tensors = {name: tensor.double() for name, tensor in tensors.items()}
        self.kernels = [nn.Parameter(self.tensors[f"h_1.from_h_0.conv{k}.weight"].clone()) for k in (1, 2) * BLOCKS]

    def norm(self, x: Tensor, name: str, *affine: Tensor) -> Tensor:
        mean, variance = (self.tensors[f"{name}.{role}"] for role in ("running_mean", "running_var"))
        return F.batch_norm(x, mean, variance, *affine)

    def forward(self, images: Tensor) -> Tensor:
        x = F.conv2d(images, self.tensors["pre_net.conv1.weight"], padding=1)
        for t in range(1, BLOCKS + 1):
            y = x
            for k in (1, 2):
                y = F.relu(self.norm(y, f"h_{t}.from_h_{t - 1}.norm{k}.t{t}"))
                y = F.conv2d(y, self.kernels[2 * (t - 1) + k - 1], padding=1)
            x = x + y
        affine = (self.tensors[f"post_net.norm1.{role}"] for role in ("weight", "bias"))
        pooled = F.relu(self.norm(x, f"post_net.norm1.t{BLOCKS}", *affine)).mean((2, 3))
        return F.linear(pooled, *(self.tensors[f"post_net.linear1.{role}"] for role in ("weight", "bias")))


def test_the_trained_recurrent_net_is_a_resnet_written_by_hand(rnn: Path, dag: Path) -> None:
    net, data = load_run(RunFolder.open(rnn), "cpu")
    resnet = ResNet(read_checkpoint(dag / "last.safetensors").tensors)
    images, labels = data.test.first(450)
    ours, theirs = net.double()(images.double()), resnet(images.double())
    assert apart(ours, theirs) < 1e-10
    assert theirs.argmax(1).tolist() == RunFolder(rnn).read_predictions()
    for outputs in (ours, theirs):
        F.cross_entropy(outputs, labels).backward()
    for k in (1, 2):  # the gradient of a shared weight is the sum over its blocks
        gradient = net.get_parameter(f"h.from_h.conv{k}.weight").grad
        total = torch.stack([kernel.grad for kernel in resnet.kernels[k - 1 :: 2] if kernel.grad is not None]).sum(0)
        assert apart(gradient, total) < 1e-10


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two states, Lipschitz bounds and I0."""
    return trained(STAGED, tmp_path_factory.mktemp("runs") / "staged")


def test_other_nets_are_unrolled_too(staged: Path, tmp_path: Path) -> None:
    run("unroll", staged, "-o", dag := tmp_path / "dag")
    for pair in ((staged, dag), (dag, staged)):
        assert run("compare", *pair, "--images", "50").returncode == 0
    assert "450 of 450" in run("eval", dag, "--device", "cpu").stdout
    lesions = {staged: "h1->h1@2", dag: "h1_1->h1_2"}
    lesioned = [run("perturb", each, "--silence", cut) for each, cut in lesions.items()]
    assert lesioned[0].returncode == 0, lesioned[0].stderr
    assert lesioned[0].stdout == lesioned[1].stdout


def test_a_run_is_compared_with_a_spec_that_gets_its_weights(rnn: Path, dag: Path, tmp_path: Path) -> None:
    for pair in ((rnn, dag / "spec.json"), (rnn.with_suffix(".json"), dag), (dag, rnn / "spec.json")):
        done = run("compare", *pair, "--images", "10")
        assert done.returncode == 0, done.stdout + done.stderr
    other = tmp_path / "other.json"
    other.write_text(json.dumps(RNN | {"transitions": [{"h": {"h": "BRCBRC"}}]}))
    done = run("compare", rnn, other, "--images", "10")
    assert (done.returncode, done.stdout.splitlines()[0].split(";")[0]) == (
        1,
        f"{rnn} and 'rnn', with trained weights, differ",
    )
    assert "they part at h at t = 1" in done.stdout


def test_a_difference_of_weights_is_found(dag: Path, rnn: Path, tmp_path: Path) -> None:
    done = run("compare", rnn, changed(dag, tmp_path / "changed"))
    assert done.returncode == 1
    assert "they part at h at t = 1" in done.stdout
    assert "450 of 450 predictions agree" in done.stdout


def test_two_runs_of_one_spec_differ(rnn: Path, tmp_path: Path) -> None:
    other = trained(RNN, tmp_path / "other", "--seed", "1")
    done = run("compare", rnn, other)
    assert done.returncode == 1
    assert f"{rnn} and {other}, with trained weights, differ;" in done.stdout
    assert " of 450 predictions agree" in done.stdout


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"readout": {"t": 5}}, "the weights hold no running statistics at t = 5: calibrate them on training images"),
        ({"input": {"shape": [3, 8, 8]}}, "digits are [1, 8, 8]; the spec's input is [3, 8, 8]"),
        ({"states": {"h": [6, 8, 8]}}, "pre_net.conv1.weight has shape [8, 1, 3, 3] in one net, [6, 1, 3, 3] in the"),
        (
            {"states": {"g": [8, 8, 8]}, "transitions": [{"g": {"g": "BRC"}}]},
            "nothing in 'rnn' corresponds to g_from_g",
        ),
    ],
)
def test_specs_that_the_weights_do_not_fit(changes: dict[str, Any], said: str, rnn: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps(RNN | changes))
    done = run("compare", rnn, path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {said}")
    assert "table" not in done.stderr


def test_runs_on_other_data_are_not_compared(rnn: Path, tmp_path: Path) -> None:
    shutil.copytree(rnn, other := tmp_path / "other")
    record = json.loads((other / "run.json").read_text())
    record["dataset"] |= {"name": "fake", "held_out_hash": "0"}
    (other / "run.json").write_text(json.dumps(record))
    done = run("compare", rnn, other)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: the runs have other test images: {rnn} on digits, {other} on fake\n")


def test_options_of_specs_are_refused_for_runs(rnn: Path, dag: Path, tmp_path: Path) -> None:
    for options in (["--seeds", "2"], ["--set", "readout.t=3"]):
        done = run("compare", rnn, dag, *options)
        assert (done.returncode, done.stderr.startswith("error: --set and --seeds are for two specs")) == (2, True)
    done = run("unroll", rnn, "-o", tmp_path / "x", "--set", "readout.t=3")
    assert (done.returncode, done.stderr.startswith("error: --set changes a spec, not a run")) == (2, True)
    done = run("unroll", rnn, "-o", tmp_path / "x.toml", "--checkpoint", "last")
    assert (done.returncode, done.stderr.startswith("error: --checkpoint is for a run that")) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_only_the_tested_checkpoint_has_the_predictions_of_the_run(rnn: Path, tmp_path: Path) -> None:
    run("unroll", rnn, "-o", tmp_path / "dag", "--checkpoint", "last")
    assert (tmp_path / "dag" / "predictions.json").exists()
    shutil.copy(rnn / "last.safetensors", tmp_path / "other.safetensors")
    run("unroll", rnn, "-o", tmp_path / "other", "--checkpoint", str(tmp_path / "other.safetensors"))
    assert not (tmp_path / "other" / "predictions.json").exists()
    assert "results" not in json.loads((tmp_path / "other" / "run.json").read_text())


def test_a_run_folder_is_a_spec(rnn: Path, tmp_path: Path) -> None:
    assert run("draw", rnn, "-o", tmp_path / "net.svg").returncode == 0
    assert run("unroll", rnn, "-o", tmp_path / "dag.toml").returncode == 0
    assert graphnet.load(tmp_path / "dag.toml") == graphnet.unroll(RNN)
