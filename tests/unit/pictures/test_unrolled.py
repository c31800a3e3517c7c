"""The picture of a net unrolled in time: content and legibility."""

import math
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import pairwise

import pytest

from graphnet.pictures.animation import frames
from graphnet.pictures.captions import MARGIN, TEXT
from graphnet.pictures.elements import PALE, fitted, text_width, wrapped
from graphnet.pictures.unrolled.arrows import Weights, feeds, weigh
from graphnet.pictures.unrolled.picture import draw_unrolled, layout
from graphnet.pipeline import plan
from graphnet.planning.plan import Fate, Plan
from tests.conftest import ROOT
from tests.pictures import faults

SVG = "{http://www.w3.org/2000/svg}"
FRNN = {
    "h1": {"h1": "BRCx2+I", "h2": "BRCx2", "h3": "BRCx2"},
    "h2": {"h1": "BRDx2", "h2": "BRCx2+I", "h3": "BRCx2"},
    "h3": {"h1": "BRDx2", "h2": "BRDx2", "h3": "BRCx2+I"},
}
TWICE = {"shape": [4, 4, 4], "t": "0..1"}
LONG = "a very long label of 30 letter"


def net(states: dict, slabs: list, t: object, **more: object) -> Plan:
    first = next(iter(states.values()))
    shape = first if isinstance(first, list) else first["shape"]
    spec = {"graphnet": 1, "name": "net", "input": {"shape": shape}, "states": states, "transitions": slabs}
    return plan(spec | {"readout": {"t": t}} | more)


def frnn(t: object = 5, **more: object) -> Plan:
    states = {"h1": [8, 8, 8], "h2": [16, 4, 4], "h3": [32, 2, 2]}
    post_net = {"ops": "BRGL", "classes": 10}
    return net(states, [{"t": "1..inf"} | FRNN], t, **({"post_net": post_net} | more))


def alike(names: str, t: object, ops: str = "BRC", slab: dict | None = None, **more: object) -> Plan:
    """Every state to every state, all of one shape."""
    states = {name: [4, 4, 4] for name in names.split()}
    return net(states, [(slab or {}) | {a: dict.fromkeys(states, ops) for a in states}], t, **more)


def labelled(label: str) -> Plan:
    states = {f"s{n}": {"shape": [4, 4, 4], "label": f"{label} {n}"} for n in range(3)}
    return net(states, [{"s0": {"s1": "BRC"}, "s1": {"s2": "C", "s0": "C"}}], 4, name=label * 9, cite=label * 9)


def held() -> Plan:
    states = {"a": [4, 4, 4], "b": {"shape": [4, 4, 4], "hold": True}, "c": [4, 4, 4]}
    slabs = [
        {"t": "1..inf", "a": {"a": "C", "c": {"ops": "C", "delay": 3}}, "c": {"c": "C"}, "b": {"c": "C"}},
        {"t": 2, "a": {"b": "C"}},
    ]
    return net(states, slabs, 6)


def by_readout() -> Plan:
    slabs = [
        {"t": "1..inf", "a": {"a": "C+I", "b": "C"}, "b": {"b": "C"}},
        {"t": "T-3", "a": {"a": "CC"}},
        {"t": "T", "b": {"c": "C"}},
    ]
    return net({name: [4, 4, 4] for name in "abc"}, slabs, [5, 6])


def engineering() -> Plan:
    slab = {"h1": {"h3": "BRCx2", "h2": "BRC"}, "h2": {"h3": "BRC", "h1": "BRD"}}
    slab["h3"] = {"h3": {"ops": "C", "delay": 2}, "h1": {"ops": "DD", "delay": 3}}
    states = {"h1": [8, 8, 8], "h2": [16, 4, 4], "h3": [32, 2, 2]}
    return net(states, [slab], [0, 1, 5], unroll="engineering", post_net={"ops": "GL", "classes": 9})


