"""The page of a net in a browser, as a file and served by `graphnet view`.

The tests run in Chromium by Playwright, and are skipped where either is missing. Every test also checks that the page
sends no request except to its own server, and that the browser's console has no errors.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import graphnet
from graphnet.pictures.page.content import Content, content_of
from graphnet.pictures.page.document import page as html
from tests.conftest import ROOT
from tests.end_to_end.test_cli import HANGS, PROGRAM, interruptible
from tests.small import small

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip("no Chromium on the PATH: apt-get install chromium", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright: uv sync installs it")

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
ARGUMENTS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
EVIL = "</script><b>&amp;"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def opened(browser: Any, files: Path) -> Iterator[Callable[..., Any]]:
    """`opened(spec, **settings of the browser)`: the page of a spec, or of a content; `opened(url)`: a served one."""
    faults: list[str] = []
    contexts = []

    def show(what: Any, **settings: Any) -> Any:
        served = isinstance(what, str) and what.startswith("http:")
        if served:
            url = what
        else:
            path = files / f"page{len(list(files.iterdir()))}.html"
            path.write_text(html(what if isinstance(what, Content) else content_of(graphnet.plan(what))), "utf-8")
            url = path.as_uri()
        contexts.append(browser.new_context(viewport={"width": 1200, "height": 760}, **settings))
        page = contexts[-1].new_page()
        page.set_default_timeout(1000 * HANGS)
        page.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(url) else faults.append(f"asked {asked.url}"))
        page.goto(url)
        if settings.get("java_script_enabled", True):
            page.wait_for_selector(":root.ready", state="attached")
        return page

    yield show
    for context in contexts:
        context.close()
    assert [fault for fault in faults if not fault.startswith("asked data:")] == []


@pytest.fixture
def page(opened: Callable[..., Any]) -> Any:
    """The page of the small net, t = 0 to 3."""
    return opened(small())


def names(page: Any, selector: str) -> list[str]:
    """Names of the elements of the unrolled picture."""
    found = f'[data-view="unrolled"] {selector}'
    script = "found => found.map(each => each.dataset.name || `${each.dataset.source}-${each.dataset.target}`)"
    return sorted(page.eval_on_selector_all(found, script))


def place(page: Any) -> tuple[float, ...]:
    """The picture's offset x, y and its scale."""
    numbers = re.findall(r"-?[\d.]+(?:e-?\d+)?", page.evaluate("document.querySelector('#sheet').style.transform"))
    return tuple(map(float, numbers))


def until(page: Any, condition: str) -> None:
    """Wait until a condition holds; Playwright's own waiting needs `eval`, which the page's policy forbids."""
    deadline = time.monotonic() + HANGS
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(20)


def test_time_by_the_slider(page: Any) -> None:
    assert page.inner_text("#now").split("\n") == ["t = 3", "60–150 ms"]
    assert names(page, ".future") == []
    page.fill("#time", "1")
    assert page.inner_text("#now").split("\n") == ["t = 1", "20–50 ms"]
    assert page.get_attribute("#time", "aria-valuetext") == "t = 1 of 3, 20–50 ms"
    assert names(page, ".value.current") == ["h1_t1", "h2_t1"]
    assert names(page, ".arrow.current") == ["h1_t0-h1_t1", "h1_t0-h2_t1"]
    assert names(page, ".value.future") == ["h1_t2", "h2_t2", "h2_t3", "logits_t3"]
    page.fill("#time", "2")
    assert names(page, ".value.future") == ["h2_t3", "logits_t3"]


def test_play_runs_to_the_last_time_and_stops(page: Any) -> None:
    page.click("#play")
    assert page.get_attribute("#play", "aria-label") == "Pause"
    until(page, "document.querySelector('#time').value === '1'")
    page.wait_for_selector("circle", state="attached")  # signals run along the arrows
    page.keyboard.press("Escape")
    page.locator("#stage").focus()
    page.keyboard.press(" ")
    assert page.get_attribute("#play", "aria-pressed") == "false"
    page.keyboard.press(" ")
    until(page, "document.querySelector('#play').getAttribute('aria-pressed') === 'false'")
    assert page.input_value("#time") == "3"


