"""Changes that must or must not affect a net: names, order, the form of the text."""

from __future__ import annotations

import copy
import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given

import graphnet
from graphnet import zoo
from graphnet.spec.write import to_toml
from tests.property.strategies import specs

ALL = sorted(map(zoo.path, zoo.names()))
NAMES = {"a": "z9", "b": "M", "V1": "Aa", "IT": "b0", "r": "zz", "s": "aa"}
"""New names in a different alphabetical order."""


def compiles(spec: dict[str, Any]) -> bool:
    try:
        graphnet.plan(spec)
    except graphnet.SpecError:
        return False
    return True


def renamed(value: Any) -> Any:
    """A spec with its states renamed everywhere."""
    if isinstance(value, dict):
        return {NAMES.get(key, key): renamed(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [renamed(entry) for entry in value]
    if isinstance(value, str) and "->" in value:
        head, arrow, tail = value.partition("->")
        name = tail.split("@")[0].split("#")[0]
        return f"{NAMES.get(head, head)}{arrow}{NAMES.get(name, name)}{tail[len(name) :]}"
    return value


def with_members_renamed(spec: dict[str, Any]) -> dict[str, Any]:
    found = renamed(spec)
    for group in found.get("sharing", {}).get("sets", []):
        group["members"] = [
            [NAMES.get(part, part) for part in member] if isinstance(member, list) else member
            for member in group["members"]
        ]
    return found


@given(specs())
def test_renaming_states_changes_no_bit(spec: dict[str, Any]) -> None:
    assume(compiles(spec))
    nets = [graphnet.compile(each, seed=3) for each in (spec, with_members_renamed(copy.deepcopy(spec)))]
    image = torch.randn(2, *nets[0].meta["plan"].input_shape, generator=torch.Generator().manual_seed(0))
    before, after = (net(image) for net in nets)
    if isinstance(before, dict):
        assert list(before) == list(after)
        assert all(torch.equal(before[t], after[t]) for t in before)
    else:
        assert torch.equal(before, after)


@given(specs())
def test_compiling_leaves_the_spec_and_the_random_state_alone(spec: dict[str, Any]) -> None:
    assume(compiles(spec))
    before, state = copy.deepcopy(spec), torch.get_rng_state()
    first, second = graphnet.compile(spec), graphnet.compile(spec)
    assert spec == before
    assert torch.equal(torch.get_rng_state(), state)
    assert first.code == second.code
    assert list(first.state_dict()) == list(second.state_dict())
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


@given(specs())
def test_a_later_readout_changes_no_initial_weight(spec: dict[str, Any]) -> None:
    """Rule 17: each tensor has its own generator. Untied weights of later times are new; the others are unchanged."""
    later = copy.deepcopy(spec)
    later["readout"]["t"] = 9
    assume(compiles(spec) and compiles(later))
    early, late = (graphnet.compile(each).state_dict() for each in (spec, later))
    for name in early.keys() & late.keys():
        assert torch.equal(early[name], late[name])


def joined(order: list[str]) -> dict[str, Any]:
    """Two branches of one image, joined by concat in the order of the states."""
    shapes = {"x": [1, 4, 4], "p": [1, 4, 4], "q": [1, 4, 4], "j": {"shape": [2, 4, 4], "merge": "concat"}}
    return {
        "graphnet": 1,
        "input": {"shape": [1, 4, 4], "state": "x"},
        "states": {name: shapes[name] for name in order},
        "transitions": [
            {"t": 1, "x": {"p": {"ops": "I", "gain": 2}, "q": {"ops": "I", "gain": 3}}},
            {"t": 2, "p": {"j": "I"}, "q": {"j": "I"}},
        ],
        "readout": {"t": 2, "state": "j"},
    }


def test_the_order_of_states_is_the_order_of_arrivals() -> None:
    image = torch.rand(1, 1, 4, 4)
    for order, factors in ((["x", "p", "q", "j"], (2, 3)), (["x", "q", "p", "j"], (3, 2))):
        found = graphnet.compile(joined(order))(image)
        assert torch.equal(found, torch.cat([factor * image for factor in factors], 1))


def test_specs_with_states_in_another_order_differ() -> None:
    assert graphnet.load(joined(["x", "p", "q", "j"])) != graphnet.load(joined(["x", "q", "p", "j"]))


def test_the_order_of_states_says_which_is_first_last_and_downstream() -> None:
    spec = {
        "graphnet": 1,
        "input": {"shape": [2]},
        "unroll": "engineering",
        "states": {"a": [2], "b": [2]},
        "transitions": [{"a": {"a": "I", "b": "L"}, "b": {"b": "I", "a": "L"}}],
        "readout": {"t": 1},
    }
    turned = spec | {"states": {"b": [2], "a": [2]}}
    for each, first, last in ((spec, "a", "b"), (turned, "b", "a")):
        plan = graphnet.plan(each)
        assert plan.cells[0].target == first
        assert plan.outputs == ((1, f"{last}_t1"),)
        delays = {(cell.source, cell.target): cell.delay for cell in plan.cells}
        assert (delays[first, last], delays[last, first]) == (0, 1)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_toml_and_json_are_equivalent_and_convert_to_each_other(path: Path, tmp_path: Path) -> None:
    spec = graphnet.load(path)
    as_json, as_toml = tmp_path / "spec.json", tmp_path / "spec.toml"
    as_json.write_text(json.dumps(spec.as_data()))
    from_json = graphnet.load(as_json)
    as_toml.write_text(to_toml(from_json.as_data()))
    assert from_json == spec
    assert graphnet.load(as_toml) == spec
    one, other = (replace(graphnet.plan(each), warnings=()) for each in (as_toml, path))
    assert one == other  # in one text, unlike in one that extends, an overridden cell is a warning


@given(specs())
def test_any_spec_survives_being_written_and_read(spec: dict[str, Any]) -> None:
    assume(compiles(spec))
    data = graphnet.load(spec).as_data()
    assert graphnet.load(json.loads(json.dumps(data))) == graphnet.load(spec)
    assert graphnet.load(tomllib.loads(to_toml(data))) == graphnet.load(spec)
    assert graphnet.plan(data) == graphnet.plan(spec)
