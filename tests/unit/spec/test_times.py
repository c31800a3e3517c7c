"""Sets of times, and times as specs write them."""

from itertools import product

import pytest

from graphnet.spec.notation.integers import Misspelt
from graphnet.spec.notation.times import ALWAYS, FOREVER, FROM_ZERO, Times, TimeSpan, parse_times, union

LAST = 5
SETS = [
    union(Times((TimeSpan(t, t),)) for t in range(LAST + 1) if chosen[t]) for chosen in product([0, 1], repeat=LAST + 1)
]
"""Every set of times up to 5."""


def members(times: Times) -> set[int]:
    return {t for t in range(LAST + 1) if t in times}


def test_sets_are_kept_as_few_ascending_spans() -> None:
    assert len({times.spans for times in SETS}) == 2 ** (LAST + 1)
    assert union([Times((TimeSpan(4, 5),)), Times((TimeSpan(0, 1), TimeSpan(2, 2)))]).spans == (
        TimeSpan(0, 2),
        TimeSpan(4, 5),
    )
    assert union([Times((TimeSpan(0, 9),)), Times((TimeSpan(2, 3),))]).spans == (TimeSpan(0, 9),)
    assert union([]) == Times()


def test_set_algebra_is_that_of_python() -> None:
    for a, b in product(SETS, repeat=2):
        assert members(a.minus(b)) == members(a) - members(b)
        assert members(a.both(b)) == members(a) & members(b)
        assert members(union([a, b])) == members(a) | members(b)


def test_emptiness_first_time_and_listing() -> None:
    for times in SETS:
        inside = sorted(members(times))
        assert bool(times) == bool(inside)
        assert times.upto(3) == [t for t in inside if t <= 3]
        if inside:
            assert times.first == inside[0]
    assert ALWAYS.upto(2) == [0, 1, 2]
    assert ALWAYS.minus(Times((TimeSpan(1, FOREVER),))) == Times((TimeSpan(0, 0),))


def test_sets_read_like_the_language() -> None:
    assert str(Times()) == "never"
    assert str(ALWAYS) == "0..inf"
    assert str(ALWAYS.minus(Times((TimeSpan(2, 2), TimeSpan(5, 7))))) == "0..1, 3..4, 8..inf"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (4, "4"),
        ("4", "4"),
        ("5..7", "5..7"),
        ("5 .. 7", "5..7"),
        ("0..0", "0"),
        ("1..inf", "1..inf"),
        ("N", "3"),
        ("1..N-1", "1..2"),
        ("2N..inf", "6..inf"),
        ("N..2", "never"),
        ("2..N-2", "never"),
        ("N-4..1", "0..1"),
        ("N-4", "never"),
    ],
)
def test_times_as_written(text: str | int, meant: str) -> None:
    assert str(parse_times(text).times({"N": 3})) == meant


def test_a_range_knows_its_constants_and_whether_it_is_open() -> None:
    assert parse_times("M..2N").names == ("M", "N")
    assert parse_times("1..inf").last is None
    assert parse_times("4").last == parse_times("4").first


OPEN, RANGE = "write an open range as '1..inf'", "write a range as '1..5'"
TIME = 'a time is 4, a range "5..7" or "1..inf", or a list of these'


@pytest.mark.parametrize(
    ("text", "start", "end", "what", "fix"),
    [
        (-1, 0, 0, "-1 is not a time: times are 0, 1, 2, …", FROM_ZERO),
        ("-3", 0, 2, "a negative number is not a time: times are 0, 1, 2, …", FROM_ZERO),
        ("5..3", 0, 4, "'5..3' runs backwards", "did you mean '3..5'?"),
        ("1..", 3, 4, "a whole number or a constant's name is expected, not the end", OPEN),
        ("2+", 2, 3, "a whole number or a constant's name is expected, not the end", OPEN.replace("1", "2")),
        (">=N", 0, 1, "a whole number or a constant's name is expected, not '>'", OPEN.replace("1", "N")),
        ("1..∞", 3, 4, "a whole number or a constant's name is expected, not '∞'", OPEN),
        ("1:5", 1, 2, "'..' between two times is expected, not ':'", RANGE),
        ("1...5", 3, 4, "a whole number or a constant's name is expected, not '.'", RANGE),
        ("1…5", 1, 2, "'..' or the end of the time is expected, not '…'", RANGE),
        ("1 to 5", 2, 4, "'..' or the end of the time is expected, not 'to'", RANGE),
        ("[1..5]", 0, 1, "a whole number or a constant's name is expected, not '['", RANGE),
        ("1, 2", 1, 2, "'..' or the end of the time is expected, not ','", "write several times as a list"),
        ("..3", 0, 2, "a whole number or a constant's name is expected, not '..'", "write a range as '0..3'"),
        ("inf", 0, 3, "a whole number or a constant's name is expected, not 'inf'", TIME),
        ("1..2..3", 4, 6, "'..' or the end of the time is expected, not '..'", TIME),
        ("2..inf x", 7, 8, "'..' or the end of the time is expected, not 'x'", TIME),
        ("1.5", 1, 2, "'..' or the end of the time is expected, not '.'", TIME),
    ],
)
def test_invalid_times(text: str | int, start: int, end: int, what: str, fix: str) -> None:
    with pytest.raises(Misspelt) as caught:
        parse_times(text)
    fault = caught.value
    assert (fault.start, fault.end, fault.what, fault.fix) == (start, end, what, fix)