def test_tooltips(page: Any) -> None:
    page.hover('[data-view="unrolled"] [data-name="h2_t2"]')
    said = page.inner_text("#hint")
    for part in ("h2_t2", "6×4×4", "t = 2, 40–100 ms", "sum of 2 arrivals", "FLOPs"):
        assert part in said
    head = page.locator('[data-source="h1_t1"][data-target="h2_t2"] path').nth(1).bounding_box()
    page.mouse.move(head["x"] + head["width"] / 2, head["y"] + head["height"] / 2)
    said = page.inner_text("#hint")
    for part in ("h1_t1 → h2_t2", "BRC", "b, 3 uses", "h2.from_h1.conv1.weight 6×4×3×3", "6.91 kFLOPs"):
        assert part in said
    page.keyboard.press("v")  # its element is not in the other view
    assert page.is_hidden("#hint")
    page.click("#views button:has-text('unrolled')")
    page.hover('[data-view="unrolled"] [data-name="h2_t2"]')
    assert page.is_visible("#hint")
    page.mouse.move(5, 5)
    assert page.is_hidden("#hint")


def test_updates_are_shown_and_biological_time_only_where_arrows_take_steps(opened: Callable[..., Any]) -> None:
    states = {"h1": [4, 8, 8], "h2": {"shape": [6, 4, 4], "update": "BR"}}
    page = opened(small(states=states, unroll="engineering"))
    assert page.inner_text("#now") == "t = 3"
    assert page.get_attribute("#time", "aria-valuetext") == "t = 3 of 3"
    page.hover('[data-view="unrolled"] [data-name="h2_t2"]')
    said = page.inner_text("#hint")
    assert re.search(r"time\s+t = 2\s+", said)
    assert re.search(r"update\s+BR\s+", said)
    assert "ms" not in said + page.inner_text("#details")


def test_a_click_lights_up_all_uses(page: Any) -> None:
    page.click('[data-source="h1_t1"][data-target="h2_t2"] text')
    assert names(page, ".arrow.lit") == ["h1_t0-h2_t1", "h1_t1-h2_t2", "h1_t2-h2_t3"]
    assert page.inner_text("#details h2") == "weights b"
    assert page.get_attribute(".chip[data-key='set b']", "aria-pressed") == "true"
    page.click('[data-view="unrolled"] [data-name="h2_t2"]')
    assert names(page, ".value.lit") == ["h1_t1", "h2_t1", "h2_t2", "h2_t3"]
    page.click(".chip[data-key='state h2']")
    assert {"h2_t1", "h2_t2", "h2_t3"} <= set(names(page, ".value.lit"))
    assert "h1_t0" not in names(page, ".value.lit")
    page.click("#stage", position={"x": 3, "y": 3})
    assert page.locator(".lit").count() == 0
    assert page.inner_text("#details h2") == "The net"


def test_search(page: Any) -> None:
    page.keyboard.press("/")
    page.keyboard.type("h2.from_h1.conv")
    options = page.locator("#found [role=option]")
    assert "b" in options.nth(0).inner_text()
    page.keyboard.press("Enter")
    assert names(page, ".arrow.lit") == ["h1_t0-h2_t1", "h1_t1-h2_t2", "h1_t2-h2_t3"]
    assert page.is_hidden("#found")
    page.keyboard.press("/")
    page.fill("#search", "h2_t3")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert page.inner_text("#details h2") == "h2_t3"
    page.fill("#search", "no such thing")
    assert page.inner_text("#found") == "no match"
    page.keyboard.press("Escape")
    assert page.input_value("#search") == ""


