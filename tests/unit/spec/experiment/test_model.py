"""Experiments as models: factors, labels, conditions, and what an expression leaves open."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphnet.given_experiments import load_experiment
from graphnet.spec.experiment.expressions import Apply, Binary, Expression, Name, Number, Selection, read_expression
from graphnet.spec.experiment.measures import BUILT_IN, MEASURES, OPTIONS
from graphnet.spec.experiment.model import Experiment, label_of, number_of
from graphnet.spec.key_faults import keys_of
from tests.unit.spec.experiment.experiments import experiment

AXES = {"loss": ("sharing", "t"), "dropped": ("sharing", "t", "block"), "index": ("sharing", "t", "stage")}
"""Measures of `READ` and their factors."""
READ = load_experiment(
    experiment(
        measure=[
            {"name": "dropped", "of": "test_error", "edit": {"drop": "h1"}},
            {"name": "index", "of": "indices.convergence"},
        ]
    )
)


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> tuple[Expression, frozenset[str]]:
    """An expression, and the factors that its value has, kept beside it while it is made."""
    kind = draw(st.sampled_from(["number", "name", "binary", "apply"] if depth else ["number", "name"]))
    if kind == "number":
        return Number(1.0), frozenset()
    if kind == "binary":
        (left, one), (right, other) = draw(expressions(depth - 1)), draw(expressions(depth - 1))
        return Binary("-", left, right), one | other
    if kind == "apply":
        inner, axes = draw(expressions(depth - 1))
        over = draw(st.sampled_from(sorted(axes) or ["t"]))
        return Apply("mean", inner, over), axes - {over}
    name = draw(st.sampled_from(sorted(AXES)))
    one_label = draw(st.sets(st.sampled_from(AXES[name])))
    ranges = draw(st.sets(st.sampled_from(AXES[name]))) - one_label
    selected = [Selection(axis, "5") for axis in sorted(one_label)]
    selected += [Selection(axis, "5", "9") for axis in sorted(ranges)]
    return Name(name, tuple(selected)), frozenset(AXES[name]) - one_label


@given(expressions())
def test_an_expression_leaves_open_what_its_value_has(drawn: tuple[Expression, frozenset[str]]) -> None:
    expression, axes = drawn
    left = READ.open_in(expression)
    assert set(left) == axes
    assert len(left) == len(set(left))


def test_open_factors_are_in_the_order_of_their_first_appearance() -> None:
    assert READ.open_in(read_expression("dropped[t=5] + loss")) == ("sharing", "block", "t")


@pytest.mark.parametrize(
    ("entries", "added"),
    [
        ({"of": "test_error"}, ()),
        ({"of": "test_error", "readout": 7}, ()),
        ({"of": "test_error", "readout": "7..9"}, ("t",)),
        ({"of": "loss", "readout": [7, 9], "edit": {"early": "h1"}}, ("t", "block")),
        ({"of": "loss", "edit": {"drop": "h1:3"}}, ()),
        ({"of": "gain", "at": "x"}, ("t", "channel")),
        ({"of": "indices.divergence"}, ("stage",)),
        ({"of": "unrolled_difference"}, ()),
    ],
)
def test_factors_that_a_measure_adds(entries: dict[str, Any], added: tuple[str, ...]) -> None:
    read = load_experiment(experiment(vary={}, measure=[{"name": "own"} | entries]))
    assert read.added_by("own") == added
    assert read.factors_of("own") == added


def test_short_forms_are_labels() -> None:
    values = [5, 0.9, True, "a", [1, 2], 1.0]
    read = load_experiment(experiment(vary={"k": {"set": "let.K", "values": values}}))
    assert list(read.factors["k"]) == ["5", "0.9", "true", "a", "[1,2]", "1.0"]
    assert [variant.set for variant in read.factors["k"].values()] == [{"let.K": value} for value in values]
    assert [label_of(value) for value in (1e-10, False)] == ["1e-10", "false"]


def test_labels_that_are_numbers() -> None:
    numbers = {"5": 5, "-0.5": -0.5, "1e-3": 0.001, "+2.": 2, ".5": 0.5}
    assert {label: number_of(label) for label in numbers} == numbers
    assert [number_of(label) for label in ("inf", "nan", "1_000", "5a", "", "0x1")] == [None] * 6


def test_conditions_without_those_that_are_skipped() -> None:
    read = load_experiment(experiment(skip=[{"sharing": "shared", "t": 13}, {"t": 5}]))
    found = [tuple(condition.values()) for condition in read.conditions]
    assert found == [("shared", "9"), ("unshared", "9"), ("unshared", "13")]
    assert list(load_experiment(experiment(vary={})).conditions) == [{}]


def test_what_layers_say_of_the_recipe_is_plain_data() -> None:
    layer = {"recipe": "lp-cifar", "augment": "crop", "schedule": "cosine", "lr": 1, "betas": [0.9, 0.99]}
    read = load_experiment(experiment(train=layer, vary={"a": {"b": {"train": {"lr": 0.5}}, "c": {}}}))
    assert read.train == layer
    assert [variant.train for variant in read.factors["a"].values()] == [{"lr": 0.5}, {}]


def test_figures_have_names() -> None:
    entries = [{"x": "t", "y": ["loss"], "line": "sharing"}, {"x": "t", "y": "loss", "line": "sharing", "name": "own"}]
    read = load_experiment(experiment(figure=[*entries, entries[0]]))
    assert [figure.name for figure in read.figure] == ["figure", "own", "figure-3"]
    assert [figure.y for figure in read.figure] == [("loss",)] * 3


def test_measures_are_described() -> None:
    results, net, data = ("test_error", "train_accuracy", "loss", "train_loss"), ("parameters", "depth"), ("chance",)
    assert (*results, *net, *data, "linear_error") == BUILT_IN
    for name, kind in MEASURES.items():
        assert kind.name == name
        assert set(kind.needs) <= set(kind.takes) <= set(OPTIONS)
        assert kind.says


def test_kinds_of_measures() -> None:
    kind = READ.kind_of("dropped")
    assert kind is MEASURES["test_error"]
    assert READ.kind_of("loss") is MEASURES["loss"]
    assert READ.kind_of("gain") is None
    assert READ.kind_of("none") is None
    assert READ.measures == (*BUILT_IN, "dropped", "index")


def test_an_experiment_is_written_as_it_was_read() -> None:
    data = experiment(table={"rows": "sharing, t", "columns": ["loss"]}, claims=[])
    read = load_experiment(data)
    written = read.model_dump(mode="json", by_alias=True)
    assert list(written) == [key for key in ORDER if key in data]
    assert (written["table"]["rows"], written["seeds"]) == (["sharing", "t"], [0, 1, 2, 3, 4])


ORDER = keys_of(Experiment)
