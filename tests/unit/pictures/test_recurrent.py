"""The picture of the recurrent graph."""

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from graphnet.pictures.elements import Box, PictureWarning, arrowhead
from graphnet.pictures.recurrent import dot_layout as dot
from graphnet.pictures.recurrent.picture import draw_recurrent, layout
from graphnet.pictures.recurrent.wiring import wire
from graphnet.pictures.write.svg import to_svg
from graphnet.pipeline import plan
from graphnet.planning.plan import Plan
from tests.pictures import faults

SVG = "{http://www.w3.org/2000/svg}"
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
NET = {
    "graphnet": 1,
    "name": "two areas",
    "cite": "somebody",
    "input": {"shape": [3, 8, 8]},
    "states": {"V1": [4, 8, 8], "V2": {"shape": [8, 4, 4], "label": "second"}},
    "transitions": [
        {"t": "1..inf", "V1": {"V1": "BRC+I", "V2": "BRC"}, "V2": {"V2": {"ops": "C", "delay": 2}}},
        {"t": "2..3", "V2": {"V1": "D"}},
    ],
    "pre_net": {"ops": "C"},
    "post_net": {"ops": "GL", "classes": 10},
    "readout": {"t": [4, 6]},
}


def net(**more: object) -> Plan:
    return plan(NET | more)


def lines(compiled: Plan) -> list[str]:
    return [line.strip() for line in draw_recurrent(compiled).splitlines()]


def test_states_and_transitions_have_sizes_functions_times_and_delays() -> None:
    drawn = lines(net())
    assert 'state0 [label="V1\\n4×8×8"]' in drawn
    assert 'state1 [label="second\\n8×4×4"]' in drawn
    assert 'input -> state0 [label=" pre-net C "]' in drawn
    assert 'state0 -> state0 [label=" BRC+I "]' in drawn
    assert 'state0 -> state1 [label=" BRC "]' in drawn
    assert 'state0 -> state1 [label=" D at t = 2..3 " dir=back]' in drawn
    assert 'state1 -> state1 [label=" C, delay 2 "]' in drawn
    assert 'state1 -> logits [label=" post-net GL at t = 4, 6 "]' in drawn
    assert sum("->" in line for line in drawn) == 6


def test_the_readout_state_has_a_double_frame() -> None:
    assert 'logits [label="logits\\n10" peripheries=2]' in lines(net())
    without = lines(plan({key: value for key, value in NET.items() if key != "post_net"}))
    assert 'state1 [label="second\\n8×4×4" peripheries=2]' in without
    assert not any("logits" in line for line in without)


def test_a_transition_that_never_fires_is_dotted() -> None:
    slabs = [*NET["transitions"], {"t": 9, "V2": {"V1": "D"}}, {"t": "1..2", "V2": {"V1": "-"}}]
    dotted = [line for line in lines(net(transitions=slabs, readout={"t": 2})) if "dotted" in line]
    assert [line.split(" [")[0] for line in dotted] == ["state0 -> state1", "state1 -> state1"]
    assert "dir=back" in dotted[0], "the feedback"


def test_several_functions_of_a_transition_are_one_arrow() -> None:
    slabs = [{"t": t, "V1": {"V1": ops, "V2": "C"}} for t, ops in ((1, "C"), (2, "RC"), ("3..inf", "C"))]
    (drawn,) = [line for line in lines(net(transitions=slabs)) if line.startswith("state0 -> state0")]
    assert '" C at t = 1, 3..inf \\n RC at t = 2 "' in drawn


def test_many_times_are_shortened() -> None:
    slabs = [{"t": t, "V1": {"V2": "C"}} for t in (3, 5, 7, 9)]
    slabs = [{"t": "1..inf", "V1": {"V1": "C"}}, *slabs]
    (drawn,) = [line for line in lines(net(transitions=slabs, readout={"t": 9})) if "-> state1" in line]
    assert '" C at t = 3, …, 9 "' in drawn


@pytest.mark.parametrize("with_dot", [pytest.param(True, marks=needs_dot), False])
def test_states_stand_in_the_order_of_the_spec(with_dot: bool) -> None:
    states = {f"s{n}": [4, 8, 8] for n in (3, 1, 2, 0)}
    slabs = [{a: dict.fromkeys(states, "C") for a in reversed(states)}]
    picture = layout(net(states=states, transitions=slabs), with_dot)
    where = {dict(node.facts)["state"]: node.box.y for node in picture.nodes}
    heights = [where[name] for name in ("input", *states, "logits")]
    assert heights == sorted(heights)
    assert len(set(heights)) == 6


