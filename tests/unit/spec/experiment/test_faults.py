"""Faults of experiments: what is refused, where, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from graphnet.errors import dotted
from tests.unit.spec.experiment.experiments import SHARING, TIMES, claim, experiment, faults, measure

D = "test_error[sharing=unshared] - test_error[sharing=shared]"


def vary(**factors: Any) -> dict[str, Any]:
    return {"vary": {"sharing": SHARING, "t": TIMES} | factors}


def figure(**entries: Any) -> dict[str, Any]:
    return {"figure": [{"x": "t", "y": "test_error", "line": "sharing"} | entries]}


def table(rows: str, *columns: str) -> dict[str, Any]:
    return {"table": {"rows": rows, "columns": list(columns)}}


WRONG: list[tuple[dict[str, Any], str, str, str]] = [
    ({"seeds": [0, 0, 1]}, "seeds", "GN809", "the seed 0 is there twice"),
    ({"seeds": [0, 1]} | claim(), "seeds", "GN809", "at least 3 seeds, and there are 2"),
    ({"seeds": 7} | claim(), "seeds", "GN809", "there is 1"),
    ({"seeds": "4..0"}, "seeds", "GN010", "this must be seeds such as"),
    ({"seeds": "0..5000"}, "seeds", "GN010", "this must be seeds such as"),
    ({"seeds": []}, "seeds", "GN012", "too few"),
    ({"seeds": [-1]}, "seeds[0]", "GN012", "too small"),
    ({"train": {"seed": 3}}, "train.seed", "GN809", "several seeds"),
    ({"train": {"sedd": 3}}, "train.sedd", "GN008", "no key"),
    ({"train": {"lr": 0}}, "train.lr", "GN012", "too small"),
    ({"set": {"train.lr": 3}}, 'set."train.lr"', "GN802", "not set in the spec"),
    ({"set": {"readout": {"t": 3}}}, "set.readout", "GN802", "the whole table"),
    ({"name": "a/b"}, "name", "GN010", "a file's name"),
    ({"spec": "resnet-2-state-onse"}, "spec", "GN801", "no zoo spec"),
    ({"spec": "/etc/passwd.toml"}, "spec", "GN801", "absolute"),
    ({"smoke": {"headline": True}}, "smoke.headline", "GN008", "both forms"),
    ({"smoke": 3}, "smoke", "GN010", "a table"),
    # factors
    (vary(seed={"set": "let.N", "values": [1]}), "vary.seed", "GN802", "'seed' is no factor"),
    (vary(value={"a": {}}), "vary.value", "GN802", "no factor is called 'value'"),
    (vary(over={"a": {}}), "vary.over", "GN802", "no factor is called 'over'"),
    (vary(depth={"a": {}}), "vary.depth", "GN802", "a measure is called 'depth' too"),
    (vary(a={}), "vary.a", "GN802", "no labels"),
    (vary(a={"set": "let.N"}), "vary.a.set", "GN802", "'set' has no 'values'"),
    (vary(a={"values": [1]}), "vary.a.values", "GN802", "'values' has no 'set'"),
    (vary(a={"set": "let.N", "values": []}), "vary.a.values", "GN012", "too few"),
    (vary(a={"set": "let.N", "values": [1], "b": {}}), "vary.a.b", "GN802", "is a label"),
    (vary(a={"set": "let.N", "values": [1, "1"]}), "vary.a.values[1]", "GN802", "'1' is there twice"),
    (vary(a={"set": "train.lr", "values": [1, 2]}), "vary.a.set", "GN802", "not set in the spec"),
    (vary(a={"0": {"9": {}}}), "vary.a.0.9", "GN802", "TOML reads 0.9"),
    (vary(a={"v2": {"x": {}}}), "vary.a.v2.x", "GN802", "TOML reads v2.x"),
    (vary(a={"b": {"spec": "quikstart"}}), "vary.a.b.spec", "GN801", "no zoo spec"),
    (vary(a={"b": {"train": {"seed": 1}}}), "vary.a.b.train.seed", "GN809", "several seeds"),
    (vary(a={"b": {"edit": {"drop": "h1"}}}), "vary.a.b.edit.drop", "GN808", "names no block"),
    (vary(a={"b": {"edit": {"early": "h1:"}}}), "vary.a.b.edit.early", "GN808", "names no block"),
    (vary(a={"b": {"edit": {"noise": "h1"}}}), "vary.a.b.edit.noise", "GN808", "no standard deviation"),
    (vary(a={"b": {"edit": {}}}), "vary.a.b.edit", "GN808", "changes nothing"),
    (vary(a={"b": {"edit": {"mask": -1}}}), "vary.a.b.edit.mask", "GN012", "too small"),
    (vary(**{name: {"set": "let.N", "values": list(range(20))} for name in "abcd"}), "vary", "GN601", "combinations"),
    ({"skip": [{"shaing": "shared"}]}, "skip[0].shaing", "GN803", "no factor is called"),
    ({"skip": [{"sharing": "none"}]}, "skip[0].sharing", "GN803", "no label 'none'"),
    ({"skip": [{"t": 5}, {"t": 9}, {"t": 13}]}, "skip", "GN810", "no condition is left"),
    ({"skip": [{"t": [5]}]}, "skip[0].t", "GN010", "this must be a label"),
    # measures
    (measure(of="test_eror"), "measure[0].of", "GN804", "no measure is called 'test_eror'"),
    ({"vary": {}} | measure(of="gain"), "measure[0].of", "GN808", "'gain' needs 'at'"),
    (measure(at="h1"), "measure[0].at", "GN808", "'test_error' does not take 'at'"),
    (measure(of="parameters", images=3), "measure[0].images", "GN808", "does not take 'images'"),
    (measure(name="loss"), "measure[0].name", "GN811", "'loss' is built in"),
    (measure(name="stage"), "measure[0].name", "GN811", "another word"),
    (measure(name="mean"), "measure[0].name", "GN811", "another word"),
    (measure(name="a b"), "measure[0].name", "GN010", "this must be a name"),
    ({"measure": [{"name": "a", "of": "loss", "images": 3}] * 2}, "measure[1].name", "GN811", "two measures"),
    (measure(readout="7..9"), "measure[0].readout", "GN808", "adds the factor 't'"),
    (measure(of="gain", at="x"), "measure[0].of", "GN808", "adds the factor 't'"),
    (measure(readout="7..T"), "measure[0].readout", "GN808", "'T' is not known"),
    (measure(readout="1..inf"), "measure[0].readout", "GN808", "no end"),
    (measure(readout="9..7"), "measure[0].readout", "GN110", "runs backwards"),
    (measure(readout=-1), "measure[0].readout", "GN109", "not a time"),
    (measure(calibrate="yes"), "measure[0].calibrate", "GN011", "'yes'"),
    (measure(edit={"repeat": "h1"}), "measure[0].edit.repeat", "GN808", "number of repeats"),
    (measure(edit={"drop": ["h1", "h2"]}), "measure[0].edit.drop[1]", "GN808", "two edits go through"),
    (vary(block={"a": {}}) | measure(edit={"drop": "h1"}), "measure[0].edit", "GN808", "adds the factor 'block'"),
    # claims
    (claim("1 + 1"), "claims[0].effect", "GN806", "no measure"),
    (claim("test_error[t=5"), "claims[0].effect", "GN805", "']' is expected"),
    (claim("error"), "claims[0].effect", "GN804", "no measure is called 'error'"),
    (claim("gain"), "claims[0].effect", "GN804", "no measure is called 'gain'"),
    (claim("test_error[q=1]"), "claims[0].effect", "GN803", "no factor is called 'q'"),
    (claim("test_error[seed=1]"), "claims[0].effect", "GN806", "'seed' is no factor"),
    (claim("mean(test_error, over=seed)"), "claims[0].effect", "GN806", "'seed' is no factor"),
    (claim("test_error[t=7]"), "claims[0].effect", "GN803", "'t' has no label '7'"),
    (claim("test_error[t=10..12]"), "claims[0].effect", "GN803", "no label from 10 to 12"),
    (claim("test_error[t=9..5]"), "claims[0].effect", "GN806", "runs backwards"),
    (claim("test_error[sharing=unshared..shared]"), "claims[0].effect", "GN806", "runs backwards"),
    (claim("test_error[sharing=shared..all]"), "claims[0].effect", "GN803", "no label 'all'"),
    (claim("mean(test_error[t=5], over=t)"), "claims[0].effect", "GN803", "has no factor 't'"),
    (claim("mean(mean(test_error, over=t), over=t)"), "claims[0].effect", "GN803", "has no factor 't'"),
    (claim("slope(test_error, over=sharing)"), "claims[0].effect", "GN806", "labels that are numbers"),
    (
        vary(t=TIMES | {"values": [5]}) | claim("spearman(test_error, over=t)"),
        "claims[0].effect",
        "GN806",
        "at least two labels",
    ),
    (
        measure(of="indices.recurrence") | claim("slope(own, over=stage)"),
        "claims[0].effect",
        "GN806",
        "labels that are numbers",
    ),
    (measure(edit={"drop": "h1"}) | claim("own[block=last]"), "claims[0].effect", "GN803", "not 'last'"),
    (claim(D, ">= 0"), "claims[0].expect", "GN805", "no relation"),
    (claim(D, guard="train_accuracy > 1 or"), "claims[0].guard", "GN805", "'and' or the end"),
    (claim(D, guard="train_accuracy > 0.9"), "claims[0].guard", "GN807", "leaves 'sharing' open"),
    (claim("slope(loss, over=t)", guard="train_accuracy > 0.9"), "claims[0].guard", "GN807", "leaves 't' open"),
    (claim(D, guard="train_acc[sharing=shared] > 1"), "claims[0].guard", "GN804", "no measure"),
    (claim(D, guard="train_accuracy[t=5..6, sharing=q] > 1"), "claims[0].guard", "GN803", "no label 'q'"),
    (
        measure(edit={"drop": "h1"}) | claim(D, guard=f"own[{'sharing=shared'}] < 1"),
        *("claims[0].guard", "GN807", "leaves 'block'"),
    ),
    # figures, tables, references
    (figure(x="time"), "figure[0].x", "GN803", "no factor and no measure is called 'time'"),
    (figure(x="block"), "figure[0].x", "GN803", "called 'block'"),
    (figure(x="seed"), "figure[0].x", "GN806", "'seed' is no factor"),
    (figure(x="loss ="), "figure[0].x", "GN805", "is expected"),
    (figure(line="kind"), "figure[0].line", "GN803", "no factor is called 'kind'"),
    (figure(y="test_error[sharing=shared]"), "figure[0].line", "GN803", "has no factor 'sharing'"),
    (figure(x="sharing"), "figure[0].y", "GN806", "leaves 't' open"),
    (figure(y=["test_error", "los"]), "figure[0].y[1]", "GN804", "no measure is called 'los'"),
    ({"figure": [{"x": "depth", "y": "loss[sharing=shared]"}]}, "figure[0].x", "GN806", "no y has it"),
    ({"figure": [figure()["figure"][0] | {"name": "a"}] * 2}, "figure[1].name", "GN811", "two figures"),
    (table("sharing", "test_error"), "table.columns[0]", "GN806", "leaves 't' open"),
    (table("sharing, t, kind", "test_error"), "table.rows", "GN803", "no factor is called 'kind'"),
    (table("sharing, t", "test_eror"), "table.columns[0]", "GN804", "no measure"),
    ({"reference": [{"label": "a", "error": 0.1}]}, "reference[0].error", "GN804", "no measure"),
    ({"reference": [{"label": "a"}]}, "reference[0]", "GN804", "no number"),
]


@pytest.mark.parametrize(
    ("changes", "path", "code", "what"), WRONG, ids=[f"{code}-{what[:30]}" for _, _, code, what in WRONG]
)
def test_a_wrong_experiment(changes: dict[str, Any], path: str, code: str, what: str) -> None:
    found = [(dotted(fault.path), fault.code) for fault in faults(experiment(**changes))]
    assert found == [(path, code)]
    assert what in faults(experiment(**changes))[0].what


RIGHT: list[dict[str, Any]] = [
    {},
    {"seeds": 0},
    {"seeds": [4, 2, 9]} | claim(),
    claim(D, guard="train_accuracy[sharing=shared] > 0.98 and train_accuracy[sharing=shared..unshared] > 0.5"),
    claim("test_error", guard="train_accuracy > 0.98"),
    claim("slope(loss, over=t)", guard="train_accuracy[t=5..13] > 0.9"),
    claim("slope(test_error[t=6..20], over=t)"),
    claim("mean(max(test_error, over=t), over=sharing) / chance", "within 0.5"),
    measure(edit={"drop": "h1"}) | claim("max(own, over=block) - own[block=3]"),
    measure(edit={"early": "h1", "drop": "h2:1"}) | claim("spearman(own, over=block)"),
    measure(of="indices.convergence", images=100) | claim("own[stage=h1]"),
    measure(readout=7) | claim("own - test_error"),
    {"vary": {"sharing": SHARING}} | measure(readout="7..9") | claim("own[t=7] - own[t=9]") | figure(y="own"),
    {"vary": {"sharing": SHARING}} | figure() | table("sharing, t", "test_error", "parameters"),
    {"vary": {"sharing": SHARING}} | claim("test_error[t=9] - mean(test_error, over=t)"),
    {"vary": {}} | measure(of="gain", at="x") | claim("slope(mean(own, over=channel), over=t)"),
    {"vary": {"net": {"a": {"spec": "quickstart"}, "b": {"spec": "blt"}}}, "spec": "quickstart"},
    vary(k={"set": "let.K", "values": [[1, 2], True, 0.5, "x y"]}) | claim('loss[k="[1,2]"] - loss[k="x y"]'),
    {"skip": [{"t": 5, "sharing": "shared"}, {"t": "9"}]},
    figure(x="parameters"),
    figure(panel="sharing", line="t", x="parameters"),
    {"reference": [{"label": "a", "test_error": 1, "parameters": 3}]},
]


@pytest.mark.parametrize("changes", RIGHT, ids=range(len(RIGHT)))
def test_a_right_experiment(changes: dict[str, Any]) -> None:
    assert faults(experiment(**changes)) == []


def test_a_spec_may_be_in_the_labels_alone() -> None:
    data = experiment(vary={"net": {"a": {"spec": "quickstart"}, "b": {"spec": "blt"}}})
    del data["spec"]
    assert faults(data) == []
    data["vary"]["net"]["b"] = {}
    assert [fault.code for fault in faults(data)] == ["GN009"]


def test_the_small_form_may_lack_conditions_that_are_skipped() -> None:
    assert faults(experiment(smoke={"vary": {"t": {"values": [5, 9]}}}, skip=[{"t": 13}])) == []


def test_a_wrong_factor_makes_no_other_faults() -> None:
    data = experiment(vary={"sharing": {"shared": {"sett": {}}, "unshared": 3}}, **claim(D), **table("sharing", D))
    assert {fault.path[:2] for fault in faults(data)} == {("vary", "sharing")}


def test_faults_of_the_small_form_are_reported_once_and_noted() -> None:
    data = experiment(smoke={"seeds": [0, 1], "vary": {"t": {"values": [5]}}}, **claim("test_error[t=13]"))
    found = faults(data)
    assert [fault.code for fault in found] == ["GN809", "GN803"]
    assert all("[smoke] is laid over" in fault.note for fault in found)
    assert len(faults(experiment(smoke={"seeds": 0}, **claim("error")))) == 2
