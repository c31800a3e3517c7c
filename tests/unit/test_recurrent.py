"""The picture of the recurrent graph."""

import shutil
import xml.etree.ElementTree as ET

import pytest

from graphnet.backends.recurrent import draw_recurrent, recurrent_svg
from graphnet.ir.plan import Plan
from graphnet.pipeline import plan

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


def test_what_is_read_out_has_a_double_frame() -> None:
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


@needs_dot
def test_states_stand_in_the_order_of_the_spec() -> None:
    states = {f"s{n}": [4, 8, 8] for n in (3, 1, 2, 0)}
    slabs = [{a: dict.fromkeys(states, "C") for a in reversed(states)}]
    svg = recurrent_svg(net(states=states, transitions=slabs))
    assert svg is not None
    where = {each.text: float(each.get("y", 0)) for each in ET.fromstring(svg).iter(f"{SVG}text")}
    heights = [where[name] for name in ("input", *states, "logits")]
    assert heights == sorted(heights)
    assert len(set(heights)) == 6


def test_text_that_looks_like_html_is_quoted() -> None:
    source = draw_recurrent(net(name="<b>x</b>", cite=""))
    assert 'label="<b>x</b>"' in source


@needs_dot
def test_strange_text_stays_text_in_the_svg() -> None:
    labels = ["<b>V1</b>", '"V\\l\\N" &lt; a:b:c {|} Größe']
    states = {name: {"shape": shape, "label": text} for name, shape, text in zip(
        ("node", "subgraph"), ([4, 8, 8], [8, 4, 4]), labels, strict=True)}  # fmt: skip
    slabs = [{"node": {"subgraph": "C"}}]
    compiled = net(name='a "b" \\n </svg> &amp;', states=states, transitions=slabs, readout={"t": 1})
    svg = recurrent_svg(compiled)
    assert svg is not None
    found = [each.text for each in ET.fromstring(svg).iter(f"{SVG}text")]
    assert {*labels, 'a "b" \\n </svg> &amp;', "4×8×8"} <= {text.replace("\xa0", " ").strip() for text in found if text}


def test_without_graphviz_there_is_no_svg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert recurrent_svg(net()) is None
