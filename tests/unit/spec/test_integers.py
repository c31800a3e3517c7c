"""Whole numbers as specs write them."""

import pytest

from graphnet.spec.notation.integers import MAX_DEPTH, MAX_LENGTH, Misspelt, parse_whole

CONSTANTS = {"N": 10, "M": 3, "N2": 7}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (4, 4),
        ("4", 4),
        ("007", 7),
        ("N", 10),
        ("N2", 7),
        ("2N", 20),
        ("2N+1", 21),
        (" 2 * N - 1 ", 19),
        ("2(N+1)", 22),
        ("2*(N+1)*M", 66),
        ("1-2-3", -4),
        ("1+2*3", 7),
        ("2*3+1", 7),
        ("(1+2)*(N-M)", 21),
        ("((N))", 10),
    ],
)
def test_arithmetic(text: str | int, value: int) -> None:
    assert parse_whole(text).value(CONSTANTS) == value


def test_the_constants_it_uses_stand_in_order_and_once() -> None:
    assert parse_whole("2N+M*N-A").names == ("N", "M", "A")
    assert parse_whole("4").names == ()


def test_every_part_keeps_its_text() -> None:
    whole = parse_whole(" 2N - 1")
    assert whole.text == "2N - 1"
    assert whole.operation is not None
    assert [part.text for part in whole.operation[1:]] == ["2N", "1"]


@pytest.mark.parametrize(
    ("text", "start", "end", "word"),
    [
        ("", 0, 1, "the end"),
        ("2+", 2, 3, "the end"),
        ("-1", 0, 1, "'-'"),
        ("+3", 0, 1, "'+'"),
        ("2 N", 2, 3, "'N'"),
        ("N M", 2, 3, "'M'"),
        ("(1", 2, 3, "closing bracket"),
        ("1)", 1, 2, "')'"),
        ("1..2", 1, 3, "'..'"),
        ("inf", 0, 3, "'inf'"),
        ("N/2", 1, 2, "'/'"),
        ("1.5", 1, 2, "'.'"),
        ("9" * 19, 0, 19, "'9999"),
        ("__import__('os')", 10, 11, "'('"),
    ],
)
def test_invalid_whole_numbers(text: str, start: int, end: int, word: str) -> None:
    with pytest.raises(Misspelt) as caught:
        parse_whole(text)
    assert (caught.value.start, caught.value.end) == (start, end)
    assert word in caught.value.what


def test_brackets_nest_to_a_limit_and_no_further() -> None:
    deepest = "(" * MAX_DEPTH + "1" + ")" * MAX_DEPTH
    assert parse_whole(deepest).value({}) == 1
    with pytest.raises(Misspelt) as caught:
        parse_whole(f"({deepest})")
    assert caught.value.start == MAX_DEPTH


def test_a_long_string_is_refused_before_it_is_read() -> None:
    longest = "1+" * (MAX_LENGTH // 2 - 1) + "1"
    assert parse_whole(longest).value({}) == MAX_LENGTH // 2
    with pytest.raises(Misspelt, match=f"longer than {MAX_LENGTH} characters"):
        parse_whole("1" * (MAX_LENGTH + 1))
