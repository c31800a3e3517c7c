"""What could not be read: a fault is told of the entry itself, and nothing is concluded from a default in its place."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from graphnet.errors import Fault, KeyPath, dotted
from tests.small import faults, small

RICH: dict[str, Any] = {
    "graphnet": 1,
    "let": {"N": 4, "M": "N+1"},
    "input": {"shape": [1, 8, 8], "t": "1..2", "state": "h1"},
    "merge": "sum",
    "unroll": "biological",
    "unpopulated": "empty",
    "states": {
        "h1": {"shape": [4, 8, 8], "hold": True, "update": "R"},
        "p1": {"shape": [4, 8, 8], "part": "p", "merge": "sum"},
        "cc": {"shape": ["N+2", 8, 8], "merge": "concat"},
        "h2": {"shape": [6, 4, 4], "unpopulated": "empty", "noise": {"std": 0.1, "t": "2..N"}},
    },
    "parts": {
        "p": {
            "unroll": "biological",
            "states": {"r": {}, "s": {"update": "R", "hold": True}},
            "transitions": [
                {"t": "1..inf", "r": {"s": "BRC"}},
                {"t": "3..M", "delay": 1, "s": {"r": {"ops": "C1", "delay": 1, "gain": 0.5}}},
            ],
        }
    },
    "transitions": [
        {"t": "1..M+9", "h1": {"h1": "BRC+I", "p1": "C"}, "p1": {"cc": "C:2"}},
        {"t": "3..inf", "delay": 2, "h1": {"cc": {"ops": "C:4", "delay": 1}}},
        {
            "cc": {"h2": {"ops": "RC", "gain": {"init": 0.5, "learn": True}, "lipschitz": 0.9, "noise": 0.1}},
            "p1.s": {"h1": "C"},
        },
    ],
    "norm": {"kind": "group", "groups": 2, "affine": "shared"},
    "pre_net": {"ops": "CB", "norm": {"groups": 4}},
    "post_net": {"ops": "BRGL", "classes": 3, "norm": {"kind": "batch"}},
    "sharing": {
        "over_time": True,
        "sets": [
            {"members": ["h1->h1@2..3"], "except": ["h1->h1@3"]},
            {"members": ["p1.r->p1.s#conv1", "p1->h1#conv1"], "coupling": 0.5, "kernel": "uniform", "start": "equal"},
        ],
    },
    "readout": {"t": ["M", "M+1"], "state": "h2", "weights": [1, 2], "combine": "none"},
}
"""A right spec that says nearly everything."""


def entries(data: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, entry in inner:
        yield (*path, key)
        yield from entries(entry, (*path, key))


def is_name(path: KeyPath) -> bool:
    """Whether an entry's key is a name that the spec gives, and no key of the language."""
    path = path[2:] if path[0] == "parts" and len(path) > 2 else path
    if path[0] in ("let", "states", "parts"):
        return len(path) == 2
    return path[0] == "transitions" and len(path) in (3, 4) and path[-1] not in ("t", "delay")


def broken(path: KeyPath) -> Iterator[tuple[dict[str, Any], bool]]:
    """The rich spec with a wrong value for an entry, or with its key misspelt."""
    for value in (True, 1.5, "?!", [], {"zzz": 1}, -7):
        if isinstance(value, dict) and path[-1] in ("states", "parts"):
            continue  # other names
        data = deepcopy(RICH)
        holder: Any = data
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = value
        yield data, False
    if isinstance(holder, dict) and not is_name(path):
        data = deepcopy(RICH)
        holder = data
        for key in path[:-1]:
            holder = holder[key]
        holder[f"{path[-1]}zz"] = holder.pop(path[-1])
        yield data, True


def concerns(fault: Fault, path: KeyPath, misspelt: bool) -> bool:
    """Whether a fault is of an entry, of what holds it, or of what it holds."""
    inside = fault.path[: len(path)] == path or path[: len(fault.path)] == fault.path
    return inside or (misspelt and fault.path[:-1] == path[:-1])


def test_the_rich_spec_is_right() -> None:
    assert faults(RICH) == ()


@pytest.mark.parametrize("path", list(entries(RICH)), ids=dotted)
def test_one_wrong_entry_has_faults_of_its_own_alone(path: KeyPath) -> None:
    for data, misspelt in broken(path):
        found = [each for each in faults(data) if each.severity == "error"]
        if any(concerns(each, path, misspelt) for each in found):  # else it reads, and means something else
            assert [str(each) for each in found if not concerns(each, path, misspelt)] == []


@pytest.mark.parametrize(
    "given", [[1, 8, 8], 3, "1x8x8", {"shape": [1, 8, 8], "tt": 3}, {"shape": [1, 8, 8], "t": True}]
)
def test_a_malformed_input_says_nothing_of_readouts(given: Any) -> None:
    """Signals would reach the state at t = 4 if the input arrived at 3; with t = 0 they do not."""
    spec = small({"t": 4, "h1": {"h2": "C"}}, input=given, readout={"t": 4})
    (fault,) = faults(spec)
    assert fault.path[0] == "input"
    assert fault.code in ("GN008", "GN010")


def test_other_faults_of_timing_are_told_beside_those_of_the_form() -> None:
    spec = small({"t": 4, "h1": {"h2": "C"}}, readout={"t": 4}) | {"norm": 3, "name": 3}
    assert {fault.code for fault in faults(spec)} == {"GN010", "GN302"}
    unreadable = spec | {"transitions": [{"t": 4, "h1": {"h2": "CQ"}}]}  # but an arrow
    assert {fault.code for fault in faults(unreadable)} == {"GN010", "GN201", "GN302"}


def test_an_unreadable_function_has_no_channels() -> None:
    states = {"h1": [4, 8, 8], "a": [2, 8, 8], "c": {"shape": [3, 8, 8], "merge": "concat"}, "h2": [6, 4, 4]}
    slab = {"h1": {"h1": "I", "a": "C1", "c": "C:1Q"}, "a": {"c": "C:2"}, "c": {"h2": "C"}}
    (fault,) = faults(small(slab, states=states))
    assert fault.code == "GN201"


def test_an_unknown_state_may_be_what_the_readout_waits_for() -> None:
    (fault,) = faults(small({"h1": {"h3": "C"}}))
    assert fault.code == "GN102"


def test_a_key_that_may_be_meant_for_another_table_is_no_excuse() -> None:
    late = {"transitions": [{"t": "1..N", "h1": {"h2": "C"}}]}
    assert {fault.code for fault in faults(small(lett={"N": 4}, **late))} == {"GN008"}
    assert {fault.code for fault in faults(small(unrol="biological", **late))} == {"GN008", "GN106"}


def test_a_constant_that_cannot_be_read_is_no_unknown_one() -> None:
    spec = small(let={"N": "1+"}, readout={"t": "N+2"}) | {"transitions": [{"t": "1..N", "h1": {"h2": "C:K"}}]}
    assert [(fault.code, fault.path[0]) for fault in faults(spec)] == [("GN108", "let"), ("GN106", "transitions")]
