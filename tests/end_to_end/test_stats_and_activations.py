"""`graphnet stats` and `graphnet activations` on run folders of `graphnet train`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graphnet.analysis.representations.activation_files import read
from graphnet.training.data.named import load_dataset
from graphnet.training.runs.load_run import load_run
from graphnet.training.runs.run_folder import RunFolder
from tests.end_to_end.test_analysis_commands import FLAT, STAGED, refused, rows, run
from tests.end_to_end.test_analysis_commands import _plain as _plain

SHARED = STAGED | {"name": "shared", "norm": {"statistics": "shared"}}
WITHOUT = STAGED | {"name": "without", "norm": {"kind": "none"}}
LONG: dict[str, Any] = {key: entry for key, entry in STAGED.items() if key != "transitions"} | {
    "name": "long",
    "transitions": [{"h1": {"h1": "BRC+I", "h2": "BRC"}, "h2": {"h2": "BRC+I"}}],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of nets with statistics per time, shared, at one time only, and without."""
    folder = tmp_path_factory.mktemp("runs")
    found = {}
    for spec in (LONG, SHARED, FLAT, WITHOUT):
        name = str(spec["name"])
        path, found[name] = folder / f"{name}.json", folder / name
        path.write_text(json.dumps(spec))
        done = run("train", path, "-o", found[name], "--epochs", "1", "--device", "cpu", "--lr", "0.02")
        assert done.returncode == 0, done.stderr
    return found


# graphnet stats