def test_everything_works_by_keyboard(page: Any) -> None:
    press = page.keyboard.press
    press("Home")
    assert page.input_value("#time") == "0"
    press("ArrowRight")
    press("ArrowRight")
    press("ArrowLeft")
    assert page.input_value("#time") == "1"
    press("ArrowDown")
    press("ArrowDown")
    assert page.inner_text("#details h2") == "h1"
    press("Escape")
    assert page.inner_text("#details h2") == "The net"
    fitted = place(page)
    press("+")
    assert place(page)[2] == pytest.approx(1.25 * fitted[2], rel=1e-4)
    press("-")
    press("-")
    assert place(page)[2] < fitted[2]
    press("0")
    assert place(page) == fitted
    press("v")
    assert page.is_visible('[data-view="recurrent"] svg')
    assert page.is_hidden('[data-view="unrolled"] svg')
    press("?")
    assert page.is_visible("#keys")
    press("?")
    assert page.is_hidden("#keys")


def test_views_show_the_same_time_and_choice(page: Any) -> None:
    page.fill("#time", "0")
    page.click(".chip[data-key='set b']")
    page.click("#views button:has-text('recurrent')")
    view = '[data-view="recurrent"]'
    idle = page.eval_on_selector_all(f"{view} .state.idle", "found => found.map(each => each.dataset.state)")
    assert sorted(idle) == ["h2", "logits"]
    lit = page.eval_on_selector_all(f"{view} .arrow.lit", "found => found.map(each => each.dataset.place)")
    assert lit == ["h2.from_h1"]
    pressed = page.eval_on_selector_all("#views [aria-pressed=true]", "found => found.map(each => each.value)")
    assert pressed == ["recurrent"]


def test_pan_and_zoom_by_the_pointer(page: Any) -> None:
    x, y, k = place(page)
    page.mouse.move(100, 700 - 120)
    page.mouse.down()
    page.mouse.move(160, 600, steps=4)
    page.mouse.up()
    assert place(page) == pytest.approx((x + 60, y + 20, k), abs=1)
    box = page.locator('[data-name="h1_t1"] rect').bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.wheel(0, -300)
    until(page, f"!document.querySelector('#sheet').style.transform.includes('scale({k})')")
    larger = page.locator('[data-name="h1_t1"] rect').bounding_box()
    assert larger["width"] > 1.3 * box["width"]
    assert larger["x"] + larger["width"] / 2 == pytest.approx(middle[0], abs=1), "it stays under the pointer"


def test_the_picture_cannot_be_lost(page: Any) -> None:
    def seen() -> tuple[float, float]:
        svg, stage = (page.locator(each).bounding_box() for each in ('[data-view="unrolled"] svg', "#stage"))
        across = min(svg["x"] + svg["width"], stage["x"] + stage["width"]) - max(svg["x"], stage["x"])
        return across, min(svg["y"] + svg["height"], stage["y"] + stage["height"]) - max(svg["y"], stage["y"])

    for _ in range(40):
        page.keyboard.press("-")
    assert min(seen()) > 50
    page.keyboard.press("0")
    page.mouse.move(800, 650)
    page.mouse.down()
    page.mouse.move(20, 70, steps=3)
    page.mouse.up()
    page.mouse.move(800, 650)
    page.mouse.down()
    page.mouse.move(20, 70, steps=3)
    page.mouse.up()
    assert min(seen()) > 50


