"""Common slips in shapes, names and functions: one fault or warning each, with the fix."""

from __future__ import annotations

from typing import Any

import pytest

import graphnet
from graphnet.errors import dotted
from tests.small import faults, small

STATES = {"h1": [4, 8, 8], "h2": [6, 4, 4]}


@pytest.mark.parametrize(
    ("changes", "fixes"),
    [
        ({"states": {"h1": [8, 8, 4], "h2": [4, 4, 6]}}, {"states.h1.shape": [4, 8, 8], "states.h2.shape": [6, 4, 4]}),
        ({"states": STATES | {"h2": [4, 4, 6]}}, {"states.h2.shape": [6, 4, 4]}),
        ({"states": STATES | {"h2": {"shape": [4, 4, 6], "update": "R"}}}, {"states.h2.shape": [6, 4, 4]}),
        ({"input": {"shape": [8, 8, 1]}}, {"input.shape": [1, 8, 8]}),
        ({"input": {"shape": [8, 8, 4]}, "pre_net": None}, {"input.shape": [4, 8, 8]}),
        ({"states": STATES | {"h2": [6, 4, 41]}}, {"states.h2.shape": [6, 4, 4]}),
        ({"states": STATES | {"h1": [4, 8, 3]}}, {"states.h1.shape": [4, 8, 8]}),
    ],
)
def test_a_shape_that_fits_nothing_is_the_fault(changes: dict[str, Any], fixes: dict[str, list[int]]) -> None:
    found = faults(small(**changes))
    assert {dotted(fault.path): fault.fix.partition(": ")[2] for fault in found} == {
        path: str(shape) for path, shape in fixes.items()
    }
    assert {fault.code for fault in found} == {"GN207"}


@pytest.mark.parametrize(
    "slab",
    [
        {"h1": {"h1": "BRC+I", "h2": "BRD"}, "h2": {"h1": "BRC", "h2": "BRC+I"}},
        {"h1": {"h1": "BRC/2", "h2": "BRC"}},
    ],
)
def test_functions_that_do_not_fit_are_their_own_faults(slab: dict[str, Any]) -> None:
    assert {fault.path[0] for fault in faults(small(slab))} == {"transitions"}


def test_a_shape_of_four_sizes_leaves_out_the_batch() -> None:
    (fault,) = faults(small(states={"h1": [4, 8, 8], "h2": [64, 6, 4, 4]}))
    assert (fault.code, fault.fix) == ("GN213", "leave out the batch: [6, 4, 4]")


@pytest.mark.parametrize(
    ("ops", "one"),
    [
        ("BRC3x3+I", "BRC3"),
        ("I+BRC3x3", "BRC3"),
        (["BR", "C5x5"], "C5"),
        ("BRC3x2", ""),
        ("(BRC3)x3", ""),
        ("BRC3x31", ""),
    ],
)
def test_a_repeat_that_reads_like_a_kernel_is_a_warning(ops: Any, one: str) -> None:
    found = [
        fault for fault in graphnet.plan(small({"h1": {"h1": ops, "h2": "BRC"}})).warnings if fault.code == "GN510"
    ]
    assert [fault.what.split(";")[0] for fault in found] == ([f"x{one[-1]} repeats {one}"] if one else [])


def test_a_reserved_name_is_one_fault() -> None:
    slab = {"h1": {"h1": "BRC+I", "h_2": "BRC"}, "h2": {"h-2": "BRC"}, "h-2": {"h-2": "BRC+I", "h1": "BRD"}}
    sets = {"sharing": {"sets": [{"members": ["h-2->h-2@1", "h_2->h_2@2"]}]}}
    found = faults(small(slab, states={"h1": [4, 8, 8], "h-2": [6, 4, 4]}, readout={"t": 3, "state": "h_2"}, **sets))
    assert [(dotted(fault.path), fault.fix.partition(";")[0]) for fault in found] == [("states.h-2", "write h_2")]


def test_an_unknown_state_is_one_fault_for_all_its_uses() -> None:
    slab = {"H1": {"H1": "BRC+I", "h2": "BRC"}, "h2": {"H1": "BRD", "h2": "BRC+I"}}
    (fault,) = faults(small(slab))
    assert dotted(fault.path) == "transitions[0].H1"
    assert fault.fix == "did you mean 'h1'? known: h1, h2"
    assert fault.note == "it occurs 3 times; all states must be in [states]"
