"""The models of a spec: short forms, refusals, and conversion back to data."""

from __future__ import annotations

import json
import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import graphnet
from graphnet import zoo
from graphnet.spec.model import Norm
from tests.small import SMALL, fault, faults, small

SPECS = sorted(map(zoo.path, zoo.names()))


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """The small spec, long form, with one entry changed or added."""
    spec: dict[str, Any] = deepcopy(LONG)
    table: Any = spec
    for part in path[:-1]:
        table = table[part]
    table[path[-1]] = value
    return spec


LONG: dict[str, Any] = SMALL | {
    "let": {},
    "input": {"shape": [1, 8, 8], "t": [0]},
    "states": {"h1": {"shape": [4, 8, 8]}, "h2": {"shape": [6, 4, 4]}},
    "transitions": [
        {
            "h1": {"h1": {"ops": "BRC+I"}, "h2": {"ops": "BRC"}},
            "h2": {"h1": {"ops": "BRD"}, "h2": {"ops": "BRC+I"}},
        }
    ],
    "norm": {"statistics": "shared"},
    "sharing": {"sets": [{"members": ["h1->h1@1..2"]}]},
    "readout": {"t": [3]},
}
"""The small spec in its longest form."""


def keys(value: Any) -> Any:
    """The keys of nested tables in their order."""
    if isinstance(value, dict):
        return [(key, keys(inner)) for key, inner in value.items()]
    return list(map(keys, value)) if isinstance(value, list) else None


def test_short_forms_mean_the_long_ones() -> None:
    short = small(
        let={},
        input={"shape": [1, 8, 8], "t": 0},
        norm={"statistics": "shared"},
        sharing={"sets": [{"members": ["h1->h1@1..2"]}]},
    )
    assert graphnet.load(short) == graphnet.load(LONG)
    assert graphnet.plan(short) == graphnet.plan(LONG)
    assert graphnet.load(LONG).as_data() == short


def test_entries_beyond_a_short_form_stay_long() -> None:
    spec = small(
        {"t": ["1..2", 4], "delay": 1, "h1": {"h2": {"ops": "BRC", "delay": 2}}},
        states={"h1": {"shape": [4, 8, 8], "label": "first"}, "h2": [6, 4, 4]},
        input={"shape": [1, 8, 8], "t": [0, "2..3"]},
    )
    assert graphnet.load(spec).as_data() == spec


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_data_comes_back_as_it_was_written(path: Path) -> None:
    written = tomllib.loads(path.read_text())
    data = graphnet.load(path).as_data()
    if "extends" in written:
        assert data["name"] == written["name"]
        assert "extends" not in data
        return
    assert data == written
    for table in ("states", "transitions", "let"):
        assert keys(data.get(table)) == keys(written.get(table)), "the order means something"
    assert graphnet.load(json.loads(json.dumps(data))) == graphnet.load(path)


def test_specs_of_equal_data_are_equal_and_hash_alike() -> None:
    one, other = graphnet.load(small()), graphnet.load(small(merge="mean"))
    assert one == graphnet.load(small())
    assert one != other
    assert one != small()
    assert hash(one) == hash(graphnet.load(small()))
    assert len({one, other, graphnet.load(small())}) == 2


def test_a_spec_is_frozen_and_apart_from_the_dict_it_came_from() -> None:
    data = small()
    spec = graphnet.load(data)
    with pytest.raises(ValidationError, match="frozen"):
        spec.merge = "mean"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        spec.readout.state = "h1"  # type: ignore[misc]
    data["transitions"][0]["h1"]["h2"] = "C"
    data["states"]["h1"][0] = 5
    assert spec.as_data() == SMALL


@pytest.mark.parametrize(
    "path",
    [
        ("states", "h1", "shape", 0),
        ("input", "shape", 2),
        ("input", "t", 0),
        ("readout", "t", 0),
        ("readout", "t"),
        ("post_net", "classes"),
        ("transitions", 0, "t"),
        ("transitions", 0, "delay"),
        ("transitions", 0, "h1", "h1", "delay"),
        ("let", "N"),
    ],
)
@pytest.mark.parametrize("value", [True, False, 3.0, {}])
def test_only_whole_numbers_are_whole_numbers(path: tuple[str | int, ...], value: Any) -> None:
    found = fault(changed(path, value))
    assert found.path[: len(path)] == path
    shown = {"True": "true", "False": "false", "{}": "a table"}.get(str(value), str(value))
    assert found.what.endswith(f"not {shown}")


@pytest.mark.parametrize("value", [1, "true", None])
def test_only_true_and_false_are_booleans(value: Any) -> None:
    found = fault(small(sharing={"over_time": value}))
    assert found.path == ("sharing", "over_time")
    assert found.what.startswith("this must be true or false, not ")