def test_dark_as_the_reader_has_it_or_by_the_button(opened: Callable[..., Any]) -> None:
    def paper(page: Any) -> int:
        colour = page.evaluate("getComputedStyle(document.querySelector('#stage')).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    def ink(page: Any) -> int:
        colour = page.evaluate("getComputedStyle(document.querySelector('[data-name=h1_t1] text')).fill")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    light, dark = (opened(small(), color_scheme=scheme) for scheme in ("light", "dark"))
    assert paper(light) > 700 > 100 > paper(dark)
    assert ink(light) < 200 < 600 < ink(dark)
    light.click("#theme")
    dark.click("#theme")
    assert paper(dark) > 700 > 100 > paper(light)
    assert ink(dark) < 200 < 600 < ink(light)


def test_measurements_are_shown(opened: Callable[..., Any]) -> None:
    measures = {
        "note": "measured on a whim",
        "accuracy": [[2, 0.5], [3, 0.875]],
        "chance": 0.1,
        "norms": [["h1_t0", 1.0], ["h1_t1", 2.0], ["h2_t2", 0.25], ["gone_t9", 1.0]],
    }
    page = opened(content_of(graphnet.plan(small()), measures=measures))
    assert (
        page.get_attribute("#chart svg", "aria-label") == "Accuracy by readout time: 50.0 % at t = 2, 87.5 % at t = 3"
    )
    assert page.locator("#chart text").all_text_contents() == ["50.0 %", "87.5 %"]
    assert page.inner_text("#details .note") == "measured on a whim"
    assert names(page, ".value.measured") == ["h1_t0", "h1_t1", "h2_t2"]
    shares = "found => found.map(each => each.style.getPropertyValue('--heat'))"
    assert page.eval_on_selector_all(".value.measured", shares) == ["50%", "100%", "100%"]
    page.hover('[data-view="unrolled"] [data-name="h2_t2"]')
    assert re.search(r"activity\s+0.250 \(root mean square\)", page.inner_text("#hint"))
    dot, thumb = page.locator("#chart circle.accuracy").nth(1).bounding_box(), page.locator("#time").bounding_box()
    assert dot["x"] + dot["width"] / 2 == pytest.approx(thumb["x"] + thumb["width"] - 8, abs=1.5), "under its time"


def test_readout_times_beyond_the_picture_widen_the_chart(opened: Callable[..., Any]) -> None:
    measures = {"note": "", "accuracy": [[3, 0.25], [6, 0.5]], "chance": 0.1, "norms": []}
    page = opened(content_of(graphnet.plan(small()), measures=measures))
    assert page.locator("#chart text").all_text_contents() == ["t = 3", "t = 6", "25.0 %", "50.0 %"]
    chart, dots = page.locator("#chart svg").bounding_box(), page.locator("#chart circle.accuracy")
    ends = [dots.nth(number).bounding_box() for number in (0, 1)]
    middles = [end["x"] + end["width"] / 2 for end in ends]
    assert middles[1] == pytest.approx(chart["x"] + chart["width"] - 8, abs=1.5)
    assert middles[0] == pytest.approx(chart["x"] + chart["width"] / 2, abs=1.5)


def test_without_scripts_the_picture_is_there(opened: Callable[..., Any]) -> None:
    page = opened(small(), java_script_enabled=False)
    assert page.is_visible('[data-view="unrolled"] [data-name="h1_t1"] rect')
    assert page.is_hidden("footer")
    assert "JavaScript" in page.inner_text("noscript p")


def test_text_stays_text(opened: Callable[..., Any]) -> None:
    states = {"h1": {"shape": [4, 8, 8], "label": EVIL}, "h2": [6, 4, 4]}
    page = opened(small(name=EVIL, cite=EVIL, states=states))
    assert page.title() == EVIL
    assert page.inner_text("#name") == page.inner_text("#cite") == EVIL
    assert EVIL in page.locator('[data-view="unrolled"] text').all_text_contents()
    page.click(".chip[data-key='state h1']")
    assert page.inner_text("#details h2") == EVIL
    page.fill("#search", EVIL)
    assert EVIL in page.locator("#found b").all_text_contents()
    assert page.locator("b:not(#now b, #found b), script").count() == 3, "only the page's own scripts"


def test_controls_have_names(page: Any) -> None:
    nameless = """found => found.filter(each => !(each.getAttribute('aria-label') || each.textContent.trim()))
                       .map(each => each.outerHTML)"""
    assert page.eval_on_selector_all("button, input, [tabindex], [role=group], svg[role=img]", nameless) == []
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"search", "smaller", "fit", "larger", "theme", "help", "stage", "chip", "play", "time"} <= reached


