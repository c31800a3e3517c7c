"""`graphnet rsa`, `probe` and `consistency` on run folders of `graphnet train`."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

from graphnet.training.runs.load_run import load_run
from graphnet.training.runs.run_folder import RunFolder
from tests.end_to_end.test_analysis_commands import refused, rows, run
from tests.small import small

SPEC = small(post_net={"ops": "BRGL", "classes": 10}, readout={"t": [2, 3]})
STATES = ["h1@0", "h1@1", "h1@2", "h2@1", "h2@2", "h2@3"]
FIGURES = (".svg", ".pdf", ".png")


@pytest.fixture(scope="module", autouse=True)
def _plain() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_COLOR", "1")
        patch.setenv("COLUMNS", "100")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of one net, from other initial weights, and one tested on other images."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "spec.json").write_text(json.dumps(SPEC))
    (folder / "rgb.json").write_text(json.dumps(SPEC | {"input": {"shape": [3, 8, 8]}}))
    found = []
    for name, spec, *more in (
        ("a", "spec.json", "--seed", "0"),
        ("b", "spec.json", "--seed", "1"),
        ("other", "rgb.json", "--data", "fake@8"),
    ):
        done = run("train", folder / spec, "-o", folder / name, "--epochs", "3", "--device", "cpu", *more)
        assert done.returncode == 0, done.stderr
        found.append(folder / name)
    return found


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def figures(*stems: str) -> set[str]:
    return {stem + kind for stem in stems for kind in FIGURES}


# graphnet rsa


def test_rsa_of_a_run(runs: list[Path], tmp_path: Path) -> None:
    reference = np.random.default_rng(0).uniform(size=(2, 60 * 59 // 2))
    for number, matrix in enumerate(reference):
        np.save(tmp_path / f"s{number}.npy", squareform(matrix))
    out = tmp_path / "out"
    both = ("--with", tmp_path / "s0.npy", "--with", tmp_path / "s1.npy")
    done = run("rsa", runs[0], "--at", "h1@*, h2@*", "--images", "60", *both, "-o", out, "--device", "cpu")
    assert (done.returncode, done.stderr) == (0, "")
    tables = {"rdms.npz", "rdms.csv", "conditions.csv", "comparison.csv", "similarity.csv"}
    assert names(out) == tables | figures("rdms", "comparison", "similarity", "unrolled")
    net, data = load_run(RunFolder.open(runs[0]), "cpu")
    conditions = rows(out / "conditions.csv")
    places = [int(row["image"]) for row in conditions]
    images, _ = data.test.first(len(data.test))
    with torch.no_grad():
        values = net.activations(images[places], ["h1@*", "h2@*"])
    square = np.load(out / "rdms.npz")
    assert square.files == STATES
    pairs = rows(out / "rdms.csv")
    assert list(pairs[0]) == ["first", "second", *STATES]
    for (state, t), value in values.items():
        expected = pdist(value.flatten(1).double().numpy(), "correlation")
        assert np.allclose(squareform(square[f"{state}@{t}"]), expected, atol=1e-5)  # batches differ: float32
        assert np.array_equal(squareform(square[f"{state}@{t}"]), [float(row[f"{state}@{t}"]) for row in pairs])
    found = rows(out / "similarity.csv")
    assert [f"{row['state']}@{row['t']}" for row in found] == STATES
    for row in found:
        own = squareform(square[f"{row['state']}@{row['t']}"])
        assert float(row["spearman with s1"]) == pytest.approx(spearmanr(own, reference[1]).statistic)
        assert float(row["ceiling lower"]) <= float(row["ceiling upper"])
        assert f"{float(row['mean']):.3f}" in done.stdout
    assert "noise ceiling: " in done.stdout
    assert done.stdout.splitlines()[-1] == f"results in {out}"
    compared = {
        (f"{row['state']}@{row['t']}", f"{row['other_state']}@{row['other_t']}"): float(row["spearman"])
        for row in rows(out / "comparison.csv")
    }
    first, second = (squareform(square[name]) for name in ("h1@1", "h2@3"))
    assert compared["h1@1", "h2@3"] == pytest.approx(spearmanr(first, second).statistic)
    assert len(compared) == 36
    assert "references (mean)" in (out / "unrolled.svg").read_text()
    for stem in ("rdms", "comparison", "similarity", "unrolled"):
        assert ET.parse(out / f"{stem}.svg").getroot().tag.endswith("svg")


def test_the_same_bytes_each_time_and_from_a_file(runs: list[Path], tmp_path: Path) -> None:
    from graphnet.analysis.representations.responses import of_net

    net, data = load_run(RunFolder.open(runs[0]), "cpu")
    found = of_net(net, data.test)
    np.savez(tmp_path / "acts.npz", targets=found.targets, **{f"{s}@{t}": values for (s, t), values in found.read()})
    common = ("--by", "class", "--distance", "euclidean", "--compare", "kendall", "--at", "h2", "--images", "450")
    for name, source in (("one", runs[0]), ("two", runs[0]), ("file", tmp_path / "acts.npz")):
        done = run("rsa", source, *common, "-o", tmp_path / name, "--device", "cpu")
        assert (done.returncode, done.stderr) == (0, "")
    assert "kendall with h2@3" in done.stdout
    made = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two", "file")]
    assert made[0] == made[1]
    assert made[2] == {name: content for name, content in made[0].items() if not name.startswith("unrolled")}
    assert [row["class"] for row in rows(tmp_path / "one" / "conditions.csv")] == [str(k) for k in range(10)]


def test_where_results_go(runs: list[Path], tmp_path: Path) -> None:
    np.savez(tmp_path / "acts.npz", **{"V1@1": np.random.default_rng(0).normal(size=(4, 5))})
    done = run("rsa", tmp_path / "acts.npz")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"results in {tmp_path / 'acts-rsa'}"
    shutil.copytree(runs[0], tmp_path / "copy")
    done = run("rsa", tmp_path / "copy", "--images", "10", "--at", "h2@3", "--device", "cpu")
    assert done.stdout.splitlines()[-1] == f"results in {tmp_path / 'copy' / 'rsa'}"
    (tmp_path / "taken").write_text("")
    assert f"cannot make {tmp_path / 'taken'}" in refused("rsa", tmp_path / "acts.npz", "-o", tmp_path / "taken")


def test_rsa_refuses(runs: list[Path], tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", squareform([1.0, 2, 3]))
    (tmp_path / "folder").mkdir()
    same = tmp_path / "m.npy"
    for arguments, said in (
        (("--at", "h9"), "'h9': no state of this net has that name"),
        (("--at", "h1@x"), "'x' is no time"),
        (("--with", tmp_path / "m.npy"), "the matrix m is of 3 conditions, the responses are of 200"),
        (("--with", tmp_path / "none.csv"), "cannot be read: No such file"),
        (("--with", same, "--with", same), "--with names a file twice"),
    ):
        told = refused("rsa", runs[0], *arguments, "-o", tmp_path / "out", "--device", "cpu", said=said)
        assert "Traceback" not in told
    assert not (tmp_path / "out").exists()
    refused("rsa", tmp_path / "folder", said="is not a run folder")
    refused("rsa", tmp_path / "none.npz", said="cannot be read")


# graphnet probe


def test_probes_of_a_trained_net_beat_chance(runs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("probe", runs[0], "--at", "h1@1,h2@*", "--images", "200", "--folds", "4", "-o", out, "--device", "cpu")
    assert (done.returncode, done.stderr) == (0, "")
    assert names(out) == {"probes.csv"} | figures("probes", "unrolled")
    found = rows(out / "probes.csv")
    assert [f"{row['state']}@{row['t']}" for row in found] == ["h1@1", "h2@1", "h2@2", "h2@3"]
    for row in found:
        assert float(row["chance"]) == pytest.approx(0.1, abs=0.02)
        assert float(row["accuracy"]) > 0.5
        assert f"{float(row['accuracy']):.3f} ± {float(row['standard error']):.3f}" in done.stdout
    assert "200 images, 4 folds" in done.stdout
    assert "accuracy of a linear probe" in (out / "unrolled.svg").read_text()


def test_probes_of_a_file(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    responses, values = draws.normal(size=(40, 3, 2)), draws.normal(size=(40, 1))
    np.savez(
        tmp_path / "acts.npz", **{"V1@1": responses}, targets=responses[:, :, 0].sum(1, keepdims=True) + values / 9
    )
    done = run("probe", tmp_path / "acts.npz")
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = rows(tmp_path / "acts-probe" / "probes.csv")
    assert float(row["R²"]) > 0.9
    np.savez(tmp_path / "acts.npz", **{"V1@1": responses})
    refused("probe", tmp_path / "acts.npz", said="holds no targets to probe for")


def test_probe_refuses(runs: list[Path], tmp_path: Path) -> None:
    few = ("--images", "20", "--folds", "5", "--device", "cpu")
    refused("probe", runs[0], *few, said="take more images or fewer folds")


# graphnet consistency


def test_consistency_of_runs_and_people(runs: list[Path], tmp_path: Path) -> None:
    first, second = ({t: np.load(path / "logits.npz")[f"t{t}"].argmax(1) for t in (2, 3)} for path in runs[:2])
    classes = np.load(runs[0] / "logits.npz")["targets"]
    lines = [f"{image},{classes[image] if image % 3 else 0}" for image in range(0, 450, 2)]
    (tmp_path / "anna.csv").write_text("image,answer\n" + "\n".join(lines))
    out = tmp_path / "out"
    done = run("consistency", runs[0], runs[1], tmp_path / "anna.csv", "-o", out, "--samples", "50")
    assert (done.returncode, done.stderr) == (0, "")
    assert names(out) == {"consistency.csv"} | figures("consistency")
    found = rows(out / "consistency.csv")
    assert [(row["t"], row["other"], row["other_t"]) for row in found] == [
        ("2", "b", "2"),
        ("3", "b", "3"),
        ("2", "anna", ""),
        ("3", "anna", ""),
    ]
    seen = np.arange(0, 450, 2)
    anna = np.where(seen % 3, True, classes[seen] == 0)
    for row, (own, other) in zip(
        found,
        [
            *((first[t] == classes, second[t] == classes) for t in (2, 3)),
            *(((first[t] == classes)[seen], anna) for t in (2, 3)),
        ],
        strict=True,
    ):
        assert float(row["kappa"]) == pytest.approx(cohen_kappa_score(own, other))
        assert float(row["low"]) <= float(row["kappa"]) <= float(row["high"])
        assert float(row["observed"]) == pytest.approx((own == other).mean())
        assert (float(row["accuracy"]), float(row["other accuracy"])) == pytest.approx((own.mean(), other.mean()))
        assert row["images"] == str(len(own))
        assert f"{float(row['kappa']):.3f} [" in done.stdout


def test_without_logits_the_predictions_are_compared(runs: list[Path], tmp_path: Path) -> None:
    shutil.copytree(runs[0], tmp_path / "copy")
    (tmp_path / "copy" / "logits.npz").unlink()
    done = run("consistency", tmp_path / "copy", runs[0])
    assert (done.returncode, done.stderr) == (0, "")
    found = rows(tmp_path / "copy" / "consistency" / "consistency.csv")
    assert [(row["t"], row["other_t"]) for row in found] == [("3", "2"), ("3", "3")]
    assert float(found[1]["kappa"]) == pytest.approx(1)


def test_other_test_images_are_refused(runs: list[Path], tmp_path: Path) -> None:
    said = f"{runs[2]} was tested on other images than {runs[0]}; error consistency needs the same images"
    told = refused("consistency", runs[0], runs[2], "-o", tmp_path / "out", said=said)
    assert len(told.strip().splitlines()) == 1
    refused("consistency", runs[0], tmp_path / "none.csv", said="cannot be read")
    refused("consistency", tmp_path, runs[0], said="is not a run folder")
