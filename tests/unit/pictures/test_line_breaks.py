"""Unrolled nets wider than the page: broken into systems, with repeated steps left out."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from graphnet.pictures.animation import frames
from graphnet.pictures.elements import FAINT, Curve, Node, Picture
from graphnet.pictures.page.content import content_of
from graphnet.pictures.unrolled.arrows import feeds
from graphnet.pictures.unrolled.picture import layout
from graphnet.pictures.write.svg import to_svg
from graphnet.planning.plan import Plan
from tests.pictures import faults
from tests.unit.pictures.test_unrolled import PLANS, SVG, alike, by_readout, held, net

WIDTH = 300.0


@pytest.fixture(params=PLANS, scope="module")
def any_plan(request: pytest.FixtureRequest) -> Plan:
    return PLANS[request.param]()


def residual(t: int, **more: object) -> Plan:
    slabs = [{"t": "1..inf", "a": {"a": "BRC+I"}}, {"t": "T", "a": {"b": "C", "a": "-"}}]
    return net({"a": [4, 4, 4], "b": [4, 4, 4]}, slabs, t, **more)


def arrows(picture: Picture) -> list[Curve]:
    return [curve for curve in picture.curves if curve.kind == "arrow"]


def of(picture: Picture, kind: str) -> list[Node]:
    return [node for node in picture.nodes if node.kind == kind]


def starts_at(curve: Curve, node: Node) -> bool:
    x, y = curve.path[0][1][0]
    box = node.box
    return box.x - 0.1 <= x <= box.right + 0.1 and box.y - 0.1 <= y <= box.bottom + 0.1


@pytest.mark.parametrize("width", [WIDTH, *(pytest.param(each, marks=pytest.mark.thorough) for each in (0.0, 500.0))])
@pytest.mark.parametrize("more", [{}, {"dead": True}, {"elide": True}], ids=str)
def test_nothing_meets_at_any_width(any_plan: Plan, width: float, more: dict[str, bool]) -> None:
    assert faults(layout(any_plan, width=width, **more)) == []


def test_every_value_and_arrow_is_drawn_once_whatever_the_width(any_plan: Plan) -> None:
    broken, whole = layout(any_plan, width=WIDTH), layout(any_plan)
    assert Counter(node.name for node in of(broken, "value")) == Counter(node.name for node in of(whole, "value"))
    assert Counter(curve.name for curve in arrows(broken)) == Counter(curve.name for curve in arrows(whole))
    ids = [each.get("id") for each in ET.fromstring(to_svg(broken)).iter() if each.get("id")]
    assert len(ids) == len(set(ids))


def test_every_arrow_starts_at_its_source_or_a_copy_of_it(any_plan: Plan) -> None:
    picture = layout(any_plan, width=WIDTH)
    drawn: dict[str, list[Node]] = {}
    for node in picture.nodes:
        drawn.setdefault(dict(node.facts)["name"], []).append(node)
    for curve in arrows(picture):
        assert any(starts_at(curve, node) for node in drawn[dict(curve.facts)["source"]]), curve.name


def test_every_copy_is_read_and_every_copied_value_continues(any_plan: Plan) -> None:
    picture = layout(any_plan, width=WIDTH)
    for copy in of(picture, "copy"):
        assert any(starts_at(curve, copy) for curve in arrows(picture)), copy.name
    copied = {dict(node.facts)["name"] for node in of(picture, "copy")} - {"input"}
    assert {dict(curve.facts)["source"] for curve in picture.curves if curve.kind == "out"} == copied


def test_a_picture_that_fits_is_not_broken() -> None:
    compiled = alike("a b", 9)
    whole = layout(compiled)
    assert layout(compiled, width=whole.width) == whole
    assert of(layout(compiled, width=whole.width - 1), "copy")


def test_systems_fit_the_page_and_are_about_as_long() -> None:
    compiled = residual(40)
    for width in (300.0, 420.0, 657.0):
        picture = layout(compiled, width=width)
        assert picture.width <= width
        rows = Counter(round(node.box.y) for node in of(picture, "value") if node.name.startswith("a_"))
        assert max(rows.values()) - min(rows.values()) <= len(rows)


def test_a_system_shows_the_states_that_it_needs() -> None:
    picture = layout(residual(20), width=WIDTH)
    names = [label.text for label in picture.labels if label.bold]
    assert names.count("b") == 1
    assert names.count("a") == [label.text for label in picture.labels].count("time t") > 3


def test_a_skip_is_traced_by_its_letter_and_time() -> None:
    slabs = [{"t": "1..inf", "a": {"a": "C", "b": {"ops": "C", "delay": 6}}}, {"t": "7..inf", "b": {"b": "C"}}]
    compiled = net({"a": [4, 4, 4], "b": [4, 4, 4]}, slabs, 14)
    picture = layout(compiled, width=WIDTH)
    texts = {label.owner: label.text for label in picture.labels if "again" in label.owner}
    late = [node for node in of(picture, "copy") if dict(node.facts)["name"] == "a_t1"]
    assert late
    assert {texts[node.name] for node in late} == {"@1"}
    out = [curve for curve in picture.curves if curve.kind == "out" and dict(curve.facts)["source"] == "a_t1"]
    assert [curve.weights for curve in out] == ["b"]
    assert "Grey, as in @" in " ".join(label.text for label in picture.labels)


def test_copies_tell_nets_of_different_readouts_apart() -> None:
    picture = layout(by_readout(), width=WIDTH)
    texts = {label.text for label in picture.labels if "again" in label.owner}
    assert any(text.endswith(" T5") for text in texts)
    assert any(text.endswith(" T6") for text in texts)


def test_a_held_image_stands_where_it_is_read() -> None:
    compiled = alike("a", 40, input={"shape": [4, 4, 4], "t": "0..11"})
    picture = layout(compiled, width=WIDTH)
    images = [node for node in picture.nodes if dict(node.facts)["name"] == "input"]
    assert [node.kind for node in images] == ["value", *["copy"] * (len(images) - 1)]
    assert 1 < len(images) < len([label for label in picture.labels if label.text == "time t"])


def test_repeated_inner_steps_are_left_out_with_a_note() -> None:
    compiled = residual(1000)
    picture = layout(compiled, width=657.0, elide=True)
    times = [int(dict(node.facts)["t"]) for node in of(picture, "value") if node.name.startswith("a_")]
    assert times == [0, 1, 2, 998, 999]
    assert {"995 more", "like it"} <= {label.text for label in picture.labels}
    assert picture.height < 500
    assert faults(picture) == []
    everything = len(feeds(compiled))
    assert len(arrows(picture)) == everything - 995


def test_different_weights_are_mentioned() -> None:
    picture = layout(residual(30, sharing={"over_time": False}), elide=True)
    texts = [label.text for label in picture.labels]
    assert "25 more," in texts
    assert "own" in texts
    assert layout(residual(7), elide=True) == layout(residual(7)), "too few"


def test_steps_that_differ_are_not_left_out() -> None:
    slabs = [{"t": "1..20", "a": {"a": "C"}}, {"t": 10, "a": {"a": "CR"}}]
    picture = layout(net({"a": [4, 4, 4]}, slabs, 20), elide=True)
    times = {int(dict(node.facts)["t"]) for node in of(picture, "value") if node.name != "input"}
    assert {9, 10, 11} <= times
    assert len(times) < 20


def test_activity_is_shown_on_a_broken_picture() -> None:
    compiled = residual(12)
    picture = layout(compiled, width=WIDTH)
    for t, still in enumerate(frames(picture, compiled)):
        lit = {node.name for node in still.nodes if node.fill == "#ffd873"} - {"input"}
        assert {name.split("-")[0] for name in lit} == {f"a_t{t}" if t < 12 else "b_t12"}
        for curve in filter(lambda curve: curve.facts, still.curves):
            assert (curve.stroke.colour == FAINT) == (int(dict(curve.facts)["t"]) > t), curve.name
        assert faults(still) == []


def test_the_same_spec_gives_the_same_bytes_under_any_hash_seed() -> None:
    code = "from tests.unit.pictures.test_line_breaks import *; print(to_svg(layout(held(), width=WIDTH)), end='')"
    env = os.environ | {"PYTHONHASHSEED": "1", "PYTHONIOENCODING": "utf-8"}
    elsewhere = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout
    assert elsewhere.decode() == to_svg(layout(held(), width=WIDTH))


def test_size_grows_linearly() -> None:
    short, longer = (len(to_svg(layout(alike("a b c", t), width=WIDTH))) for t in (40, 80))
    assert longer < 2.1 * short


def test_elements_of_copies_and_continued_arrows_are_described() -> None:
    root = ET.fromstring(to_svg(layout(residual(12), width=WIDTH)))
    copies = [each for each in root.iter(f"{SVG}g") if each.get("class") == "copy"]
    out = [each for each in root.iter(f"{SVG}g") if each.get("class") == "out"]
    assert copies[0].get("data-name") == out[0].get("data-source")
    assert out[0].get("id") == f"{out[0].get('data-source')}-{out[0].get('data-target')}-out"


def test_a_page_to_explore_keeps_one_long_row() -> None:
    compiled = residual(40)
    assert content_of(compiled).pictures["unrolled"] == to_svg(layout(compiled))