def test_only_the_visible_part_of_a_long_net_is_laid_out(opened: Callable[..., Any]) -> None:
    spec = graphnet.load(ROOT / "specs/liao-poggio/frnn-3-state.toml", settings=["readout.t=120"])
    page = opened(spec)
    everything = 3 * 120 + 9 * 119
    there = '[data-view="unrolled"] [data-t]'
    near = page.locator(there).count()
    assert 50 < near < everything / 3
    assert page.locator('[data-name="h2_t100"]').count() == 0
    assert page.is_hidden("#rows")
    page.fill("#time", "100")
    edge = page.locator("#rows li")
    assert edge.all_text_contents() == ["h1", "h2", "h3", "logits"], "the names of rows that are out of sight"
    row, box = edge.nth(1).bounding_box(), page.locator('[data-name="h2_t100"] rect').bounding_box()
    assert row["y"] + row["height"] / 2 == pytest.approx(box["y"] + box["height"] / 2, abs=2)
    assert page.is_visible('[data-name="h2_t100"].current')
    assert page.locator('[data-name="h2_t3"]').count() == 0
    for _ in range(20):
        page.keyboard.press("-")
    assert page.locator(there).count() > 2 * near


MEET = """svg => {
    const page = svg.getBoundingClientRect();
    const boxes = [...svg.querySelectorAll('text')].map(each => [each.textContent, each.getBoundingClientRect()]);
    const out = boxes.filter(([, box]) => box.left < page.left - 0.5 || box.right > page.right + 0.5
                                        || box.top < page.top - 0.5 || box.bottom > page.bottom + 0.5);
    const meet = [];
    boxes.forEach(([a, one], i) => boxes.slice(i + 1).forEach(([b, two]) => {
        const across = Math.min(one.right, two.right) - Math.max(one.left, two.left);
        const down = Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top);
        if (across > 0.5 && down > 0.5) meet.push(`${a} | ${b}`);
    }));
    return [boxes.length, out.map(([text]) => text), meet];
}"""


@pytest.mark.parametrize(
    "name", ["quickstart", "liao-poggio/frnn-4-state", "vision/cornet-s", "small/lstm", "vision/predictive-coding"]
)
def test_labels_are_on_the_page_and_never_meet(name: str, opened: Callable[..., Any]) -> None:
    page = opened(ROOT / "specs" / f"{name}.toml")
    for view in ("unrolled", "recurrent", "matrix", "plan"):
        page.click(f"#views button[value={view}]")
        while place(page)[2] < 1:
            page.keyboard.press("+")
        count, out, meet = page.eval_on_selector(f'[data-view="{view}"] svg', MEET)
        assert count > 5, view
        assert (out, meet) == ([], []), view


