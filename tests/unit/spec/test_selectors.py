"""Members of weight-sharing sets."""

import pytest

from graphnet.spec.notation.integers import Misspelt
from graphnet.spec.notation.selectors import arrow_ends, parse_selector
from graphnet.spec.notation.times import union


@pytest.mark.parametrize(
    ("text", "source", "target", "times"),
    [
        ("h1->h2", "h1", "h2", "never"),
        (" h1 -> h2 ", "h1", "h2", "never"),
        ("h1->h2@1..5", "h1", "h2", "1..5"),
        ("h1->h2 @ 3 ", "h1", "h2", "3"),
        ("*->*", "*", "*", "never"),
        ("h1->h2@1, 4..5", "h1", "h2", "1, 4..5"),
        ("V1.r->V*@2..inf", "V1.r", "V*", "2..inf"),
    ],
)
def test_selectors_as_written(text: str, source: str, target: str, times: str) -> None:
    selector = parse_selector(text)
    assert (selector.source, selector.target) == (source, target)
    assert str(union(each.times({}) for each in selector.times)) == times
    for role, word in (("source", source), ("target", target)):
        assert text[slice(*selector.spans[role])] == word


def test_stars_stand_for_any_characters_and_case_matters() -> None:
    assert parse_selector("h*->*2").matches("h1", "V2")
    assert not parse_selector("h*->*2").matches("V1", "V2")
    assert not parse_selector("h*->*2").matches("h1", "V20")
    assert not parse_selector("v1->*").matches("V1", "V2")


@pytest.mark.parametrize("text", ["", "h1->", "->h1", "h1->h2->h3", "h-1->h2"])
def test_selectors_without_matches(text: str) -> None:
    with pytest.raises(Misspelt, match="selects no transitions") as caught:
        parse_selector(text)
    assert (caught.value.start, caught.value.end) == (0, len(text))
    assert "source->target@times" in caught.value.fix


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("h1", "write source->target, such as h1->h1"),
        ("h1=>h2", "write h1->h2"),
        ("h1→h2@1..3", "write h1->h2@1..3"),
        ("h1 to h2#conv1", "write h1->h2#conv1"),
        ("h2<-h1@1", "write h1->h2@1"),
        ("h2 <- V1.r", "write V1.r->h2"),
    ],
)
def test_another_arrow_suggests_the_languages(text: str, fix: str) -> None:
    with pytest.raises(Misspelt, match="selects no transitions") as caught:
        parse_selector(text)
    assert caught.value.fix == fix


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("V1->V2", ("V1", "V2")),
        ("V2 <- V1", ("V1", "V2")),
        ("V1 to V2", ("V1", "V2")),
        ("V1.V2", ("V1", "V2")),
        ("V1,V1", ("V1", "V1")),
        ("V1-d→V2", ("V1-d", "V2")),
        ("V1->V9", None),
        ("V1V2", None),
    ],
)
def test_the_ends_of_an_arrow(text: str, ends: tuple[str, str] | None) -> None:
    assert arrow_ends(text, ("V1", "V2", "V1-d")) == ends


def test_wrong_times_are_pointed_at_inside_the_selector() -> None:
    with pytest.raises(Misspelt) as caught:
        parse_selector("h1->h2@ 5..3")
    assert (caught.value.start, caught.value.end) == (8, 12)
    assert (caught.value.what, caught.value.fix) == ("'5..3' runs backwards", "did you mean '3..5'?")
    for text, start in (("h1->h2@1..x+", 12), ("h1->h2@1, 2..", 13), ("h1->h2@", 7)):
        with pytest.raises(Misspelt) as caught:
            parse_selector(text)
        assert caught.value.start == start
