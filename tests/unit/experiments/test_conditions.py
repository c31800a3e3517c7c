"""Conditions of an experiment: which net and which recipe each combination of labels has."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphnet.errors import SpecError
from graphnet.experiments.running.conditions import conditions
from graphnet.given_experiments import load_experiment
from tests.unit.experiments.experiments import tiny


def test_each_combination_is_a_condition_the_last_factor_fastest(tmp_path: Path) -> None:
    vary = {"a": {"x": {}, "y": {}}, "t": {"set": "readout.t", "values": [2, 3]}}
    made = conditions(tiny(tmp_path, vary=vary, claims=None, measure=None))
    assert [tuple(each.labels.values()) for each in made] == [("x", "2"), ("x", "3"), ("y", "2"), ("y", "3")]
    assert [each.plan.last_time for each in made] == [2, 3, 2, 3]


def test_skipped_conditions_are_left_out(tmp_path: Path) -> None:
    vary = {"a": {"x": {}, "y": {}}, "t": {"set": "readout.t", "values": [2, 3]}}
    made = conditions(tiny(tmp_path, vary=vary, claims=None, measure=None, skip=[{"a": "x", "t": 3}]))
    assert [tuple(each.labels.values()) for each in made] == [("x", "2"), ("y", "2"), ("y", "3")]


def test_a_label_takes_precedence_over_the_file(tmp_path: Path) -> None:
    vary = {"a": {"x": {}, "y": {"set": {"readout.t": 5}, "train": {"lr": 0.3}}}}
    x, y = conditions(tiny(tmp_path, vary=vary, claims=None, set={"readout.t": 4}))
    assert (x.plan.last_time, y.plan.last_time) == (4, 5)
    assert (x.recipe.lr, y.recipe.lr) == (0.05, 0.3)


def test_smoke_is_laid_over_the_file_and_below_the_labels() -> None:
    given = {
        "graphnet-experiment": 1,
        "spec": "quickstart",
        "set": {"readout.t": 3},
        "vary": {"width": {"narrow": {}, "wide": {"set": {"states.V1": [32, 8, 8]}}}},
        "smoke": {"set": {"states.V1": [2, 8, 8], "readout.t": 4}},
    }
    narrow, wide = conditions(load_experiment(given, smoke=True))
    assert [each.plan.last_time for each in (narrow, wide)] == [4, 4]
    assert narrow.spec.as_data()["states"]["V1"] == [2, 8, 8]
    assert wide.spec.as_data()["states"]["V1"] == [32, 8, 8]


def test_epochs_of_a_named_schedule_scale_with_the_run(tmp_path: Path) -> None:
    (made,) = conditions(tiny(tmp_path, vary={}, claims=None, train={"recipe": "lp-cifar", "epochs": 36}))
    assert made.recipe.epochs == 36
    assert made.recipe.schedule.at == (24.0, 30.0)


def test_a_written_schedule_does_not_scale(tmp_path: Path) -> None:
    train = {"recipe": "lp-cifar", "epochs": 36, "schedule": {"at": [10, 20]}}
    (made,) = conditions(tiny(tmp_path, vary={}, claims=None, train=train))
    assert made.recipe.schedule.at == (10.0, 20.0)


def test_edits_of_labels_join(tmp_path: Path) -> None:
    vary = {"drop": {"none": {}, "2": {"edit": {"drop": "h1:2"}}}, "noise": {"0.1": {"edit": {"noise": "h1:0.1"}}}}
    without, with_one = conditions(tiny(tmp_path, vary=vary, claims=None))
    assert without.edit == {"noise": ["h1:0.1"]}
    assert with_one.edit == {"drop": ["h1:2"], "noise": ["h1:0.1"]}


def test_faults_of_all_conditions_are_told_with_their_labels(tmp_path: Path) -> None:
    vary = {"a": {"good": {}, "bad": {"set": {"readout.t": "x"}}, "worse": {"set": {"states.h1": [4, 7, 7]}}}}
    with pytest.raises(SpecError) as caught:
        conditions(tiny(tmp_path, vary=vary, claims=None))
    text = str(caught.value)
    assert "with a = bad" in text
    assert "with a = worse" in text
    assert "a = good" not in text
