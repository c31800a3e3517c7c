"""PNG, PDF and animated GIF by matplotlib; equal pictures give equal bytes."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from graphnet.pictures.elements import FONT, NOWHERE, Curve, Label, Node, Picture, PictureWarning, arrowhead

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNIT = 96.0
"""Picture units per inch."""

MOST_PIXELS, MOST_GIF_PIXELS = 20_000, 3_000
"""Most pixels along either side; a larger picture is scaled down."""

MOST_INCHES = 199.0
"""PDF's largest page; a larger picture is scaled down."""

SECONDS_A_FRAME, LAST_FRAME = 0.7, 2.0
FEW, MOST_LATIN = 12, 0xFF
"""Most missing characters to name; last code point that every font has."""


def png(picture: Picture, dpi: float) -> bytes:
    """Render at `dpi` pixels per inch, or at fewer, with a warning, if the picture would be too large."""
    return _pixels(picture, _at_most(dpi, MOST_PIXELS, picture))


def _pixels(picture: Picture, dpi: float) -> bytes:
    return _saved(picture, "png", dpi=dpi, metadata={"Software": None})


def _at_most(dpi: float, pixels: int, picture: Picture) -> float:
    """Limit `dpi` so that neither side has more than `pixels` pixels."""
    most = pixels * UNIT / max(picture.width, picture.height)
    if dpi > most:
        text = f"drawn at {most:.0f} pixels per inch, not {dpi:g}: no side may have more than {pixels:,} pixels"
        warnings.warn(text, PictureWarning, stacklevel=4)
    return min(dpi, most)


def pdf(picture: Picture) -> bytes:
    """Render as PDF; text stays text."""
    nothing = dict.fromkeys(("CreationDate", "ModDate", "Producer", "Creator"))
    return _saved(picture, "pdf", MOST_INCHES, metadata=nothing)


def gif(pictures: Sequence[Picture], dpi: float) -> bytes:
    """Render a looping animation; all pictures have the same size."""
    from PIL import Image

    frames = []
    dpi = _at_most(dpi, MOST_GIF_PIXELS, pictures[0])
    for picture in pictures:
        data = BytesIO(_pixels(picture, dpi))
        frames.append(Image.open(data).convert("RGB").quantize(128, dither=Image.Dither.NONE))
    file = BytesIO()
    times = [round(1000 * SECONDS_A_FRAME)] * (len(frames) - 1) + [round(1000 * LAST_FRAME)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=False)
    return file.getvalue()


def _saved(picture: Picture, kind: str, most: float = math.inf, **how: Any) -> bytes:
    """Render a picture no larger than `most` inches; warn about characters that the font lacks."""
    if lacking := _lacking(picture):
        shown = " ".join(lacking[:FEW]) + (" …" if len(lacking) > FEW else "")
        text = f"{FONT}, the font of PNG and PDF, has no {shown}: drawn as boxes; SVG shows them"
        warnings.warn(text, PictureWarning, stacklevel=3)
    file = BytesIO()
    with _quiet():
        import matplotlib as mpl

        settings: dict[Any, Any] = {**mpl.rcParamsDefault, "pdf.fonttype": 42, "font.family": FONT}
        settings.pop("backend", None)  # rc_context does not restore it
        with mpl.rc_context(settings):
            _figure(picture, most).savefig(file, format=kind, facecolor=picture.paper, **how)
    return file.getvalue()


def _lacking(picture: Picture) -> list[str]:
    """Characters of labels that the font has no glyph for."""
    used = sorted({char for each in picture.labels for char in each.text if ord(char) > MOST_LATIN})
    if not used:
        return []
    with _quiet():
        from matplotlib.font_manager import findfont, get_font

        font = get_font(findfont(FONT))
    return [char for char in used if not font.get_char_index(ord(char))]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings about matplotlib's caches and about missing characters, which are drawn as boxes."""
    log = logging.getLogger("matplotlib")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _figure(picture: Picture, most: float) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Affine2D

    width, height = picture.width / UNIT, picture.height / UNIT
    scale = min(1.0, most / max(width, height))
    figure = Figure(figsize=(width * scale, height * scale))
    to_page = Affine2D().scale(1 / picture.width, -1 / picture.height).translate(0, 1) + figure.transFigure
    points = 72 / UNIT * scale
    for curve in picture.curves:
        _draw_curve(figure, curve, to_page, points)
    for node in picture.nodes:
        _draw_node(figure, node, to_page, points)
    for label in picture.labels:
        _draw_label(figure, label, to_page, points)
    return figure


def _draw_curve(figure: Figure, curve: Curve, to_page: Any, points: float) -> None:
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path

    codes, corners = [], []
    for code, through in curve.path:
        codes += [{"M": Path.MOVETO, "L": Path.LINETO, "C": Path.CURVE4}[code]] * len(through)
        corners += list(through)
    width = curve.stroke.width * points
    dashes = [float(each) / curve.stroke.width for each in curve.stroke.dash.split()]
    style: Any = (0, dashes) if dashes else "-"
    path = PathPatch(
        Path(corners, codes),
        fill=False,
        edgecolor=curve.stroke.colour,
        linewidth=width,
        linestyle=style,
        capstyle="butt",
        transform=to_page,
    )
    figure.add_artist(path)
    if curve.head != NOWHERE:
        figure.add_artist(Polygon(arrowhead(curve), facecolor=curve.stroke.colour, edgecolor="none", transform=to_page))


def _draw_node(figure: Figure, node: Node, to_page: Any, points: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    dashes = [float(each) / 0.8 for each in node.dash.split()]
    style: Any = (0, dashes) if dashes else "-"
    box = FancyBboxPatch(
        (node.box.x, node.box.y),
        node.box.w,
        node.box.h,
        boxstyle=f"round,pad=0,rounding_size={node.radius}" if node.radius else "square,pad=0",
        facecolor=node.fill,
        edgecolor=node.frame,
        linewidth=(2.0 if node.heavy else 0.8) * points,
        linestyle=style,
        transform=to_page,
    )
    figure.add_artist(box)


def _draw_label(figure: Figure, label: Label, to_page: Any, points: float) -> None:
    figure.text(
        label.x,
        label.baseline,
        label.text,
        fontsize=label.size * points,
        fontweight="bold" if label.bold else "normal",
        color=label.colour,
        horizontalalignment={"start": "left", "middle": "center", "end": "right"}[label.anchor],
        verticalalignment="baseline",
        transform=to_page,
        parse_math=False,
    )
