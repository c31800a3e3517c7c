"""The report as one HTML page, and the command that writes it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from graphnet.experiments.definition import definition_of
from graphnet.experiments.judging.verdicts import WORDS
from graphnet.experiments.results import Results, Values, write_results
from graphnet.experiments.shown.report.content import gather, header_of
from graphnet.experiments.shown.report.markup import inline_svg
from graphnet.experiments.shown.report.page import page
from graphnet.given_experiments import load_experiment
from tests.conftest import ROOT
from tests.unit.experiments.made_up import FACTS

EVIL = "<script>alert(1)</script>\"\x1b[31m&lt; ' onload=x"
FILE = """
#:schema ./graphnet-experiment.schema.json
# Paper: "shared weights do better" <b>(section 5)</b>.
#
# Ours: made-up numbers.
graphnet-experiment = 1
name = "NAME"
headline = HEADLINE
cite = "Liao & Poggio 2016, Figure 4 <A>"
spec = "resnet-2-state-once"
seeds = "0..2"
[vary.sharing]
shared = {}
unshared = {}
[[claims]]
says = "NAME: shared weights do better <1>"
effect = "test_error[sharing=unshared] - test_error[sharing=shared]"
expect = "> 0"
guard = "train_accuracy > 0.98"
[[claims]]
says = "NAME: equal"
effect = "chance[sharing=unshared] - chance[sharing=shared]"
expect = "within 0.01"
[[figure]]
x = "sharing"
y = "test_error"
[[figure]]
x = "sharing"
y = "loss"
[table]
rows = "sharing"
columns = ["test_error"]
[[reference]]
label = "ResNet <110>"
cite = "He & al."
test_error = 0.05
""".lstrip().replace('guard = "train_accuracy > 0.98"\n', 'guard = "train_accuracy[sharing=shared] > 0.98"\n')


def written(folder: Path, name: str, *, headline: bool = False, run: bool = True, smoke: bool = False) -> Path:
    """An experiment's file, and its results in the folder beside it."""
    path = folder / f"{name}.toml"
    path.write_text(FILE.replace("NAME", name).replace("HEADLINE", str(headline).lower()))
    if run:
        factors = {"sharing": ("shared", "unshared")}
        measures = {
            "test_error": Values(factors, np.array([[0.1, 0.11, 0.12], [0.12, 0.131, 0.139]])),
            "train_accuracy": Values(factors, np.array([[0.99, 0.985, 0.99], [0.9, 0.9, 0.9]])),
            "chance": Values(factors, np.full((2, 3), 0.9)),
        }
        (folder / "results").mkdir(exist_ok=True)
        results = Results(name, (0, 1, 2), smoke, measures, FACTS | {"device": EVIL}, (f"seed 7: {EVIL}",))
        write_results(folder / "results" / f"{name}.csv", results)
    return path


