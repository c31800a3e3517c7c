"""Files of activations: values against the oracle, and what happens when they cannot be written or read."""

from __future__ import annotations

import errno
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import torch

import graphnet
from graphnet.analysis.representations import activation_writer, array_writers
from graphnet.analysis.representations.activation_files import read
from graphnet.analysis.representations.activation_writer import contents, write_activations
from graphnet.training.data.dataset import Part
from graphnet.training.data.images import TensorImages
from tests.property.oracle import Oracle
from tests.small import recurrent, small

FEEDBACK = small(readout={"t": 4})
STAGED = small(
    {"t": "1..2", "h1": {"h1": "BRC+I"}},
    {"t": 3, "h1": {"h2": "BRC"}},
    {"t": "4..6", "h2": {"h2": "BRC+I"}},
    readout={"t": [4, 6]},
)
BY_READOUT = small(
    {"t": "1..inf", "h1": {"h1": "BRC+I"}},
    {"t": "T-1", "h1": {"h1": "RC"}},
    {"t": "2..inf", "h1": {"h2": "BRC"}, "h2": {"h2": "BRC+I"}},
    readout={"t": [4, 5]},
)
"""h1@3 differs between the readouts at 4 and 5."""
KINDS = ["npz", "zarr"]


def part_of(count: int, shape: tuple[int, ...] = (1, 8, 8)) -> Part:
    images = torch.randn(count, *shape, generator=torch.Generator().manual_seed(0)).double()
    mean, deviation = torch.full((shape[0], 1, 1), 0.5), torch.full((shape[0], 1, 1), 2.0)
    return Part(TensorImages(images), torch.arange(count) % 3, 10 + torch.arange(count), mean, deviation)


def only_if_installed(kind: str) -> None:
    if kind == "zarr":
        pytest.importorskip("zarr")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "spec", [FEEDBACK, STAGED, BY_READOUT, recurrent(4)], ids=["feedback", "staged", "by readout", "frnn-3-state"]
)
def test_a_file_holds_the_values_of_the_oracle(spec: dict[str, Any], kind: str, tmp_path: Path) -> None:
    only_if_installed(kind)
    net = graphnet.compile(spec).double()
    for name, buffer in net.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2, generator=torch.Generator().manual_seed(len(name)))
    part = part_of(7, spec["input"]["shape"])
    states = [state for state in net.meta["plan"].made_at if state != "logits"]
    write_activations(tmp_path / f"a.{kind}", net, part, states, batch_size=3, dtype="float64")
    found = read(tmp_path / f"a.{kind}")
    assert net.training
    oracle = Oracle(spec, {key: tensor.detach() for key, tensor in net.state_dict().items()}, False)
    images = (part.images.read(range(7)) - 0.5) / 2
    with torch.no_grad():
        outputs = oracle(images)
        assert found.states == {state: tuple(sorted({*made})) for state, made in net.meta["plan"].made_at.items()}
        for name, value in found.items():
            state, t = name.split("@")
            last = net.meta["plan"].last_time
            wanted = outputs[int(t)] if state == "logits" else oracle.value(state, int(t), last)
            assert wanted is not None
            assert value.dtype == np.float64
            assert np.abs(value - wanted.numpy()).max() <= 1e-10 * float(wanted.abs().max()), name
    assert found.targets is not None
    assert found.targets.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert found.indices is not None
    assert found.indices.tolist() == list(range(10, 17))


def test_numpy_reads_all_arrays(tmp_path: Path) -> None:
    planned = write_activations(
        tmp_path / "a.npz",
        graphnet.compile(FEEDBACK),
        part_of(5),
        ["h2@2..3", "h1@1"],
        images=4,
        about={"part": "test"},
    )
    with np.load(tmp_path / "a.npz") as file:
        arrays = dict(file)
    assert list(arrays)[-4:] == ["h2@2", "h2@3", "h1@1", "logits@4"]
    assert {name: arrays[name].shape for name in planned.shapes} == planned.shapes
    assert arrays["h2@2"].shape == (4, 6, 4, 4)
    assert arrays["h2@2"].dtype == np.float32
    assert arrays["names"].tolist() == list(planned.shapes)
    assert arrays["times"].tolist() == [2, 3, 1, 4]
    assert arrays["milliseconds"].tolist() == [[40, 100], [60, 150], [20, 50], [80, 200]]
    assert json.loads(str(arrays["about"])) == {"net": "small", "part": "test"}
    assert len(arrays["targets"]) == len(arrays["indices"]) == 4


def test_a_net_with_arrows_that_take_no_time_has_no_milliseconds(tmp_path: Path) -> None:
    write_activations(tmp_path / "a.npz", graphnet.compile(small(unroll="engineering")), part_of(2), "h2")
    with np.load(tmp_path / "a.npz") as file:
        assert "times" in file
        assert "milliseconds" not in file


def test_a_net_without_post_net_has_no_outputs(tmp_path: Path) -> None:
    write_activations(tmp_path / "a.npz", graphnet.compile(small(post_net=None)), part_of(2), "h2@3")
    assert list(read(tmp_path / "a.npz")) == ["h2@3"]


