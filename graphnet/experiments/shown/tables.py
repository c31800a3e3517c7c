"""Tables that people read: the results of an experiment, and the verdicts on its claims, as Markdown and CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from graphnet.errors import clean
from graphnet.experiments.judging.effects import EffectError, evaluate
from graphnet.experiments.judging.intervals import Array, means
from graphnet.experiments.judging.units import Unit, effect_text, interval_text, measured_text, unit_of, value_text
from graphnet.experiments.judging.verdicts import Checked, Verdict, judge
from graphnet.experiments.results import Results, Values
from graphnet.spec.experiment.expressions import read_expression
from graphnet.spec.experiment.model import Experiment, Reference


@dataclass(frozen=True)
class Cell:
    """A mean over seeds and the half width of its 95 % interval; NaN where there is none."""

    mean: float
    half_width: float
    unit: Unit

    def __str__(self) -> str:
        return measured_text(self.mean, self.half_width, self.unit)


@dataclass(frozen=True)
class Row:
    """A combination of labels, or a reference: then `labels` holds its name alone."""

    labels: tuple[str, ...]
    cells: tuple[Cell, ...]
    cite: str = ""
    is_reference: bool = False


@dataclass(frozen=True)
class ResultTable:
    """A table of results.

    Attributes:
        factors: the names of the first columns.
        columns: the expressions of the others.
        units: of the columns.
        rows: measured rows, then references.
        notes: why a column is empty.
    """

    factors: tuple[str, ...]
    columns: tuple[str, ...]
    units: tuple[Unit, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def header(self) -> tuple[str, ...]:
        """Names of all columns, with `(%)` where a column is in per cent."""
        units = (" (%)" if unit == "fraction" else "" for unit in self.units)
        return (*self.factors, *(f"{name}{unit}" for name, unit in zip(self.columns, units, strict=True)))


def result_table(experiment: Experiment, results: Results) -> ResultTable | None:
    """Return the table that a file asks for; None if it asks for none.

    A row without any number, such as that of a condition that is skipped, is left out.
    """
    if (asked := experiment.table) is None:
        return None
    found: list[Values | None] = []
    notes = []
    for text in asked.columns:
        try:
            found.append(evaluate(read_expression(text), results))
        except EffectError as fault:
            found.append(None)
            notes.append(f"{text}: {fault}")
    units = tuple(unit_of(read_expression(text), experiment) for text in asked.columns)
    labels = [_labels(factor, experiment, filter(None, found)) for factor in asked.rows]
    summaries = [None if values is None else means(values.array) for values in found]
    rows = []
    for chosen in product(*labels):
        at = dict(zip(asked.rows, chosen, strict=True))
        cells = tuple(
            _cell(at, values, summary, unit) for values, summary, unit in zip(found, summaries, units, strict=True)
        )
        if any(math.isfinite(cell.mean) for cell in cells):
            rows.append(Row(chosen, cells))
    published = (_reference_row(each, asked.columns, units) for each in experiment.reference)
    return ResultTable(tuple(asked.rows), tuple(asked.columns), units, (*rows, *published), tuple(notes))


def _labels(factor: str, experiment: Experiment, found: Iterable[Values]) -> tuple[str, ...]:
    """All labels of a factor in any column; those of the file if no column has it."""
    labels = tuple(dict.fromkeys(label for values in found for label in values.factors.get(factor, ())))
    return labels or tuple(experiment.factors.get(factor, ("",)))


def _cell(at: Mapping[str, str], values: Values | None, summary: tuple[Array, Array] | None, unit: Unit) -> Cell:
    missing = Cell(math.nan, math.nan, unit)
    if values is None or summary is None:
        return missing
    try:
        place = tuple(labels.index(at[name]) for name, labels in values.factors.items())
    except (KeyError, ValueError):
        return missing
    return Cell(float(summary[0][place]), float(summary[1][place]), unit)


def _reference_row(reference: Reference, columns: Sequence[str], units: Sequence[Unit]) -> Row:
    """A published row; it has numbers in columns that are just a measure."""
    cells = (
        Cell(reference.values.get(name.strip(), math.nan), math.nan, unit)
        for name, unit in zip(columns, units, strict=True)
    )
    return Row((reference.label,), tuple(cells), reference.cite, is_reference=True)


# ---- as text


def table_markdown(table: ResultTable) -> str:
    """Write a table of results as Markdown: mean ± half width of the 95 % interval over seeds."""
    width = max(len(table.factors), 1)
    lines = [_line(table.header if table.factors else ("", *table.header))]
    lines.append("|" + " --- |" * width + " ---: |" * len(table.columns))
    for row in table.rows:
        name = f"{row.labels[0]} ({row.cite})" if row.is_reference and row.cite else row.labels[0] if row.labels else ""
        first = [name, *row.labels[1:]]
        lines.append(_line([*first, *[""] * (width - len(first)), *map(str, row.cells)]))
    notes = "".join(f"\n{_escaped(note)}\n" for note in table.notes)
    return "\n".join(lines) + "\n" + notes


def table_csv(table: ResultTable) -> str:
    """Write a table of results as CSV: for each column its mean and half width, fractions as such."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    pairs = (name for column in table.columns for name in (column, f"{column} ±"))
    writer.writerow([*(table.factors or ("",)), *pairs, "reference"])
    width = max(len(table.factors), 1)
    for row in table.rows:
        labels = [clean(label) for label in row.labels] + [""] * (width - len(row.labels))
        numbers = (_number(each) for cell in row.cells for each in (cell.mean, cell.half_width))
        writer.writerow([*labels, *numbers, clean(row.cite or row.labels[0]) if row.is_reference else ""])
    return out.getvalue()


