"""The page as text: its data, its content policy, and the escaping of text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import graphnet
from graphnet.pictures.page.content import Content, content_of
from graphnet.pictures.page.data import net_data, work_of
from graphnet.pictures.page.document import page
from tests.conftest import zoo_few
from tests.small import faults, small

EVIL = "</script><b>&amp;\u2028]]><!--"


class Reader(HTMLParser):
    """Elements, texts by kind of element, and all attributes, as parsed by a browser."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.kinds: list[str] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.kinds.append(tag)
        self.open.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)


def made(spec: Any, **more: Any) -> str:
    return page(content_of(graphnet.plan(spec), **more))


def data_in(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


@pytest.mark.parametrize("path", zoo_few())
def test_every_line_is_counted_once(path: Path) -> None:
    plan = graphnet.plan(path)
    assert sum(work_of(plan).values()) == plan.flops
    data = net_data(plan)
    by_arrow = {(target, place): flops for _, target, place, _, flops in data["arrows"]}
    assert sum(by_arrow.values()) + sum(value[3] for value in data["values"]) == plan.flops


def test_a_held_image_is_processed_once() -> None:
    plan = graphnet.plan(small(input={"shape": [1, 8, 8], "t": "0..inf"}))
    pre_net = {value: flops for (value, place), flops in work_of(plan).items() if place == "pre_net"}
    assert pre_net == {"h1_t0": 2 * 4 * 9 * 8 * 8}


def test_arrows_have_their_ends_transitions_and_weights() -> None:
    data = net_data(graphnet.plan(small()))
    values = [value[0] for value in data["values"]]
    named = {
        (values[source], values[target], data["transitions"][place]["place"], data["sets"][weights]["name"])
        for source, target, place, weights, _ in data["arrows"]
    }
    assert ("input", "h1_t0", "pre_net", "pre") in named
    assert ("h1_t0", "h2_t1", "h2.from_h1", "b") in named
    assert ("h1_t1", "h2_t2", "h2.from_h1", "b") in named
    sets = {each["name"]: each for each in data["sets"]}
    assert sets["b"]["tensors"] == [["h2.from_h1.conv1.weight", "6×4×3×3"]]
    assert sets["b"]["parameters"] == 6 * 4 * 9


def test_updates_readouts_and_biological_time() -> None:
    states = {"h1": {"shape": [4, 8, 8], "update": "BR"}, "h2": [6, 4, 4]}
    data = net_data(graphnet.plan(small(states=states, readout={"t": "2..4", "combine": "cumulative"})))
    assert [state["update"] for state in data["states"]] == ["", "BR", "", ""]
    assert data["reads"] == [(2, "logits_t2"), (3, "logits_t3"), (4, "logits_t4")]
    figures = dict(data["figures"])
    assert figures["readout"] == "t = 2..4"
    assert (data["biological"], figures["biological time"]) == (True, "80–200 ms")
    data = net_data(graphnet.plan(small(unroll="engineering")))
    assert not data["biological"]
    assert "biological time" not in dict(data["figures"])


def test_text_stays_text() -> None:
    states = {"h1": {"shape": [4, 8, 8], "label": EVIL}, "h2": [6, 4, 4]}
    html = made(small(name=EVIL, cite=EVIL, states=states))
    reader = Reader(html)
    assert "b" not in reader.kinds
    assert reader.kinds.count("script") == 3
    shown = "</script><b>&amp; ]]><!--"
    assert reader.texts["title"] == reader.texts["h1"] == [shown]
    assert shown in reader.texts["text"]
    data = data_in(html)
    assert data["net"]["name"] == shown
    assert data["net"]["states"][1]["label"] == shown
    raw = html[html.index('id="data">') + len('id="data">') :].partition("</script>")[0]
    assert not set(raw) & set("<>&\u2028\u2029")


def test_faults_are_sent_in_pieces_of_the_whole_text() -> None:
    wrong = faults(small({"h1": {EVIL: "C", "h9": "D"}}))
    data = data_in(page(Content(faults=wrong)))
    assert len(data["faults"]) == len(wrong) == 2
    for told, fault in zip(data["faults"], wrong, strict=True):
        assert "".join(text for _, text in told["parts"]) == str(fault)
        assert {role for role, _ in told["parts"]} >= {"", told["severity"]}


def test_the_page_sends_no_requests() -> None:
    html = made(small())
    reader = Reader(html)
    addresses = {value for _, name, value in reader.attributes if name in ("src", "href", "action", "data", "poster")}
    assert addresses == {"data:,"}
    assert set(re.findall(r"https?://[^\s\"'<]*", html)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\(", html)
    [policy] = [value for tag, name, value in reader.attributes if tag == "meta" and "default-src" in value]
    assert policy.startswith("default-src 'none'; ")
    assert "connect-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    served = page(content_of(graphnet.plan(small())), token="1")
    assert "connect-src 'self'" in served


def test_a_page_without_a_net() -> None:
    assert data_in(page(Content(faults=faults(small({"h9": {"h1": "C"}})))))["net"] is None


def test_draw_writes_the_page(tmp_path: Path) -> None:
    path = tmp_path / "net.html"
    graphnet.draw(small(), path)
    first = re.search(r'<figure class="picture" data-view="(\w+)">', path.read_text(encoding="utf-8"))
    assert first
    assert first[1] == "unrolled"
    graphnet.draw(small(), path, view="recurrent", style="dark")
    html = path.read_text(encoding="utf-8")
    assert re.findall(r'data-view="(\w+)"', html)[0] == "recurrent"
    assert 'data-theme="dark"' in html
