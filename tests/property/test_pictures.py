"""Drawn nets are legible in every view."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphnet
from graphnet.pictures.animation import frames
from graphnet.pictures.recurrent import picture as recurrent
from graphnet.pictures.views import PictureOptions, picture
from graphnet.pictures.write.svg import to_svg
from graphnet.testing import specs
from tests.pictures import faults

LABELS = st.text(max_size=30) | st.text("WMi<&\"'\x00\x1b é視…", max_size=60)

UNROLLED = {
    "unrolled": PictureOptions(width=0),
    "dead": PictureOptions(dead=True, width=0),
    "broken": PictureOptions(width=84),
    "dead and broken": PictureOptions(dead=True, width=50),
    "elided": PictureOptions(elide=True),
}


TABLES = {
    f"{view} at {width}": PictureOptions(view, width=width) for view in ("matrix", "plan") for width in (40, 84, 174)
}


@pytest.mark.filterwarnings("ignore:the [a-z]+ view is [0-9]+ mm wide")
@given(specs(), st.sampled_from([*UNROLLED, "column", *TABLES]), st.data())
def test_nothing_in_a_picture_is_hidden(spec: dict, view: str, data: st.DataObject) -> None:
    states = {
        name: (state if isinstance(state, dict) else {"shape": state}) | {"label": data.draw(LABELS)}
        for name, state in spec["states"].items()
    }
    compiled = graphnet.plan(spec | {"states": states, "name": data.draw(LABELS), "cite": data.draw(LABELS)})
    if view == "column":
        shown = recurrent.layout(compiled, with_dot=False)
    else:
        shown = picture(compiled, (UNROLLED | TABLES)[view])
    assert faults(shown) == []
    assert view not in TABLES or view.endswith("40") or shown.width <= TABLES[view].room + 0.01
    ET.fromstring(to_svg(shown))
    if view in (*UNROLLED, "column"):
        assert all(faults(still) == [] for still in list(frames(shown, compiled))[:3])