def merging(label: str = "c", update: object = "BR", **more: object) -> Plan:
    states = {
        "a": [4, 4, 4],
        "b": {"shape": [4, 4, 4], "merge": "mean", "update": update},
        "c": {"shape": [4, 4, 4], "merge": "max", "hold": True, "label": label},
        "d": {"shape": [4, 4, 4], "update": update},
    }
    return net(states, [{"t": "1..inf"} | {a: dict.fromkeys(states, "C") for a in states}], 3, **more)


PLANS = {
    "frnn at 5": frnn,
    "frnn at 10": lambda: frnn(10),
    "frnn at many": lambda: frnn([5, 6, 10]),
    "frnn untied": lambda: frnn(sharing={"over_time": False}),
    "resnet": lambda: net(
        {"h1": [4, 8, 8], "h2": [8, 4, 4], "h3": [16, 2, 2]},
        [{"t": "1..2", "h1": {"h1": "BRCx2+I"}}, {"t": 3, "h1": {"h2": "C"}}, {"t": 4, "h2": {"h3": "C"}}],
        4,
    ),
    "one state": lambda: alike("a", 40),
    "held image": lambda: alike("a", 40, input={"shape": [4, 4, 4], "t": "0..11"}),
    "later entry": lambda: alike("a b c", 3, input={"shape": [4, 4, 4], "t": "0..2", "state": "b"}),
    "six states": lambda: alike("a b c d e f", 4),
    "delays": lambda: alike("a b c", 12, slab={"delay": 4}),
    "zeros": lambda: alike("a b", 2, unpopulated="zeros", unroll="biological"),
    "long names": lambda: alike(" ".join(f"a_very_long_name_of_30_letters{n}" for n in range(3)), 4),
    "long labels": lambda: labelled(LONG),
    "unicode labels": lambda: labelled("Größe 視覚野 <V&1>"),
    "capitals": lambda: labelled("WMWM@%"),
    "untied within a step": lambda: alike(
        "a b",
        1000,
        slab={"t": "999..1000"},
        input={"shape": [4, 4, 4], "t": "999..1000"},
        unroll="engineering",
        sharing={"over_time": False},
        post_net={"ops": "GL", "classes": 2},
    ),
    "held": held,
    "by readout": by_readout,
    "engineering": engineering,
    "merges and updates": lambda: merging(LONG.replace(" ", "-")),
    "long updates": lambda: merging(LONG, [{"norm": {"kind": "group", "groups": 2}}, *["sigmoid", "tanh"] * 9]),
    "combined": lambda: frnn("3..6", readout={"t": "3..6", "combine": "cumulative"}),
    "late": lambda: alike("a b", 1234, slab={"t": "1230..inf"}, input={"shape": [4, 4, 4], "t": 1229}),
}


@pytest.fixture(params=PLANS, scope="module")
def any_plan(request: pytest.FixtureRequest) -> Plan:
    return PLANS[request.param]()


def test_nothing_meets_and_everything_is_on_the_page(any_plan: Plan) -> None:
    assert faults(layout(any_plan)) == []
    assert faults(layout(any_plan, dead=True)) == []


@pytest.mark.parametrize("name", [name for name in PLANS if name not in ("by readout", "zeros")])
def test_the_arrows_are_the_firings(name: str) -> None:
    compiled = PLANS[name]()
    values = {(line.place, line.t): line.name for line in compiled.lines if line.op.kind == "value"}
    fired = [firing for firing in compiled.firings if firing.fate is Fate.FIRES]
    wanted = Counter((firing.reads, values[firing.target, firing.t]) for firing in fired)
    assert Counter((feed.source, feed.target) for feed in feeds(compiled)) == wanted


def test_zeros_before_the_first_time_are_drawn_where_they_are_read() -> None:
    compiled = alike("a b", 2, unpopulated="zeros")
    arrows = {(feed.source, feed.target) for feed in feeds(compiled)}
    assert {("a_zeros", "a_t0"), ("b_zeros", "a_t0"), ("input", "a_t0"), ("a_t0", "b_t1")} <= arrows
    assert "before" in [label.text for label in layout(compiled).labels]


