"""Boxes of the unrolled net coloured by values."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest

import graphnet
from graphnet.pictures.unrolled.values import DARK, LIGHT, Colouring, shade
from graphnet.pictures.views import PictureOptions, picture
from tests.small import small

VALUES = {"h1@0": -0.5, "h2@2": 0.25, "h2@3": 1.0}
SVG = "{http://www.w3.org/2000/svg}"


def fills(svg: str) -> dict[str, str]:
    """Fill of each value's box, by state and time."""
    groups = [each for each in ET.fromstring(svg).iter(f"{SVG}g") if each.get("class") in ("value", "copy")]
    return {f"{each.get('data-state')}@{each.get('data-t')}": each.find(f"{SVG}rect").get("fill") for each in groups}


def test_boxes_have_the_shades_of_their_values() -> None:
    svg = graphnet.draw(small(), values=VALUES, quantity="what it is")
    found = fills(svg)
    assert found["h1@0"] == shade(0) == "#f7fbff"
    assert found["h2@2"] == shade(0.5)
    assert found["h2@3"] == shade(1) == "#08306b"
    assert {fill for key, fill in found.items() if key not in VALUES} == {"#ffffff"}
    assert "what it is" in svg
    for end in ("-0.5", "0.25", "1"):
        assert f">{end}</text>" in svg
    assert "h2@3: 1" in svg
    assert svg == graphnet.draw(small(), values=VALUES, quantity="what it is")


def test_without_values_nothing_changes() -> None:
    assert graphnet.draw(small(), values={}) == graphnet.draw(small())


def test_shades_darken_with_the_value() -> None:
    lightness = [sum(bytes.fromhex(shade(k / 20)[1:])) for k in range(21)]
    assert all(before > after for before, after in pairwise(lightness))
    assert shade(-1) == shade(0)
    assert shade(2) == shade(1)


@pytest.mark.parametrize("style", ["light", "dark"])
def test_names_stay_legible(style: str) -> None:
    svg = graphnet.draw(small(), values=VALUES, style=style)
    texts = re.findall(r'data-state="h\d" data-t="(\d)".*?fill="(#\w+)"[^/]*/><text[^>]*fill="(#\w+)"', svg)
    colours = {fill: text for _, fill, text in texts}
    assert colours[shade(0)] == DARK
    assert colours[shade(1)] == LIGHT


def test_copies_in_a_broken_picture_are_coloured_too() -> None:
    spec = small(readout={"t": 9})
    values = {"h1@1": 0.0, "h2@1": 0.5, "h1@8": 1.0}
    drawn = picture(graphnet.plan(spec), PictureOptions(width=84, colouring=Colouring(values)))
    by_key: dict[str, set[str]] = {}
    for node in drawn.nodes:
        facts = dict(node.facts)
        if facts.get("t"):
            by_key.setdefault(f"{facts['state']}@{facts['t']}", set()).add(node.fill)
    assert any(node.kind == "copy" for node in drawn.nodes)
    assert {key: shades for key, shades in by_key.items() if key in values} == {
        "h1@1": {shade(0)},
        "h2@1": {shade(0.5)},
        "h1@8": {shade(1)},
    }
    for each in drawn.labels:
        assert each.box.x >= 0
        assert each.box.right <= drawn.width
        assert each.box.bottom <= drawn.height


def test_values_of_left_out_steps_are_ignored() -> None:
    spec = small(readout={"t": 40})
    values = {f"h2@{t}": t / 40 for t in range(1, 41)}
    drawn = picture(graphnet.plan(spec), PictureOptions(elide=True, width=0, colouring=Colouring(values)))
    assert len([node for node in drawn.nodes if dict(node.facts).get("state") == "h2"]) < 40


def test_equal_values_have_one_tick() -> None:
    svg = graphnet.draw(small(), values={"h1@0": 0.3, "h2@3": 0.3})
    assert svg.count(">0.3</text>") == 1


def test_a_long_quantity_wraps(tmp_path: Path) -> None:
    plan, words = graphnet.plan(small()), "a quantity with a name that is long " * 6
    drawn = picture(plan, PictureOptions(width=84, colouring=Colouring(VALUES, words)))
    assert max(each.box.right for each in drawn.labels) <= drawn.width
    assert max(each.box.bottom for each in drawn.labels) <= drawn.height


@pytest.mark.parametrize(
    ("values", "view", "said"),
    [
        ({"h9@1": 1.0}, "unrolled", "'h9@1': not computed, or no readout needs it\n  did you mean"),
        ({"h2@0": 1.0}, "unrolled", "'h2@0': not computed"),
        ({"h2@2": float("nan")}, "unrolled", "the value of h2@2 is not finite"),
        ({"h2@2": 1.0}, "matrix", "values colour the unrolled view, not the matrix view"),
    ],
)
def test_wrong_values(values: dict[str, float], view: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        graphnet.draw(small(), values=values, view=view)  # type: ignore[arg-type]