@pytest.mark.parametrize(
    ("path", "least"),
    [
        (("post_net", "classes"), 1),
        (("transitions", 0, "delay"), 0),
        (("transitions", 0, "h2", "h1", "delay"), 0),
    ],
)
def test_numbers_that_are_too_small(path: tuple[str | int, ...], least: int) -> None:
    found = fault(changed(path, least - 1))
    assert found.path == path
    assert found.what == f"{least - 1} is too small: at least {least}"


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        (("mrege",), "did you mean 'merge'? known: graphnet,"),
        (("input", "tt"), "did you mean 't'? known: shape,"),
        (("states", "h1", "lable"), "did you mean 'label'? known: shape,"),
        (("transitions", 0, "h1", "h1", "dealy"), "did you mean 'delay'? known: ops,"),
        (("norm", "afine"), "did you mean 'affine'? known: "),
        (("pre_net", "opps"), "did you mean 'ops'? known: ops, norm"),
        (("post_net", "clases"), "did you mean 'classes'? known: ops,"),
        (("sharing", "over_tim"), "did you mean 'over_time'? known: over_time,"),
        (("sharing", "sets", 0, "member"), "did you mean 'members'? known: members"),
        (("readout", "stat"), "did you mean 'state'? known: t,"),
    ],
)
def test_unknown_keys_are_errors_with_a_hint_everywhere(path: tuple[str | int, ...], hint: str) -> None:
    found = fault(changed(path, "x"))
    assert (found.path, found.on) == (path, "key")
    assert found.what == f"no key is called '{path[-1]}' here"
    assert found.fix.startswith(hint)


MERGES = "known: sum, mean, max, product, concat"
NO_CELL = 'leave it out where there is no transition; "I" passes the value on'


@pytest.mark.parametrize(
    ("path", "value", "what", "fix"),
    [
        (("merge",), "meen", "'meen' is not known here", "did you mean 'mean'? known: sum, mean, max, product, concat"),
        (("norm", "affine"), "all", "'all' is not known here", "known: none, shared, per-time"),
        (("norm", "statistics"), False, "false is not known here", "known: per-time, shared"),
        (("graphnet",), 2, "2 is not known here", "graphnet = 1 is the only version of the language"),
        (("states", "h1"), "4x8x8", "this must be a shape such as [64, 32, 32], or a table with a shape, not", ""),
        (("states", "h1", "shape"), [], "0 entries are too few: 1 are needed", ""),
        (("transitions", 0, "h2", "h1"), 3, 'this must be a transition function such as "BRCx2+I"', NO_CELL),
        (("readout", "t"), [], "0 entries are too few: 1 are needed", ""),
        (("name",), 3, "this must be a string, not 3", ""),
        (("post_net",), "C", "this must be a table, not 'C'", '[post_net] with ops = "C"'),
        (("readout",), 5, "this must be a table, not 5", "[readout] with t = 5"),
        (("input",), [3, 8, 8], "this must be a table, not [3, 8, 8]", "[input] with shape = [3, 8, 8]"),
        (("norm",), False, "this must be a table, not false", '[norm], such as kind = "batch"'),
        (("sharing",), True, "this must be a table, not true", "[sharing] with over_time = true"),
        (("merge",), "average", "'average' is not known here", f"did you mean 'mean'? {MERGES}"),
        (("merge",), "cat", "'cat' is not known here", f"did you mean 'concat'? {MERGES}"),
        (("merge",), "+", "'+' is not known here", f"did you mean 'sum'? {MERGES}"),
        (("norm", "affine"), True, "true is not known here", "did you mean 'shared'? known: none, shared, per-time"),
    ],
)
def test_values_of_the_wrong_kind(path: tuple[str | int, ...], value: Any, what: str, fix: str) -> None:
    found = fault(changed(path, value))
    assert found.path == path
    assert found.what.startswith(what)
    assert found.fix == fix


@pytest.mark.parametrize(
    ("table", "example"),
    [
        ("graphnet", "graphnet = 1 is the version of the language"),
        ("input", "[input] with a shape, such as shape = [3, 32, 32]"),
        ("states", "[states] with one entry an area, such as V1 = [64, 32, 32]"),
        ("readout", "[readout] with a time, such as t = 5"),
    ],
)
def test_a_missing_key_is_named_with_an_example(table: str, example: str) -> None:
    found = faults(small(**{table: None}))[0]
    assert (found.path, found.what, found.fix) == ((table,), f"the key '{table}' is missing", example)


def test_a_norm_inherits_missing_keys() -> None:
    base = Norm(statistics="shared", affine="per-time")
    assert Norm().over(base) == base
    assert Norm(affine="shared").over(base) == Norm(statistics="shared", affine="shared")
    assert Norm(statistics="per-time").over(base) == Norm(statistics="per-time", affine="per-time")