@contextmanager
def viewed(*arguments: str | Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`graphnet view` and its URL; ended by Ctrl-C, like an interactive user would."""
    process = subprocess.Popen(
        [str(PROGRAM), "view", *map(str, arguments), "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=os.environ | {"NO_COLOR": "1"},
        cwd=ROOT,
        preexec_fn=interruptible,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=HANGS)
        assert process.returncode == 0
        assert "Traceback" not in said
    finally:
        process.kill()
        process.communicate()


def saved(path: Path, spec: dict[str, Any]) -> Path:
    path.write_text(json.dumps(spec, indent=1), encoding="utf-8")
    return path


def test_a_saved_spec_is_redrawn_and_errors_are_shown(tmp_path: Path, opened: Callable[..., Any]) -> None:
    path = saved(tmp_path / "net.json", small())
    faults, wrong = "#faults", "#faults.wrong:not([hidden])"
    with viewed(path) as (url, _):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
        page = opened(url)
        page.fill("#time", "2")
        page.click(".chip[data-key='set b']")
        page.keyboard.press("+")
        before = place(page)

        saved(path, small(readout={"t": 5}, name=EVIL))
        page.wait_for_selector('[data-name="logits_t5"]')
        assert page.title() == EVIL
        assert (page.input_value("#time"), page.get_attribute("#time", "max")) == ("2", "5")
        assert page.inner_text("#details h2") == "weights b"
        assert place(page) == before
        assert len(names(page, ".arrow.lit")) == 5

        saved(path, small({"h1": {"h1": "BRC+I", "h9": "<b>C</b>"}}))
        page.wait_for_selector(wrong)
        said = page.inner_text(faults)
        assert f"{path}:" in said
        assert "no state is called 'h9'" in said
        assert '"h9": "<b>C</b>"' in said, "the line"
        assert re.search(r"\^{4}", said), "and the place in it"
        assert page.locator(f"{faults} b").count() == 0
        opacity = "getComputedStyle(document.querySelector('#sheet')).opacity"
        assert float(page.evaluate(opacity)) < 0.6, "the last valid drawing is dimmed"
        assert page.is_visible('[data-name="h1_t1"]')
        page.reload()
        page.wait_for_selector(wrong)
        assert page.is_visible('[data-name="h1_t1"]'), "and remains after a reload"

        saved(path, small())
        page.wait_for_selector(faults, state="hidden")
        assert float(page.evaluate(opacity)) == 1

        path.unlink()
        page.wait_for_selector(wrong)
        assert "there is no such file" in page.inner_text(faults)
        path.write_text(json.dumps(small())[:40])
        until(page, "!document.querySelector('#faults').innerText.includes('no such file')")
        assert page.is_visible(wrong)
        saved(path, small())
        page.wait_for_selector(faults, state="hidden")
        page.close()


def test_a_file_that_is_extended_is_watched_too(tmp_path: Path, opened: Callable[..., Any]) -> None:
    base = saved(tmp_path / "base.json", small())
    path = saved(tmp_path / "net.json", {"graphnet": 1, "extends": "base.json", "name": "upper"})
    with viewed(path, "--set", "readout.t=4") as (url, _):
        page = opened(url)
        assert page.get_attribute("#time", "max") == "4"
        saved(base, small(cite="from below"))
        until(page, "document.querySelector('#cite').textContent === 'from below'")
        assert page.inner_text("#name") == "upper"
        page.close()


def test_a_spec_with_errors_from_the_start(tmp_path: Path, opened: Callable[..., Any]) -> None:
    path = saved(tmp_path / "net.json", small(merge="medium"))
    with viewed(path) as (url, _):
        page = opened(url)
        page.wait_for_selector("#faults.wrong")
        saved(path, small())
        page.wait_for_selector('[data-name="h1_t1"]')
        assert page.is_hidden("#faults")
        page.close()


def test_warnings_can_be_dismissed(opened: Callable[..., Any]) -> None:
    plan = graphnet.plan(small({"h1": {"h1": "I", "h2": "C"}}, {"t": 9, "h1": {"h1": "C"}}))
    assert len(plan.warnings) == 1
    page = opened(content_of(plan, plan.warnings))
    assert "this transition never fires" in page.inner_text("#faults")
    opacity = page.evaluate("getComputedStyle(document.querySelector('#sheet')).opacity")
    assert float(opacity) == 1, "the picture is that of this spec"
    page.click("#faults button")
    assert page.is_hidden("#faults")


@pytest.mark.thorough
def test_a_run_is_shown(tmp_path: Path, opened: Callable[..., Any]) -> None:
    spec = small(post_net={"ops": "BRGL", "classes": 10}, name="trained")
    path, run = saved(tmp_path / "net.json", spec), tmp_path / "run"
    command = [str(PROGRAM), "train", str(path), "-o", str(run), "--epochs", "1", "--device", "cpu"]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    with viewed(path, "--run", run, "--device", "cpu") as (url, _):
        page = opened(url)
        assert "450 test images of digits" in page.inner_text("#details .note")
        assert len(names(page, ".value.measured")) == 7
        saved(path, spec | {"readout": {"t": 4}})
        page.wait_for_selector('[data-name="logits_t4"]')
        assert page.is_visible("#chart svg"), "it stays over a redraw"
        page.close()


def test_refusals_of_view(tmp_path: Path) -> None:
    def said(*arguments: str | Path) -> tuple[int, str]:
        command = [str(PROGRAM), "view", *map(str, arguments), "--no-browser"]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT, timeout=HANGS)
        return done.returncode, done.stderr

    path = saved(tmp_path / "net.json", small())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, error = said(path, "--port", str(port))
    assert status == 1
    assert error == f"error: port {port} is in use\n  give another port, or leave --port out to use a free one\n"
    assert said(tmp_path / "none.toml") == (1, f"{tmp_path / 'none.toml'}: error: there is no such file\n")
    assert said("-")[0] == 2
    status, error = said(path, "--run", tmp_path)
    assert status == 1
    assert error.startswith(f"error: {tmp_path} is not a run folder")