def test_statistics_over_time(runs: dict[str, Path], tmp_path: Path) -> None:
    done = run("stats", runs["long"], "-o", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    figures = {f"gain-{state}.{kind}" for state in ("h1", "h2") for kind in ("svg", "pdf", "png")}
    assert {path.name for path in tmp_path.iterdir()} == {"statistics.csv", "fits.csv", *figures}
    tensors = load_run(RunFolder.open(runs["long"]), "cpu")[0].state_dict()
    table = rows(tmp_path / "statistics.csv")
    assert {(row["layer"], int(row["time"])) for row in table} == {
        *(("h1.from_h1.norm1", t) for t in range(1, 5)),
        *(("h2.from_h1.norm1", t) for t in range(1, 6)),
        *(("h2.from_h2.norm1", t) for t in range(2, 7)),
        ("h2.from_h1.norm1", 6),
        ("h1.from_h1.norm1", 5),
        ("post_net.norm1", 6),
    }
    for row in table:
        holder, channel = f"{row['layer']}.t{row['time']}", int(row["channel"])
        variance = float(tensors[f"{holder}.running_var"][channel])
        assert float(row["mean"]) == float(tensors[f"{holder}.running_mean"][channel])
        assert float(row["variance"]) == variance
        assert float(row["gain"]) == pytest.approx((variance + 1e-5) ** -0.5, rel=1e-12)
    assert len(rows(tmp_path / "fits.csv")) == 2 * 3
    assert "h2.from_h2.norm1" in done.stdout
    assert done.stdout.splitlines()[-1] == f"results in {tmp_path}"


def test_statistics_need_no_data(runs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs["long"], folder)
    record = json.loads((folder / "run.json").read_text())
    record["dataset"]["name"] = "cifar10"
    (folder / "run.json").write_text(json.dumps(record))
    assert run("stats", ".", cwd=folder).returncode == 0
    assert (folder / "stats" / "statistics.csv").exists()


def test_statistics_that_do_not_change(runs: dict[str, Path], tmp_path: Path) -> None:
    done = run("stats", runs["shared"], "-o", tmp_path / "a")
    said = 'this net has one set of statistics for all times (statistics = "shared"): nothing changes over time'
    assert done.stdout.splitlines() == [said, f"results in {tmp_path / 'a'}"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["statistics.csv"]
    done = run("stats", runs["flat"], "-o", tmp_path / "b")
    assert done.stdout.splitlines()[0] == "each batch norm of this net runs at one time only: nothing changes over time"


def test_statistics_that_are_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    refused("stats", runs["without"], said="the net has no batch norms, so there are no running statistics")
    refused("stats", tmp_path, said="is not a run folder")
    (tmp_path / "file").write_text("")
    refused("stats", runs["long"], "-o", tmp_path / "file", said="cannot make")
    (tmp_path / "fits.csv").mkdir()
    refused("stats", runs["long"], "-o", tmp_path, said=f"cannot write {tmp_path / 'fits.csv'}")
    refused("stats", runs["long"], "--checkpoint", "best", said="has no checkpoint 'best'")


# graphnet activations


def test_activations_of_the_test_images(runs: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "below" / "acts.npz"
    done = run("activations", runs["long"], "--at", "h2@5..6,h1@2", "--at", "h2@3", "-o", out, "--device", "cpu")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["5 arrays of 450 images, 478.8 kB as float32", f"activations are in {out}"]
    found = read(out)
    assert list(found) == ["h2@5", "h2@6", "h1@2", "h2@3", "logits@6"]
    net, dataset = load_run(RunFolder.open(runs["long"]), "cpu")
    images, targets = dataset.test.first(450)
    with torch.no_grad():
        for (state, t), value in net.activations(images, [*found]).items():
            assert np.allclose(found[f"{state}@{t}"], value.numpy(), rtol=1e-5, atol=1e-5)
    assert np.array_equal(found.targets, targets.numpy())
    assert np.array_equal(found.indices, dataset.test.indices.numpy())
    assert found.about == {"net": "long", "data": "digits", "part": "test"}
    predictions = json.loads((runs["long"] / "predictions.json").read_text())
    assert found["logits@6"].argmax(1).tolist() == predictions


def test_other_images_are_standardised_as_in_training(runs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "my_digits.py").write_text(
        "from dataclasses import replace\n"
        "from graphnet.training.data.named import load_dataset\n"
        "from graphnet.training.data.registered import register_data\n"
        "def load():\n"
        "    data = load_dataset('digits')\n"
        "    def other(part): return replace(part, mean=part.mean + 5, deviation=part.deviation * 3)\n"
        "    return replace(data, train=other(data.train), test=other(data.test))\n"
        "register_data('my-digits', load)\n"
    )
    options = ("--at", "h2", "--part", "training", "--images", "7", "--batch-size", "3", "--device", "cpu")
    for name, more in (("a", ("--data", "my-digits", "--plugin", "my_digits")), ("b", ())):
        done = run("activations", runs["long"], *options, "-o", f"{name}.npz", *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    other, own = read(tmp_path / "a.npz"), read(tmp_path / "b.npz")
    assert (other.about["data"], other.about["part"]) == ("my-digits", "training")
    assert all(np.array_equal(other[name], own[name]) for name in own)
    assert own["h2@6"].shape == (7, 4, 4, 4)
    assert np.array_equal(own.indices, load_dataset("digits").train.indices[:7].numpy())


def test_activations_that_are_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "a.npz"
    start = ("activations", runs["long"], "-o", out)
    refused(*start, "--at", "h3", said="error: 'h3': no state of this net has that name\n  did you mean 'h")
    refused(*start, "--at", "h1@9", said="error: 'h1@9': 'h1' is not computed then")
    parts = "digits has no validation part\n  it has: training, test"
    refused(*start, "--at", "h1", "--part", "validation", said=parts)
    refused(*start, "--at", "h1", "--data", "none", said="no data set is called 'none'")
    shapes = "images of fake are [3, 32, 32]; the input of the net is [1, 8, 8]\n  choose images of that shape"
    refused(*start, "--at", "h1", "--data", "fake", said=shapes)
    shapes = "[1, 9, 9]; the input of the net is [1, 8, 8]\n  write --data digits@8x8"
    refused(*start, "--at", "h1", "--data", "digits@9", said=shapes)
    refused("activations", tmp_path, "-o", out, "--at", "h1", said="is not a run folder")
    text = refused("activations", runs["long"], "-o", tmp_path / "a.txt", "--at", "h1")
    assert "ends in .npz or .zarr" in text
    assert run(*start).returncode == 2
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    refused("activations", runs["long"], "-o", tmp_path / "file" / "a.npz", "--at", "h1", said="cannot write")
    out.mkdir()
    refused(*start, "--at", "h1", said=f"cannot write {out}")


def test_zarr_is_an_extra(runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "zarr", None)
    out = tmp_path / "a.zarr"
    said = refused("activations", runs["long"], "--at", "h1", "-o", out, "--device", "cpu")
    assert said.startswith(f"cannot write {out}: ")
    assert said.endswith("pip install 'graphnet-compiler[zarr]'\n")


def test_too_little_memory_names_the_batch_size(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graphnet.analysis.representations import activation_writer

    def fail(*given: object) -> None:
        raise MemoryError

    monkeypatch.setattr(activation_writer, "activations_by_batch", fail)
    said = "the memory does not suffice\n  use a smaller --batch-size"
    refused("activations", runs["long"], "--at", "h1", "-o", tmp_path / "a.npz", said=said)
    assert not list(tmp_path.iterdir())