def test_a_value_that_is_zeros_has_no_arrow() -> None:
    slabs = [{"t": 0, "a": {"b": {"ops": "C", "delay": 0}}}, {"t": 2, "b": {"a": "C"}}]
    states = {"a": [4, 4, 4], "b": [4, 4, 4]}
    compiled = net(states, slabs, 2, unpopulated="zeros", readout={"t": 2, "state": "a"})
    arrows = [(feed.source, feed.target) for feed in feeds(compiled)]
    assert ("b_t1", "a_t2") in arrows
    assert "b_t1" not in [target for _, target in arrows]


def test_arrows_that_pass_the_same_columns_have_tracks_of_their_own() -> None:
    compiled = net({"a": [4, 4, 4]}, [{"t": "1..inf", "a": {"a": {"ops": "C", "delay": 3}}}], [9, 10], input=TWICE)
    levels: dict[float, list[tuple[float, float]]] = {}
    for curve in layout(compiled).curves:
        for (_, before), (code, after) in pairwise(curve.path):
            (x, y), (end, level) = before[-1], after[-1]
            if code == "L" and curve.weights == "a" and y == level and end - x > 60:
                levels.setdefault(y, []).append((x, end))
    assert len(levels) == 2
    assert all(a[1] <= b[0] for each in levels.values() for a, b in pairwise(sorted(each)))


def test_values_that_differ_by_t_stand_in_one_cell() -> None:
    compiled = by_readout()
    boxes = {node.name: node.box for node in layout(compiled).nodes}
    upper, lower = boxes["a_t2_T5"], boxes["a_t2_T6"]
    assert upper.x == lower.x
    assert upper.bottom < lower.y
    assert {feed.source for feed in feeds(compiled) if feed.target == "a_t3_T6"} == {"a_t2_T6"}


def names_at(compiled: Plan) -> dict[tuple[str, int], Weights]:
    found = feeds(compiled)
    return {(feed.place, feed.t): weights for feed, weights in zip(found, weigh(compiled, found), strict=True)}


def test_shared_weights_have_one_letter_and_line_at_all_times() -> None:
    weights = names_at(frnn(10))
    by_place: dict[str, set[Weights]] = {}
    for (place, _), each in weights.items():
        by_place.setdefault(place, set()).add(each)
    assert all(len(each) == 1 for each in by_place.values())
    inner = [each for place, (each,) in by_place.items() if ".from_" in place]
    assert sorted(each.name for each in inner) == list("abcdefghi")
    assert len({each.stroke for each in inner}) == 9
    assert by_place["h1.from_h1"].pop().name == "a"
    assert by_place["h2.from_h1"].pop().name == "b"
    assert by_place["h1.from_h2"].pop().name == "d"


def test_untied_weights_have_their_time_and_a_line_of_their_own() -> None:
    weights = names_at(frnn(sharing={"over_time": False}))
    selfs = [weights["h1.from_h1", t] for t in (1, 2, 3)]
    assert [each.name for each in selfs] == ["a1", "a2", "a3"]
    assert len({each.stroke for each in selfs}) == 3
    everything = [each for (place, _), each in weights.items() if ".from_" in place]
    assert len({each.name for each in everything}) == len(everything)


def test_ties_across_cells_share_the_letter() -> None:
    weights = names_at(alike("a b", 3, sharing={"sets": [{"members": ["a->a", "b->b"]}]}))
    assert weights["a.from_a", 1] == weights["b.from_b", 3]
    assert len({weights[f"{j}.from_{i}", 3].name for i in "ab" for j in "ab" if (j, 3) != ("a", 3)}) == 2


def test_weights_tied_in_part_share_the_line_and_not_the_letter() -> None:
    slabs = [{"t": 1, "a": {"b": "C+C1"}}, {"t": "2..inf", "b": {"b": "C+I"}}]
    compiled = net({"a": [4, 4, 4], "b": [4, 4, 4]}, slabs, 3, sharing={"sets": [{"members": ["a->b", "b->b"]}]})
    weights = names_at(compiled)
    first, later = weights["b.from_a", 1], weights["b.from_b", 2]
    assert first.stroke == later.stroke
    assert first.name != later.name


