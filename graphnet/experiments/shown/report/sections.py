"""The section of one experiment in a report: statement, table, figures, verdicts, facts."""

from __future__ import annotations

import math
from collections.abc import Iterator

from graphnet.experiments.judging.effects import EffectError
from graphnet.experiments.judging.units import effect_text
from graphnet.experiments.judging.verdicts import Verdict
from graphnet.experiments.results import Results
from graphnet.experiments.shown.curves import chart
from graphnet.experiments.shown.figures import MOST_LINES, figure_svg
from graphnet.experiments.shown.report.content import Judged, Reported
from graphnet.experiments.shown.report.markup import cell, inline_svg, lines, table, text, word
from graphnet.experiments.shown.tables import (
    ResultTable,
    Row,
    guard_text,
    numbers,
    result_table,
    verdict_header,
    where,
)
from graphnet.spec.experiment.model import Experiment

SHOWN_FACTS = {"test_images": "test images", "trainer_version": "trainer version", "definition": "file"}
"""Facts with another name in the report."""


def section(reported: Reported, anchor: str) -> str:
    """Return the section of an experiment; `anchor` is its id, and begins the ids of its figures."""
    experiment, results = reported.experiment, reported.results
    cite = f'<p class="cite">{text(experiment.cite)}</p>' if experiment.cite else ""
    head = f'<section id="{anchor}"><h2>{text(experiment.name)}</h2>{cite}{badges(reported)}'
    about = f'<div class="about">{lines(reported.header)}</div>' if reported.header.strip() else ""
    if results is None:
        why = text(reported.fault) or "There are no results of this experiment."
        claims = "".join(f"<li>{_claim(each)}</li>" for each in reported.judged)
        return f'{head}{about}<p class="note">{why}</p><ul class="claims">{claims}</ul></section>'
    body = "".join((*_verdicts(reported), *_table(experiment, results), *_figures(experiment, results, anchor)))
    return f"{head}{about}{body}{_facts(results)}</section>"


def badges(reported: Reported) -> str:
    """What one has to know before reading numbers: small form, exploratory, not run."""
    words = []
    if reported.results is None:
        words.append("results damaged" if reported.fault else "not run")
    elif reported.results.smoke:
        words.append("smoke: small nets and little data")
    if reported.is_outdated:
        words.append("the file has changed since these runs")
    if reported.experiment.exploratory:
        words.append("exploratory")
    return "".join(f'<span class="badge">{each}</span>' for each in words)


# ---- verdicts


def _verdicts(reported: Reported) -> Iterator[str]:
    if not reported.judged:
        return
    header = ("claim", "at", "verdict", "effect", verdict_header(reported.verdicts), "seeds", "guard")
    rows = (row for each in reported.judged for row in _rows(each, reported.experiment))
    yield f"<h3>Claims</h3>{table(header, rows, 'stacked')}"


def _rows(judged: Judged, experiment: Experiment) -> Iterator[str]:
    for number, verdict in enumerate(judged.verdicts):
        first = cell(_claim(judged), "claim", len(judged.verdicts)) if not number else ""
        effect, interval, seeds = map(text, numbers(verdict))
        small = "".join(f'<div class="small">{text(each)}</div>' for each in _more(verdict))
        cells = (
            cell(text(where(verdict)), "at"),
            cell(word(verdict.word) + (f'<div class="small">{text(verdict.why)}</div>' if verdict.why else "")),
            cell(effect + small, "number", name="effect"),
            cell(interval, "number", name="interval"),
            cell(seeds, "number", name="seeds"),
            cell(text(guard_text(verdict.guard)) or "none", "small", name="guard"),
        )
        yield f"<tr>{first}{''.join(cells)}</tr>"


def _claim(judged: Judged) -> str:
    """The claim in words, and what is computed for it."""
    claim = judged.claim
    cite = f' <span class="cite">{text(claim.cite)}</span>' if claim.cite else ""
    return f"{text(claim.says)}{cite}<code>{text(claim.effect)} {text(claim.expect)}</code>"


def _more(verdict: Verdict) -> Iterator[str]:
    """The effect by seed, and the standard error that the number of test images gives."""
    if verdict.effects:
        each = (
            effect_text(effect, fraction=verdict.fraction, difference=verdict.difference, unit=False)
            for effect in verdict.effects
        )
        yield f"by seed: {', '.join(each)}"
    if verdict.binomial is not None and math.isfinite(verdict.binomial):
        yield f"binomial error of a test error: {100 * verdict.binomial:.2f} points"


# ---- table and figures


def _table(experiment: Experiment, results: Results) -> Iterator[str]:
    found = result_table(experiment, results)
    if found is None:
        return
    notes = "".join(f'<p class="note">{text(note)}</p>' for note in found.notes)
    yield f"<h3>Results</h3>{table(found.header, (_row(each, found) for each in found.rows), 'results')}{notes}"
    yield f'<p class="small">Mean ± half width of the 95 % interval over {len(results.seeds)} seeds.</p>'


def _row(row: Row, found: ResultTable) -> str:
    width = len(found.factors)
    numbers = "".join(cell(text(str(each)), "number") for each in row.cells)
    if not row.is_reference:
        return f"<tr>{''.join(cell(text(label)) for label in row.labels)}{numbers}</tr>"
    cite = f' <span class="cite">{text(row.cite)}</span>' if row.cite else ""
    return f'<tr class="reference"><td colspan="{max(width, 1)}">{text(row.labels[0])}{cite}</td>{numbers}</tr>'


def _figures(experiment: Experiment, results: Results, anchor: str) -> Iterator[str]:
    for number, figure in enumerate(experiment.figure, start=1):
        try:
            found = chart(figure, experiment, results)
        except EffectError as fault:
            yield f'<p class="note">Figure {number} cannot be drawn: {text(str(fault))}</p>'
            continue
        name = f"{', '.join(figure.y)} over {figure.x}"
        svg = inline_svg(figure_svg(found), f"{anchor}-figure-{number}", name)
        seeds = f"means over {len(results.seeds)} seeds"
        if len(found.lines) <= MOST_LINES:
            seeds += " with 95 % intervals; each seed is pale"
        yield f"<figure>{svg}<figcaption>{text(figure.title or name)}: {seeds}.</figcaption></figure>"


# ---- facts


def _facts(results: Results) -> str:
    facts = {
        "runs": "smoke form: small nets and little data" if results.smoke else "full form",
        "seeds": ", ".join(map(str, results.seeds)),
    } | results.facts
    pairs = (f"<dt>{text(SHOWN_FACTS.get(key, key))}</dt><dd>{text(value)}</dd>" for key, value in facts.items())
    failed = "".join(f"<li>{text(each)}</li>" for each in results.failed)
    listed = f"<h3>Failed runs</h3><ul>{failed}</ul>" if failed else ""
    return f"<h3>How it was run</h3><dl>{''.join(pairs)}</dl>{listed}"
