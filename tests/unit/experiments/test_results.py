"""Files of results: what is written is read, and damage is seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphnet.experiments.results import OWN, Results, ResultsError, Values, read_results, write_results

TEXTS = st.text(st.characters(), max_size=8)
LABELS = st.lists(TEXTS, min_size=1, max_size=3, unique=True).map(tuple)
KEYS = st.from_regex(r"[A-Za-z_][\w.-]{0,8}", fullmatch=True).filter(lambda key: key.isascii() and key not in OWN)


@st.composite
def made_up(draw: st.DrawFn) -> Results:
    seeds = tuple(draw(st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True)))
    factors = draw(st.dictionaries(TEXTS, LABELS, max_size=3))
    measures = {}
    for name in draw(st.lists(TEXTS, max_size=3, unique=True)):
        own = {factor: labels for factor, labels in factors.items() if draw(st.booleans())}
        shape = (*map(len, own.values()), len(seeds))
        numbers = draw(st.lists(st.floats(), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
        measures[name] = Values(own, np.array(numbers).reshape(shape))
    facts, failed = draw(st.dictionaries(KEYS, TEXTS, max_size=3)), tuple(draw(st.lists(TEXTS, max_size=2)))
    return Results(draw(TEXTS), seeds, draw(st.booleans()), measures, facts, failed)


def _same_factors(a: Values, b: Values) -> bool:
    return {name: set(labels) for name, labels in a.factors.items()} == {
        name: set(labels) for name, labels in b.factors.items()
    }


@given(made_up())
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, results: Results) -> None:
    path = tmp_path_factory.mktemp("results") / "a.csv"
    write_results(path, results)
    found = read_results(path)
    for name in ("name", "seeds", "smoke", "facts", "failed"):
        assert getattr(found, name) == getattr(results, name)
    assert list(found.measures) == list(results.measures)
    for name, values in results.measures.items():
        assert _same_factors(found.measures[name], values)
        for place in np.ndindex(values.array.shape[:-1]):
            labels = {factor: own[k] for (factor, own), k in zip(values.factors.items(), place, strict=True)}
            at = tuple(own.index(labels[factor]) for factor, own in found.measures[name].factors.items())
            np.testing.assert_array_equal(found.measures[name].array[at], values.array[place])


def _written(folder: Path) -> Path:
    error = Values({"sharing": ("shared", "no, not"), "t": ("5", "13")}, np.arange(12, dtype=float).reshape(2, 2, 3))
    chance = Values({}, np.array([0.9, np.nan, 0.9]))
    measures = {"test_error": error, "chance": chance}
    write_results(folder / "a.csv", Results("a", (0, 1, 2), True, measures, {"date": "today"}, ("one",)))
    return folder / "a.csv"


def test_the_file_is_one_row_a_number(tmp_path: Path) -> None:
    lines = _written(tmp_path).read_text().splitlines()
    assert lines[1:6] == ["# name: a", "# seeds: 0, 1, 2", "# smoke: true", "# date: today", "# failed: one"]
    assert lines[6:8] == ["sharing,t,seed,measure,value", "shared,5,0,test_error,0.0"]
    assert lines[-2] == ",,1,chance,nan"
    assert len(lines) == 7 + 12 + 3


def test_a_flipped_bit_of_any_byte_is_seen(tmp_path: Path) -> None:
    path = _written(tmp_path)
    data = path.read_bytes()
    for place in range(len(data)):
        wrong = bytearray(data)
        wrong[place] ^= 1 << place % 8
        path.write_bytes(bytes(wrong))
        with pytest.raises(ResultsError, match=r"a\.csv"):
            read_results(path)


@pytest.mark.parametrize("share", [0, 0.1, 0.3, 0.6, 0.99])
def test_a_cut_file_is_seen(tmp_path: Path, share: float) -> None:
    path = _written(tmp_path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ResultsError):
        read_results(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("shared,5,1,test_error,1.0", "shared,5,1,test_error,x", r"a\.csv:9: 'x' is no number as Python writes it"),
        ("shared,5,1,test_error,1.0", "shared,5,7,test_error,1.0", r"a\.csv:9: seed '7' stands twice here, or not"),
        ("shared,5,1,test_error,1.0", "shared,5,1,test_error", r"a\.csv:9: 4 cells; the table has 5 columns"),
        ("shared,5,1,test_error,1.0", "shared,,1,test_error,1.0", r"a\.csv:9: 'test_error' has other factors here"),
        ("seed,measure", "measure,seed", r"a\.csv:7: the columns must be the factors and then seed, measure, value"),
        ("# name: a\n", "", r"there is no line '# name: …' above"),
        ("# smoke: true", "# smoke: maybe", "'smoke' is 'maybe'"),
        ("# seeds: 0, 1, 2", "# seeds: 0, 1, two", "'seeds' are '0, 1, two'"),
        (",1.0\n", ",1.5\n", r"a\.csv:1: the file does not match its checksum"),
    ],
)  # fmt: skip
def test_an_edited_file_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = _written(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ResultsError, match=message):
        read_results(path)


def test_line_ends_of_windows_are_no_damage(tmp_path: Path) -> None:
    path = _written(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_results(path).name == "a"


def test_no_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"none\.csv: cannot read the results: No such file"):
        read_results(tmp_path / "none.csv")


def test_a_fact_cannot_hide_a_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a fact cannot be called 'seeds'"):
        write_results(tmp_path / "a.csv", Results("a", (0,), False, {}, {"seeds": "3"}, ()))
