"""The shipped experiments: their headers, that each net and recipe of theirs holds, and which files share runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import graphnet
from graphnet.experiments.definition import definition_of
from graphnet.experiments.results import read_results
from graphnet.experiments.running.conditions import conditions
from graphnet.given_experiments import EXPERIMENTS, experiment_files, load_experiment
from graphnet.planning.plan import Plan
from graphnet.planning.time_expansion import expand_in_time
from graphnet.rewrite.perturbations import DropBlock, Edit, ShowAnother, edited
from graphnet.rewrite.spec_editor import Draft, EditError
from graphnet.spec.experiment.model import Edit as WrittenEdit
from graphnet.spec.experiment.model import Experiment
from graphnet.spec.model import Spec
from graphnet.spec.recipe import Recipe

FILES = experiment_files()
FORMS = pytest.mark.parametrize("smoke", [False, True], ids=["full", "smoke"])
EACH = pytest.mark.parametrize("name", FILES)
TWO_FORMS = pytest.mark.parametrize("name", [name for name in FILES if "fashion" not in name])
IN_MINUTES = {
    "lp-resnet-is-rnn",
    "lp-identity",
    "lp-figure-4a",
    "lp-figure-4c",
    "lp-figure-4d",
    "lp-figure-5a",
    "lp-table-1",
    "lp-mean-or-sum",
    "lp-statistics-over-time",
    "lp-dropped-blocks",
    "lp-mask",
    "lpk-figure-2",
    "lpk-figure-3a",
    "lpk-figure-3b",
    "lpk-figure-3c",
    "lpk-figure-4",
    "lpk-figure-s1",
    "lpk-figure-s2",
}
"""Experiments whose smoke form has five seeds; the others are exploratory there."""


SECOND = "lpk-"
"""Prefix of the experiments of the second paper, Lippl et al. 2024."""
OTHER_DATA = {
    "lpk-figure-3b": {"cifar10", "digitclutter-5"},
    "lpk-figure-s3a": {f"digitclutter-{count}" for count in (2, 3, 4, 5)},
    "lpk-figure-s3b": {"cifar100"},
    "lpk-figure-s3d": {"mnist"},
}
"""Experiments of the second paper with other data than CIFAR-10 in their full form."""


class Run(NamedTuple):
    """What a condition trains: labels → spec and recipe, and the edits of the trained net."""

    spec: Spec
    recipe: Recipe
    edits: tuple[WrittenEdit, ...]


def runs(experiment: Experiment) -> Iterator[tuple[tuple[str, ...], Run]]:
    """Yield the labels of each condition, and what it trains."""
    for each in conditions(experiment):
        variants = [experiment.factors[factor][label] for factor, label in each.labels.items()]
        edits = tuple(variant.edit for variant in variants if variant.edit)
        yield tuple(each.labels.values()), Run(each.spec, each.recipe, edits)


def all_runs(name: str, smoke: bool) -> dict[str, Run]:
    """Return the runs of a file by their labels, joined by commas."""
    return {",".join(labels): run for labels, run in runs(load_experiment(name, smoke))}


def written(edit: WrittenEdit, spec: Spec) -> list[list[Edit]]:
    """Return the edits that an edit stands for: one, or one for each block."""
    if edit.mask is not None:
        return [[ShowAnother(edit.mask)]]
    if state := edit.every_block_of:
        blocks = len(Draft(spec, expand_in_time(spec)).blocks(state[1]))
        return [[DropBlock(state[1], number)] for number in range(1, blocks + 1)]
    return [[DropBlock(word.partition(":")[0], int(word.partition(":")[2])) for word in edit.drop]]


@EACH
@FORMS
def test_each_net_compiles_and_each_recipe_resolves(name: str, smoke: bool) -> None:
    found = all_runs(name, smoke)
    assert found
    for run in found.values():
        plan = graphnet.plan(run.spec)
        assert plan.parameters > 0
        assert {warning.code for warning in plan.warnings} <= {"GN501"}, "only connections that are too late to be read"


@EACH
@FORMS
def test_each_measure_fits_each_net(name: str, smoke: bool) -> None:
    experiment = load_experiment(name, smoke)
    for _, run in runs(experiment):
        for edit in run.edits + tuple(each.edit for each in experiment.measure if each.edit):
            for edits in written(edit, run.spec):
                edited(run.spec, edits)
        for measure in experiment.measure:
            for t in measure.times:
                graphnet.plan(run.spec.as_data() | {"readout": {**run.spec.as_data()["readout"], "t": t}})
            if measure.at:
                assert any(measure.at in tensor.name for tensor in graphnet.plan(run.spec).tensors)


@TWO_FORMS
def test_the_small_form_takes_minutes(name: str) -> None:
    experiment = load_experiment(name, smoke=True)
    few = name not in IN_MINUTES
    assert (len(experiment.seeds), experiment.exploratory) == ((3, True) if few else (5, False))
    for _, run in runs(experiment):
        plan: Plan = graphnet.plan(run.spec)
        if name.startswith(SECOND) and name != "lpk-figure-s3d":
            assert run.recipe.data in ("digitclutter-2", "digitclutter-3")
            assert (run.recipe.train_size or 0) * (run.recipe.epochs or 0) <= EPOCHS_OF_CLUTTER * 10_000
        else:
            assert (run.recipe.data, run.recipe.train_size) == ("mnist-5k@16", 1000)
            assert plan.flops * 3 * 1000 * (run.recipe.epochs or 0) < 4e12
        assert run.recipe.augment == ("none",)


EPOCHS_OF_CLUTTER = 10


@TWO_FORMS
def test_the_full_form_is_the_papers(name: str) -> None:
    experiment = load_experiment(name)
    found = {run.recipe.data for _, run in runs(experiment)}
    if name.startswith(SECOND):
        data, seeds, recipe = OTHER_DATA.get(name, {"cifar10"}), 6, "lpk-cifar"
    elif name == "lp-figure-6":
        data, seeds, recipe = {"folder:imagenet"}, 3, "lp-imagenet"
    else:
        data, seeds, recipe = {"cifar10"}, 5, "lp-cifar"
    assert (len(experiment.seeds), experiment.exploratory) == (seeds, False)
    assert experiment.train["recipe"] == recipe
    assert found == data


@EACH
@FORMS
def test_each_experiment_claims_and_shows_something(name: str, smoke: bool) -> None:
    experiment = load_experiment(name, smoke)
    assert experiment.claims
    assert experiment.figure
    assert experiment.table
    assert all(claim.says.endswith(".") and claim.cite for claim in experiment.claims)
    assert all(figure.title for figure in experiment.figure)


def test_claims_that_training_decides_have_a_guard() -> None:
    without = {
        (name, claim.effect)
        for name in FILES
        for smoke in (False, True)
        for claim in load_experiment(name, smoke).claims
        if not claim.guard
    }
    assert without == {
        ("lp-table-1", "test_error[t=5] - 0.0744"),
        ("lp-table-1", "test_error[t=10] - 0.0686"),
        ("lp-statistics-over-time", "train_accuracy[statistics=shared] - train_accuracy[statistics=per-time]"),
    }


def test_one_experiment_is_the_headline() -> None:
    assert [name for name in FILES if load_experiment(name).headline] == ["lp-resnet-is-rnn"]


@EACH
def test_headers_say_what_is_the_papers_and_what_is_ours(name: str) -> None:
    text = FILES[name].read_text(encoding="utf-8")
    first, *lines = text.splitlines()
    assert first == "#:schema ./graphnet-experiment.schema.json"
    header = " ".join(line for line in lines if line.startswith("#"))
    assert lines[0].endswith(".")
    assert len(lines[0]) <= 105
    paper = "Lippl, Peters & Kriegeskorte 2024" if name.startswith(SECOND) else "Liao & Poggio 2016"
    for words in (paper, "From the paper:", "Ours:", "smoke"):
        assert words in header
    assert load_experiment(name).name == name
    assert load_experiment(name).cite.startswith(f"{paper}, ")
    assert max(map(len, text.splitlines())) <= 140


SHARED_RUNS = {
    "4 A, shared, t = 9": (
        {"lp-figure-4a": "shared,9", "lp-figure-4d": "shared,9", "lp-statistics-over-time": "resnet,per-time"}
        | {"lp-dropped-blocks": "", "lp-mask": "none", "lp-initialisation": "he"},
        {"lp-figure-5a": "", "lp-figure-5b": ""},
    ),
    "4 A, shared, t = 13": ({"lp-figure-4a": "shared,13", "lp-figure-5a": ""}, None),
    "4 B, shared": ({"lp-figure-4b": "shared", "lp-sharing-early-or-late": "all"}, {}),
    "4 B, unshared": ({"lp-figure-4b": "unshared", "lp-sharing-early-or-late": "none"}, {}),
    "4 C, shared": (
        {"lp-figure-4c": "shared", "lp-mean-or-sum": "mean", "lp-statistics-over-time": "frnn,per-time"},
        {"lp-figure-4e": "5", "lp-figure-3": "2-full"},
    ),
    "4 C, shared, t = 10": ({"lp-figure-4c": "shared", "lp-figure-4e": "10"}, None),
    "4 E, t = 5": ({"lp-figure-4e": "5", "lp-figure-3": "2-full"}, {}),
    "3 states": ({"lp-figure-3": "3-full", "lp-pre-net": "three"}, {}),
    "LPK, non-recurrent": (
        {"lpk-figure-3a": "non-recurrent,8", "lpk-figure-3b": "non-recurrent,8,main"},
        {"lpk-figure-2": ""},
    ),
    "LPK, 16 channels": ({"lpk-figure-3a": "non-recurrent,16", "lpk-figure-2": ""}, None),
    **{
        f"LPK, coupling {coupling}": (
            {"lpk-figure-3a": f"{coupling},8", "lpk-figure-3b": f"{coupling},8,main", "lpk-figure-3c": f"{coupling},8"}
            | {"lpk-figure-4": f"{coupling},8,none", "lpk-figure-s1": f"{coupling},8,none"},
            more,
        )
        for coupling, more in (("0", {}), ("0.9", {}), ("1", {}), ("0.5", None))
    },
    "LPK, variations": (
        {"lpk-figure-3a": "0.9,8", "lpk-figure-s4": "0.9,8,uniform", "lpk-figure-s5": "0.9,8,uniform"},
        {},
    ),
    "LPK, constraint": ({f"lpk-figure-{each}": "1,8,icr" for each in ("4", "s1", "s2")}, {}),
    "LPK, more digits": (
        {},
        {"lpk-figure-3b": "0.9,8,clutter", "lpk-figure-s3a": "0.9,8,3,all", "lpk-figure-s3b": "0.9,8"},
    ),
    "LPK, two digits": ({}, {"lpk-figure-3a": "0.9,8", "lpk-figure-s3a": "0.9,8,2,all"}),
    "identity": ({"lp-identity": "with", "lp-resnet-is-rnn": "two-state"}, {}),
}
"""Runs that several files share, as file → labels: in both forms, and more in smoke form; None: only in full form."""


@pytest.mark.parametrize(
    ("what", "smoke"),
    [
        (what, smoke)
        for what, (both, more) in SHARED_RUNS.items()
        for smoke in (False, True)
        if (more is not None if smoke else both)
    ],
)
def test_files_share_runs_as_their_headers_say(what: str, smoke: bool) -> None:
    both, more = SHARED_RUNS[what]
    found = [all_runs(name, smoke)[labels] for name, labels in {**both, **((smoke and more) or {})}.items()]
    assert all(run.spec.as_data() == found[0].spec.as_data() for run in found)
    assert all(run.recipe == found[0].recipe for run in found)
    assert len(found) > 1


def test_a_mask_later_than_the_last_one_tested_reaches_no_readout() -> None:
    spec = all_runs("lp-mask", smoke=True)["7"].spec
    with pytest.raises(EditError, match="up to t = 7"):
        edited(spec, [ShowAnother(8)])


def test_every_file_of_the_folder_is_an_experiment() -> None:
    assert sorted(path.name for path in EXPERIMENTS.glob("*.toml")) == sorted(f"{name}.toml" for name in FILES)


@pytest.mark.parametrize("path", sorted((EXPERIMENTS / "results").glob("*.csv")), ids=lambda path: path.stem)
def test_shipped_results_are_whole_and_of_the_files_as_they_are(path: Path) -> None:
    results = read_results(path)
    experiment = load_experiment(path.stem, results.smoke)
    assert results.name == experiment.name
    assert results.seeds == experiment.seeds
    assert not results.failed
    assert results.facts["definition"] == definition_of(experiment)