def test_text_that_looks_like_html_is_quoted() -> None:
    source = draw_recurrent(net(name="<b>x</b>", cite=""))
    assert 'label="<b>x</b>"' in source


@pytest.mark.parametrize("with_dot", [pytest.param(True, marks=needs_dot), False])
def test_strange_text_stays_text_in_the_svg(with_dot: bool) -> None:
    labels = ["<b>V1</b>", '"V\\l\\N" &lt; a:b:c {|} Größe']
    states = {name: {"shape": shape, "label": text} for name, shape, text in zip(
        ("node", "subgraph"), ([4, 8, 8], [8, 4, 4]), labels, strict=True)}  # fmt: skip
    slabs = [{"node": {"subgraph": "C"}}]
    compiled = net(name='a "b" \\n </svg> &amp;', states=states, transitions=slabs, readout={"t": 1})
    svg = to_svg(layout(compiled, with_dot))
    found = " ".join(each.text or "" for each in ET.fromstring(svg).iter(f"{SVG}text"))
    assert all(text in found for text in (*labels, 'a "b" \\n </svg> &amp;', "4×8×8"))


@pytest.mark.parametrize("with_dot", [pytest.param(True, marks=needs_dot), False])
def test_an_arrow_runs_from_its_source_to_its_target(with_dot: bool) -> None:
    states = {f"s{n}": [4, 8, 8] for n in range(5)}
    compiled = net(states=states, transitions=[{a: dict.fromkeys(states, "C") for a in states}], readout={"t": 3})
    picture = layout(compiled, with_dot)
    boxes = {dict(node.facts)["state"]: node.box for node in picture.nodes}
    arrows = [curve for curve in picture.curves if curve.kind == "arrow"]
    assert len(arrows) == 27
    for arrow in arrows:
        facts = dict(arrow.facts)
        tail, tip = arrow.path[0][1][0], arrowhead(arrow)[0]
        assert distance(boxes[facts["source"]], *tail) < 1.5, facts
        assert distance(boxes[facts["target"]], *tip) < 1.5, facts


def distance(box: Box, x: float, y: float) -> float:
    """From a point to the nearest point of a box's frame."""
    across, down = max(box.x - x, 0, x - box.right), max(box.y - y, 0, y - box.bottom)
    inside = min(x - box.x, box.right - x, y - box.y, box.bottom - y)
    return max(across, down) or inside


def test_merges_and_updates_are_shown_where_relevant() -> None:
    states = {
        "V1": [4, 8, 8],
        "V2": {"shape": [4, 8, 8], "merge": "max", "update": "BR"},
        "V3": {"shape": [4, 8, 8], "merge": "max"},
    }
    slabs = [{"V1": {"V2": "C", "V3": "C"}, "V2": {"V2": "C"}, "V3": {"V1": "C"}}]
    texts = {
        unit.name: unit.texts
        for unit in wire(net(states=states, transitions=slabs, readout={"t": 3, "state": "V2"})).units
    }
    assert texts["V1"] == ("V1", "4×8×8"), "a sum goes without saying"
    assert texts["V2"] == ("V2", "4×8×8", "max", "then BR"), "as the spec writes it"
    assert texts["V3"] == ("V3", "4×8×8"), "nothing to merge"


@pytest.mark.parametrize("with_dot", [pytest.param(True, marks=needs_dot), False])
def test_notes_list_what_boxes_omit(with_dot: bool) -> None:
    states = {"V1": [4, 8, 8], "V2": {"shape": [4, 8, 8], "merge": "max", "update": "BR", "hold": True}}
    slabs = [{"t": "1..inf", "V1": {"V1": "C", "V2": "C"}, "V2": {"V1": "C", "V2": "C"}}]
    picture = layout(net(states=states, transitions=slabs, norm={"kind": "layer"}), with_dot)
    assert faults(picture) == []
    texts = " ".join(label.text for label in picture.labels)
    assert "Max: how a state merges its arrivals; others sum. Then …: the state's update" in texts
    assert "Held: the state keeps its value while nothing arrives. B: layer norm." in texts


