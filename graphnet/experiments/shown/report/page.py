"""The report: one HTML file that needs nothing else, no script and no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.resources import files

from graphnet.experiments.judging.verdicts import WORDS, Verdict, chance_seen
from graphnet.experiments.shown.report.content import Judged, Reported
from graphnet.experiments.shown.report.markup import cell, table, text, word
from graphnet.experiments.shown.report.sections import badges, section
from graphnet.experiments.shown.tables import guard_text, numbers, verdict_header, where

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
TITLE = "Experiments"


def page(reported: Sequence[Reported], looks: int = 1) -> str:
    """Return the HTML text of a report on experiments: headline, all claims, and a section for each experiment.

    Experiments that were not run stand last.
    """
    ordered = sorted(reported, key=lambda each: (not each.experiment.headline, each.results is None))
    anchors = [f"experiment-{number}" for number in range(1, len(ordered) + 1)]
    body = [
        f"<h1>{TITLE}</h1>",
        *(_headline(each) for each in ordered if each.experiment.headline),
        _summary(ordered, anchors),
        _meaning(looks),
        *map(section, ordered, anchors),
    ]
    style = (files(__package__) / "page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{TITLE}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


# ---- what stands first


def _headline(reported: Reported) -> str:
    cards = "".join(_card(each, badges(reported)) for each in reported.judged)
    return f'<div class="headline">{cards}</div>'


def _card(judged: Judged, else_shown: str) -> str:
    values = "".join(map(_value, judged.verdicts))
    return f'<div class="card"><p class="says">{text(judged.claim.says)}</p>{values or else_shown}</div>'


def _value(verdict: Verdict) -> str:
    effect, interval, seeds = map(text, numbers(verdict))
    at = f"{text(where(verdict))}: " if verdict.labels else ""
    return (
        f'<p class="value">{at}<strong>{effect}</strong> {word(verdict.word)}</p>'
        f'<p class="small">{100 * verdict.level:.3g} % interval {interval}, {seeds} seeds</p>'
    )


# ---- all claims


def _summary(reported: Sequence[Reported], anchors: Sequence[str]) -> str:
    verdicts = [verdict for each in reported for verdict in each.verdicts]
    header = ("experiment", "claim", "at", "verdict", "effect", verdict_header(verdicts), "seeds", "guard")
    rows = (row for each, anchor in zip(reported, anchors, strict=True) for row in _rows(each, anchor))
    shown = table(header, rows, "stacked")
    return f"<h2>All claims</h2>{_counts(reported, verdicts)}{shown}{_not_run(reported, anchors)}"


def _counts(reported: Sequence[Reported], verdicts: Sequence[Verdict]) -> str:
    claims = sum(len(each.judged) for each in reported)
    counted = Counter(each.word for each in verdicts)
    words = ", ".join(f"{counted[each]} {each}" for each in WORDS if counted[each])
    return (
        f"<p>{claims} claims in {len(reported)} experiments; {len(verdicts)} verdicts{': ' if words else ''}{words}. "
        f"{chance_text(verdicts)}</p>"
    )


def chance_text(verdicts: Sequence[Verdict]) -> str:
    """How many "seen" chance would give, as a sentence."""
    directional = sum(each.directional and each.word in ("seen", "opposite", "undecided") for each in verdicts)
    return (
        f"If there were no effect at all, chance would give at most about {chance_seen(verdicts):.2g} “seen” "
        f"among the {directional} verdicts that expect a direction."
    )


def _rows(reported: Reported, anchor: str) -> Iterator[str]:
    experiment = reported.experiment
    total = sum(max(len(each.verdicts), 1) for each in reported.judged)
    name = f'<a href="#{anchor}">{text(experiment.name)}</a>{badges(reported)}'
    first = cell(name, "experiment", total)
    for judged in reported.judged:
        claim = cell(text(judged.claim.says), "claim", len(judged.verdicts))
        for verdict in judged.verdicts or (None,):
            yield f"<tr>{first}{claim}{_cells(verdict)}</tr>"
            first = claim = ""


def _cells(verdict: Verdict | None) -> str:
    if verdict is None:
        return '<td></td><td>not run</td><td colspan="4"></td>'
    names = ("effect", "interval", "seeds")
    numeric = (cell(text(each), "number", name=name) for name, each in zip(names, numbers(verdict), strict=True))
    guard = cell(text(guard_text(verdict.guard)) or "none", "small", name="guard")
    return f"{cell(text(where(verdict)), 'at')}{cell(word(verdict.word))}{''.join(numeric)}{guard}"


def _not_run(reported: Sequence[Reported], anchors: Sequence[str]) -> str:
    """Experiments without results."""
    named = (
        f'<a href="#{anchor}">{text(each.experiment.name)}</a>{" (results damaged)" if each.fault else ""}'
        for each, anchor in zip(reported, anchors, strict=True)
        if each.results is None
    )
    listed = ", ".join(named)
    return f'<p class="note">Not run: {listed}.</p>' if listed else ""


def _meaning(looks: int) -> str:
    words = "".join(f"<dt>{word(each)}</dt><dd>{text(says)}</dd>" for each, says in WORDS.items())
    several = (
        f" The results are looked at {looks} times, so each interval has the level 1 − 0.05/{looks}."
        if looks > 1
        else ""
    )
    return (
        f"<h2>What a verdict means</h2><dl>{words}</dl>"
        "<p>All arithmetic is within a seed; seeds are joined last, by a paired t interval at 95 %. Seeds are fixed "
        f"before anything runs, and none is added because of a verdict.{several}</p>"
        "<p>A verdict holds for the test images at hand: the interval covers the chance of initial weights and of "
        "the order of training, not that of other images. The binomial error beside it is the standard error that "
        "the number of test images gives one test error; the difference of two nets on the same images has usually "
        "a smaller one.</p>"
        "<p>A guard is a condition on training that must hold in every seed: under-training looks like refutation.</p>"
    )