def test_sizes_are_known_before(tmp_path: Path) -> None:
    net = graphnet.compile(FEEDBACK)
    planned = contents(net, ["h1@1", "h2@*"], 5, "float16")
    assert planned.sizes == {"h1@1": 5 * 256 * 2, **{f"h2@{t}": 5 * 96 * 2 for t in range(1, 5)}, "logits@4": 5 * 3 * 2}
    assert write_activations(tmp_path / "a.npz", net, part_of(5), ["h1@1", "h2@*"], dtype="float16") == planned
    values = sum(planned.sizes.values())
    assert values < (tmp_path / "a.npz").stat().st_size < values + 6000


def test_the_same_net_and_images_give_the_same_bytes(tmp_path: Path) -> None:
    net = graphnet.compile(FEEDBACK)
    for name in "ab":
        write_activations(tmp_path / f"{name}.npz", net, part_of(5), "h1")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with ZipFile(tmp_path / "a.npz") as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


def test_only_one_batch_is_held(tmp_path: Path) -> None:
    seen = []
    write_activations(
        tmp_path / "a.npz", graphnet.compile(FEEDBACK), part_of(7), "h1@1", batch_size=3, pulse=seen.append
    )
    assert seen == [3, 3, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_leaves_the_old_file(kind: str, tmp_path: Path) -> None:
    only_if_installed(kind)
    net, path = graphnet.compile(FEEDBACK), tmp_path / f"a.{kind}"
    if kind == "npz":
        path.write_text("old")

    def fail(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_activations(path, net, part_of(5), "h1", pulse=fail)
    assert [each.name for each in tmp_path.iterdir()] == (["a.npz"] if kind == "npz" else [])
    if kind == "npz":
        assert path.read_text() == "old"


def test_too_little_room_is_told_before_the_net_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    net, part = graphnet.compile(FEEDBACK), part_of(5)
    sizes = contents(net, "h1", 5).sizes.values()
    needed = sum(sizes) + max(sizes)
    free = needed - 1
    monkeypatch.setattr(activation_writer.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    with pytest.raises(OSError, match=r"25\.\d kB are needed on this disk, and 25\.\d kB are free") as fault:
        write_activations(tmp_path / "a.npz", net, replace(part, images=None), "h1")  # type: ignore[arg-type]
    assert fault.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())
    free = needed
    write_activations(tmp_path / "a.npz", net, part, "h1")


def test_values_beyond_float16_are_refused(tmp_path: Path) -> None:
    net = graphnet.compile(FEEDBACK)
    with torch.no_grad():
        net.get_parameter("pre_net.conv1.weight").fill_(1e6)
    with pytest.raises(ValueError, match=r"h1@0 has values beyond ±65,504, the largest float16: use float32"):
        write_activations(tmp_path / "a.npz", net, part_of(2), "h1", dtype="float16")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    net, part = graphnet.compile(FEEDBACK), part_of(2)
    with pytest.raises(ValueError, match=re.escape("a.txt: the name of a file of activations ends in .npz or .zarr")):
        write_activations(tmp_path / "a.txt", net, part, "h1")
    with pytest.raises(ValueError, match="no state of this net has that name"):
        write_activations(tmp_path / "a.npz", net, part, "h3")
    with pytest.raises(ValueError, match="dtype='int8': it must be one of float16, float32, float64"):
        write_activations(tmp_path / "a.npz", net, part, "h1", dtype="int8")
    (tmp_path / "b.zarr").mkdir()
    with pytest.raises(ValueError, match=r"b\.zarr exists: remove it first, or choose another name"):
        write_activations(tmp_path / "b.zarr", net, part, "h1")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ImportError, match="zarr"):
        write_activations(tmp_path / "c.zarr", net, part, "h1")
    assert [each.name for each in tmp_path.iterdir()] == ["b.zarr"]


def test_large_rows_have_chunks_of_their_own() -> None:
    assert array_writers._chunks((100, 64, 256, 256), "float32") == (1, 64, 256, 256)
    assert array_writers._chunks((100, 10), "float32") == (100, 10)


# reading


def test_a_file_of_numpy_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{"V2@10": np.ones((3, 2)), "V2@9": np.zeros((3, 2)), "other": np.ones(1)})
    found = read(str(tmp_path / "a.npz"))
    assert list(found) == ["V2@10", "V2@9"]
    assert found.states == {"V2": (9, 10)}
    assert (found.targets, found.indices, found.about) == (None, None, {})
    assert found["V2@10"].sum() == 6
    with pytest.raises(KeyError):
        found["other"]


def test_arrays_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{"V2@1": np.ones(3), "V2@2": np.ones(3)})
    found = read(tmp_path / "a.npz")
    (tmp_path / "a.npz").unlink()
    assert list(found) == ["V2@1", "V2@2"]
    with pytest.raises(FileNotFoundError):
        found["V2@1"]


def test_files_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("text")
    np.savez(tmp_path / "other.npz", x=np.ones(1))
    np.savez(tmp_path / "about.npz", **{"V2@1": np.ones(1), "about": np.array("{")})
    for name, said in (
        ("text.npz", "is neither an .npz file nor a .zarr folder"),
        ("other.npz", "has no arrays named after a state and a time, such as V2@3"),
        ("about.npz", "is damaged"),
    ):
        with pytest.raises(ValueError, match=re.escape(f"{tmp_path / name} {said}")):
            read(tmp_path / name)
    for name in ("none.npz", "none.zarr"):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / name)