def test_norms_of_a_time_do_not_part_weights() -> None:
    weights = names_at(frnn(norm={"affine": "per-time"}))
    assert weights["h1.from_h1", 1] == weights["h1.from_h1", 3]


def test_every_arrow_has_its_letter_and_every_letter_its_function() -> None:
    compiled = frnn(post_net={"ops": "BRGL", "classes": 10})
    picture = layout(compiled)
    texts = Counter(label.text for label in picture.labels)
    letters = Counter(curve.weights for curve in picture.curves if curve.weights)
    assert all(texts[letter] == number + 1 for letter, number in letters.items()), "one each, one in the legend"
    assert texts["h1 → h2"] == 1
    assert texts["BRDx2"] == 3


def test_functions_that_change_over_time_are_written_with_their_times() -> None:
    compiled = net({"a": [4, 4, 4]}, [{"t": "1..2", "a": {"a": "C"}}, {"t": 3, "a": {"a": "CR"}}], 3)
    assert "C at t = 1..2; CR at t = 3" in [label.text for label in layout(compiled).labels]


def sides(compiled: Plan, width: float = math.inf) -> dict[str, list[str]]:
    """Text at the left of each row, below the state's name."""
    found: dict[str, list[str]] = {}
    for label in layout(compiled, width=width).labels:
        if label.bold and label.size == TEXT and label.box.x == MARGIN:
            found[label.text] = texts = []
        elif found and label.box.x == MARGIN and not label.owner:
            texts.append(label.text)
    return found


def test_merge_and_update_are_shown_below_the_shape() -> None:
    found = sides(merging())
    assert [found[name] for name in "abc"] == [["4×4×4"], ["4×4×4", "mean, then BR"], ["4×4×4", "max, held"]]
    assert found["d"][:2] == ["4×4×4", "then BR"]


def test_notes_say_how_arrivals_are_merged_and_readouts_combined() -> None:
    def said(compiled: Plan) -> str:
        return " ".join(label.text for label in layout(compiled).labels if label.colour == PALE)

    assert "Arrivals at a state are summed." in said(frnn())
    assert "Mean: how a state merges its arrivals. " in said(frnn(merge="mean")) + " "
    assert "Mean, max: how a state merges its arrivals; others sum." in said(merging())
    assert "Then …: the state's update, after its arrivals are merged." in said(merging())
    assert "Held: the state keeps its value while nothing arrives." in said(merging())
    assert "merge" not in said(net({"a": [4, 4, 4]}, [{"t": "1..inf", "a": {"a": "C"}}], 3)), "one arrival at a time"
    assert "Zeros where nothing arrives: every state." in said(alike("a b", 2, unpopulated="zeros"))
    assert "B: layer norm." in said(frnn(norm={"kind": "layer", "statistics": "shared"}))
    assert "B:" not in said(frnn())
    assert "The output is at each time the mean of the readouts up to then." in said(PLANS["combined"]())
    mean = frnn([3, 4], readout={"t": [3, 4], "combine": "mean"})
    assert "The output is the mean of all readouts." in said(mean)


def test_weights_shared_in_part_are_explained() -> None:
    slabs = [{"t": 1, "a": {"b": "CBC+C1"}}, {"t": "2..inf", "b": {"b": "CBC+I"}}]
    compiled = net({"a": [4, 4, 4], "b": [4, 4, 4]}, slabs, 3, sharing={"sets": [{"members": ["a->b", "b->b"]}]})
    assert "Weights shared in part: a, b (conv1, conv2)." in [label.text for label in layout(compiled).labels]
    assert not any("in part" in label.text for label in layout(frnn()).labels)
    cornet = layout(plan(ROOT / "specs" / "vision" / "cornet-s.toml"))
    said = " ".join(label.text for label in cornet.labels)
    assert "Weights shared in part: b, c (conv1, conv2, conv3); e, f (conv1, conv2, conv3); h, i (" in said


