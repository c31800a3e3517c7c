"""Results of an experiment: numbers by measure, factor labels and seed, and the CSV file that holds them.

The file begins with lines `# key: value`; the first, `# sha256: …`, is the checksum of all that follows it. Then comes
a table with a column for each factor, and `seed`, `measure` and `value`: one row a number, `nan` where there is none.
Factors that a measure has not are blank.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphnet.atomic_files import write_bytes

OWN = ("sha256", "name", "seeds", "smoke", "failed")
"""Keys of the first lines that are no facts."""
LAST = ("seed", "measure", "value")
"""Columns after the factors."""
_KEY = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_LINE = re.compile(rf"# ({_KEY.pattern}): (.*)", re.ASCII)


class ResultsError(Exception):
    """Raised when a file of results cannot be read; the text names file, line and fault."""


@dataclass(frozen=True, eq=False)
class Values:
    """Numbers of one measure, or of an expression.

    Attributes:
        factors: factor → its labels, in order.
        array: `[labels of each factor …, seeds]`; NaN where there is no number (skipped, failed).
    """

    factors: dict[str, tuple[str, ...]]
    array: NDArray[np.float64]

    def __post_init__(self) -> None:
        assert self.array.shape[:-1] == tuple(map(len, self.factors.values())), "an axis for each factor, then seeds"


@dataclass(frozen=True, eq=False)
class Results:
    """What an experiment measured.

    Attributes:
        name: the experiment's.
        seeds: the last axis of all values.
        smoke: whether the runs were those of the smoke form.
        measures: by name.
        facts: `graphnet`, `torch`, `date`, `device`, `test_images`, `trainer_version`, …
        failed: runs that failed, as text.
    """

    name: str
    seeds: tuple[int, ...]
    smoke: bool
    measures: dict[str, Values]
    facts: dict[str, str]
    failed: tuple[str, ...]


# ---- writing


def write_results(path: Path, results: Results) -> None:
    """Write results as CSV, atomically: equal results give equal bytes.

    Raises OSError; ValueError: a fact has the name of another line, or is no name.
    """
    rest = "".join(f"{line}\n" for line in (*_head(results), *_table(results))).encode()
    write_bytes(path, f"# sha256: {hashlib.sha256(rest).hexdigest()}\n".encode() + rest)


def _head(results: Results) -> Iterator[str]:
    yield f"# name: {_cell(results.name)}"
    yield f"# seeds: {', '.join(map(str, results.seeds))}"
    yield f"# smoke: {'true' if results.smoke else 'false'}"
    for key, value in results.facts.items():
        if not _KEY.fullmatch(key) or key in OWN:
            raise ValueError(f"a fact cannot be called {key!r}")
        yield f"# {key}: {_cell(value)}"
    for text in results.failed:
        yield f"# failed: {_cell(text)}"


def _table(results: Results) -> Iterator[str]:
    factors = list(dict.fromkeys(name for values in results.measures.values() for name in values.factors))
    yield _row([*map(_cell, factors), *LAST])
    for measure, values in results.measures.items():
        for place in product(*(range(len(labels)) for labels in values.factors.values())):
            chosen = {name: labels[k] for (name, labels), k in zip(values.factors.items(), place, strict=True)}
            cells = [_cell(chosen[name]) if name in chosen else "" for name in factors]
            for seed, number in zip(results.seeds, values.array[place].tolist(), strict=True):
                yield _row([*cells, str(seed), _cell(measure), repr(number)])


def _row(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()


def _cell(text: str) -> str:
    """Quote as in JSON what could break a line, look blank or look quoted: a row is always one line."""
    plain = bool(text) and text.isprintable() and text == text.strip() and not text.startswith('"')
    return text if plain else json.dumps(text)


# ---- reading


def read_results(path: Path) -> Results:
    """Read a file of `write_results`. Raises ResultsError if there is no such file, or it is damaged."""
    try:
        data = path.read_bytes().replace(b"\r\n", b"\n")
        lines = data.decode().split("\n")
    except OSError as fault:
        raise ResultsError(f"{path}: cannot read the results: {fault.strerror}") from None
    except UnicodeDecodeError:
        raise ResultsError(f"{path}: the file is damaged: it is no UTF-8 text") from None
    return _Reader(path, data, lines).read()


class _Reader:
    """Reads the lines of one file and knows where it is."""

    def __init__(self, path: Path, data: bytes, lines: list[str]) -> None:
        self.path, self.data, self.lines, self.line = path, data, lines, 1

    def fault(self, what: str) -> ResultsError:
        return ResultsError(f"{self.path}:{self.line}: {what}")

    def read(self) -> Results:
        if self.lines.pop() != "":
            self.line = len(self.lines) + 1
            raise self.fault("the file is cut off: its last line does not end")
        said, failed = self._head()
        seeds = self._seeds(said.pop("seeds"))
        name, smoke = said.pop("name"), said.pop("smoke")
        if smoke not in ("true", "false"):
            raise self.fault(f"'smoke' is {smoke!r}; it must be true or false")
        measures = self._measures(seeds)
        checksum = said.pop("sha256")
        if hashlib.sha256(self.data.partition(b"\n")[2]).hexdigest() != checksum:
            self.line = 1
            raise self.fault("the file does not match its checksum: it was changed or damaged after it was written")
        return Results(name, seeds, smoke == "true", measures, said, tuple(failed))

    def _head(self) -> tuple[dict[str, str], list[str]]:
        said: dict[str, str] = {}
        failed: list[str] = []
        for number, text in enumerate(self.lines, start=1):
            self.line = number
            if not text.startswith("# "):
                break
            match = _LINE.fullmatch(text)
            if match is None or match[1] in said:
                raise self.fault("this must be a line '# key: value', each key once")
            if match[1] == "failed":
                failed.append(self._text(match[2]))
            else:
                said[match[1]] = self._text(match[2])
        if missing := [key for key in OWN[:-1] if key not in said]:
            raise self.fault(f"there is no line '# {missing[0]}: …' above; `graphnet run` writes such files")
        return said, failed

    def _seeds(self, text: str) -> tuple[int, ...]:
        try:
            seeds = tuple(int(each) for each in text.split(", "))
        except ValueError:
            raise self.fault(f"'seeds' are {text!r}; they must be whole numbers such as 0, 1, 2") from None
        if len(set(seeds)) < len(seeds):
            raise self.fault(f"'seeds' are {text!r}, a seed twice")
        return seeds

    def _measures(self, seeds: tuple[int, ...]) -> dict[str, Values]:
        """Read the table, which begins at the present line."""
        rows = self._rows()
        header = next(rows, [])
        factors = [self._text(name) for name in header[: -len(LAST)]]
        if tuple(header[-len(LAST) :]) != LAST or len(set(header)) < len(header):
            raise self.fault(f"the columns must be the factors and then {', '.join(LAST)}, each once")
        numbers: dict[str, dict[tuple[str, ...], dict[int, float]]] = {}
        for row in rows:
            if len(row) != len(header):
                raise self.fault(f"{len(row)} cells; the table has {len(header)} columns")
            *labels, seed, measure, value = row
            of_measure = numbers.setdefault(measure, {})
            if _blanks(labels) != _blanks(next(iter(of_measure), labels)):
                raise self.fault(f"'{measure}' has other factors here than above")
            of_seed = of_measure.setdefault(tuple(labels), {})
            if (known := {str(each): each for each in seeds}.get(seed)) is None or known in of_seed:
                raise self.fault(f"seed {seed!r} stands twice here, or not among the seeds above")
            of_seed[known] = self._number(value)
        return {self._text(measure): self._values(factors, seeds, found) for measure, found in numbers.items()}

    def _rows(self) -> Iterator[list[str]]:
        for number in range(self.line, len(self.lines) + 1):
            self.line = number
            try:
                yield next(csv.reader([self.lines[number - 1]], strict=True), [])
            except csv.Error as fault:
                raise self.fault(f"this is no row of CSV: {fault}") from None

    def _values(
        self, factors: Sequence[str], seeds: Sequence[int], found: dict[tuple[str, ...], dict[int, float]]
    ) -> Values:
        """Put the numbers of a measure into an array; labels are in order of their first row."""
        columns = [(k, name) for k, name in enumerate(factors) if next(iter(found))[k]]
        known = {name: tuple(dict.fromkeys(row[k] for row in found)) for k, name in columns}
        places = [{label: place for place, label in enumerate(labels)} for labels in known.values()]
        if math.prod(map(len, known.values())) > 100 * len(found):
            raise self.fault("the rows are far from all combinations of their labels")
        array = np.full((*map(len, known.values()), len(seeds)), np.nan)
        for row, of_seed in found.items():
            place = tuple(where[row[k]] for where, (k, _) in zip(places, columns, strict=True))
            array[place] = [of_seed.get(seed, math.nan) for seed in seeds]
        return Values({name: tuple(map(self._text, labels)) for name, labels in known.items()}, array)

    def _number(self, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if repr(number) != text:
            raise self.fault(f"{text!r} is no number as Python writes it")
        return number

    def _text(self, cell: str) -> str:
        if not cell.startswith('"'):
            return cell
        try:
            text = json.loads(cell)
        except ValueError:
            text = None
        if not isinstance(text, str):
            raise self.fault(f"{cell} is no text")
        return text


def _blanks(labels: Iterable[str]) -> tuple[bool, ...]:
    return tuple(not label for label in labels)