def verdict_header(verdicts: Iterable[Verdict]) -> str:
    """Name the interval's column, with the level."""
    levels = {each.level for each in verdicts} or {0.95}
    return f"{100 * min(levels):.3g} % interval"


def verdict_rows(experiment: Experiment, results: Results, looks: int = 1) -> list[tuple[str, ...]]:
    """A row for each verdict: claim, where, effect, interval, seeds, guard, verdict."""
    return [
        (claim.says, where(each), *numbers(each), guard_text(each.guard), each.word)
        for claim in experiment.claims
        for each in judge(claim, experiment, results, looks)
    ]


def verdict_markdown(experiment: Experiment, results: Results, looks: int = 1) -> str:
    """Write the verdicts on an experiment's claims as Markdown."""
    verdicts = [each for claim in experiment.claims for each in judge(claim, experiment, results, looks)]
    header = ("claim", "at", "effect", verdict_header(verdicts), "seeds", "guard", "verdict")
    lines = [_line(header), "| --- | --- | ---: | ---: | ---: | --- | --- |"]
    lines += map(_line, verdict_rows(experiment, results, looks))
    return "\n".join(lines) + "\n"


def where(verdict: Verdict) -> str:
    """The labels of the factors that the effect leaves open: `t = 9, sharing = shared`."""
    return ", ".join(f"{factor} = {label}" for factor, label in verdict.labels.items())


def numbers(verdict: Verdict) -> tuple[str, str, str]:
    """Effect, interval and number of seeds."""
    return (
        effect_text(verdict.mean, fraction=verdict.fraction, difference=verdict.difference),
        interval_text(verdict.low, verdict.high, fraction=verdict.fraction, difference=verdict.difference),
        str(verdict.n),
    )


def guard_text(guard: Sequence[Checked]) -> str:
    """Each condition with its worst value: `train_accuracy > 0.98: 99.10 % (seed 2), holds`."""
    return "; ".join(f"{each.text}: {_worst(each)}" for each in guard)


def _worst(checked: Checked) -> str:
    if math.isnan(checked.worst):
        return "no value"
    return f"{value_text(checked.worst, checked.unit)} (seed {checked.seed}), {'holds' if checked.holds else 'fails'}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: str) -> str:
    """Escape what Markdown or HTML would read as markup."""
    return re.sub(r"([\\`*_\[\]<>|#~&])", r"\\\1", clean(text))


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else ""