def test_other_settings_of_a_transition_follow_its_function() -> None:
    cell = {"ops": "C", "gain": 0.5, "noise": 0.1, "lipschitz": 0.9}
    learned = {"ops": [{"conv": {"kernel": 5, "bias": True}}, "elu"], "gain": {"init": 0, "learn": True}, "delay": 2}
    drawn = lines(net(transitions=[{"V1": {"V1": cell, "V2": "C"}, "V2": {"V2": learned}}]))
    assert 'state0 -> state0 [label=" C, lipschitz 0.9, gain 0.5, noise 0.1 "]' in drawn
    assert 'state1 -> state1 [label=" conv(kernel=5, bias=true) elu, gain learned from 0, delay 2 "]' in drawn


@pytest.mark.parametrize("with_dot", [pytest.param(True, marks=needs_dot), False])
def test_long_functions_are_wrapped_and_have_room(with_dot: bool) -> None:
    states = {name: [4, 8, 8] for name in "abc"}
    long = " + ".join(["C1 B R C1"] * 12)
    slabs = [{a: dict.fromkeys(states, long) for a in states}]
    picture = layout(net(states=states, transitions=slabs, readout={"t": 3}), with_dot)
    assert faults(picture) == []
    assert sum(label.owner == "state-a-b" for label in picture.labels) > 4
    assert picture.width < 800


PARTS = {
    "states": {"V1": {"shape": [4, 8, 8], "part": "gate"}, "V2": {"shape": [8, 4, 4], "part": "gate"}},
    "parts": {"gate": {"states": {"a": {}, "b": {}}, "transitions": [{"a": {"b": "C"}, "b": {"a": "C"}}]}},
    "transitions": [{"V1": {"V2": "C"}}],
    "readout": {"t": [5, 7]},
}


@pytest.mark.parametrize("with_dot", [pytest.param(True, marks=needs_dot), False])
def test_parts_are_boxes_around_their_states(with_dot: bool) -> None:
    picture = layout(net(**PARTS), with_dot)
    assert faults(picture) == []
    boxes = {dict(node.facts)["state"]: node.box for node in picture.nodes}
    frames = {dict(curve.facts)["part"]: curve for curve in picture.curves if curve.kind == "part"}
    assert list(frames) == ["V1", "V2"]
    for part, frame in frames.items():
        xs, ys = zip(*(point for _, through in frame.path for point in through), strict=True)
        inside = {
            name
            for name, box in boxes.items()
            if min(xs) < box.x < box.right < max(xs) and min(ys) < box.y < box.bottom < max(ys)
        }
        assert inside == {f"{part}.a", f"{part}.b"}
        assert part in [label.text for label in picture.labels if label.owner == frame.name]
    assert lines(net(**PARTS)).count("label=V1 labeljust=l style=dashed") == 1


def test_elements_are_described() -> None:
    root = ET.fromstring(to_svg(layout(net(), with_dot=False)))
    of = {element.get("id"): element for element in root.iter() if element.get("id")}
    state, arrow = of["state-V2"], of["state-V1-V2"]
    assert (state.get("class"), state.get("data-state")) == ("state", "V2")
    assert [text.text for text in state.iter(f"{SVG}text")] == ["second", "8×4×4"]
    facts = {key.removeprefix("data-"): text for key, text in arrow.items() if key.startswith("data-")}
    assert facts == {"source": "V1", "target": "V2", "place": "V2.from_V1"}
    assert [text.text for text in arrow.iter(f"{SVG}text")] == ["BRC"]


def test_without_graphviz_the_net_is_laid_out_in_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert layout(net()) == layout(net(), with_dot=False)


@needs_dot
def test_graphviz_lays_the_net_out_where_it_is_there() -> None:
    assert layout(net()) != layout(net(), with_dot=False)
    assert faults(layout(net())) == []


@pytest.mark.parametrize("program", ["echo not JSON", "exit 3", "echo '{}'"])
def test_another_program_called_dot_is_no_graphviz(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "dot"
    script.write_text(f"#!/bin/sh\n{program}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.warns(PictureWarning, match="is not a usable Graphviz: laid out in a column"):
        assert layout(net()) == layout(net(), with_dot=False)


def test_a_timeout_of_dot_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "dot"
    script.write_text("#!/bin/sh\nwhile :; do :; done\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(dot, "SECONDS", 0.2)
    with pytest.warns(PictureWarning, match="'dot' took more than 0.2 s: laid out in a column"):
        assert layout(net()) == layout(net(), with_dot=False)