def test_biological_time_only_where_every_arrow_takes_a_step() -> None:
    texts = [[label.text for label in layout(plan).labels] for plan in (frnn(), engineering())]
    assert ["ms" in each and "20–50" in each for each in texts] == [True, False]
    assert [any("–" in text for text in each) for each in texts] == [True, False]
    clocks = [list(frames(layout(plan), plan))[1].labels[-1].text for plan in (frnn(), engineering())]
    assert clocks == ["t = 1, 20–50 ms", "t = 1"]


def test_readouts_that_are_combined_are_marked_too() -> None:
    for combine in ("mean", "cumulative"):
        picture = layout(frnn([5, 6], readout={"t": [5, 6], "combine": combine}))
        assert [node.name for node in picture.nodes if node.heavy] == ["logits_t5", "logits_t6"]
        assert {"5", "6"} <= {label.text for label in picture.labels if label.bold}


def test_readouts_are_marked() -> None:
    picture = layout(frnn([5, 6]))
    assert [node.name for node in picture.nodes if node.heavy] == ["logits_t5", "logits_t6"]
    bold = {label.text for label in picture.labels if label.bold}
    assert {"5", "6"} <= bold
    assert "4" not in bold
    assert [node.name for node in layout(held()).nodes if node.heavy] == ["c_t6"]


def test_time_runs_to_the_last_readout_even_if_a_value_is_held_until_then() -> None:
    states = {"a": {"shape": [4, 4, 4], "hold": True}}
    picture = layout(net(states, [{"t": 1, "a": {"a": "C"}}], 3))
    assert [node.name for node in picture.nodes if node.heavy] == ["a_t1"]
    assert [label.text for label in picture.labels if label.text in "0123" and label.size == TEXT] == list("0123")


def test_time_and_states_stand_in_order() -> None:
    boxes = {node.name: node.box for node in layout(frnn()).nodes}
    assert boxes["h1_t1"].x < boxes["h1_t2"].x == boxes["h2_t2"].x == boxes["h3_t2"].x
    assert boxes["h1_t2"].y < boxes["h2_t2"].y < boxes["h3_t2"].y < boxes["logits_t5"].y
    assert boxes["input"].right < boxes["h1_t0"].x


def test_the_svg_is_well_formed_and_its_ids_are_the_values_names(any_plan: Plan) -> None:
    svg = draw_unrolled(any_plan)
    root = ET.fromstring(svg)
    values = [element for element in root.iter(f"{SVG}g") if element.get("class") == "value"]
    lines = [line.name for line in any_plan.lines if line.op.kind == "value"]
    drawn = [element.get("id") for element in values]
    assert [name for name in drawn if name == "input" or not str(name).endswith("_zeros")] == ["input", *lines]
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(set(ids)) == len(ids)
    width, height = root.get("width"), root.get("height")
    assert root.get("viewBox") == f"0 0 {width} {height}"


def test_elements_are_described() -> None:
    root = ET.fromstring(draw_unrolled(frnn()))
    of = {element.get("id"): element for element in root.iter() if element.get("id")}
    value, arrow = of["h2_t3"], of["h1_t2-h2_t3"]
    facts = {key.removeprefix("data-"): text for key, text in arrow.items() if key.startswith("data-")}
    assert facts == {"source": "h1_t2", "target": "h2_t3", "place": "h2.from_h1", "t": "3", "set": "b"}
    assert (arrow.get("class"), value.get("class")) == ("arrow", "value")
    assert (value.get("data-name"), value.get("data-state"), value.get("data-t")) == ("h2_t3", "h2", "3")
    assert [text.text for text in value.iter(f"{SVG}text")] == ["h2"]
    assert [text.text for text in arrow.iter(f"{SVG}text")] == ["b"]
    assert of["input"].get("data-state") == "input"


