"""Times of the cells of the transition matrix."""

from __future__ import annotations

from typing import Any

import pytest

import graphnet
from graphnet.spec.notation.times import FROM_ZERO
from tests.small import fault, small


def cells(*slabs: dict[str, Any], **changes: Any) -> list[tuple[str, str, str]]:
    """The cells between states: `source->target`, their functions and times."""
    found = graphnet.plan(small(*slabs, **changes)).cells
    inner = [cell for cell in found if cell.source != "input" and cell.target != "logits"]
    return [(f"{cell.source}->{cell.target}", cell.ops, cell.times) for cell in inner]


ALL: dict[str, Any] = {"h1": {"h1": "BRC", "h2": "BRC"}}


def test_a_slab_without_times_holds_always() -> None:
    assert cells(ALL) == [("h1->h1", "BRC", "0..inf"), ("h1->h2", "BRC", "0..inf")]


@pytest.mark.parametrize(
    ("t", "times"),
    [(3, "3"), ("1..2", "1..2"), ("1..inf", "1..inf"), ([0, "2..3"], "0, 2..3"), ("1..N-1", "1..3"), ("N", "4")],
)
def test_times_of_a_slab(t: Any, times: str) -> None:
    assert cells(ALL, {"t": t, "h2": {"h2": "C"}}, let={"N": 4})[-1] == ("h2->h2", "C", times)


def test_later_slabs_override_cell_by_cell_and_bars_block() -> None:
    assert cells(
        {"h1": {"h1": "BRC", "h2": "BRC"}},
        {"t": "2..4", "h1": {"h1": "C"}},
        {"t": 3, "h1": {"h1": "-"}},
        {"t": [4, 6], "h1": {"h1": "RC"}},
    ) == [
        ("h1->h1", "BRC", "0..1, 5, 7..inf"),
        ("h1->h1", "C", "2"),
        ("h1->h1", "RC", "4, 6"),
        ("h1->h2", "BRC", "0..inf"),
    ]


def test_a_cell_that_is_overridden_at_all_its_times_is_gone() -> None:
    assert cells({"t": 2, "h1": {"h1": "C"}}, ALL) == cells(ALL)
    assert cells(ALL, {"h1": {"h1": "-"}}, readout={"t": 1}) == [("h1->h2", "BRC", "0..inf")]


def test_an_empty_range_is_no_time() -> None:
    assert cells(ALL, {"t": "N..2", "h1": {"h1": "C"}}, let={"N": 3}) == cells(ALL)


def test_times_relative_to_the_readout_hold_in_each_net() -> None:
    """LP Figure 4 D: each readout time is a separate net; a cell is listed once, with its times in all of them."""
    slabs = [ALL, {"t": "T-1", "h1": {"h1": "C"}}, {"t": ["1..T-2", "T"], "h1": {"h1": "RC"}}]
    assert cells(*slabs)[:3] == [("h1->h1", "BRC", "0, 4..inf"), ("h1->h1", "C", "2"), ("h1->h1", "RC", "1, 3")]
    assert set(cells(*slabs, readout={"t": [1, 2]})) == {
        ("h1->h1", "BRC", "0, 2..inf"),
        ("h1->h1", "C", "0..1"),
        ("h1->h1", "RC", "1..2"),
        ("h1->h2", "BRC", "0..inf"),
    }


def test_delays_cell_over_slab_over_unrolling() -> None:
    slab = {"delay": 3, "h1": {"h1": {"ops": "BRC", "delay": 2}, "h2": "BRC"}}
    after = {"h2": {"h2": "BRC", "h1": "BRD"}}
    for unroll, forward in (("biological", 1), ("engineering", 0)):
        plan = graphnet.plan(small({"h1": {"h2": "C"}}, {"t": "1..inf", **slab}, after, unroll=unroll))
        delays = {(cell.source, cell.target, cell.ops): cell.delay for cell in plan.cells}
        assert delays["h1", "h1", "BRC"] == 2
        assert delays["h1", "h2", "BRC"] == 3
        assert delays["h1", "h2", "C"] == forward
        assert delays["h2", "h2", "BRC"] == 1
        assert delays["h2", "h1", "BRD"] == 1


def test_constants_use_those_before_them() -> None:
    let = {"A": 2, "B": "2A", "C": "(A+B)*B-1"}
    assert cells(ALL, {"t": "A..C", "h2": {"h2": "C"}}, let=let)[-1] == ("h2->h2", "C", "2..23")


CONSTANTS = "a letter or '_', then letters, digits and '_'; not T, inf or x"


@pytest.mark.parametrize(
    ("let", "name", "what", "fix"),
    [
        ({"A": 1, "B": "2D"}, "B", "no constant before this one is called 'D'", "known: A"),
        ({"B": "A", "A": 1}, "B", "no constant before this one is called 'A'", "define it above this one"),
        ({"A": "A"}, "A", "no constant before this one is called 'A'", "define it above this one"),
        ({"T": 1}, "T", "'T' is not a valid constant name", CONSTANTS),
        ({"inf": 1}, "inf", "'inf' is not a valid constant name", CONSTANTS),
        ({"x": 1}, "x", "'x' is not a valid constant name", CONSTANTS),
        ({"1a": 1}, "1a", "'1a' is not a valid constant name", CONSTANTS),
        ({"A": "2+"}, "A", "a whole number or a constant's name is expected, not the end", ""),
    ],
)
def test_wrong_constants(let: dict[str, Any], name: str, what: str, fix: str) -> None:
    found = fault(small(let=let))
    assert (found.path, found.what, found.fix) == (("let", name), what, fix)


@pytest.mark.parametrize(
    ("t", "path", "what", "fix"),
    [
        ("M", ("t",), "no constant is called 'M'", "did you mean 'MN'? known: MN, T; or name it in [let]"),
        (["1..2", "2M"], ("t", 1), "no constant is called 'M'", "did you mean 'MN'? known: MN, T; or name it in [let]"),
        ("5..3", ("t",), "'5..3' runs backwards", "did you mean '3..5'?"),
        (-1, ("t",), "-1 is not a time: times are 0, 1, 2, …", FROM_ZERO),
        ([1, -1], ("t", 1), "-1 is not a time: times are 0, 1, 2, …", FROM_ZERO),
    ],
)
def test_wrong_times(t: Any, path: tuple[str | int, ...], what: str, fix: str) -> None:
    found = fault(small(ALL, {"t": t, "h1": {"h1": "C"}}, let={"MN": 2}))
    assert (found.path, found.what, found.fix) == (("transitions", 1, *path), what, fix)


def test_only_transitions_may_name_the_readout() -> None:
    found = fault(small(readout={"t": "T"}))
    assert (found.path, found.fix) == (("readout", "t"), "name a time, such as 3")
    assert found.what == "'T' is the readout time, which only the times of transitions may use"
    assert fault(small(input={"shape": [1, 8, 8], "t": "T-1"})).path == ("input", "t")


def test_rows_and_columns_name_states() -> None:
    found = fault(small(ALL, {"h3": {"h1": "C"}}))
    assert (found.path, found.on) == (("transitions", 1, "h3"), "key")
    assert (found.what, found.fix) == ("no state is called 'h3'", "did you mean 'h2'? known: h1, h2")
    found = fault(small(ALL, {"h1": {"V9": "C"}}))
    assert (found.path, found.on) == (("transitions", 1, "h1", "V9"), "key")
    assert (found.what, found.fix) == ("no state is called 'V9'", "known: h1, h2")