class Page(HTMLParser):
    """Checks that tags close in order; collects tags, ids, references and texts."""

    EMPTY = ("meta", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self.names: set[str] = set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.EMPTY:
            self.open.append(tag)
        for name, value in attrs:
            self.names.add(name)
            self.ids += [value or ""] if name == "id" else []
            self.references += [value or ""] if name in ("src", "href") else []
            self.references += re.findall(r"url\(([^)]*)\)", value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.EMPTY:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def shown(tmp_path: Path) -> str:
    files = [written(tmp_path, "one"), written(tmp_path, "two", run=False), written(tmp_path, "three", headline=True)]
    return page([gather(each, tmp_path / "none") for each in files])


def test_the_page_is_whole_and_loads_nothing(shown: str) -> None:
    found = Page(shown)
    assert len(found.ids) == len(set(found.ids))
    assert found.references
    assert {each.strip("#") for each in found.references} <= set(found.ids)
    assert "http" not in shown.replace("http-equiv", "")
    assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
    assert found.tags.count("svg") == 2


def test_every_claim_stands_once_in_the_summary(shown: str) -> None:
    summary = shown[shown.index("All claims") : shown.index("What a verdict means")]
    for name in ("one", "two", "three"):
        assert summary.count(f"{name}: shared weights do better &lt;1&gt;") == 1
        assert summary.count(f"{name}: equal") == 1
    assert "6 claims in 3 experiments; 4 verdicts: 2 seen, 2 equal by construction." in summary
    assert "at most about 0.05 “seen” among the 2 verdicts" in summary
    assert 'Not run: <a href="#experiment-3">two</a>.' in summary


def test_headlines_stand_first(shown: str) -> None:
    first = shown[: shown.index("All claims")]
    assert "three: shared weights do better" in first
    assert "one: " not in first
    assert shown.index('id="experiment-1"><h2>three') < shown.index('id="experiment-2"><h2>one')


def test_a_section_has_statement_table_verdicts_and_facts(shown: str) -> None:
    section = shown[shown.index("<h2>one") :]
    section = section[: section.index("</section>")]
    text = "".join(Page(section).words)
    for each in (
        'Paper: "shared weights do better" <b>(section 5)</b>.',
        "Liao & Poggio 2016, Figure 4 <A>",
        "+2.00 points",
        "by seed: +2.00, +2.10, +1.90",
        "binomial error of a test error: 0.53 points",
        "train_accuracy[sharing=shared] > 0.98: 98.50 % (seed 1), holds",
        "11.0 ± 2.5",
        "ResNet <110>",
        "Figure 2 cannot be drawn: the results have no measure 'loss'",
        "4000",
        "full form",
    ):
        assert each in text
    assert "schema" not in text


def test_every_verdict_is_explained(shown: str) -> None:
    meaning = shown[shown.index("What a verdict means") : shown.index("<section")]
    assert all(word in meaning for word in WORDS)


def test_hostile_text_is_only_text(shown: str) -> None:
    found = Page(shown)
    assert "<script>" in "".join(found.words)
    assert not any(name.startswith("on") for name in found.names)
    assert "\x1b" not in shown


def test_smoke_and_looks_are_said(tmp_path: Path) -> None:
    shown = page([gather(written(tmp_path, "one", smoke=True), tmp_path, looks=5)], looks=5)
    assert "smoke: small nets and little data" in shown
    assert "99 % interval" in shown
    assert "looked at 5 times" in shown


def test_results_of_the_given_folder_come_first(tmp_path: Path) -> None:
    path = written(tmp_path, "one")
    (tmp_path / "mine").mkdir()
    write_results(tmp_path / "mine" / "one.csv", Results("one", (5, 6), False, {}, {}, ()))
    found = gather(path, tmp_path / "mine").results
    assert found is not None
    assert found.seeds == (5, 6)


def test_results_of_an_older_file_are_said_to_be_such(tmp_path: Path) -> None:
    path = written(tmp_path, "one")
    definition = definition_of(load_experiment(path))
    for made, outdated in ((definition, False), ("0" * 16, True)):
        write_results(tmp_path / "one.csv", Results("one", (5, 6), False, {}, {"definition": made}, ()))
        assert gather(path, tmp_path).is_outdated == outdated
        assert ("the file has changed since" in page([gather(path, tmp_path)])) == outdated


def test_a_claim_changes_no_definition_and_a_measure_does(tmp_path: Path) -> None:
    data = tomllib.loads(written(tmp_path, "one").read_text(encoding="utf-8"))
    data["spec"] = "quickstart"
    other = data | {"measure": [*data.get("measure", []), {"name": "again", "of": "loss", "images": 10}]}
    first, claimed, measured = (definition_of(load_experiment(each)) for each in (data, data | {"claims": []}, other))
    assert first == claimed != measured


def test_results_of_another_experiment_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "one")
    write_results(tmp_path / "results" / "one.csv", Results("two", (5, 6), False, {}, {}, ()))
    found = gather(path, tmp_path)
    assert found.results is None
    assert found.fault.endswith("these are results of 'two', not of 'one'")


def test_the_comment_at_the_beginning_is_the_header(tmp_path: Path) -> None:
    path = written(tmp_path, "one", run=False)
    assert header_of(path) == 'Paper: "shared weights do better" <b>(section 5)</b>.\n\nOurs: made-up numbers.'


def test_ids_of_a_figure_are_behind_its_prefix_and_texts_are_not() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9pt">'
        '<metadata>m</metadata><g id="a" clip-path="url(#b)"><use xlink:href="#c"/>'
        '<text>id="a" url(#b)</text></g></svg>'
    )
    shown = inline_svg(svg, "p", "a & b")
    assert '<g id="p-a" clip-path="url(#p-b)"><use href="#p-c" /><text>id="a" url(#b)</text></g>' in shown
    assert 'aria-label="a &amp; b"' in shown
    assert not re.search("xmlns|width|metadata", shown)


# ---- the command

COMMAND = """
import sys
from graphnet.cli.main import main
sys.argv = ["graphnet", "report", *sys.argv[1:]]
try:
    main()
finally:
    assert "torch" not in sys.modules, "torch was loaded"
"""


def report(*given: object) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-c", COMMAND, *map(str, given)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, check=False)


def test_the_command_writes_the_page_and_prints_verdicts(tmp_path: Path) -> None:
    files = [written(tmp_path, "one"), written(tmp_path, "two", run=False)]
    done = report(*files, "-o", tmp_path / "new" / "page.html")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"one .* one: shared weights do better <1> .* \+2\.00 points .* seen", done.stdout)
    assert "not run: two" in done.stdout
    assert "at most about 0.025" in done.stdout
    Page((tmp_path / "new" / "page.html").read_text(encoding="utf-8"))


def test_damaged_results_are_named_and_the_page_is_written(tmp_path: Path) -> None:
    files = [written(tmp_path, "one"), written(tmp_path, "two")]
    damaged = tmp_path / "results" / "two.csv"
    damaged.write_text(damaged.read_text().replace("0.131", "0.231"))
    done = report(*files, "-o", tmp_path / "page.html")
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {damaged}:1: the file does not match its checksum: it was changed or damaged after it was written\n"
    )
    assert "results damaged" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("given", [["none.toml"], ["NOT"], ["OK", "-o", "/dev/null/page.html"]], ids=" ".join)
def test_faults_are_told_without_a_traceback(given: list[str], tmp_path: Path) -> None:
    (tmp_path / "not.toml").write_text("graphnet-experiment = 1\nname = 3\n")
    paths = {"NOT": tmp_path / "not.toml", "OK": written(tmp_path, "one")}
    done = report(*(paths.get(each, each) for each in given))
    assert done.returncode == 1
    assert re.search("error|cannot write", done.stderr)
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr
