"""All views of the zoo: content and legibility."""

from __future__ import annotations

import math
import shutil
import time
import warnings
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import pytest

import graphnet
from graphnet.pictures.animation import frames
from graphnet.pictures.captions import TITLE, times_text
from graphnet.pictures.elements import FAINT, INK, PALE, PAPER, Box, PictureWarning
from graphnet.pictures.recurrent import picture as recurrent
from graphnet.pictures.styles import STYLES, in_style
from graphnet.pictures.tables.matrices import matrices
from graphnet.pictures.tables.plan import APART
from graphnet.pictures.tables.steps import panels, rounded_count
from graphnet.pictures.unrolled.arrows import COLOURS
from graphnet.pictures.views import MILLIMETRE, VIEWS, PictureOptions, picture
from graphnet.pictures.write.svg import to_svg
from graphnet.planning.body import BEFORE
from graphnet.planning.plan import Fate, Plan
from tests.conftest import ROOT, zoo_few
from tests.pictures import faults
from tests.small import small

SVG = "{http://www.w3.org/2000/svg}"
LARGE = 300
"""Number of plan lines above which the unrolled net is checked with --thorough only."""
STRANGE = "</script><b>&amp; \"q\" 'é視' \x00\x1b[31m\ud800\n]]>"


@pytest.fixture(params=zoo_few(), scope="module")
def compiled(request: pytest.FixtureRequest) -> Plan:
    return graphnet.plan(request.param)


@pytest.mark.parametrize("width", [0, 84, 174])
@pytest.mark.parametrize("view", ["matrix", "plan"])
def test_tables_can_be_read(compiled: Plan, view: str, width: float) -> None:
    shown = picture(compiled, PictureOptions(view, width=width))
    assert faults(shown) == []
    assert min(label.size for label in shown.labels) * 0.75 >= 6, "in points"
    assert shown.width <= (width * MILLIMETRE or math.inf) + 0.01


@pytest.mark.parametrize(
    "with_dot",
    [pytest.param(True, marks=pytest.mark.skipif(not shutil.which("dot"), reason="needs Graphviz")), False],
)
def test_the_recurrent_graph_can_be_read(compiled: Plan, with_dot: bool) -> None:
    assert faults(recurrent.layout(compiled, with_dot)) == []


@pytest.mark.parametrize("dead", [False, True], ids=["live", "dead"])
def test_the_unrolled_net_can_be_read(compiled: Plan, dead: bool, request: pytest.FixtureRequest) -> None:
    if len(compiled.lines) > LARGE and not request.config.getoption("--thorough"):
        pytest.skip("large: runs with --thorough")
    assert faults(picture(compiled, PictureOptions(dead=dead, width=0))) == []


