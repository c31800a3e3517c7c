"""Tables of results and verdicts as Markdown and CSV."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from graphnet.experiments.judging.units import effect_text, interval_text, measured_text
from graphnet.experiments.results import Results, Values
from graphnet.experiments.shown.tables import result_table, table_csv, table_markdown, verdict_markdown
from tests.unit.experiments.made_up import experiment, results, values

COLUMNS = ["test_error", "parameters", "test_error - chance"]
FILE: dict[str, Any] = {
    "table": {"rows": "sharing, t", "columns": COLUMNS},
    "reference": [{"label": "ResNet-110", "test_error": 0.0661, "cite": "He et al. 2016"}],
    "claims": [
        {
            "says": "shared weights | do better",
            "effect": "test_error[sharing=unshared] - test_error[sharing=shared]",
            "expect": "> 0",
            "guard": "train_accuracy[sharing=shared] > 0.98",
        }
    ],
}
BY_SEED = [0.1, 0.11, 0.12, 0.1, 0.12]


@pytest.fixture
def made() -> Results:
    labels = {"sharing": ("shared", "unshared"), "t": ("5", "9", "13")}
    error = values(lambda at, seed: BY_SEED[seed] + 0.02 * (at["sharing"] == "unshared"), **labels)
    error.array[1, 2] = math.nan
    error.array[1, 1, 3] = math.nan
    size = values(lambda at, seed: 21_000.0, sharing=labels["sharing"])
    accuracy = values(lambda at, seed: 0.99 - 0.001 * seed, **labels)
    chance = Values({}, np.full(5, 0.9))
    size = Values({"sharing": ("shared", "unshared")}, size.array)
    return results(test_error=error, parameters=size, train_accuracy=accuracy, chance=chance)


def test_cells_are_means_and_half_widths_of_t_intervals(made: Results) -> None:
    table = result_table(experiment(**FILE), made)
    assert table is not None
    low, high = stats.t.interval(0.95, 4, np.mean(BY_SEED), stats.sem(BY_SEED))
    cell = table.rows[0].cells[0]
    assert (cell.mean, cell.half_width) == pytest.approx((np.mean(BY_SEED), (high - low) / 2))
    half = f"{100 * (high - low) / 2:.1f}"
    assert table_markdown(table).splitlines()[:3] == [
        "| sharing | t | test\\_error (%) | parameters | test\\_error - chance (%) |",
        "| --- | --- | ---: | ---: | ---: |",
        f"| shared | 5 | 11.0 ± {half} | 21,000 | −79.0 ± {half} |",
    ]


def test_a_seed_without_a_number_leaves_no_mean(made: Results) -> None:
    table = result_table(experiment(**FILE), made)
    assert table is not None
    assert str(table.rows[4].cells[0]) == "–"
    assert [row.labels for row in table.rows[:-1]][3:] == [("unshared", "5"), ("unshared", "9"), ("unshared", "13")]


def test_rows_without_any_number_are_left_out(made: Results) -> None:
    only = FILE | {"table": {"rows": "sharing, t", "columns": ["test_error"]}}
    table = result_table(experiment(**only), made)
    assert table is not None
    assert ("unshared", "13") not in [row.labels for row in table.rows]


def test_references_are_rows_with_their_source(made: Results) -> None:
    table = result_table(experiment(**FILE), made)
    assert table is not None
    assert table_markdown(table).splitlines()[-1] == "| ResNet-110 (He et al. 2016) |  | 6.61 | – | – |"


def test_the_csv_has_numbers_as_they_are(made: Results) -> None:
    table = result_table(experiment(**FILE), made)
    assert table is not None
    rows = list(csv.DictReader(io.StringIO(table_csv(table))))
    assert float(rows[0]["test_error"]) == pytest.approx(np.mean(BY_SEED))
    assert rows[0]["parameters ±"] == "0.0"
    assert (rows[-1]["sharing"], rows[-1]["test_error"], rows[-1]["reference"]) == (
        "ResNet-110",
        "0.0661",
        "He et al. 2016",
    )
    assert rows[4]["test_error"] == ""


def test_a_column_that_results_lack_says_why() -> None:
    table = result_table(experiment(**FILE), results(parameters=values(lambda at, seed: 1.0, t=("5",))))
    assert table is not None
    assert table.notes[0].startswith("test_error: the results have no measure 'test_error'")


def test_verdicts_as_markdown(made: Results) -> None:
    lines = verdict_markdown(experiment(**FILE), made).splitlines()
    assert lines[0] == "| claim | at | effect | 95 % interval | seeds | guard | verdict |"
    assert lines[2] == (
        "| shared weights \\| do better | t = 5 | +2.00 points | \\[+2.00, +2.00\\] | 5 "
        "| train\\_accuracy\\[sharing=shared\\] \\> 0.98: 98.60 % (seed 4), holds | seen |"
    )
    assert [line.split("| ")[-1] for line in lines[2:]] == ["seen |", "no result |", "no result |"]


@pytest.mark.parametrize(
    ("mean", "half_width", "unit", "text"),
    [
        (0.0531, 0.0042, "fraction", "5.31 ± 0.42"),
        (0.0531, 0.042, "fraction", "5.3 ± 4.2"),
        (0.0531, 0.0, "fraction", "5.31"),
        (0.0531, math.nan, "fraction", "5.31"),
        (21_000, 0, "count", "21,000"),
        (-1.23456, 0.0123, "number", "−1.235 ± 0.012"),
        (123.456, 12.3, "number", "123 ± 12"),
        (3e-15, 0, "number", "3e-15"),
        (math.nan, 0, "number", "–"),
    ],
)
def test_numbers_have_the_digits_of_their_interval(mean: float, half_width: float, unit: Any, text: str) -> None:
    assert measured_text(mean, half_width, unit) == text


def test_effects_have_signs_and_units() -> None:
    assert effect_text(0.0231, fraction=True) == "+2.31 points"
    assert effect_text(-0.0231, fraction=True) == "−2.31 points"
    assert effect_text(0.091, fraction=True, difference=False) == "9.10 %"
    assert effect_text(3e-15, fraction=False, difference=False) == "3e-15"
    assert effect_text(1e-18, fraction=True) == "0.00 points"
    assert effect_text(0.00001, fraction=True) == "+0.001 points"
    assert interval_text(-0.01, 0.02, fraction=True) == "[−1.00, +2.00]"
    assert interval_text(math.nan, 0.02, fraction=True) == "–"
