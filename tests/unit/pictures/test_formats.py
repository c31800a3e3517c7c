"""Picture formats: valid files, reproducible bytes, and refusal of other formats."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

import graphnet
from graphnet.pictures.elements import FONT, PictureWarning, text_width
from graphnet.pictures.formats import FORMATS, NoFormatError, drawn, stills
from graphnet.pictures.views import VIEWS, PictureOptions, Rendering, picture
from graphnet.pictures.write.svg import Drawing, to_svg
from graphnet.planning.plan import Fate
from tests.conftest import ROOT
from tests.small import small
from tests.unit.pictures.test_views import STRANGE

BEGIN = {".svg": b"<svg", ".png": b"\x89PNG", ".pdf": b"%PDF", ".gif": b"GIF89a", ".dot": b"digraph", ".gv": b"digraph"}
MADE = [(view, suffix) for suffix, each in FORMATS.items() for view in each.views if suffix in BEGIN]


@pytest.fixture(scope="module")
def wanted() -> Rendering:
    return Rendering(graphnet.plan(small(name="$x_1$ $")), PictureOptions(width=0))


def viewed(rendering: Rendering, view: str, style: str = "light") -> Rendering:
    return Rendering(rendering.plan, PictureOptions(view, style, width=0))


@pytest.mark.parametrize(("view", "suffix"), MADE)
def test_a_file_is_what_its_suffix_says_and_the_same_each_time(view: str, suffix: str, wanted: Rendering) -> None:
    first, second = (drawn(f"net{suffix.upper()}", viewed(wanted, view)) for _ in range(2))
    assert first.startswith(BEGIN[suffix])
    assert first == second


def test_dot_of_the_unrolled_net_has_its_values_and_arrows(wanted: Rendering) -> None:
    lines = drawn("net.dot", wanted).decode().splitlines()
    values = [line for line in wanted.plan.lines if line.op.kind == "value"]
    fired = [firing for firing in wanted.plan.firings if firing.fate is Fate.FIRES]
    assert sum("->" in line for line in lines) == len(fired)
    assert sum(line.startswith("\tvalue") and "->" not in line for line in lines) == len(values)
    assert '\tvalue2 [label="h1\\nt = 1"]' in lines


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
@pytest.mark.parametrize("view", ["unrolled", "recurrent"])
def test_graphviz_reads_dot_text_and_shows_strange_text_as_it_is(view: str) -> None:
    states = {"h1": {"shape": [4, 8, 8], "label": STRANGE}, "h2": [6, 4, 4]}
    text = drawn(
        "net.dot",
        Rendering(graphnet.plan(small(name=STRANGE, cite="<b>x</b>", states=states)), PictureOptions(view, width=0)),
    )
    svg = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, check=True).stdout
    shown = [element.text for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    clean = "</script><b>&amp; \"q\" 'é視' \ufffd\ufffd[31m\ufffd ]]>"
    assert {clean, "<b>x</b>"} <= {(text or "").replace("\xa0", " ") for text in shown}


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_characters_that_the_font_lacks_are_no_fault(suffix: str) -> None:
    odd = Rendering(graphnet.plan(small(name=STRANGE, cite="視覚野 $\\frac{$")), PictureOptions(width=0))
    with pytest.warns(PictureWarning, match=r"DejaVu Sans, .* has no 視 覚 野: drawn as boxes"):
        assert drawn(f"net{suffix}", odd).startswith(BEGIN[suffix])


def test_settings_of_matplotlib_neither_matter_nor_change(wanted: Rendering, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl

    plain = drawn("net.png", wanted)
    mine = {"backend": "svg", "text.usetex": True, "savefig.bbox": "tight", "path.simplify": False, "font.size": 30}
    for name, value in mine.items():
        monkeypatch.setitem(mpl.rcParams, name, value)
    assert drawn("net.png", wanted) == plain
    assert {name: mpl.rcParams[name] for name in mine} == mine


def test_every_view_is_a_vector_and_a_pixel_picture() -> None:
    assert {(view, suffix) for view in VIEWS for suffix in (".svg", ".png", ".pdf")} <= set(MADE)


@pytest.mark.parametrize("view", VIEWS)
def test_a_png_has_the_picture_s_size_and_colours(view: str, wanted: Rendering) -> None:
    shown = picture(wanted.plan, PictureOptions(view, width=0))
    image = Image.open(BytesIO(drawn("net.png", viewed(wanted, view)))).convert("RGB")
    scale = 300 / 96
    assert image.width == pytest.approx(scale * shown.width, abs=2)
    assert image.height == pytest.approx(scale * shown.height, abs=2)
    box = shown.nodes[0].box
    assert image.getpixel((0, 0)) == (255, 255, 255)
    inside = image.getpixel((round(scale * (box.x + 4)), round(scale * (box.y + box.h - 4))))
    assert inside == tuple(bytes.fromhex(shown.nodes[0].fill[1:]))
    dark = Image.open(BytesIO(drawn("net.png", viewed(wanted, view, "dark")))).convert("RGB")
    assert max(dark.getpixel((0, 0))) < 40


def test_text_of_a_pdf_is_text(wanted: Rendering) -> None:
    data = drawn("net.pdf", wanted)
    assert b"/Type /Font" in data
    assert b"/Subtype /Type0" in data or b"/FontFile2" in data, "TrueType, not outlines (fonttype 42)"
    assert b"CreationDate" not in data


@pytest.mark.parametrize("view", ["unrolled", "recurrent"])
def test_a_gif_has_a_frame_a_step(view: str, wanted: Rendering) -> None:
    image = Image.open(BytesIO(drawn("net.gif", viewed(wanted, view))))
    assert image.n_frames == wanted.plan.last_time + 1
    seen = set()
    for number in range(image.n_frames):
        image.seek(number)
        seen.add(image.convert("RGB").tobytes())
    assert len(seen) == image.n_frames


def test_stills_are_numbered_in_the_order_of_time(wanted: Rendering) -> None:
    compiled = graphnet.plan(small({"h1": {"h1": "C"}}, states={"h1": [4, 8, 8]}, readout={"t": 10}))
    made = dict(stills(Rendering(compiled, PictureOptions("recurrent", width=0))))
    assert list(made) == sorted(made) == [f"t{t:02}.png" for t in range(11)]
    assert all(data.startswith(BEGIN[".png"]) for data in made.values())
    with pytest.raises(NoFormatError, match="unrolled and recurrent"):
        list(stills(viewed(wanted, "plan")))


def test_an_animation_of_very_many_steps_is_refused() -> None:
    compiled = graphnet.plan(small({"h1": {"h1": "C"}}, states={"h1": [4, 8, 8]}, readout={"t": 200}))
    with pytest.raises(NoFormatError, match="201 time steps are too many"):
        drawn("net.gif", Rendering(compiled, PictureOptions("recurrent", width=0)))


@pytest.mark.parametrize(
    ("path", "view", "said"),
    [
        ("net.jpg", "matrix", "no picture format is called '.jpg'\n  the matrix view: .svg, .png, .pdf"),
        ("net", "plan", "no picture format is called ''\n"),
        ("net.gif", "matrix", "the matrix view cannot be drawn as '.gif'\n"),
        ("net.dot", "plan", "the plan view cannot be drawn as '.dot'\n"),
        (
            "net.bmp",
            "unrolled",
            "no picture format is called '.bmp'\n  the unrolled view: .svg, .png, .pdf",
        ),
    ],
)
def test_unknown_formats_are_refused_with_a_list(path: str, view: str, said: str, wanted: Rendering) -> None:
    with pytest.raises(NoFormatError) as caught:
        drawn(path, viewed(wanted, view))
    assert str(caught.value).startswith(said)


def test_a_large_picture_is_drawn_smaller_with_a_warning() -> None:
    compiled = graphnet.plan(ROOT / "specs" / "he" / "preact-resnet-1001.toml")
    with pytest.warns(PictureWarning, match=r"drawn at \d+ pixels per inch, not 300: .* more than 20,000 pixels"):
        image = Image.open(BytesIO(drawn("net.png", Rendering(compiled, PictureOptions(width=0)))))
    assert 19_000 < image.width <= 20_001


@pytest.mark.parametrize("dpi", [72, 300, 600])
def test_pixels_an_inch(dpi: int, wanted: Rendering, tmp_path: Path) -> None:
    graphnet.draw(small(), tmp_path / "net.png", dpi=dpi)
    image = Image.open(BytesIO((tmp_path / "net.png").read_bytes()))
    assert image.info["dpi"] == pytest.approx((dpi, dpi), abs=0.01)
    made = Rendering(wanted.plan, PictureOptions(dpi=dpi))
    size = [side / 96 * dpi for side in (made.picture.width, made.picture.height)]
    assert image.size == pytest.approx(size, abs=2)
    frame = Image.open(BytesIO(drawn("net.gif", made)))
    assert frame.width == pytest.approx(size[0], abs=2)
    assert frame.height > size[1]


@pytest.mark.parametrize("dpi", [0, -1, 9, 1e9, float("nan")])
def test_invalid_pixels_per_inch(dpi: float) -> None:
    with pytest.raises(ValueError, match="pixels per inch: choose 10 to 2400"):
        graphnet.draw(small(), dpi=dpi)


def test_svg_asks_for_the_font_of_png_first(wanted: Rendering) -> None:
    from matplotlib.font_manager import findfont, get_font

    fonts = re.search(r'<svg[^>]* font-family="([^"]*)"', to_svg(wanted.picture))
    assert fonts
    assert fonts[1].split(",")[0].strip("'") == get_font(findfont(FONT, fallback_to_default=False)).family_name


def test_no_character_is_wider_than_it_is_taken_for() -> None:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    for weight in ("normal", "bold"):
        font = get_font(findfont(FontProperties(family=FONT, weight=weight), fallback_to_default=False))
        font.set_size(1000, 72)
        for char in map(chr, range(0x20, 0x7F)):
            width = font.load_char(ord(char)).linearHoriAdvance / 65536 / 1000
            assert width <= text_width(char, 1, bold=weight == "bold") + 1e-3, (char, weight)


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf", ".gif", ".dot", ".html"])
def test_a_title_can_be_left_out_of_every_format(suffix: str, tmp_path: Path) -> None:
    made = {}
    for title in (True, False):
        graphnet.draw(small(name="Zebra"), tmp_path / f"net{suffix}", title=title)
        made[title] = (tmp_path / f"net{suffix}").read_bytes()
    assert made[True] != made[False]
    if suffix in (".svg", ".dot"):
        text = made[False].decode()
        assert "Zebra" not in text.replace("<title>Zebra</title>", "")


def test_draw_gives_svg_that_shows_itself_and_writes_the_format(tmp_path: Path) -> None:
    for view in VIEWS:
        svg = graphnet.draw(small(), tmp_path / f"{view}.png", view=view, style="dark")
        assert svg == to_svg(picture(graphnet.plan(small()), PictureOptions(view, "dark")))
        assert isinstance(svg, Drawing)
        assert svg._repr_svg_() == svg._repr_html_() == str(svg)
        assert type(svg._repr_svg_()) is str
        assert (tmp_path / f"{view}.png").read_bytes().startswith(BEGIN[".png"])
    assert graphnet.draw(small(), dead=True) != graphnet.draw(small())
    assert graphnet.draw(small(), width=60) != graphnet.draw(small())


@pytest.mark.parametrize("wrong", [{"view": "side"}, {"style": "grey"}])
def test_unknown_views_and_styles_are_named_with_the_known(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"'(side|grey)': choose one of .*(plan|dark)"):
        graphnet.draw(small(), **wrong)


BARE = """
import sys
import graphnet
for view in ("unrolled", "recurrent", "matrix", "plan"):
    for suffix in ("svg", "png"):
        graphnet.draw("specs/quickstart.toml", f"{sys.argv[1]}/{view}.{suffix}", view=view)
"""


def test_with_nothing_on_the_path_every_view_is_drawn(tmp_path: Path) -> None:
    env = os.environ | {"PATH": "", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", BARE, str(tmp_path)], cwd=ROOT, env=env, check=True, capture_output=True)
    for view in VIEWS:
        assert (tmp_path / f"{view}.svg").read_bytes().startswith(BEGIN[".svg"])
        assert (tmp_path / f"{view}.png").read_bytes().startswith(BEGIN[".png"])


def test_svg_and_dot_load_no_matplotlib() -> None:
    code = (
        "import sys, graphnet\n"
        "for view in ('unrolled', 'recurrent', 'matrix', 'plan'): graphnet.draw('specs/quickstart.toml', view=view)\n"
        "assert not {'matplotlib', 'numpy', 'PIL', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