@pytest.mark.parametrize("look", [{"width": 174}, {"width": 84, "dead": True}, {"width": 174, "elide": True}], ids=str)
def test_a_net_broken_into_systems_can_be_read(
    compiled: Plan, look: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    if len(compiled.lines) > LARGE and not request.config.getoption("--thorough"):
        pytest.skip("large: runs with --thorough")
    shown = picture(compiled, PictureOptions(**({"width": 0} | look)))
    assert faults(shown) == []
    assert shown.width <= look["width"] * MILLIMETRE
    assert min(label.size for label in shown.labels) * 0.75 >= 6, "in points"


@pytest.mark.parametrize("width", [84, 174])
@pytest.mark.parametrize("view", VIEWS)
def test_a_picture_has_the_requested_width_or_a_warning(
    compiled: Plan, view: str, width: float, request: pytest.FixtureRequest
) -> None:
    if view == "unrolled" and len(compiled.lines) > LARGE and not request.config.getoption("--thorough"):
        pytest.skip("large: runs with --thorough")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", PictureWarning)
        shown = picture(compiled, PictureOptions(view, width=width))
    assert min(label.size for label in shown.labels) * 0.75 >= 6, "in points"
    fits = shown.width <= width * MILLIMETRE + 0.01
    assert fits or view == "recurrent"
    said = [str(each.message) for each in found if "mm wide" in str(each.message)]
    wide = f"the recurrent view is {math.ceil(shown.width / MILLIMETRE)} mm wide, not {width}"
    assert [text.partition(":")[0] for text in said] == ([] if fits else [wide])


def strange(**more: Any) -> Plan:
    states = {"h1": {"shape": [4, 8, 8], "label": STRANGE}, "h2": [6, 4, 4]}
    return graphnet.plan(small(name=STRANGE, cite=STRANGE, states=states, **more))


@pytest.mark.parametrize("view", VIEWS)
def test_strange_text_stays_text(view: str) -> None:
    svg = to_svg(picture(strange(), PictureOptions(view, width=0)))
    root = ET.fromstring(svg.encode())
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {"svg", "title", "rect", "g", "path", "text"}
    shown = " ".join(element.text or "" for element in root.iter(f"{SVG}text"))
    assert "</script><b>&amp; \"q\" 'é視' \ufffd\ufffd[31m\ufffd ]]>" in shown.replace("\xa0", " ")
    assert "</script>" not in svg


@pytest.mark.parametrize("view", VIEWS)
def test_the_picture_is_the_same_each_time(view: str) -> None:
    assert to_svg(picture(strange(), PictureOptions(view, width=0))) == to_svg(
        picture(strange(), PictureOptions(view, width=0))
    )


@pytest.mark.filterwarnings("ignore:the [a-z]+ view is [0-9]+ mm wide")
@pytest.mark.parametrize("width", [84, 0])
@pytest.mark.parametrize("view", VIEWS)
def test_a_name_of_one_long_word_is_cut_at_once(view: str, width: float) -> None:
    word = "x" * 50_000
    states = {"h1": {"shape": [4, 8, 8], "label": word}, "h2": [6, 4, 4]}
    compiled = graphnet.plan(small(name=word, cite=word, states=states))
    start = time.process_time()
    shown = picture(compiled, PictureOptions(view, width=width))
    assert time.process_time() - start < 2, "it was minutes, as time grew with the square of the length"
    assert faults(shown) == []
    heading = [label.text for label in shown.labels if label.size == TITLE]
    assert len(heading) == 4
    assert heading[-1].endswith("x…")
    assert shown.title == word


@pytest.mark.parametrize("view", VIEWS)
def test_without_a_title_the_rest_is_the_same_and_moves_up(view: str) -> None:
    compiled = graphnet.plan(ROOT / "specs" / "vision" / "cornet-s.toml")
    full, bare = (picture(compiled, PictureOptions(view, width=174, title=title)) for title in (True, False))
    assert [label.text for label in full.labels if label.heads] == ["cornet-s", "Kubilius et al. 2019"]
    assert [label.text for label in bare.labels] == [label.text for label in full.labels if not label.heads]
    assert faults(bare) == []
    moved = full.height - bare.height
    assert moved > 20
    pairs = zip(full.nodes, bare.nodes, strict=True)
    assert all(one.box.y - moved == pytest.approx(other.box.y) for one, other in pairs)
    assert min(box.y for box in (*(label.box for label in bare.labels), *(node.box for node in bare.nodes))) < 10
    assert "<title>cornet-s</title>" in to_svg(bare), "for those who do not see it"


# ---- times


@pytest.mark.parametrize("view", VIEWS)
def test_times_are_written_as_in_specs_in_every_view(view: str) -> None:
    slabs = [{"t": "1..4", "h1": {"h1": "C", "h2": "C"}}, {"t": "6..9", "h1": {"h1": "C"}, "h2": {"h2": "CR"}}]
    input = {"shape": [1, 8, 8], "t": "0..5"}
    compiled = graphnet.plan(small(*slabs, input=input, readout={"t": "1..9", "state": "h1"}))
    texts = [label.text.replace("\xa0", " ") for label in picture(compiled, PictureOptions(view, width=0)).labels]
    times = [text for text in texts if "t = " in text]
    assert not [text for text in times if "–" in text]
    assert any(".." in text for text in times) or view == "unrolled"


# ---- styles


def contrast(one: str, other: str) -> float:
    """WCAG's contrast of two colours."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("style", STYLES)
def test_text_and_lines_stand_out_from_the_page(style: str) -> None:
    of = STYLES[style]
    paper = of.get(PAPER, PAPER)
    assert contrast(of.get(INK, INK), paper) > 12
    assert contrast(of.get(PALE, PALE), paper) > 4.4
    least = 5 if style == "dark" else 2.2  # Okabe and Ito made their palette for white paper
    assert all(contrast(of.get(colour, colour), paper) > least for colour in COLOURS)


@pytest.mark.parametrize("view", VIEWS)
def test_a_dark_picture_has_no_colour_of_paper_left(view: str) -> None:
    light = picture(strange(), PictureOptions(view, width=0))
    dark = in_style(light, "dark")
    used = {dark.paper, *(label.colour for label in dark.labels), *(curve.stroke.colour for curve in dark.curves)}
    used |= {colour for node in dark.nodes for colour in (node.fill, node.frame)}
    assert not used & set(STYLES["dark"])
    assert [label.box for label in dark.labels] == [label.box for label in light.labels]


# ---- the matrix


def test_a_cell_that_does_not_always_hold_names_its_times() -> None:
    slabs = [
        {"t": "1..inf", "h1": {"h1": "BRC+I", "h2": "BRC"}, "h2": {"h2": "BRC+I"}},
        {"t": "3..4", "h2": {"h1": "BRD"}, "h1": {"h2": {"ops": "BRC", "delay": 2}}},
    ]
    (found,) = matrices(graphnet.plan(small(*slabs, readout={"t": 6})))
    assert found.times == (1, 2, 3, 4, 5, 6)
    assert {ends: entry.texts for ends, entry in found.entries.items()} == {
        ("h1", "h1"): ("BRC+I",),
        ("h1", "h2"): ("BRC, delay 1 or 2",),
        ("h2", "h1"): ("BRD at t = 3..4",),
        ("h2", "h2"): ("BRC+I",),
    }


def test_matrices_stay_apart_where_cells_would_hold_too_much() -> None:
    functions = ["C", "BC", "RC", "BRC", "CB"]
    slabs = [{"t": t, "h1": {"h1": ops, "h2": "C"}} for t, ops in enumerate(functions, 1)]
    found = matrices(graphnet.plan(small(*slabs, readout={"t": 5})))
    assert [matrix.times for matrix in found] == [(1, 2, 3), (4, 5)]
    assert found[0].entries["h1", "h1"].texts == ("C at t = 1", "BC at t = 2", "RC at t = 3")
    assert found[1].entries["h1", "h2"].texts == ("C",)
    slabs = [{"h1": {"h1": "C", "h2": "C"}}, {"t": list(range(2, 40, 2)), "h1": {"h1": "BRC"}}]
    assert len(matrices(graphnet.plan(small(*slabs, readout={"t": 40})))) == 2


def test_a_net_whose_matrices_differ_in_a_cell_has_one() -> None:
    (found,) = matrices(graphnet.plan(ROOT / "specs" / "vision" / "cornet-s.toml"))
    timed = {ends: entry.texts for ends, entry in found.entries.items() if " at t = " in entry.texts[0]}
    assert timed == {("V2", "V4i"): ("C1 at t = 4",), ("V4", "ITi"): ("C1 at t = 9",)}


def test_the_matrix_shows_what_states_make_of_their_arrivals() -> None:
    states = {
        "h1": {"shape": [4, 8, 8], "merge": "max", "update": "BR"},
        "h2": {"shape": [6, 4, 4], "update": [{"conv": {"kernel": 1}}]},
    }
    shown = picture(graphnet.plan(small(states=states)), PictureOptions("matrix", width=0))
    feet = {node.name: node.box for node in shown.nodes if node.kind == "foot"}
    texts = [" ".join(label.text for label in shown.labels if label.owner == name) for name in feet]
    assert texts == ["max, then BR", "then conv(kernel=1)"]
    cells = [node for node in shown.nodes if node.kind == "cell"]
    assert all(box.y > max(cell.box.bottom for cell in cells) for box in feet.values())
    notes = " ".join(label.text for label in shown.labels if label.colour == PALE and not label.owner)
    assert "Max: how a state merges its arrivals; others sum. Then …: the state's update" in notes
    plain = picture(graphnet.plan(small()), PictureOptions("matrix", width=0))
    assert not [node for node in plain.nodes if node.kind == "foot"]
    assert any(label.text == "Arrivals at a state are summed." for label in plain.labels)


def test_bl_net_shows_its_norms_and_relus_in_the_tables() -> None:
    compiled = graphnet.plan(ROOT / "specs" / "vision" / "bl-net.toml")
    texts = [label.text for label in picture(compiled, PictureOptions("matrix", width=174)).labels]
    assert texts.count("then BR") == len(compiled.areas) == 7
    assert "pre-net: input → L1 by conv(kernel=7) at\xa0t\xa0=\xa00..7" in texts


def test_columns_that_do_not_fit_go_on_below() -> None:
    compiled = graphnet.plan(ROOT / "specs" / "vision" / "cornet-s.toml")
    wide = picture(compiled, PictureOptions("matrix", width=174))
    narrow = picture(compiled, PictureOptions("matrix", width=84))
    cells = [{node.facts for node in shown.nodes if node.facts} for shown in (wide, narrow)]
    assert cells[0] == cells[1]
    titles = [label.text for label in narrow.labels if label.text.startswith("t = ")]
    assert titles == ["t = 0..11", "t = 0..11, continued", "t = 0..11, continued"]
    assert sum(node.kind == "blank" for node in narrow.nodes) < sum(node.kind == "blank" for node in wide.nodes)


@pytest.mark.filterwarnings("ignore:the [a-z]+ view is [0-9]+ mm wide")
def test_lines_of_long_names_stand_apart() -> None:
    states = {"h1": {"shape": [4, 8, 8], "label": "0 00000000\u0cc7\u0cc7"}, "h2": [6, 4, 4]}
    for words in range(60):  # the content above affects how line positions are rounded
        compiled = graphnet.plan(small(states=states, cite="word " * words))
        for view in VIEWS:
            assert faults(picture(compiled, PictureOptions(view, width=84))) == []


def test_what_never_fires_at_the_times_of_a_matrix_is_grey() -> None:
    slabs = [{"t": 1, "h1": {"h1": "BRC", "h2": "BRC"}, "h2": {"h2": "BRC"}}, {"t": 2, "h1": {"h2": "BRC"}}]
    compiled = graphnet.plan(small(*slabs, readout={"t": 2}))
    (found,) = matrices(compiled)
    assert {ends: (entry.texts, entry.fires) for ends, entry in found.entries.items()} == {
        ("h1", "h1"): (("BRC at t = 1",), True),
        ("h1", "h2"): (("BRC",), True),
        ("h2", "h2"): (("BRC at t = 1",), False),
    }
    colours = {
        label.owner: label.colour
        for label in picture(compiled, PictureOptions("matrix", width=0)).labels
        if label.owner
    }
    assert sorted(colours.values()) == [INK, INK, PALE]


def test_rows_are_from_and_columns_to() -> None:
    shown = picture(graphnet.plan(small({"h1": {"h1": "C+I", "h2": "BRC"}})), PictureOptions("matrix", width=0))
    cells = {(dict(node.facts)["source"], dict(node.facts)["target"]): node for node in shown.nodes if node.facts}
    assert cells["h1", "h1"].box.y == cells["h1", "h2"].box.y
    assert cells["h1", "h1"].box.x < cells["h1", "h2"].box.x
    heads = {label.text: label for label in shown.labels if label.bold and label.anchor == "end"}
    assert list(heads) == ["h1", "h2"]
    assert heads["h1"].box.cy == cells["h1", "h1"].box.cy < heads["h2"].box.cy
    assert [label.text for label in shown.labels if label.owner == cells["h1", "h2"].name] == ["BRC"]
    assert dict(cells["h1", "h2"].facts)["place"] == "h2.from_h1"


# ---- the plan


def test_a_panel_for_each_distinct_step(compiled: Plan) -> None:
    found = panels(compiled)
    assert [panel.times for panel in found] == [
        [t for body, t in compiled.calls if body == each] for each in compiled.bodies
    ]
    assert sum(row.counted for panel in found for row in panel.rows) == compiled.parameters
    for body, panel in zip(compiled.bodies, found, strict=True):
        lines = sum(line.op.kind != "value" and line.t != BEFORE for line in body.lines)
        before = {(line.place, line.op.kind, line.shape) for line in body.lines if line.t == BEFORE}
        assert sum(not row.op.startswith("as ") for row in panel.rows) == lines + len(before)


def test_parameters_are_counted_once() -> None:
    untied = panels(graphnet.plan(ROOT / "specs" / "liao-poggio" / "resnet-1-state-untied.toml"))
    assert [panel.title for panel in untied] == ["t = 1", "t = 2..10 (9 times)", "t = 11"]
    assert [row.parameters for row in untied[1].rows if row.op.startswith("conv")] == ["9×36,864"] * 2
    tied = panels(graphnet.plan(ROOT / "specs" / "liao-poggio" / "resnet-1-state.toml"))
    assert [[row.parameters for row in panel.rows if row.op.startswith("conv")] for panel in tied[1:]] == [
        ["36,864", "36,864"],
        ["(36,864)", "(36,864)"],
    ]
    shown = [label.text for label in picture(graphnet.plan(small()), PictureOptions("plan", width=0)).labels]
    assert "(…): parameters shared with a row above, counted there." in shown
    alone = picture(graphnet.plan(small(readout={"t": 1})), PictureOptions("plan", width=0))
    assert not any("(" in label.text for label in alone.labels)


def test_a_row_may_share_some_parameters_and_have_others_of_its_own() -> None:
    tied = {"sets": [{"members": ["h1->h1", "h2->h2"]}]}
    states = {"h1": [4, 8, 8], "h2": [4, 8, 8]}
    biased = [{"conv": {"bias": True}}]
    spec = small({"h1": {"h1": "C", "h2": "C"}, "h2": {"h2": biased}}, states=states, sharing=tied)
    compiled = graphnet.plan(spec)
    rows = [row for panel in panels(compiled) for row in panel.rows if row.place == "h2 → h2"]
    assert [row.parameters for row in rows] == ["4 (144)", "(148)"]
    assert sum(row.counted for panel in panels(compiled) for row in panel.rows) == compiled.parameters


def test_logits_stand_in_the_step_that_makes_them() -> None:
    spec = graphnet.load(ROOT / "specs" / "vision" / "bl-net.toml", settings=["readout.combine=none"])
    found = panels(graphnet.plan(spec))
    assert [panel.title for panel in found] == ["t = 0", "t = 1..7 (7 times)"]
    for panel in found:
        assert panel.makes == ("L1", "L2", "L3", "L4", "L5", "L6", "L7", "logits")
        assert [row.place for row in panel.rows[-2:]] == ["L7 → logits"] * 2
    assert [(row.place, row.op) for row in found[1].rows[:4]] == [
        ("L1 → L1", "conv 7×7"),
        ("L1", "sum of 2"),
        ("L1 update", "batch norm"),
        ("L1 update", "relu"),
    ]


def test_values_that_copy_others_have_a_row() -> None:
    states = {"A": [2], "B": [2], "C": [2]}
    arrows = {"A": {"B": "I"}, "B": {"C": {"ops": "I", "delay": 0}}}
    spec = {"graphnet": 1, "input": {"shape": [2]}, "states": states, "transitions": [arrows], "readout": {"t": 1}}
    rows = [[(row.place, row.op) for row in panel.rows] for panel in panels(graphnet.plan(spec))]
    assert rows == [[("A", "as input")], [("B", "as A at t − 1"), ("C", "as B")]]
    image = {"shape": [1, 8, 8], "t": "0..1"}
    held = panels(graphnet.plan(small({"h1": {"h2": "C"}}, input=image, readout={"t": [1, 2]})))
    assert (held[1].rows[0].place, held[1].rows[0].op) == ("h1", "as input → h1 at t = 0")


def test_values_before_the_first_step_are_shown_once() -> None:
    first = panels(graphnet.plan(ROOT / "specs" / "lippl" / "lpk-pcr.toml"))[0]
    assert first.title == "before the first step"
    assert [(row.place, row.op) for row in first.rows] == [
        (f"h{n} → h{n}", f"lipschitz, {16} times") for n in (1, 2, 3)
    ]


def test_results_of_a_step_are_truncated_with_a_sign() -> None:
    states = {f"s{n}": {"shape": [4, 8, 8], "label": f"a state of many words {n}"} for n in range(30)}
    slab = {a: dict.fromkeys(states, "C") for a in states}
    shown = picture(graphnet.plan(small(slab, states=states, readout={"t": 2})), PictureOptions("plan", width=0))
    assert faults(shown) == []
    makes = [n for n, label in enumerate(shown.labels) if label.text.startswith("makes a state of many words 0, ")]
    assert len(makes) == 1
    assert shown.labels[makes[0] + 2].text.endswith("…")


def test_a_long_step_goes_on_in_the_next_column() -> None:
    compiled = graphnet.plan(ROOT / "specs" / "liao-poggio" / "ventral-stream.toml")
    shown = picture(compiled, PictureOptions("plan", width=174))
    columns: dict[float, list[Box]] = {}
    for node in shown.nodes:
        columns.setdefault(node.box.x, []).append(node.box)
    ends = [max(box.bottom for box in boxes) for boxes in columns.values()]
    assert len(ends) == 2
    assert max(ends) - min(ends) < 0.05 * max(ends), "there are no holes"
    assert all(below.y - above.bottom == APART for boxes in columns.values() for above, below in pairwise(boxes))
    assert "t = 4, continued" in [label.text for label in shown.labels]
    assert sum(label.text == "mean of\xa05" for label in shown.labels) == 2


def test_a_long_plan_is_truncated_with_a_note() -> None:
    compiled = graphnet.plan(ROOT / "specs" / "vision" / "gated-conv-rnn.toml")
    shown = picture(compiled, PictureOptions("plan", width=0))
    found = panels(compiled)
    titles = {panel.title for panel in found}
    drawn = len(titles & {label.text for label in shown.labels})
    assert sum(len(panel.rows) for panel in found[:drawn]) <= 400 < sum(len(panel.rows) for panel in found)
    assert f"… and {len(found) - drawn} more distinct steps; `graphnet plan --json` lists every line." in [
        label.text for label in shown.labels
    ]


@pytest.mark.parametrize(
    ("number", "text"), [(7, "7"), (999, "999"), (1_536, "1.54k"), (75_497_472, "75.5M"), (999_600_000, "1000M")]
)
def test_counts_are_rounded_to_three_digits(number: int, text: str) -> None:
    assert rounded_count(number) == text


def test_times_are_written_as_ranges() -> None:
    assert times_text([1, 2, 3, 5, 7, 8]) == "1..3, 5, 7..8"


# ---- activity


def test_the_frame_of_a_part_stays_while_activity_spreads() -> None:
    part = {"states": {"r": [4, 8, 8], "s": [4, 8, 8]}, "transitions": [{"r": {"s": "C"}, "s": {"r": "C"}}]}
    spec = small(states={"h1": {"shape": [4, 8, 8], "part": "pair"}, "h2": [6, 4, 4]}, parts={"pair": part})
    compiled = graphnet.plan(spec)
    shown = picture(compiled, PictureOptions("recurrent", width=0))
    frame = [curve for curve in shown.curves if curve.kind == "part"]
    assert frame
    for still in frames(shown, compiled):
        assert [curve for curve in still.curves if curve.kind == "part"] == frame


@pytest.mark.parametrize("view", ["unrolled", "recurrent"])
def test_activity_spreads_as_the_plan_says(view: str) -> None:
    compiled = graphnet.plan(small())
    shown = list(frames(picture(compiled, PictureOptions(view, width=0)), compiled))
    assert len(shown) == compiled.last_time + 1
    made = [{line.place for line in compiled.lines if line.op.kind == "value" and line.t == t} for t in range(4)]
    for t, still in enumerate(shown):
        lit = {dict(node.facts)["state"] for node in still.nodes if node.fill not in (PAPER, "#f2f2f2")}
        assert lit - {"input"} == made[t]
        assert ("input" in lit) == (t == 0)
        thick = [curve for curve in still.curves if curve.kind == "arrow" and curve.stroke.width > 2]
        fired = [each for each in compiled.firings if each.t == t and each.fate is Fate.FIRES]
        assert len(thick) == len(fired)
        assert any(label.text.startswith(f"t = {t}, ") for label in still.labels)
        assert faults(still) == []
    assert not any(label.colour == FAINT for label in shown[-1].labels if view == "unrolled")
    assert any(label.colour == FAINT for label in shown[0].labels)


@pytest.mark.parametrize("elide", [False, True])
@pytest.mark.parametrize("dead", [False, True])
@pytest.mark.parametrize("view", VIEWS)
def test_a_net_without_arrows_is_drawn(view: Any, dead: bool, elide: bool) -> None:
    states = {"A": [2], "B": {"shape": [2], "unpopulated": "zeros"}}
    spec = {"graphnet": 1, "input": {"shape": [2]}, "states": states, "readout": {"t": 1, "state": "B"}}
    shown = picture(graphnet.plan(spec), PictureOptions(view, dead=dead, elide=elide))
    assert shown.labels
    assert faults(shown) == []