def test_dead_transitions_are_drawn_in_grey_on_request() -> None:
    compiled = frnn()
    picture = layout(compiled, dead=True)
    drawn = {curve.name: curve for curve in picture.curves if curve.kind == "arrow"}
    assert set(drawn) > {curve.name for curve in layout(compiled).curves if curve.kind == "arrow"}
    dead = {name for name, curve in drawn.items() if curve.stroke.colour == PALE}
    fates = Counter(firing.fate for firing in compiled.firings if firing.target != "logits")
    assert len(dead) == 6 + 6, "6 whose source is empty at t = 0, 6 that arrive at t = 5 where nobody reads them"
    assert len(drawn) - len(dead) == fates[Fate.FIRES] + 1
    assert {"h2_t0-h1_t1", "h1_t4-h1_t5"} <= dead
    ghosts = {node.name for node in picture.nodes if node.dash}
    assert ghosts == {"h2_t0", "h3_t0", "h1_t5", "h2_t5"}
    assert any("never runs" in label.text for label in picture.labels)


def test_a_dead_input_is_drawn_too() -> None:
    slabs = [{"a": {"b": "C"}}]
    picture = layout(net({name: [4, 4, 4] for name in "ab"}, slabs, 3, input=TWICE | {"t": "0..3"}), dead=True)
    assert {curve.name for curve in picture.curves if curve.stroke.colour == PALE and curve.name} == {
        "input-a_t0", "a_t0-b_t1", "input-a_t1", "a_t1-b_t2", "input-a_t3"
    }  # fmt: skip


def test_softly_coupled_weights_are_marked() -> None:
    sets = [{"members": ["a->a"], "coupling": 0.5}]
    sharing = {"over_time": False, "sets": sets}
    texts = [label.text for label in layout(alike("a b", 5, sharing=sharing)).labels]
    assert "~ softly coupled, λ = 0.5 (uniform): a1 ~ a2 ~ a3 ~ a4" in texts
    assert not any("softly" in label.text for label in layout(alike("a b", 3)).labels)


def test_strange_text_stays_text() -> None:
    title = "<script>&\"'\x00\ud800\n]]>"
    compiled = net({"a": {"shape": [4, 4, 4], "label": "<b>&amp;"}}, [{"a": {"a": "C"}}], 1, name=title)
    root = ET.fromstring(draw_unrolled(compiled).encode())
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts[0] == "<script>&\"'\ufffd\ufffd ]]>"
    assert "<b>&amp;" in texts
    assert "<b>&amp; → <b>&amp;" in texts
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        "svg", "title", "rect", "g", "path", "text"
    }  # fmt: skip


def test_the_same_spec_gives_the_same_bytes_under_any_hash_seed() -> None:
    code = "from tests.unit.pictures.test_unrolled import *; print(draw_unrolled(PLANS['held']()), end='')"
    env = os.environ | {"PYTHONHASHSEED": "1", "PYTHONIOENCODING": "utf-8"}
    elsewhere = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout
    assert elsewhere.decode() == draw_unrolled(held())


def test_size_grows_linearly() -> None:
    short, longer = (len(draw_unrolled(alike("a b c", t))) for t in (40, 80))
    assert longer < 2.1 * short


def test_labels_are_cut_and_wrapped_to_fit() -> None:
    assert fitted("h1", 11, 30, 8) == ("h1", 11)
    text, size = fitted(LONG, 11, 40, 8)
    assert (text[-1], size) == ("…", 8)
    assert text_width(text, size) <= 40
    assert fitted(LONG, 11, 5, 8) == ("…", 8)
    lines = wrapped(f"{LONG} {'x' * 50}", 10, 80)
    assert all(text_width(line, 10) <= 80 for line in lines)
    assert "".join(lines).replace(" ", "") == f"{LONG}{'x' * 50}".replace(" ", "")


def test_text_widths_are_not_below_those_of_the_widest_font() -> None:
    ems = {"h": 0.634, "m": 0.974, "W": 0.989, "1": 0.636, "→": 0.838, "×": 0.838, "i": 0.278, "é": 0.615}
    assert all(text_width(char, 1) >= width for char, width in ems.items()), "DejaVu Sans"
    assert text_width("e\u0301", 1) == text_width("e", 1)
    bold = {"h": 0.712, "m": 1.042, "W": 1.103, "0": 0.696, "V": 0.774, "Щ": 1.326}
    assert all(text_width(char, 1, bold=True) >= width for char, width in bold.items()), "DejaVu Sans Bold"
